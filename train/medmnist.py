"""DermaMNIST's arrays as image files: HAM10000 as MedMNIST (Yang et al. 2023, doi:10.1038/s41597-022-01721-8) packs it, and as
Abhishek et al. 2025 (doi:10.1038/s41597-025-04382-5) corrected (DermaMNIST-C) and extended (DermaMNIST-E) it."""

from __future__ import annotations

import csv
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mobile_runtime.console import track
from mobile_runtime.errors import DataError
from mobile_runtime.files import build_folder
from train.described import Description

LABELS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
"""What the numbers 0 to 6 stand for, in HAM10000's codes."""
PARTS = ("train", "val", "test")


def extract(archive: Path, folder: Path, part: str) -> int:
    """Write a part as PNG files, a `labels.csv` and a `dataset.yaml`, into a folder that is whole or not there.

    Args:
        archive: an .npz with `PART_images`, uint8 [N, S, S, 3] in RGB, and `PART_labels`, integers 0..6 [N, 1].
        folder: what is to be written; nothing, or an empty folder.
        part: one of `PARTS`.

    Returns:
        How many images were written.

    Raises:
        DataError: no such part, no such archive, or arrays that are not DermaMNIST's; or the folder has files.
    """
    if part not in PARTS:
        raise DataError(f"no part {part!r}; there are {', '.join(PARTS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: is there already; give a new folder")
    images, labels = _arrays(archive, part)
    with build_folder(folder) as temporary:
        (temporary / "images").mkdir()
        names = [f"{part}_{number:05d}" for number in range(len(images))]
        for name, image in track(zip(names, images, strict=True), "write", len(images)):
            if not cv2.imwrite(str(temporary / "images" / f"{name}.png"), image[..., ::-1]):
                raise DataError(f"{folder}: image {name} cannot be written; make room")
        with (temporary / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(("image_id", "dx"))
            writer.writerows((name, LABELS[label]) for name, label in zip(names, labels, strict=True))
        described = {"dataset": "ham10000", "labels": "labels.csv", "images": ["images"], "acquisition": "dermoscopy"}
        Description.model_validate(described).save(temporary)
    return len(images)


def _arrays(archive: Path, part: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]]:
    try:
        with np.load(archive, allow_pickle=False) as arrays:
            images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"].reshape(-1)
    except FileNotFoundError as error:
        raise DataError(f"{archive}: no such file; give DermaMNIST's .npz") from error
    except (OSError, ValueError, KeyError, AttributeError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{archive}: not a whole .npz with {part}_images and {part}_labels; download it again") from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or len(images) != len(labels) or not len(images):
        raise DataError(
            f"{archive}: {part}_images are {images.dtype} {list(images.shape)} with {len(labels)} labels, not uint8 "
            "[N, S, S, 3] with N; this is not DermaMNIST"
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(LABELS):
        raise DataError(f"{archive}: {part}_labels are not numbers from 0 to {len(LABELS) - 1}; this is not DermaMNIST")
    return images, labels
