"""By what names tables call an image, and short fingerprints of them, so that a bundle can tell which images made it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import PurePosixPath

from mobile_runtime.decoding import EXTENSIONS

_DIGEST_BYTES = 5
"""Of 10,000 names one in 100 million others has the fingerprint of one of them."""


def name_parts(dataset: str, image_id: str) -> list[str]:
    """The folders of an image, if named, and what it is called in all tables.

    Args:
        dataset: name of the image's label map.
        image_id: file name or path, with or without extension.
    """
    path = PurePosixPath(image_id.replace("\\", "/"))  # as tables made on Windows have them
    if path.name.startswith("ISIC_"):  # numbers of the ISIC archive are the same in all of its data sets
        return [path.name.split(".")[0].removesuffix("_downsampled")]
    *folders, name = path.parts or (image_id,)
    return [*folders, f"{dataset}:{PurePosixPath(name).stem if path.suffix.lower() in EXTENSIONS else name}"]


def _digest(parts: list[str]) -> bytes:
    return hashlib.blake2b("/".join(parts).encode("utf-8", "surrogateescape"), digest_size=_DIGEST_BYTES).digest()


def pack_names(keys: Iterable[str]) -> str:
    """Fingerprints of images as a manifest keeps them: base64 of BLAKE2b of 5 bytes each, sorted.

    Args:
        keys: `dataset:image_id` of each image.
    """
    found = {_digest(name_parts(*key.split(":", 1))) for key in keys}
    return base64.b64encode(b"".join(sorted(found))).decode()


def packed_among(packed: str, dataset: str, image_ids: Iterable[str]) -> list[str]:
    """Those of some images whose fingerprints `pack_names` made, whatever more folders they are named with.

    Args:
        packed: the fingerprints.
        dataset, image_ids: as in `name_parts`.
    """
    content = base64.b64decode(packed)
    known = {content[at : at + _DIGEST_BYTES] for at in range(0, len(content), _DIGEST_BYTES)}

    def is_known(image_id: str) -> bool:
        parts = name_parts(dataset, image_id)
        return any(_digest(parts[at:]) in known for at in range(len(parts)))

    return [image_id for image_id in image_ids if is_known(image_id)] if known else []
