"""Capture normalization: any photograph in, the model's S x S uint8 RGB input out.

Every port repeats these steps: acquire, upright sRGB, frame, resample. Nothing here is model arithmetic: scaling, network,
temperature, softmax and aggregation are inside the exported graph.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mobile_runtime.decoding import MAX_PIXELS, MIN_SIDE, decode, read_bytes
from mobile_runtime.errors import CaptureError
from mobile_runtime.resample import Box, centre_square, check_box, resample

ImageInput: TypeAlias = str | Path | bytes | npt.NDArray[np.uint8]


def acquire(image: ImageInput, min_short_side: int | None = None) -> npt.NDArray[np.uint8]:
    """Upright sRGB pixels of a file, of file bytes, or of an RGB array.

    Args:
        image: a path, the bytes of an image file, or an upright uint8 RGB array [H, W, 3].
        min_short_side: see `decoding.decode`.

    Returns:
        uint8 RGB [H, W, 3].

    Raises:
        CaptureError: the input is none of these, damaged, or outside the limits.
    """
    if isinstance(image, str | Path):
        return decode(read_bytes(image), min_short_side, name=str(image))
    if isinstance(image, bytes | bytearray | memoryview):
        return decode(bytes(image), min_short_side)
    if not isinstance(image, np.ndarray):
        raise CaptureError(f"cannot read a {type(image).__name__}; give a path, file bytes or a uint8 RGB array")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise CaptureError(f"an array must be uint8 [H, W, 3] RGB, this one is {image.dtype} {list(image.shape)}")
    if min(image.shape[:2]) < MIN_SIDE or image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise CaptureError(f"an image of {image.shape[1]}x{image.shape[0]} is outside {MIN_SIDE} px to {MAX_PIXELS} px")
    return image


def prepare(image: ImageInput, size: int, box: Box | None = None) -> npt.NDArray[np.uint8]:
    """Capture normalization as a whole.

    Args:
        image: see `acquire`.
        size: S, the model's input side in pixels.
        box: a square region of the upright image; None takes the centre square.

    Returns:
        uint8 RGB [S, S, 3].

    Raises:
        CaptureError: the image or the box is unusable.
    """
    # A box is in full-resolution pixels, so DCT-scaled decoding is only for the centre square.
    upright = acquire(image, min_short_side=2 * size if box is None else None)
    height, width = upright.shape[:2]
    left, top, right, bottom = centre_square(width, height) if box is None else check_box(box, width, height)
    return resample(upright[top:bottom, left:right], size)
