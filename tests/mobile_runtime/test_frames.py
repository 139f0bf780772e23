"""Camera frames: fixed-point conversion, layouts, geometry, and refusal of what could only be read wrongly."""

import math
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.capture_scenes import camera_frames, padded, scene, to_yuv
from mobile_runtime.errors import CaptureError
from mobile_runtime.frames import COEFFICIENTS, CameraFrame, Layout, Matrix, Range
from mobile_runtime.planes import Plane

WIDTH, HEIGHT = 64, 48
KINDS = [(matrix, value_range) for matrix in get_args(Matrix) for value_range in get_args(Range)]
# Kr, Kb of ITU-R BT.601 and BT.709.
SHARES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


@cache
def picture() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return scene()[100 : 100 + HEIGHT, 200 : 200 + WIDTH]


def clip(value: int) -> int:
    return min(max(value, 0), 255)


@pytest.mark.parametrize(("matrix", "value_range"), KINDS)
def test_coefficients_are_the_standards_in_16_bits(matrix: Matrix, value_range: Range) -> None:
    red, blue = SHARES[matrix]
    green = 1 - red - blue
    luma, chroma = (1.0, 1.0) if value_range == "full" else (255 / 219, 255 / 224)
    to_green = (-chroma * 2 * (1 - blue) * blue / green, -chroma * 2 * (1 - red) * red / green)
    exact = (luma, chroma * 2 * (1 - red), *to_green, chroma * 2 * (1 - blue))
    offset, *integers = COEFFICIENTS[matrix, value_range]
    assert offset == (0 if value_range == "full" else 16)
    assert integers == [math.floor(value * 65536 + 0.5) for value in exact]
    # Ports compute in 32 bits: no sum may leave them.
    assert 255 * sum(map(abs, integers)) + 32768 < 2**31


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1))
def test_conversion_is_the_documented_arithmetic_to_the_bit(kind: tuple[Matrix, Range], seed: int) -> None:
    width, height = 18, 70  # more than two strips, the last one short
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 256, (height, width), dtype=np.uint8)
    u, v = rng.integers(0, 256, (2, height // 2, width // 2), dtype=np.uint8)
    planes = Plane(y.tobytes(), width), Plane(u.tobytes(), width // 2), Plane(v.tobytes(), width // 2)
    rgb = CameraFrame.yuv_420_888(*planes, width, height, matrix=kind[0], value_range=kind[1]).to_rgb()
    offset, cy, rv, gu, gv, bu = COEFFICIENTS[kind]
    for row in range(height):
        for column in range(width):
            luma = cy * (int(y[row, column]) - offset)
            blue, red = int(u[row // 2, column // 2]) - 128, int(v[row // 2, column // 2]) - 128
            expected = [
                clip((luma + rv * red + 32768) >> 16),
                clip((luma + gu * blue + gv * red + 32768) >> 16),
                clip((luma + bu * blue + 32768) >> 16),
            ]
            assert rgb[row, column].tolist() == expected


@pytest.mark.parametrize(("matrix", "value_range"), KINDS)
def test_every_layout_of_the_same_samples_gives_the_same_pixels(matrix: Matrix, value_range: Range) -> None:
    frames = camera_frames(picture(), matrix, value_range)
    first, *others = (frame.to_rgb() for frame in frames.values())
    assert first.shape == (HEIGHT, WIDTH, 3)
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize(("matrix", "value_range"), KINDS)
def test_grey_comes_back_to_the_level(matrix: Matrix, value_range: Range) -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, -1)
    rgb = camera_frames(grey, matrix, value_range)["nv12, one buffer"].to_rgb()
    # Limited range has 220 levels for 256: half of one of its steps is 0.6.
    np.testing.assert_allclose(rgb.astype(int), grey, atol=0 if value_range == "full" else 1)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("yuv", [False, True])
def test_rotation_is_clockwise_and_mirroring_comes_after(rotation: int, mirrored: bool, yuv: bool) -> None:
    sensor = picture()
    turn: dict[str, Any] = {"rotation": rotation, "mirrored": mirrored}
    if yuv:
        still = camera_frames(sensor, "bt601", "full")["nv21, one buffer"].to_rgb()
        turned = camera_frames(sensor, "bt601", "full", **turn)["nv21, one buffer"].to_rgb()
    else:
        still = sensor
        turned = CameraFrame.packed("rgb", sensor.tobytes(), WIDTH, HEIGHT, **turn).to_rgb()
    expected = still
    for _ in range(rotation // 90):
        expected = expected[::-1].swapaxes(0, 1)  # clockwise: the first column becomes the first row, from the bottom up
    if mirrored:
        expected = expected[:, ::-1]
    np.testing.assert_array_equal(turned, expected)
    assert turned.flags.c_contiguous


@pytest.mark.parametrize("layout", ["rgb", "rgba", "bgra"])
@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_packed_frames_own_their_result(layout: Any, make: Any) -> None:
    pixels = picture()
    fourth = np.full((HEIGHT, WIDTH, 1), 77, np.uint8)
    channels = {"rgb": [0, 1, 2], "rgba": [0, 1, 2, 3], "bgra": [2, 1, 0, 3]}[layout]
    data = np.concatenate([pixels, fourth], -1)[..., channels].tobytes()
    rgb = CameraFrame.packed(layout, make(data), WIDTH, HEIGHT).to_rgb()
    np.testing.assert_array_equal(rgb, pixels)
    rgb[:] = 0
    np.testing.assert_array_equal(CameraFrame.packed(layout, make(data), WIDTH, HEIGHT).to_rgb(), pixels)


@pytest.mark.parametrize("layout", ["rgba", "bgra"])
@pytest.mark.parametrize("order", [[3, 0, 1, 2], [3, 2, 1, 0]], ids=["argb", "abgr"])
def test_an_order_of_bytes_that_is_taken_for_another_is_refused(layout: Any, order: list[int]) -> None:
    stride = 4 * WIDTH + 12
    pixels = np.concatenate([picture(), np.full((HEIGHT, WIDTH, 1), 255, np.uint8)], -1)[..., order].reshape(HEIGHT, -1)
    frame = CameraFrame.packed(layout, padded(pixels, stride), WIDTH, HEIGHT, stride)
    with pytest.raises(CaptureError, match=f"{layout}: the fourth byte is not the same in all pixels"):
        frame.to_rgb()


@pytest.mark.parametrize("at", [(0, 0), (HEIGHT // 2, 5), (HEIGHT - 1, WIDTH - 1)])
def test_one_pixel_of_another_fourth_byte_is_enough_and_padding_does_not_count(at: tuple[int, int]) -> None:
    pixels = np.concatenate([picture(), np.full((HEIGHT, WIDTH, 1), 9, np.uint8)], -1)
    data = padded(pixels.reshape(HEIGHT, -1), 4 * WIDTH + 8)
    np.testing.assert_array_equal(CameraFrame.packed("rgba", data, WIDTH, HEIGHT, 4 * WIDTH + 8).to_rgb(), picture())
    pixels[(*at, 3)] = 8
    with pytest.raises(CaptureError, match="choose the layout"):
        CameraFrame.packed("rgba", pixels.tobytes(), WIDTH, HEIGHT).to_rgb()


def yuv(**changes: Any) -> CameraFrame:
    y, u, v = to_yuv(picture(), "bt601", "full")
    planes = Plane(y.tobytes(), WIDTH), Plane(u.tobytes(), WIDTH // 2), Plane(v.tobytes(), WIDTH // 2)
    fields: dict[str, Any] = {"layout": "yuv_420_888", "width": WIDTH, "height": HEIGHT, "planes": planes}
    fields |= {"matrix": "bt601", "value_range": "full"} | changes
    return CameraFrame(**fields)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "i420"}, "layout"),
        ({"layout": ["nv21"]}, "layout"),
        ({"matrix": None}, "matrix"),
        ({"matrix": "bt2020"}, "matrix"),
        ({"matrix": np.zeros(3)}, "matrix"),
        ({"value_range": None}, "value_range"),
        ({"value_range": "video"}, "value_range"),
        ({"rotation": 45}, "rotation"),
        ({"rotation": -90}, "rotation"),
        ({"rotation": False}, "rotation"),
        ({"mirrored": "no"}, "mirrored"),
        ({"width": 63}, "even"),
        ({"height": 47}, "even"),
        ({"width": 8}, "under 16"),
        ({"width": 0}, "width"),
        ({"width": 64.0}, "width"),
        ({"width": 2**40, "height": 2**40}, "over"),
        ({"height": 50}, "check width, height and strides"),
        ({"planes": ()}, "planes|plane"),
        ({"planes": None}, "planes"),
        ({"planes": (b"", b"", b"")}, "Plane"),
        ({"planes": (Plane(b"", 64), Plane(b"", 32))}, "plane"),
    ],
)
def test_wrong_fields_are_refused_with_their_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CaptureError, match=message):
        yuv(**changes)


def test_constructors_refuse_what_they_do_not_make() -> None:
    with pytest.raises(CaptureError, match="layout"):
        CameraFrame.packed("nv21", bytes(9999), WIDTH, HEIGHT)
    with pytest.raises(CaptureError, match="width"):
        CameraFrame.packed("rgb", bytes(9999), "64", HEIGHT)
    with pytest.raises(CaptureError, match="chroma"):
        CameraFrame.semi_planar("nv12", bytes(9999), WIDTH, HEIGHT, matrix="bt601", value_range="full", chroma_row_stride=64)


def test_layouts_are_all_tested() -> None:
    packed = {"rgb", "rgba", "bgra"}
    assert packed | {frame.layout for frame in camera_frames(picture(), "bt601", "full").values()} == set(get_args(Layout))
