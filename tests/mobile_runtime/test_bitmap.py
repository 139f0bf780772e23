"""BMP files are read to the pixel, or refused with a reason."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mobile_runtime.bitmap import read_bitmap
from mobile_runtime.capture import acquire
from mobile_runtime.errors import CaptureError


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (height, width, 3), np.uint8)


def bitmap(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "BMP")
    return buffer.getvalue()


@given(st.integers(16, 40), st.integers(16, 40), st.integers(0, 99))
def test_pixels_are_those_that_were_written(width: int, height: int, seed: int) -> None:
    pixels = picture(width, height, seed)
    np.testing.assert_array_equal(acquire(bitmap(pixels)), pixels)


def test_rows_may_be_stored_from_the_top() -> None:
    pixels = picture(17, 16)
    data = bytearray(bitmap(pixels[::-1]))
    data[22:26] = struct.pack("<i", -16)
    np.testing.assert_array_equal(acquire(bytes(data)), pixels)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d[:30], "header is cut short"),
        (lambda d: d[:40], "16 rows of 17 pixels are not there"),
        (lambda d: d[:-1], "16 rows of 17 pixels are not there"),
        (lambda d: d[:10] + struct.pack("<I", 10) + d[14:], "rows of 17 pixels are not there"),
        (lambda d: d[:28] + b"\x08" + d[29:], "other than 24 bits"),
        (lambda d: d[:30] + b"\x01" + d[31:], "other than 24 bits"),
        (lambda d: d[:14] + b"\x0c" + d[15:], "other than 24 bits"),
        (lambda d: d[:18] + struct.pack("<i", 15) + d[22:], "under 16 pixels"),
        (lambda d: d[:18] + struct.pack("<ii", 20_000, 20_000) + d[26:], "over 100000000 pixels"),
        (lambda d: d[:18] + struct.pack("<i", -17) + d[22:], "under 16 pixels"),
        (lambda d: d[: -2 * 52] + bytes(2 * 52), "zeros stand where some of its rows should be"),
        (lambda d: d[: 54 + 5 * 52] + bytes(2 * 52) + d[54 + 7 * 52 :], "zeros stand where some of its rows should be"),
        (lambda d: d[:54] + bytes(len(d) - 54), "zeros stand where some of its rows should be"),
        (lambda d: d[:14] + b"\x7c" + d[15:70] + b"DEBM" + d[74:], "colour profile"),
    ],
)
def test_what_is_damaged_or_of_another_kind_is_refused(change: Callable[[bytes], bytes], words: str) -> None:
    with pytest.raises(CaptureError, match=words):
        acquire(change(bitmap(picture(17, 16))))


def test_a_black_border_is_no_interrupted_copy() -> None:
    pixels = picture(40, 64)
    pixels[:4] = 0  # rows are stored from the bottom: these are the last
    np.testing.assert_array_equal(acquire(bitmap(pixels)), pixels)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_picture_or_a_typed_error(rest: bytes) -> None:
    with pytest.raises(CaptureError):
        read_bitmap(b"BM" + rest[:60], "x")
    with contextlib.suppress(CaptureError):
        acquire(b"BM" + rest)
