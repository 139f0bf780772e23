"""The image files below a folder, and which of them an id means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from mobile_runtime.decoding import EXTENSIONS
from mobile_runtime.errors import DataError
from mobile_runtime.files import files_below
from mobile_runtime.foreign import UNREAD_PICTURES


def list_images(images: Path) -> list[Path]:
    """The image files here and below, in order.

    Raises:
        DataError: there is no such folder, or nothing in it that is read.
    """
    if not images.is_dir():
        raise DataError(f"{images}: no such image folder; check --images")
    if files := _ending_in(EXTENSIONS, images):
        return files
    kinds = sorted({path.suffix.lower() for path in _ending_in(UNREAD_PICTURES, images)})
    remedy = f"those there as {', '.join(kinds)} are not read, convert them to JPEG or PNG" if kinds else "check --images"
    raise DataError(f"{images}: no JPEG, PNG, WebP, HEIC or BMP files here or below; {remedy}")


def index_by_id(images: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    """Files by what an id may call them: name or path below the folder, with or without extension."""
    index: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        relative = path.relative_to(images)
        for key in {relative.as_posix(), relative.with_suffix("").as_posix(), path.name, path.stem}:
            index[key].append(path)
    for path in files:  # a full relative path means that one file, whatever else has its name
        index[path.relative_to(images).as_posix()] = [path]
    return index


def find_image(images: Path, index: dict[str, list[Path]], image_id: str) -> Path | None:
    """The file that an id means; None where there is none.

    Raises:
        DataError: there are several.
    """
    matches = _named(index, image_id)
    if len(matches) > 1:
        names = ", ".join(path.relative_to(images).as_posix() for path in matches[:2])
        raise DataError(
            f"{images}: image {image_id!r} is there {len(matches)} times ({names}); point --images at one folder, or "
            "give the ids as relative paths"
        )
    return matches[0] if matches else None


def unread_kinds(images: Path, ids: Sequence[str]) -> list[str]:
    """For each id that a file of a format that is not read would fit, that file's extension."""
    index = index_by_id(images, _ending_in(UNREAD_PICTURES, images))
    return [matches[0].suffix.lower() for image_id in ids if (matches := _named(index, image_id))]


def _named(index: dict[str, list[Path]], image_id: str) -> list[Path]:
    for name in (image_id, image_id.replace("\\", "/")):  # as Windows parts folders
        known = Path(name).suffix.lower() in (*EXTENSIONS, *UNREAD_PICTURES)
        bare = str(Path(name).with_suffix("")) if known else name
        if found := index.get(name) or index.get(bare):
            return found
    return []


def _ending_in(extensions: Sequence[str], images: Path) -> list[Path]:
    files = [path for path in files_below(images) if not path.name.startswith(".")]  # what a Mac leaves beside each
    return [path for path in files if path.suffix.lower() in extensions and path.is_file()]
