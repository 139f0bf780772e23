"""Framing, and resampling against an independent implementation of the documented arithmetic."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobile_runtime.errors import CaptureError
from mobile_runtime.resample import centre_square, check_box, resample


def weights(length: int, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First input pixel [size] and 22-bit weights [size, taps] of one pass."""
    scale = length / size
    support = max(scale, 1.0)
    rows = []
    for index in range(size):
        centre = (index + 0.5) * scale
        first = max(0, int(centre - support + 0.5))
        last = min(length, int(centre + support + 0.5))
        triangle = [max(0.0, 1 - abs((pixel - centre + 0.5) * (1 / support))) for pixel in range(first, last)]
        total = 0.0
        for value in triangle:
            total += value
        rows.append((first, [int(0.5 + value / total * (1 << 22)) for value in triangle]))
    table = np.zeros((size, max(len(row) for _, row in rows)), np.int64)
    for index, (_, row) in enumerate(rows):
        table[index, : len(row)] = row
    return np.array([first for first, _ in rows]), table


def horizontal_pass(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    if image.shape[1] == size:
        return image
    first, table = weights(image.shape[1], size)
    columns = np.minimum(first[:, None] + np.arange(table.shape[1]), image.shape[1] - 1)
    sums = np.einsum("hskc,sk->hsc", image[:, columns].astype(np.int64), table)
    return np.asarray(np.clip((sums + (1 << 21)) >> 22, 0, 255).astype(np.uint8))


def reference(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    wide = horizontal_pass(image, size)
    return horizontal_pass(wide.swapaxes(0, 1), size).swapaxes(0, 1)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 90), st.integers(0, 1), st.integers(1, 90), st.integers(0, 2**32 - 1), st.booleans())
def test_resample_is_the_documented_arithmetic_to_the_bit(side: int, extra: int, size: int, seed: int, stark: bool) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (side, side + extra, 3), dtype=np.uint8)
    if stark:
        image = np.where(image > 127, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(resample(image, size), reference(image, size))


@pytest.mark.parametrize(("side", "size"), [(3024, 224), (3001, 223), (750, 224), (64, 224), (225, 224), (224, 224)])
def test_resample_agrees_at_the_sizes_of_real_photographs(side: int, size: int) -> None:
    rng = np.random.default_rng(side)
    strip = rng.integers(0, 256, (1, side, 3), dtype=np.uint8)
    image = np.repeat(strip, size, 0)  # one pass only, so that a large side stays cheap
    np.testing.assert_array_equal(resample(image, size), reference(image, size))


def test_resample_gives_memory_of_its_own() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    result = resample(image, 20)
    assert result.flags.c_contiguous
    assert result.flags.writeable
    result[:] = 9
    assert not image.any()


def test_resample_reads_views_and_pictures_alike() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    view = image[4:36, 4:36][:, ::-1]
    expected = resample(np.ascontiguousarray(view), 17)
    np.testing.assert_array_equal(resample(view, 17), expected)
    np.testing.assert_array_equal(resample(Image.fromarray(np.ascontiguousarray(view)), 17), expected)


@pytest.mark.parametrize(
    ("image", "size"),
    [
        (np.zeros((20, 20, 3), np.float32), 10),
        (np.zeros((20, 20), np.uint8), 10),
        (np.zeros((0, 20, 3), np.uint8), 10),
        (Image.new("L", (20, 20)), 10),
        ("photo.jpg", 10),
        (np.zeros((20, 20, 3), np.uint8), 0),
        (np.zeros((20, 20, 3), np.uint8), 4097),
        (np.zeros((20, 20, 3), np.uint8), 10.5),
        (np.zeros((20, 20, 3), np.uint8), None),
    ],
)
def test_resample_refuses_other_input(image: object, size: object) -> None:
    with pytest.raises(CaptureError):
        resample(image, size)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_centre_square_is_centred_and_as_large_as_can_be(width: int, height: int) -> None:
    left, top, right, bottom = centre_square(width, height)
    assert right - left == bottom - top == min(width, height)
    assert 0 <= (width - right) - left <= 1
    assert 0 <= (height - bottom) - top <= 1


def test_check_box_takes_whole_numbers_of_any_kind() -> None:
    assert check_box((1, 2, 31, 32), 40, 40) == (1, 2, 31, 32)
    assert check_box(tuple(np.array([0, 0, 40, 40])), 40, 40) == (0, 0, 40, 40)
    assert check_box([2.0, 2, 22, 23], 40, 40) == (2, 2, 22, 23)


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 41, 41),
        (-1, 0, 30, 31),
        (20, 20, 20, 20),
        (30, 0, 10, 20),
        (0, 0, 30, 20),
        (0, 0, 15, 15),
        (0.5, 0, 30.5, 30),
        (float("nan"), 0, 30, 30),
        (float("inf"), 0, 30, 30),
        (0, 0, 30),
        ("a", "b", "c", "d"),
        "0030",
        None,
        7,
    ],
)
def test_check_box_refuses_what_would_squash_or_miss(box: object) -> None:
    with pytest.raises(CaptureError, match="box"):
        check_box(box, 40, 40)
