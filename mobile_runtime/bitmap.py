"""BMP as research data sets publish their pictures: 24 bits a pixel, uncompressed, without a profile.

Everything else that the format allows (palettes, run lengths, bit fields) is refused: cameras write none of it.
"""

from __future__ import annotations

import struct

import numpy as np
from PIL import Image

from mobile_runtime.errors import CaptureError

MAGIC = b"BM"
_HEADER = struct.Struct("<2sI4xIIiiHHI")
_PROFILES = (b"DEBM", b"KNIL")  # "MBED" and "LINK", little-endian
_SPACE = 70
"""Where headers of version 4 and 5 name their colour space."""
_MOST_ZEROS = 16
"""A copy that was interrupted has zeros where rows should be: of so many parts of the picture, one may be black."""


def is_bitmap(data: bytes) -> bool:
    """Whether a file begins as BMP does."""
    return data[:2] == MAGIC


def bitmap_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height in pixels.

    Raises:
        CaptureError: the header is cut short, or it is a kind of BMP that is not read.
    """
    if len(data) < _HEADER.size:
        raise CaptureError(f"{name}: truncated, its header is cut short; copy it again")
    _, _, _, header, width, height, planes, bits, compression = _HEADER.unpack_from(data)
    if header < 40 or planes != 1 or bits != 24 or compression != 0:
        raise CaptureError(f"{name}: a BMP other than 24 bits a pixel, uncompressed; export it as PNG")
    if header >= 108 and data[_SPACE : _SPACE + 4] in _PROFILES:
        raise CaptureError(f"{name}: a BMP with a colour profile; export it as PNG")
    return width, abs(height)


def read_bitmap(data: bytes, name: str) -> Image.Image:
    """The picture, upright, of mode RGB.

    Raises:
        CaptureError: as `bitmap_size`, or rows are missing, be it that zeros stand in their place.
    """
    width, height = bitmap_size(data, name)
    _, _, start, header, _, stored_height, *_ = _HEADER.unpack_from(data)
    stride = (3 * width + 3) // 4 * 4
    if start < 14 + header or len(data) < start + stride * height:
        raise CaptureError(f"{name}: truncated, {height} rows of {width} pixels are not there; copy it again")
    rows = np.frombuffer(data, np.uint8, stride * height, start).reshape(height, stride)
    written = np.flatnonzero(np.concatenate([[True], rows.any(1), [True]]))
    if (np.diff(written).max() - 1) * _MOST_ZEROS > height:
        raise CaptureError(f"{name}: zeros stand where some of its rows should be; copy it again, or export it as PNG")
    pixels = rows[:, : 3 * width].reshape(height, width, 3)[:, :, ::-1]
    return Image.fromarray(np.ascontiguousarray(pixels if stored_height < 0 else pixels[::-1]))
