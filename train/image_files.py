"""The image files of a data set, and which of them an id means."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mobile_runtime.decoding import EXTENSIONS
from mobile_runtime.errors import DataError
from mobile_runtime.files import files_below
from mobile_runtime.foreign import UNREAD_PICTURES, conversion


class ImageFiles(dict[str, list[Path]]):
    """Image files by their name and by their path relative to the folder, which begins with `./`; each without extension, too.

    Attributes:
        folders: where they were looked for.
        unread: pictures of formats that are not read, by the same names.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        super().__init__()
        self.folders = tuple(folders)
        self.unread: dict[str, list[Path]] = {}


def find_files(folders: Iterable[Path], *, below: bool = False) -> ImageFiles:
    """Look for image files.

    Args:
        folders: where to look.
        below: look in sub-folders, too, and in those that are linked.

    Raises:
        DataError: a folder is not there.
    """
    files = ImageFiles(folders)
    for folder in files.folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such image folder")
        for path in files_below(folder) if below else sorted(folder.iterdir()):
            ending = path.suffix.lower()
            if ending not in (*EXTENSIONS, *UNREAD_PICTURES):
                continue
            relative = path.relative_to(folder)
            whole = {f"./{relative.as_posix()}", f"./{relative.with_suffix('').as_posix()}"}
            for name in {path.name, path.stem, *whole}:
                (files if ending in EXTENSIONS else files.unread).setdefault(name, []).append(path)
    return files


def list_images(folder: Path) -> list[Path]:
    """The images in a folder and below, linked folders included, in order.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    return [path for path in files_below(folder) if path.suffix.lower() in EXTENSIONS]


def locate(table: Path, ids: Sequence[str], files: Mapping[str, list[Path]]) -> dict[str, Path]:
    """Id -> the file that it means.

    Args:
        table: where the ids are from.
        ids: a file name or a name without extension, perhaps with folders, which Windows parts by backslashes.
        files: image files by what an id may call them.

    Raises:
        DataError: images are missing, an id fits several, or two fit one; the first are named.
    """
    found = {i: _named(files, i, table.parent) for i in ids}
    if missing := [i for i, paths in found.items() if not paths]:
        raise DataError(f"{table}: {len(missing)} of {len(ids)} images are not in the folder, {_remedy(table, missing, files)}")
    if unclear := [i for i, paths in found.items() if len(paths) > 1]:
        first = ", ".join(map(str, found[unclear[0]]))
        raise DataError(f"{table}: {len(unclear)} ids fit several files, first {unclear[0]!r}: {first}; keep one of them")
    if doubled := [path.name for path, count in Counter(found[i][0] for i in ids).items() if count > 1]:
        raise DataError(f"{table}: {len(doubled)} images are named by two ids, first {doubled[:3]}; keep one row each")
    return {i: paths[0] for i, paths in found.items()}


def bare(image_id: str) -> str:
    """An id without the extension that it may have."""
    return str(Path(image_id).with_suffix("")) if Path(image_id).suffix.lower() in EXTENSIONS else image_id


def _named(files: Mapping[str, list[Path]], image_id: str, beside: Path) -> list[Path]:
    for i in dict.fromkeys((image_id, image_id.replace("\\", "/"))):
        # The more exact wins: a path below the image folder, and of an id with a dot, the file name and not the stem.
        named = files.get(f"./{i}") or files.get(i) or files.get(Path(i).name) or files.get(Path(i).stem) or []
        if found := [path for path in named if _is_named(path, i, beside)]:
            return found
    return []


def _is_named(path: Path, image_id: str, beside: Path) -> bool:
    """Whether the folders of an id, if any, are those of a file: another folder's image of that name is another image."""
    folder = Path(image_id).parent
    if not folder.parts:
        return True
    # A folder may be called by its own name or by that of a link to it.
    above = (path.resolve().parent, Path(os.path.abspath(path)).parent)
    if any(one.parts[-len(folder.parts) :] == folder.parts for one in above):
        return True
    return above[0] in ((beside / folder).resolve(), folder.resolve())


def _remedy(table: Path, missing: list[str], files: Mapping[str, list[Path]]) -> str:
    """The first of the missing images, and what to do about them."""
    first = f"first {missing[:3]}; "
    unread = files.unread if isinstance(files, ImageFiles) else {}
    there = {i: paths[0].suffix.lower() for i in missing if (paths := _named(unread, i, table.parent))}
    said = [conversion([*there.values()])] if there else []
    alike = {_alike(name): paths[0] for name, paths in files.items()}
    near = {i: path for i in missing if i not in there and (path := alike.get(_alike(i)) or alike.get(f"./{_alike(i)}"))}
    for i, path in list(near.items())[:1]:
        said.append(f"{i!r} fits {path} but for capitals or leading zeros: write ids as the files are called")
    if len(there) + len(near) < len(missing):
        said.append("restore them or take their rows out")
    if isinstance(files, ImageFiles):
        one = min((path for paths in files.values() for path in paths), default=None)
        where = ", ".join(map(str, files.folders[:3])) + (" and others" if files.folders[3:] else "")
        said.append(f"looked in {where}, where " + (f"{one.name} is" if one else "no image is that is read"))
    return first + "; ".join(said)


def _alike(name: str) -> str:
    """A name as it may have been typed or counted: small letters, folders after slashes, no zeros before a number."""
    name = bare(name.replace("\\", "/")).lower()
    return re.sub(r"(?<!\d)0+(?=\d)", "", name)
