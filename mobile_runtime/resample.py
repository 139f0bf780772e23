"""Framing and resampling: the integer arithmetic that every port repeats to the bit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from mobile_runtime.errors import CaptureError

Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels of the upright image; right and bottom are exclusive."""

MIN_SIDE = 16
"""Fewest pixels a side of an image or a box: below, there is nothing to judge."""

MAX_TARGET = 4096

WEIGHT_BITS = 22
"""Binary places of a resampling weight. This is Pillow's own constant: it is here for ports, changing it changes nothing."""


def centre_square(width: int, height: int) -> Box:
    """The largest centred square; the odd pixel, if any, is left at the right or bottom."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def check_box(box: Box, width: int, height: int) -> Box:
    """Accept a user's box on an image of the given size in pixels.

    Raises:
        CaptureError: it is not four whole numbers, under 16 pixels a side, not square to one pixel, or reaches outside
            the image.
    """
    try:
        left, top, right, bottom = (int(edge) for edge in box)
        whole = (left, top, right, bottom) == tuple(box)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise CaptureError(f"box {box!r} is not four whole numbers; give left, top, right, bottom in pixels")
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise CaptureError(f"box {box} is empty or reaches outside the {width}x{height} image; move it inside")
    if min(right - left, bottom - top) < MIN_SIDE:
        raise CaptureError(f"box {box} is under {MIN_SIDE} pixels a side; choose a larger one or move the camera closer")
    if abs((right - left) - (bottom - top)) > 1:
        raise CaptureError(f"box {box} is not square: squashing a lesion changes its score, choose a square")
    return left, top, right, bottom


def check_target(size: int) -> None:
    """Accept a model's input side of 1 to 4096 pixels.

    Raises:
        CaptureError: it is no such number.
    """
    if not isinstance(size, int | np.integer) or not 1 <= size <= MAX_TARGET:
        raise CaptureError(f"size {size!r} is not a whole number from 1 to {MAX_TARGET}; use the bundle's input side")


def resample(
    image: npt.NDArray[np.uint8] | Image.Image, size: int, within: tuple[float, float, float, float] | None = None
) -> npt.NDArray[np.uint8]:
    """Resize a square crop to size x size.

    Pillow's antialiased bilinear, which is also torchvision's resize of PIL images. For output pixel i of a pass from n to
    size pixels:

    - scale = n / size, support = max(scale, 1), centre = (i + 0.5) * scale, all float64;
    - it takes the input pixels from max(0, int(centre - support + 0.5)) up to min(n, int(centre + support + 0.5)), the
      last one excluded; int drops the fraction;
    - w(j) = max(0, 1 - |(j - centre + 0.5) * (1 / support)|), the weight of input pixel j is
      int(0.5 + w(j) / (sum of w) * 2**22);
    - the output is (2**21 + sum of weight * value) >> 22, clipped to 0..255.

    The horizontal pass comes first and its result is uint8. A pass that keeps its length changes nothing and is skipped.
    Integers, because the same sum of integers is the same in any language and any order.

    Args:
        image: uint8 RGB [H, W, 3], or a Pillow image of mode RGB.
        size: side of the result in pixels, 1 to 4096.
        within: left, top, right and bottom of the part that is resized, in pixels or parts of them; all if left out. Only
            JPEGs decoded at a reduced scale need it, which no port does.

    Returns:
        uint8 RGB [size, size, 3], contiguous, owned by the caller.

    Raises:
        CaptureError: the image is not of that kind, or the size is outside its range.
    """
    check_target(size)
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            shape = f"{image.dtype} {list(image.shape)}"
            raise CaptureError(f"only uint8 RGB [H, W, 3] can be resampled, this is {shape}; use capture.acquire first")
        image = Image.fromarray(image)
    elif not isinstance(image, Image.Image) or image.mode != "RGB":
        raise CaptureError(f"cannot resample {image!r}; give a uint8 RGB array or a Pillow image of mode RGB")
    return np.array(image.resize((int(size), int(size)), Image.Resampling.BILINEAR, within))
