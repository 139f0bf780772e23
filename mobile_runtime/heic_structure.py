"""Structure of HEIC files: coded pictures that are cut short or have a hole."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mobile_runtime.errors import CaptureError
from mobile_runtime.jpeg_structure import MAX_PARTS, has_hole, too_many


def check_heic(data: bytes, name: str) -> None:
    """So many zeros in a row are no HEVC data: after any two zeros, a byte of 3 keeps a third away (ITU-T H.265, 7.4.2). Of
    bytes of ones, encoders write two in a row at most, as measured."""
    # Each as it comes: what follows the picture, such as a film, may have one too, or no boxes at all.
    for kind, start, stop in _boxes(data, 0, len(data), name):
        if kind == b"meta":
            _check_pictures(data, start, stop, name)


def _check_pictures(data: bytes, start: int, stop: int, name: str) -> None:
    parts = {kind: (begin, end) for kind, begin, end in _boxes(data, start + 4, stop, name)}
    if b"iinf" not in parts or b"iloc" not in parts:
        return
    pictures = {item for item, kind in _items(data, *parts[b"iinf"], name) if kind in (b"hvc1", b"hev1")}
    for item, begin, end in _extents(data, *parts[b"iloc"], name):
        if item in pictures and (end > len(data) or has_hole(data, begin, end)):
            raise CaptureError(f"{name}: its rest is missing; copy or take it again")


def _items(data: bytes, start: int, stop: int, name: str) -> Iterator[tuple[int, bytes]]:
    """Number and type of each item (ISO/IEC 14496-12, `iinf`)."""
    head = 6 if data[start] == 0 else 8
    for kind, begin, _end in _boxes(data, start + head, stop, name):
        if kind == b"infe" and data[begin] in (2, 3):
            size = 2 if data[begin] == 2 else 4
            item = int.from_bytes(data[begin + 4 : begin + 4 + size], "big")
            yield item, data[begin + 6 + size : begin + 10 + size]


def _extents(data: bytes, start: int, stop: int, name: str) -> Iterator[tuple[int, int, int]]:
    """Item, begin and end in the file of each extent (ISO/IEC 14496-12, `iloc`); those kept elsewhere are left out."""
    position = start

    def number(size: int) -> int:
        nonlocal position
        if position + size > stop:
            raise IndexError
        position += size
        return int.from_bytes(data[position - size : position], "big")

    version = number(1)
    number(3)
    sizes = number(2)
    offset_size, length_size, base_size, index_size = ((sizes >> shift) & 15 for shift in (12, 8, 4, 0))
    seen = 0
    for _ in range(number(2 if version < 2 else 4)):
        item = number(2 if version < 2 else 4)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_size)
        for _ in range(number(2)):
            number(index_size if version else 0)
            begin, length = base + number(offset_size), number(length_size)
            seen += 1
            if seen > MAX_PARTS:
                raise too_many(name)
            if method == 0:
                yield item, begin, begin + length if length else len(data)


def _boxes(data: bytes, start: int, stop: int, name: str) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of the content of each box from start to stop."""
    for _ in range(MAX_PARTS):
        if start + 8 > stop:
            return
        size, kind, head = *struct.unpack_from(">I4s", data, start), 8
        if size == 1:
            size, head = *struct.unpack_from(">Q", data, start + 8), 16
        end = start + size if size else stop
        if end < start + head:
            raise IndexError
        yield kind, start + head, min(end, stop)
        start = end
    raise too_many(name)
