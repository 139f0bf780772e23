"""Capture as a whole: every route of one scene ends in the same S x S image."""

from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from benchmarks.capture_routes import MEAN_LIMIT, SIZE, Route, difference, routes
from benchmarks.capture_scenes import camera_frames, encode, exif, scene, stored
from mobile_runtime import colour_profiles
from mobile_runtime.capture import ImageInput, acquire, prepare
from mobile_runtime.errors import CaptureError


@cache
def groups() -> dict[str, list[Route]]:
    grouped: dict[str, list[Route]] = {}
    for route in routes():
        grouped.setdefault(route.group, []).append(route)
    return grouped


@pytest.mark.parametrize(
    "group", ["lossless", "colour space", "JPEG", "WebP lossy", "camera YUV", "DCT scaling, against full decoding", "HEIC"]
)
def test_every_route_ends_in_the_same_image(group: str) -> None:
    if group == "HEIC":
        pytest.importorskip("pillow_heif", reason="the heic extra is not installed")
    # The limits and their reasons are those of `capture_routes.routes`.
    figures = {route.name: (*difference(route), route.limit) for route in groups()[group]}
    assert not {name: found for name, found in figures.items() if found[0] > found[2] or found[1] > MEAN_LIMIT}


def swapped(frame: Any, **changes: Any) -> Any:
    fields = {name: getattr(frame, name) for name in frame.__dataclass_fields__}
    return type(frame)(**(fields | changes))


def test_mistakes_are_far_beyond_the_limits() -> None:
    """The limits have teeth: each usual mistake of a port differs by twice what they allow on average."""
    picture = scene()
    frames = camera_frames(picture, "bt601", "full")
    p3 = colour_profiles.encode(picture, colour_profiles.DISPLAY_P3)
    mistakes = {
        "matrix": swapped(frames["nv21, one buffer"], matrix="bt709"),
        "range": swapped(frames["nv21, one buffer"], value_range="limited"),
        "chroma order": swapped(frames["nv21, one buffer"], layout="nv12"),
        "rotation": swapped(frames["nv21, one buffer"], rotation=180),
        "mirroring": swapped(frames["nv21, one buffer"], mirrored=True),
        "channel order": np.ascontiguousarray(picture[..., ::-1]),
        "profile ignored": p3,
        "orientation ignored": stored(picture, 4),
        "wrong orientation": encode(picture, "PNG", exif=exif(2)),
        "crop instead of centre square": picture[:, :480],
    }
    for name, image in mistakes.items():
        _, mean = difference(Route("mistake", name, image, picture, 0))
        assert mean > 1.9 * MEAN_LIMIT, name


@pytest.mark.parametrize("orientation", [1, 6, 7])
def test_a_box_is_in_pixels_of_the_upright_image(orientation: int) -> None:
    picture = scene()
    data = encode(stored(picture, orientation), "PNG", compress_level=1, exif=exif(orientation))
    box = (31, 47, 331, 346)
    expected = prepare(np.ascontiguousarray(picture[47:346, 31:331]), 64, (0, 0, 300, 299))
    np.testing.assert_array_equal(prepare(data, 64, box), expected)


def test_a_box_is_read_from_the_full_resolution() -> None:
    data = encode(scene(1280, 960), "JPEG", quality=90)
    box = (100, 100, 900, 900)
    np.testing.assert_array_equal(prepare(data, 32, box), prepare(acquire(data), 32, box))
    with pytest.raises(CaptureError, match="outside"):
        prepare(data, 32, (1000, 100, 1300, 400))


def test_paths_bytes_and_arrays_agree(tmp_path: Path) -> None:
    data = encode(scene(), "PNG", compress_level=1)
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    expected = prepare(scene(), 96)
    for image in (path, str(path), data, bytearray(data), memoryview(data), scene()[:, ::-1][:, ::-1]):
        np.testing.assert_array_equal(prepare(image, 96), expected)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_bytes_that_is_read_is_in_the_hint(kind: Any) -> None:
    assert kind in get_args(ImageInput)
    data = encode(scene(), "PNG", compress_level=1)
    np.testing.assert_array_equal(prepare(kind(data), SIZE), prepare(data, SIZE))


def test_results_do_not_alias_the_input() -> None:
    picture = scene()
    buffer = bytearray(picture.tobytes())
    frame = type(next(iter(camera_frames(picture, "bt601", "full").values()))).packed("rgb", buffer, 640, 480)
    for image in (picture, frame, encode(picture, "PNG", compress_level=1)):
        for result in (acquire(image), prepare(image, 480, (0, 0, 480, 480))):
            assert result.flags.c_contiguous
            assert result.flags.owndata
            result[:] = 0
    assert picture.any()
    assert any(buffer)


@pytest.mark.parametrize(
    "image",
    [
        None,
        7,
        [[1, 2, 3]],
        b"",
        b"not an image",
        "absent.jpg",
        np.zeros((64, 64, 3), np.float32),
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((8, 64, 3), np.uint8),
        np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)),
    ],
)
def test_other_input_is_a_capture_error(image: Any) -> None:
    for act in (acquire, lambda given: prepare(given, SIZE)):
        with pytest.raises(CaptureError):
            act(image)


@pytest.mark.parametrize("size", [0, -1, 5000, 1.5, "224", None])
def test_an_impossible_size_is_a_capture_error(size: Any) -> None:
    with pytest.raises(CaptureError, match="size"):
        prepare(scene(), size)
    with pytest.raises(CaptureError, match="size"):
        prepare(encode(scene(), "PNG", compress_level=1), size)
