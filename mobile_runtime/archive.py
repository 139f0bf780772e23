"""Large archives of photographs, and what is in one, always in the same order.

An archive is a folder, a CSV with a column of paths, or WebDataset shards (uncompressed tar files).
"""

from __future__ import annotations

import csv
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mobile_runtime.decoding import EXTENSIONS, MAX_BYTES, read_bytes
from mobile_runtime.errors import CaptureError, DataError
from mobile_runtime.files import changed_ns, files_below
from mobile_runtime.watching import is_left_out

_SYSTEM_FOLDERS = {"lost+found", "System Volume Information", "$RECYCLE.BIN"}
"""At the root of a volume, closed to its users, and without photographs."""


@dataclass(frozen=True)
class Item:
    """One image of an archive.

    Attributes:
        image: its name in the results: the path below the source folder, the path as the CSV has it, or SHARD/MEMBER.
        file: absolute path of the file, or of its shard.
        size_bytes: None for a file that is not there.
        changed_ns: time of change of the file or shard, see `files.changed_ns`.
        offset: where its bytes begin in the shard; None for a file of its own.
    """

    image: str
    file: str
    size_bytes: int | None
    changed_ns: int | None
    offset: int | None = None

    def read(self) -> bytes:
        """The bytes of the image file.

        Raises:
            CaptureError: missing, unreadable, empty, cut short, or over 64 MiB; or its shard has changed.
        """
        if self.offset is None or self.size_bytes is None:
            return read_bytes(self.file)
        if not 0 < self.size_bytes <= MAX_BYTES:
            raise CaptureError(f"{self.image}: {self.size_bytes} bytes, not 1 to {MAX_BYTES}; export it again")
        try:
            with open(self.file, "rb") as shard:
                if self.changed_ns not in (None, changed_ns(os.fstat(shard.fileno()))):
                    raise CaptureError(f"{self.image}: its shard has changed since it was listed; start over with --fresh")
                shard.seek(self.offset)
                data = shard.read(self.size_bytes)
        except OSError as error:
            raise CaptureError(f"{self.file}: cannot be read ({error.strerror}); check the path") from error
        if len(data) < self.size_bytes:
            raise CaptureError(f"{self.image}: cut short in its shard; copy the shard again")
        return data


@dataclass(frozen=True)
class Contents:
    """What was found in an archive.

    Attributes:
        items: every image, in the order of the results.
        left_out: ending, in lower case -> how many files are not judged because of it, shards' members included.
    """

    items: list[Item]
    left_out: Counter[str]


def look_through(source: Path, column: str = "path") -> Contents:
    """Find every image of an archive.

    Args:
        source: a folder, searched to any depth and through links for images and .tar shards; a .tar shard; or a .csv of paths.
            A file of an image's name that cannot be read, be it a link that leads nowhere, is an image, too.
        column: of a CSV; relative paths are below the CSV's folder.

    Raises:
        DataError: nothing there, an unreadable folder, table or shard, a row without a path, or a name that comes twice.
    """
    left_out: Counter[str] = Counter()
    if source.is_dir():
        found = [
            item
            for file in files_below(source, _refuse)
            for item in _of_file(file, file.relative_to(source).as_posix(), left_out)
        ]
    elif source.suffix.lower() == ".csv":
        found = [_stamped(path, source.parent / path) for path in _paths(source, column)]
    elif source.is_file():
        found = list(_of_file(source, source.name, left_out))
    else:
        raise DataError(f"{source}: no such archive; give a folder, a .csv of paths or a .tar shard")
    if not found:
        raise DataError(f"{source}: no images; there should be {', '.join(EXTENSIONS)} or .tar shards of them")
    if twice := [name for name, times in Counter(item.image for item in found).items() if times > 1]:
        raise DataError(f"{source}: {len(twice)} images are named more than once, first {twice[0]!r}; name each once")
    return Contents(found, left_out)


def _refuse(error: OSError) -> None:
    if os.path.basename(error.filename) in _SYSTEM_FOLDERS:
        return
    raise DataError(
        f"{error.filename}: cannot be looked through ({error.strerror}); check its permissions or take it out"
    ) from error


def _of_file(file: Path, name: str, left_out: Counter[str]) -> Iterator[Item]:
    if file.name.startswith("."):
        return
    if file.suffix.lower() in EXTENSIONS:
        yield _stamped(name, file)
    elif file.suffix.lower() == ".tar":
        yield from _of_shard(file, name, left_out)
    elif is_left_out(file):
        left_out[file.suffix.lower()] += 1


def _stamped(name: str, file: Path) -> Item:
    try:
        stat = file.stat()
    except (OSError, ValueError):  # ValueError: a zero in the name
        return Item(name, os.path.abspath(file), None, None)
    return Item(name, os.path.abspath(file), stat.st_size, changed_ns(stat))


def _of_shard(file: Path, name: str, left_out: Counter[str]) -> Iterator[Item]:
    try:
        if file.exists() and not file.is_file():  # opening a named pipe would wait for ever
            raise DataError(f"{file}: not a file; take it out")
        changed = changed_ns(file.stat())
        with tarfile.open(file, "r:") as shard:
            for member in shard:
                if member.isreg() and is_left_out(PurePosixPath(member.name)):
                    left_out[PurePosixPath(member.name).suffix.lower()] += 1
                if Path(member.name).name.startswith(".") or not member.name.lower().endswith(EXTENSIONS):
                    continue
                if member.islnk() or member.issym():
                    raise DataError(
                        f"{file}: {member.name} is a link to {member.linkname}; pack the files themselves "
                        "(tar --dereference --hard-dereference)"
                    )
                if member.issparse():
                    raise DataError(f"{file}: {member.name} is stored with holes; pack it again (tar without --sparse)")
                if member.isreg():
                    yield Item(f"{name}/{member.name}", os.path.abspath(file), member.size, changed, member.offset_data)
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{file}: not a whole uncompressed tar file ({error}); unpack or copy it again") from error


def _paths(table: Path, column: str) -> list[str]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            if column not in (reader.fieldnames or ()):
                raise DataError(f"{table}: no column {column!r}; there are {', '.join(reader.fieldnames or ())}")
            rows = [(reader.line_num, row[column] or "") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: not a readable CSV ({error})") from error
    if empty := [line for line, path in rows if not path.strip()]:
        where = f"{len(empty)} rows without a file in column {column!r}, first in line {empty[0]}"
        raise DataError(f"{table}: {where}; fill them in or take them out")
    return [path for _line, path in rows]
