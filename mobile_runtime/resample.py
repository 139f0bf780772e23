"""Framing and resampling: the integer arithmetic that every port repeats to the bit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from mobile_runtime.errors import CaptureError

Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels of the upright image; right and bottom are exclusive."""


def centre_square(width: int, height: int) -> Box:
    """The largest centred square; the odd pixel, if any, is left at the right or bottom."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def check_box(box: Box, width: int, height: int) -> Box:
    """Accept a user's box.

    Raises:
        CaptureError: it is empty, not whole pixels, not square to one pixel, or reaches outside the image.
    """
    if len(box) != 4 or any(int(edge) != edge for edge in box):
        raise CaptureError(f"box {box} is not four whole numbers left, top, right, bottom")
    left, top, right, bottom = (int(edge) for edge in box)
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise CaptureError(f"box {box} is empty or reaches outside the {width}x{height} image")
    if abs((right - left) - (bottom - top)) > 1:
        raise CaptureError(f"box {box} is not square: squashing a lesion changes its score, choose a square")
    return left, top, right, bottom


def resample(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Resize a square crop to size x size.

    Pillow's antialiased bilinear: triangle filter widened by the scale when shrinking, coefficients in 22-bit fixed
    point, the horizontal pass first, rounded and clipped to uint8 between the passes. torchvision's resize of PIL images
    is the same arithmetic.

    Args:
        image: uint8 RGB [H, W, 3].
        size: side of the result in pixels.

    Returns:
        uint8 RGB [size, size, 3].
    """
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
