"""Files that are whole or not there: write to a temporary path, then rename."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mobile_runtime.errors import DataError


def _beside(path: Path) -> str:
    return f".{path.name[:32]}."  # a name of nearly the greatest length has no room for more


def check_place(path: Path, folder: bool = False) -> None:
    """Refuse a place to write to before the work is done, not after.

    Args:
        path: of the file, or of the folder for files, which need not be there; folders above it are made when it is written.
        folder: whether it is the folder.

    Raises:
        DataError: it, or what is above it, is something else or may not be written to.
    """
    if not folder and path.exists() and not path.is_file():
        raise DataError(f"{path}: {'a folder' if path.is_dir() else 'no plain file'}; give the file to write")
    above = (path, *path.parents) if folder else path.parents
    there = next((place for place in above if os.path.lexists(place)), Path())
    if not there.is_dir():
        raise DataError(f"{there}: not a folder, so nothing can be written into it; give another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(f"{there}: may not be written to; give another place, or change its permissions")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Give an error that names no file, as of a disk that is full, the name of what was being written."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it replaces `path`, else it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_beside(path), dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _named(path):
            yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def build_folder(path: Path) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`; when the block ends well it replaces `path`, else it is removed."""
    path = Path(os.path.abspath(path))  # `.` has no name, and calls itself its own parent
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=_beside(path), dir=path.parent))
    try:
        with _named(path):
            yield temporary
        temporary.chmod(0o755)
        if path.exists():
            _replace(path, temporary)
        else:
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(path: Path, new: Path) -> None:
    # Aside first, so that being killed between the two leaves one of them; what can be caught, a signal too, puts it back.
    old = Path(tempfile.mkdtemp(prefix=_beside(path), dir=path.parent))
    kept = old / path.name
    try:
        path.rename(kept)
        new.rename(path)
    except BaseException:
        if kept.exists() and not path.exists():
            kept.rename(path)
        shutil.rmtree(old, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def is_replaceable(path: Path, mark: str) -> bool:
    """Whether `build_folder` may take a path: there is nothing, an empty folder, or one with a file `mark`, so made before."""
    if path.is_symlink():
        return False
    return not path.exists() or (path.is_dir() and ((path / mark).is_file() or not any(path.iterdir())))


def refuse_own_source(target: Path, source: Path, what: str) -> None:
    """Refuse to write over the file that is read, whatever way it is named.

    Args:
        target: what is to be written.
        source: what is read.
        what: the name of `source` in the message, as in `float32 model`.

    Raises:
        DataError: they are one file.
    """
    if target.exists() and source.exists() and target.samefile(source):
        raise DataError(f"{target}: the {what} itself; give another name for the result")


def cache_root() -> Path:
    """`$SKINTRIAGE_CACHE`, else `skintriage` in the user's cache folder."""
    home = os.environ.get("SKINTRIAGE_CACHE")
    return Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "skintriage"


def write_json(path: Path, document: Any) -> None:
    """Write sorted, indented UTF-8 JSON with a final newline; NaN is refused."""
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with write_atomically(path) as temporary:
        # A file name may hold bytes that are no text: they become escapes.
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def files_below(folder: Path, onerror: Callable[[OSError], object] | None = None) -> list[Path]:
    """The files in a folder, its sub-folders and those that are linked into them, in order.

    A folder that can be reached by several ways is entered once, without a link where that can be: links may form a circle.

    Args:
        folder: where to look.
        onerror: called where a folder cannot be listed, as by `os.walk`; it is passed over if left out.
    """
    found: list[Path] = []
    entered: set[str] = set()
    links = [folder]
    while links:
        for top, folders, names in os.walk(links.pop(0), onerror=onerror):
            if (place := os.path.realpath(top)) in entered:
                folders.clear()
                continue
            entered.add(place)
            folders.sort()
            links += [path for name in folders if (path := Path(top, name)).is_symlink()]
            found += [Path(top, name) for name in names]
    return sorted(found)


def changed_ns(stat: os.stat_result) -> int:
    """When a file last changed in any way, be it its permissions, links or attributes, in nanoseconds.

    A copy brings the time of its content along, and a card's clock may be off, but no other file has its time of change. Where
    a system keeps none, the time of the content.
    """
    kept = 0 if os.name == "nt" else stat.st_ctime_ns  # on Windows it is that of creation
    return max(0, kept or stat.st_mtime_ns)


def sha256_bytes(data: bytes) -> str:
    """SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256(path: Path) -> str:
    """The file's SHA-256 as 64 lower-case hex digits."""
    return sha256_bytes(path.read_bytes())
