"""Decoded images on disk, memory-mapped: the loader, not the JPEG decoder, bounds the speed of training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.progress import track

from mobile_runtime.capture import acquire
from mobile_runtime.console import err
from mobile_runtime.errors import CaptureError
from mobile_runtime.files import build_folder, cache_root
from train.datasets import Example

MAX_SHORT_SIDE = 320


class PixelStore:
    """Upright sRGB pixels of many images in one memory-mapped file.

    Images keep their size up to a short side of 320 pixels; larger ones are shrunk to it, which is where full-size
    originals may differ from the phone's path by a rounding step.
    """

    def __init__(self, folder: Path) -> None:
        self._index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self._pixels = np.memmap(folder / "pixels.bin", dtype=np.uint8, mode="r")

    def __getitem__(self, key: str) -> npt.NDArray[np.uint8]:
        """The uint8 RGB [H, W, 3] pixels of `Example.key`."""
        offset, height, width = self._index[key]
        flat = self._pixels[offset : offset + height * width * 3]
        return np.asarray(flat).reshape(height, width, 3)


def _fingerprint(examples: Sequence[Example]) -> str:
    digest = hashlib.sha256(str(MAX_SHORT_SIDE).encode())
    for example in examples:
        try:
            stat = example.path.stat()
        except OSError as error:
            raise CaptureError(f"{example.path}: {error.strerror}; restore the image or take its row out") from error
        digest.update(f"{example.key}|{example.path}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _shrunk(path: Path) -> npt.NDArray[np.uint8]:
    pixels = acquire(path, min_short_side=MAX_SHORT_SIDE)
    height, width = pixels.shape[:2]
    if min(height, width) <= MAX_SHORT_SIDE:
        return pixels
    scale = MAX_SHORT_SIDE / min(height, width)
    shape = (max(MAX_SHORT_SIDE, round(width * scale)), max(MAX_SHORT_SIDE, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(shape, Image.Resampling.BILINEAR))


def open_cache(examples: Sequence[Example], root: Path | None = None) -> PixelStore:
    """Open the store of these examples, decoding the images first where none exists.

    Args:
        examples: the images; their sizes and times of change are part of the store's name.
        root: folder of all stores; None takes `cache_root()`.

    Raises:
        CaptureError: an image is missing or damaged.
    """
    folder = (root or cache_root()) / _fingerprint(examples)
    if not (folder / "index.json").is_file():
        with build_folder(folder) as temporary, ThreadPoolExecutor() as pool:
            index, offset = {}, 0
            with (temporary / "pixels.bin").open("wb") as stream:
                decoded = pool.map(_shrunk, [example.path for example in examples])
                pairs = zip(examples, decoded, strict=True)
                for example, pixels in track(pairs, "decode", total=len(examples), transient=True, console=err):
                    index[example.key] = (offset, *pixels.shape[:2])
                    offset += stream.write(pixels.tobytes())
            (temporary / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return PixelStore(folder)
