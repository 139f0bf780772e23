"""Images in tar archives, as WebDataset lays them out: `KEY.jpg` and `KEY.json` side by side, the latter with a row's columns.

An image in an archive has the path `SHARD.tar/MEMBER`. Archives are not unpacked: the store of decoded pixels (`train.cache`)
reads each member once, by its offset.
"""

from __future__ import annotations

import json
import tarfile
from functools import lru_cache
from pathlib import Path

import pandas as pd

from mobile_runtime.decoding import EXTENSIONS
from mobile_runtime.errors import DataError

_Place = tuple[int, int]
"""Offset and size of a member in bytes."""


def split_path(path: Path) -> tuple[Path, str] | None:
    """The archive and the member that a path means; None for a file of its own."""
    archive = next((parent for parent in path.parents if parent.suffix == ".tar" and parent.is_file()), None)
    return None if archive is None else (archive, path.relative_to(archive).as_posix())


def read_image(path: Path) -> Path | bytes:
    """What to decode: the path of a file, or the bytes of a member.

    Raises:
        DataError: the archive has no such member, or is damaged.
    """
    if (found := split_path(path)) is None:
        return path
    archive, member = found
    if (place := _members(archive, archive.stat().st_mtime_ns).get(member)) is None:
        raise DataError(f"{archive}: has no {member!r}; make the shard again")
    return _read(archive, place)


def read_shards(root: Path) -> tuple[pd.DataFrame, dict[str, list[Path]]] | None:
    """Rows and image files of all `*.tar` in a folder; None where there is none.

    Returns:
        The columns of the JSON files as strings, and the images by the names that an id may call them.

    Raises:
        DataError: a damaged archive, an image without its JSON, or JSON that is no row.
    """
    archives = sorted(root.glob("*.tar"))
    if not archives:
        return None
    rows: list[dict[str, str]] = []
    files: dict[str, list[Path]] = {}
    for archive in archives:
        members = _members(archive, archive.stat().st_mtime_ns)
        for member, place in members.items():
            key = Path(member)
            if key.suffix == ".json":
                rows.append(_row(archive, member, place))
            elif key.suffix.lower() in EXTENSIONS:
                if key.with_suffix(".json").as_posix() not in members:
                    raise DataError(f"{archive}: {member} has no {key.stem}.json beside it; make the shard again")
                for name in {member, key.name, key.stem}:
                    files.setdefault(name, []).append(archive / member)
    return pd.DataFrame(rows, dtype=str).fillna(""), files


def _row(archive: Path, member: str, place: _Place) -> dict[str, str]:
    try:
        cells = json.loads(_read(archive, place))
        return {name: "" if value is None else str(value) for name, value in cells.items()}
    except (ValueError, AttributeError) as error:
        raise DataError(f"{archive}: {member} is not a JSON object of columns ({error}); make the shard again") from error


def _read(archive: Path, place: _Place) -> bytes:
    offset, size = place
    with archive.open("rb") as stream:
        stream.seek(offset)
        return stream.read(size)


@lru_cache(maxsize=4096)
def _members(archive: Path, changed_ns: int) -> dict[str, _Place]:
    """Where the files of an archive lie; `changed_ns` makes a changed archive another one."""
    try:
        with tarfile.open(archive, "r:") as opened:
            return {member.name: (member.offset_data, member.size) for member in opened if member.isfile()}
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{archive}: not a whole tar archive ({error}); make the shard again") from error
