"""The image files below a folder, and which of them an id means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from mobile_runtime.errors import DataError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp")


def list_images(images: Path) -> list[Path]:
    if not images.is_dir():
        raise DataError(f"{images}: no such image folder; check --images")
    files = [path for path in sorted(images.rglob("*")) if path.suffix.lower() in EXTENSIONS and path.is_file()]
    if not files:
        raise DataError(f"{images}: no JPEG, PNG or WebP files here or below; check --images")
    return files


def index_by_id(images: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    index: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        relative = path.relative_to(images)
        for key in {relative.as_posix(), relative.with_suffix("").as_posix(), path.name, path.stem}:
            index[key].append(path)
    for path in files:  # a full relative path means that one file, whatever else has its name
        index[path.relative_to(images).as_posix()] = [path]
    return index


def find_image(images: Path, index: dict[str, list[Path]], image_id: str) -> Path | None:
    bare = str(Path(image_id).with_suffix("")) if Path(image_id).suffix.lower() in EXTENSIONS else image_id
    matches = index.get(image_id) or index.get(bare) or []
    if len(matches) > 1:
        names = ", ".join(path.relative_to(images).as_posix() for path in matches[:2])
        raise DataError(
            f"{images}: image {image_id!r} is there {len(matches)} times ({names}); point --images at one folder, or "
            "give the ids as relative paths"
        )
    return matches[0] if matches else None
