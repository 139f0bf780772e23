"""Decoded images on disk, memory-mapped: the loader, not the JPEG decoder, bounds the speed of training.

A store may be larger than memory: building it holds a few hundred images at a time, and reading it holds the index (some
hundred bytes an image) and whatever pages the system cares to keep, which it gives back when memory is short.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from PIL import Image

from mobile_runtime.capture import acquire
from mobile_runtime.console import err, track
from mobile_runtime.errors import CaptureError
from mobile_runtime.files import build_folder, cache_root, changed_ns
from train.datasets import Example
from train.shards import read_image, split_path

MAX_SHORT_SIDE = 320
_CHUNK = 256
"""Images decoded ahead of the writing: what bounds the memory of building a store."""


class Pixels(Protocol):
    """Upright sRGB pixels of many images, by `Example.key`: uint8 RGB [H, W, 3]."""

    def __getitem__(self, key: str) -> npt.NDArray[np.uint8]: ...


class PixelStore:
    """Upright sRGB pixels of many images in one memory-mapped file.

    Images keep their size up to a short side of 320 pixels; larger ones are shrunk to it, which is where full-size
    originals may differ from the phone's path by a rounding step.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self._pixels = np.memmap(folder / "pixels.bin", dtype=np.uint8, mode="r")

    def __getitem__(self, key: str) -> npt.NDArray[np.uint8]:
        """The uint8 RGB [H, W, 3] pixels of `Example.key`."""
        offset, height, width = self._index[key]
        flat = self._pixels[offset : offset + height * width * 3]
        return np.asarray(flat).reshape(height, width, 3)

    def __reduce__(self) -> tuple[type[PixelStore], tuple[Path]]:
        # A process that is sent the store opens the file: a memory map is pickled with all of its bytes.
        return PixelStore, (self._folder,)


class DecodedPixels:
    """The pixels that a `PixelStore` of these examples would hold, decoded anew each time: what the store is to beat."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._paths = {example.key: example.path for example in examples}

    def __getitem__(self, key: str) -> npt.NDArray[np.uint8]:
        return _shrunk(self._paths[key])


def _fingerprint(examples: Sequence[Example]) -> str:
    digest = hashlib.sha256(str(MAX_SHORT_SIDE).encode())
    for example in examples:
        try:
            inside = split_path(example.path)
            stat = (inside[0] if inside else example.path).stat()
        except OSError as error:
            raise CaptureError(f"{example.path}: {error.strerror}; restore the image or take its row out") from error
        digest.update(f"{example.key}|{example.path}|{stat.st_size}|{changed_ns(stat)}\n".encode())
    return digest.hexdigest()[:16]


def _shrunk(path: Path) -> npt.NDArray[np.uint8]:
    source = read_image(path)
    try:
        pixels = acquire(source, min_short_side=MAX_SHORT_SIDE)
    except CaptureError as error:
        if isinstance(source, Path):
            raise  # it names the file
        raise CaptureError(f"{path}: {error}") from error
    height, width = pixels.shape[:2]
    if min(height, width) <= MAX_SHORT_SIDE:
        return pixels
    scale = MAX_SHORT_SIDE / min(height, width)
    shape = (max(MAX_SHORT_SIDE, round(width * scale)), max(MAX_SHORT_SIDE, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(shape, Image.Resampling.BILINEAR))


def open_cache(examples: Sequence[Example], root: Path | None = None) -> PixelStore:
    """Open the store of these examples, decoding the images first where none exists.

    Several processes may do so at once: the first decodes, the others wait for it.

    Args:
        examples: the images; their sizes and times of change are part of the store's name.
        root: folder of all stores; None takes `cache_root()`.

    Raises:
        CaptureError: an image is missing or damaged.
    """
    folder = (root or cache_root()) / _fingerprint(examples)
    if not _is_whole(folder):
        with _lock(folder):
            # Looked at again: whoever held the lock may have built it, and a store in use must not be replaced.
            if not _is_whole(folder):
                _build(examples, folder)
    return PixelStore(folder)


def _is_whole(folder: Path) -> bool:
    """Whether all pixels of the index are there: a disk that was full or a clean-up may have taken some."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        wanted = max(offset + height * width * 3 for offset, height, width in index.values())
        return (folder / "pixels.bin").stat().st_size == wanted
    except (OSError, ValueError, TypeError, AttributeError):
        return False


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep other processes from building the same store."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.parent / f".{folder.name}.lock"
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        err.print("another process decodes these images; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _build(examples: Sequence[Example], folder: Path) -> None:
    with build_folder(folder) as temporary, ThreadPoolExecutor() as pool:
        index, offset = {}, 0
        with (temporary / "pixels.bin").open("wb") as stream:

            def decoded() -> Iterator[npt.NDArray[np.uint8]]:
                for start in range(0, len(examples), _CHUNK):
                    yield from pool.map(_shrunk, [example.path for example in examples[start : start + _CHUNK]])

            pairs = zip(examples, decoded(), strict=True)
            for example, pixels in track(pairs, "decode", len(examples)):
                index[example.key] = (offset, *pixels.shape[:2])
                offset += stream.write(pixels.tobytes())
        (temporary / "index.json").write_text(json.dumps(index), encoding="utf-8")
