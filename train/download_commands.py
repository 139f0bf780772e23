"""`python -m train data sources` and `download`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from filelock import FileLock, Timeout
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from mobile_runtime.console import err, out, print_json
from mobile_runtime.errors import DataError
from mobile_runtime.options import JsonOption
from train.downloads import DownloadError, Fetched, fetch
from train.sources import SOURCES_PATH, ListedFiles, Source, SourceFile, is_inside, read_sources
from train.tables import read_frame, require_columns
from train.unpacking import unpack

_AT_ONCE = 8
"""Small files fetched side by side."""

RegistryOption = Annotated[Path, typer.Option(help="YAML of data sets, as train/sources.yaml.")]


def sources(registry: RegistryOption = SOURCES_PATH, as_json: JsonOption = False) -> None:
    """List the public data sets that can be fetched, their size and licence."""
    known = read_sources(registry)
    if as_json:
        print_json({name: source.model_dump(by_alias=True) for name, source in known.items()})
        return
    for name, source in known.items():
        known_bytes = sum(file.size_bytes or 0 for file in source.files)
        size = f"{known_bytes / 1e9:.1f} GB" if known_bytes else "size not stated"
        how = f"register at {source.register_at}" if source.register_at else size
        lines = (f"[bold]{name}[/]: {source.title}", f"    {source.licence}, {source.licence_url}", f"    {how}")
        out.print("\n".join(lines), highlight=False, soft_wrap=True)


def download(
    name: Annotated[str, typer.Argument(help="One of `data sources`.")],
    folder: Annotated[Path, typer.Argument(help="Folder for it; what is there already is kept and checked.")],
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="You have read the licence and accept it.")] = False,
    registry: RegistryOption = SOURCES_PATH,
    as_json: JsonOption = False,
) -> None:
    """Fetch a public data set in the layout that --data reads; cut off, it goes on where it was.

    Checksums are compared where the publisher states them; where not, the computed one is recorded beside the file.
    """
    known = read_sources(registry)
    if name not in known:
        raise DataError(f"no data set {name!r}; there are {', '.join(known)}")
    source = known[name]
    if source.register_at:
        raise DataError(f"{name} is given to registered persons only: register at {source.register_at}, unpack it, give --data")
    _agree(name, source, accept_licence)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from error
    with _alone(folder):
        rows = [_one(file, folder) for file in source.files]
        if source.listed:
            rows.append(_listed(source.listed, folder))
    if as_json:
        print_json({"name": name, "folder": str(folder), "licence": source.licence, "files": rows, "note": source.note})
        return
    for row in rows:
        vouched = {
            None: "the publisher states no checksum; the computed one is recorded",
            "record": "as recorded by an earlier run; the publisher states no checksum",
            "before": "unpacked before",
            "each": f"{row.get('files')} files, each checked when it came",
        }.get(row["checked"], f"{row['checked']} as the publisher states it")
        out.print(f"{row['path']}: {row['size_bytes']} bytes, {vouched}", highlight=False, soft_wrap=True)
    if source.note:
        out.print(source.note, highlight=False)


def _agree(name: str, source: Source, accepted: bool) -> None:
    licence = f"Licence: {source.licence}, {source.licence_url}"
    err.print(f"{source.title}\n{source.page}\n{licence}\n{source.terms}", highlight=False, soft_wrap=True)
    if accepted:
        return
    if not sys.stdin.isatty():
        raise DataError(f"the licence of {name} must be accepted: read {source.licence_url} and give --accept-licence")
    if not typer.confirm("Do you accept the licence?", err=True):
        raise DataError(f"the licence of {name} was not accepted; nothing was fetched")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".download.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DownloadError(f"{folder}: another download into it is running; wait for it") from None
    try:
        yield
    finally:
        lock.release()


def _bars() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, transient=True)


def _one(file: SourceFile, folder: Path) -> dict[str, Any]:
    """Fetch a file and unpack it where it is an archive; an archive that was unpacked before is not fetched again."""
    target, unpacked = folder / file.name, folder / file.unpack if file.unpack else None
    if unpacked and unpacked.is_dir() and not target.exists():
        return {"path": str(unpacked), "size_bytes": 0, "sha256": None, "checked": "before", "unpacked": str(unpacked)}
    with _bars() as bars:
        task = bars.add_task(file.name, total=file.size_bytes)
        fetched = fetch(file, target, lambda have, total: bars.update(task, completed=have, total=total))
    if unpacked and not unpacked.is_dir():
        with err.status(f"unpack {target.name}"):
            unpack(target, unpacked)
    return _row(fetched) | {"unpacked": str(unpacked) if unpacked else None}


def _row(fetched: Fetched) -> dict[str, Any]:
    return asdict(fetched) | {"path": str(fetched.path)}


def _listed(listed: ListedFiles, folder: Path) -> dict[str, Any]:
    """Fetch the files that a table names; all are tried before those that failed are reported."""
    table = folder / listed.table
    frame = read_frame(table)
    require_columns(table, frame, *listed.columns)
    names = sorted({cell for column in listed.columns for cell in frame[column] if cell})
    if outside := [name for name in names if not is_inside(name)]:
        raise DownloadError(f"{table}: {outside[0]!r} leaves the folder of the data set; nothing of it was fetched")

    def get(name: str) -> Fetched | DownloadError:
        # Not fetched and checked again each time: there are thousands.
        if (path := folder / name).is_file():
            return Fetched(path, path.stat().st_size, "", "before")
        try:
            return fetch(SourceFile(name=name, url=listed.base_url + quote(name)), path, record=False)
        except DownloadError as error:
            return error

    results: list[Fetched | DownloadError] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool, _bars() as bars:
        task = bars.add_task(f"{len(names)} files", total=None)
        try:
            for result in pool.map(get, names):
                results.append(result)
                size = 0 if isinstance(result, DownloadError) else result.size_bytes
                bars.update(task, advance=size, description=f"{len(results)} of {len(names)} files")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # else an interrupted run would first fetch all that is left
            raise
    if failed := [result for result in results if isinstance(result, DownloadError)]:
        raise DownloadError(
            f"{len(failed)} of {len(names)} files of {table.name} did not come; run the command again, or take what is gone "
            f"out of the table; the first: {failed[0]}"
        )
    fetched = [result for result in results if isinstance(result, Fetched)]
    return {
        "path": str(folder),
        "files": len(fetched),
        "size_bytes": sum(result.size_bytes for result in fetched),
        "sha256": None,
        "checked": "each" if all(result.checked for result in fetched) else None,
        "unpacked": None,
    }
