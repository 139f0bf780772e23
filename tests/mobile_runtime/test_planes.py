"""Planes of camera frames: buffers of any kind, and refusal of strides that lead outside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.capture_scenes import scene
from mobile_runtime.errors import CaptureError
from mobile_runtime.frames import CameraFrame
from mobile_runtime.planes import Plane

WIDTH, HEIGHT = 64, 48


def test_signed_bytes_are_bytes() -> None:
    pixels = scene()[:HEIGHT, :WIDTH]
    signed = np.frombuffer(pixels.tobytes(), np.int8)  # as Java hands its arrays over
    np.testing.assert_array_equal(CameraFrame.packed("rgb", signed, WIDTH, HEIGHT).to_rgb(), pixels)


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (Plane(bytes(WIDTH // 2 * HEIGHT // 2 - 1), WIDTH // 2), "plane U: 767 bytes, 768 needed"),
        (Plane(bytes(5000), WIDTH // 2 - 1), "row stride"),
        (Plane(bytes(5000), WIDTH - 2, 2), "row stride"),
        (Plane(bytes(5000), 0), "row stride"),
        (Plane(bytes(5000), -64), "row stride"),
        (Plane(bytes(5000), 64, 0), "pixel stride"),
        (Plane(bytes(5000), 64, 1.0), "pixel stride"),
        (Plane("text", 64), "contiguous buffer"),
        (Plane(np.zeros(5000, np.uint16), 64), "contiguous buffer"),
        (Plane(np.zeros(5000, np.uint8)[::2], 64), "contiguous buffer"),
    ],
)
def test_wrong_planes_are_refused_with_the_remedy(plane: Plane, message: str) -> None:
    y, v = Plane(bytes(WIDTH * HEIGHT), WIDTH), Plane(bytes(WIDTH * HEIGHT // 4), WIDTH // 2)
    with pytest.raises(CaptureError, match=message):
        CameraFrame.yuv_420_888(y, plane, v, WIDTH, HEIGHT, matrix="bt601", value_range="full")


def test_a_short_frame_is_never_read_past_its_end() -> None:
    full = WIDTH * HEIGHT * 3 // 2
    CameraFrame.semi_planar("nv21", bytes(full), WIDTH, HEIGHT, matrix="bt601", value_range="full").to_rgb()
    for size in (0, 1, WIDTH * HEIGHT - 1, WIDTH * HEIGHT, full - 1):
        with pytest.raises(CaptureError, match="needed"):
            CameraFrame.semi_planar("nv21", bytes(size), WIDTH, HEIGHT, matrix="bt601", value_range="full")
    with pytest.raises(CaptureError, match="needed"):
        CameraFrame.packed("rgba", bytes(WIDTH * HEIGHT * 3), WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.int32])
def test_small_integers_of_numpy_do_not_wrap_around(kind: type[np.integer[Any]]) -> None:
    width, height, stride = kind(640), kind(480), kind(2048)
    with pytest.raises(CaptureError, match="81920 bytes, 982912 needed"):
        CameraFrame.packed("rgb", bytes(2048 * 40), width, height, stride)
    buffer = np.random.default_rng(0).integers(0, 256, 640 * 480 * 3 // 2, dtype=np.uint8).tobytes()
    asked = {"matrix": "bt601", "value_range": "full"}
    whole = CameraFrame.semi_planar("nv21", buffer, 640, 480, **asked).to_rgb()
    assert np.array_equal(CameraFrame.semi_planar("nv21", buffer, width, height, width, **asked).to_rgb(), whole)
