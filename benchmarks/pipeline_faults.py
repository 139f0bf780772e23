"""Mistakes that ports of the capture pipeline make, each as a faulty port: for labelled images and for golden vectors.

Leaving normalization out is not among them: scaling is inside the graph, which takes raw bytes, so that is the right thing to
do. Doing it all the same, and handing over int8, are.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from benchmarks.capture_scenes import stored, to_yuv
from mobile_runtime import colour_profiles
from mobile_runtime.capture import Capture, acquire
from mobile_runtime.frames import CameraFrame
from mobile_runtime.planes import Plane
from mobile_runtime.replay import OWN, Port
from mobile_runtime.resample import centre_square, resample

Pixels = npt.NDArray[np.uint8]
Source = bytes | CameraFrame
_ORIENTATION = 0x0112


def _itself(upright: Pixels) -> Pixels:
    return upright


@dataclass(frozen=True)
class PipelineFault:
    """One mistake.

    Attributes:
        about: what the port does.
        port: the port that does it, for golden vectors and, but for `acquire`, for labelled images.
        photograph: upright sRGB pixels [H, W, 3] to what the faulty `acquire` makes of the same scene, taken with a camera that
            brings the mistake out.
    """

    about: str
    port: Port
    photograph: Callable[[Pixels], Pixels] = _itself


def _as_stored(source: Source) -> Pixels:
    upright = acquire(source)
    if isinstance(source, CameraFrame):
        return upright
    with Image.open(io.BytesIO(source)) as image:
        orientation = image.getexif().get(_ORIENTATION, 1)
    return stored(upright, orientation) if orientation in range(1, 9) else upright


def _without_profile(source: Source) -> Pixels:
    if isinstance(source, CameraFrame):
        return acquire(source)
    with Image.open(io.BytesIO(source)) as image:
        if not image.info.get("icc_profile"):
            return acquire(source)
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def _swapped(source: Source) -> Pixels:
    return np.ascontiguousarray(acquire(source)[..., ::-1])


def _full_range(source: Source) -> Pixels:
    if isinstance(source, CameraFrame) and source.value_range == "limited":
        source = replace(source, value_range="full")
    return acquire(source)


def _limited_camera(upright: Pixels) -> Pixels:
    height, width = (side // 2 * 2 for side in upright.shape[:2])
    y, u, v = to_yuv(upright[:height, :width], "bt601", "limited")
    planes = Plane(y.tobytes(), width), Plane(u.tobytes(), width // 2), Plane(v.tobytes(), width // 2)
    return CameraFrame.yuv_420_888(*planes, width, height, matrix="bt601", value_range="full").to_rgb()


def _squash(upright: Pixels, size: int) -> Capture:
    return Capture(resample(upright, size), min(upright.shape[:2]))


def _resized(kernel: int) -> Callable[[Pixels, int], Capture]:
    def normalize(upright: Pixels, size: int) -> Capture:
        left, top, right, bottom = centre_square(upright.shape[1], upright.shape[0])
        crop = np.ascontiguousarray(upright[top:bottom, left:right])
        return Capture(np.asarray(cv2.resize(crop, (size, size), interpolation=kernel), np.uint8), right - left)

    return normalize


def _normalized_again(batch: Pixels) -> Pixels:
    # -1..1 written into a tensor of bytes: the fraction is dropped and -1 wraps around.
    return np.trunc(batch / 127.5 - 1).astype(np.int8).view(np.uint8)


def _as_int8(batch: Pixels) -> Pixels:
    return batch ^ np.uint8(128)


FAULTS: dict[str, PipelineFault] = {
    "unrotated_exif": PipelineFault(
        "ignores EXIF orientation; photographs stored on their side", Port(acquire=_as_stored), lambda x: stored(x, 6)
    ),
    "p3_as_srgb": PipelineFault(
        "ignores the colour profile; photographs in Display P3",
        Port(acquire=_without_profile),
        lambda x: colour_profiles.encode(x, colour_profiles.DISPLAY_P3),
    ),
    "bgr": PipelineFault("swaps red and blue", Port(acquire=_swapped), lambda x: np.ascontiguousarray(x[..., ::-1])),
    "limited_as_full": PipelineFault(
        "reads camera YUV of limited range as full range", Port(acquire=_full_range), _limited_camera
    ),
    "squash": PipelineFault("squashes the whole frame instead of cropping its centre", Port(normalize=_squash)),
    "resize_area": PipelineFault("resizes with OpenCV's INTER_AREA", Port(normalize=_resized(cv2.INTER_AREA))),
    "resize_linear": PipelineFault(
        "resizes with OpenCV's INTER_LINEAR, without antialiasing", Port(normalize=_resized(cv2.INTER_LINEAR))
    ),
    "resize_nearest": PipelineFault("resizes with OpenCV's INTER_NEAREST", Port(normalize=_resized(cv2.INTER_NEAREST))),
    "normalized_twice": PipelineFault("scales to -1..1 before a graph that scales", Port(feed=_normalized_again)),
    "int8_offset": PipelineFault("hands over int8, less 128, where the graph takes uint8", Port(feed=_as_int8)),
}


def feeds_otherwise(fault: PipelineFault) -> bool:
    """Whether the mistake lies between preparing the image and the model."""
    return fault.port.feed is not OWN.feed
