"""Capture normalization: any photograph in, the model's S x S uint8 RGB input out.

Every port repeats these steps: acquire, upright sRGB, frame, resample. Nothing here is model arithmetic: scaling, network,
temperature, softmax and aggregation are inside the exported graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from mobile_runtime.decoding import Crop, check_size, open_upright, read_bytes
from mobile_runtime.errors import CaptureError
from mobile_runtime.frames import CameraFrame
from mobile_runtime.resample import Box, centre_square, check_box, check_target, resample

ImageInput: TypeAlias = str | Path | bytes | bytearray | memoryview | npt.NDArray[np.uint8] | CameraFrame


def acquire(image: ImageInput, min_short_side: int | None = None) -> npt.NDArray[np.uint8]:
    """Upright sRGB pixels of a file, of file bytes, of an RGB array or of a camera frame.

    Args:
        image: a path, the bytes of an image file, an upright uint8 RGB array [H, W, 3], or a camera frame.
        min_short_side: see `decoding.open_upright`.

    Returns:
        uint8 RGB [H, W, 3], contiguous, owned by the caller: an array that was given is copied.

    Raises:
        CaptureError: the input is none of these, damaged, or outside the limits.
    """
    return np.array(_upright(image, min_short_side, None), order="C")


@dataclass(frozen=True)
class Capture:
    """A normalized capture.

    Attributes:
        image: uint8 RGB [S, S, 3], contiguous, owned by the caller.
        region_px: side of the square that was resampled, in pixels of the decoded source; a JPEG decoded at a reduced
            scale counts as such, and then has at least 2 S.
        share: how much of the picture's longer side that is, 0..1.
    """

    image: npt.NDArray[np.uint8]
    region_px: int
    share: float = 1.0


def prepare(image: ImageInput, size: int, box: Box | None = None) -> npt.NDArray[np.uint8]:
    """The image of `normalize`: uint8 RGB [S, S, 3]."""
    return normalize(image, size, box).image


def normalize(image: ImageInput, size: int, box: Box | None = None) -> Capture:
    """Capture normalization as a whole.

    Args:
        image: see `acquire`.
        size: S, the model's input side in pixels, 1 to 4096.
        box: a square region of the upright image; None takes the centre square.

    Raises:
        CaptureError: the image, the size or the box is unusable.
    """
    check_target(size)
    framing = Framing(box)
    # A box is in full-resolution pixels, so DCT-scaled decoding is only for the centre square.
    prepared = framing.resample(_upright(image, 2 * size if box is None else None, framing), size)
    return Capture(prepared, framing.side, framing.side / framing.longer)


class Framing:
    """Which square of a picture is judged: to be called when its size is known, as a `decoding.Crop`.

    Attributes:
        side: of the square in pixels of the picture as decoded.
        longer: the longer side of the picture.
    """

    def __init__(self, box: Box | None = None) -> None:
        self.side, self.longer = 0, 1
        self._box = box
        self._within: tuple[float, float, float, float] | None = None

    def __call__(self, width: int, height: int, reduced: bool) -> Box:
        """The part to cut out; of a picture decoded at a reduced scale one row or column more where its middle is half a pixel.

        Raises:
            CaptureError: the box is unusable.
        """
        chosen = centre_square(width, height) if self._box is None else check_box(self._box, width, height)
        left, top, right, bottom = chosen
        self.side, self.longer, self._within = min(right - left, bottom - top), max(width, height), None
        if reduced and (width - height) % 2:
            across, down = int(width > height), int(height > width)
            self._within = (across / 2, down / 2, self.side + across / 2, self.side + down / 2)
            return left, top, right + across, bottom + down
        return chosen

    def resample(self, part: npt.NDArray[np.uint8] | Image.Image, size: int) -> npt.NDArray[np.uint8]:
        """See `resample.resample`; `part` is what was cut out."""
        return resample(part, size, self._within)


def _upright(image: ImageInput, min_short_side: int | None, crop: Crop | None) -> npt.NDArray[np.uint8] | Image.Image:
    """Like `acquire`, cropped, as what is cheapest to go on with: an array may share the caller's memory."""
    if isinstance(image, str | Path):
        return open_upright(read_bytes(image), min_short_side, str(image), crop)
    if isinstance(image, bytes | bytearray | memoryview):
        return open_upright(bytes(image), min_short_side, crop=crop)
    if isinstance(image, CameraFrame):
        pixels = image.to_rgb()
    elif isinstance(image, np.ndarray):
        pixels = image
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            shape = f"{pixels.dtype} {list(pixels.shape)}"
            raise CaptureError(f"an array must be uint8 [H, W, 3] RGB, this one is {shape}; convert it first")
        check_size(pixels.shape[1], pixels.shape[0], "array")
    else:
        raise CaptureError(f"cannot read a {type(image).__name__}; give a path, bytes, a uint8 RGB array or a CameraFrame")
    if crop is None:
        return pixels
    left, top, right, bottom = crop(pixels.shape[1], pixels.shape[0], False)
    return pixels[top:bottom, left:right]
