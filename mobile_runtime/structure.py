"""What decoders let pass: files cut short that still open, and files made so as to keep a decoder busy.

A copy that was interrupted often has its full length already and zeros where the rest should be. libwebp, libheif
and, now and then, libjpeg paint something there without an error, and a verdict would rest on half a lesion. (PNG and cut JPEGs
are seen to in `decoding`, and so is WebP, with `rows_of_zeros`.)
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator

import numpy as np

from mobile_runtime.errors import CaptureError

MAX_SCANS = 24
"""Of a progressive JPEG; encoders write up to a dozen. Each one more takes a pass over all pixels and hardly a byte."""
MAX_PARTS = 65_536
"""Segments, chunks or items of a file."""
MAX_ZEROS = 32
"""Bytes one after the other in a WebP picture, at its end or before; whole photographs have seldom over 7."""
_FLAT_BITS = 160
"""What a macroblock without detail takes at most; 134 were measured, beside much detail at the best quality."""
EVERY_ROW = 2**14
_ZEROS = re.compile(rb"\0{%d,}" % (MAX_ZEROS + 1))
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_STANDALONE = {0xD8, 0xD9}
_END, _SCAN, _TABLES, _SEQUENTIAL = 0xD9, 0xDA, 0xC4, {0xC0, 0xC1}


def check_structure(data: bytes, name: str) -> None:
    """Refuse what a decoder would paint over or work on for ever. What is no image at all is left to the decoders.

    Raises:
        CaptureError: over `MAX_SCANS` or `MAX_PARTS`, a JPEG or HEIC file with a hole, or a JPEG without an end.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            _check_jpeg(data, name)
        elif data.startswith(b"\x89PNG\r\n\x1a\n"):
            for _ in _chunks(data, 8, len(data), name, png=True):
                pass
        elif data[4:8] == b"ftyp":
            _check_heic(data, name)
    except (struct.error, IndexError):
        return  # a length points outside the file: the decoder says so


def _check_jpeg(data: bytes, name: str) -> None:
    scans = position = 0
    zero_symbols: dict[int, int] = {}
    sequential = telling = False
    for _ in range(MAX_PARTS):
        marker = _MARKER.search(data, position)
        if telling and _has_hole(data, position, marker.start() if marker else len(data)):
            raise CaptureError(f"{name}: a part of it is missing; copy or take it again")
        telling = False
        if marker is None and scans:
            raise CaptureError(f"{name}: its end is missing; copy or take it again")
        if marker is None or (kind := marker[1][0]) == _END:
            return
        position = marker.end()
        if kind in _STANDALONE:
            continue
        begin, position = position + 2, position + max(2, int.from_bytes(data[position : position + 2], "big"))
        if kind in _SEQUENTIAL:
            sequential = True
        elif kind == _TABLES:
            zero_symbols |= _zero_symbols(data[begin:position])
        elif kind == _SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise CaptureError(f"{name}: a JPEG of over {MAX_SCANS} scans, which no camera writes; export it anew")
            # With such a table zeros are small coefficients, one after the other, and not blocks without any.
            telling = sequential and zero_symbols.get(data[begin + 2] & 15, 0) != 0
    raise _too_many(name)


def _zero_symbols(tables: bytes) -> dict[int, int]:
    """Number of each AC table in a segment of Huffman tables -> what a code of zeros stands for (ITU-T T.81, B.2.4.2, C.2)."""
    found = {}
    at = 0
    while at + 17 < len(tables):
        count = sum(tables[at + 1 : at + 17])
        if tables[at] >> 4 == 1 and count:
            found[tables[at] & 15] = tables[at + 17]
        at += 17 + count
    return found


def _has_hole(data: bytes, begin: int, end: int) -> bool:
    """Whether 23 zeros follow one another, or from 16 on, depending on where."""
    begin = min(begin, len(data))
    words = np.frombuffer(data, np.uint64, max(0, end - begin) // 8, begin) == 0
    return bool((words[1:] & words[:-1]).any())


def rows_of_zeros(data: bytes, name: str) -> tuple[int, int]:
    """How many rows of a WebP picture are of one colour if its zeros are its own.

    Encoders write such zeros for macroblocks that have nothing but their prediction. Cut short, a picture goes on as the
    predictions have it, in streaks, or anyhow where they are cut, too.

    Returns:
        Rows at the bottom, for the zeros that it ends in, and rows next to each other anywhere, for the longest run of zeros
        before, in a lossy one; 0 for hardly any. Plain areas that do not reach from side to side make shorter runs.
    """
    with contextlib.suppress(struct.error, IndexError):
        end = 8 + int.from_bytes(data[4:8], "little")
        for kind, start, stop in _chunks(data, 12, min(end, len(data)), name):
            if kind == b"ANMF":  # the first picture counts
                inner = _chunks(data, start + 16, stop, name)
                kind, start, stop = next((part for part in inner if part[0].startswith(b"VP8")), (b"", 0, 0))
            if kind in (b"VP8 ", b"VP8L"):
                return _rows_of_zeros(data[start:stop], lossy=kind == b"VP8 ")
    return 0, 0


def _rows_of_zeros(picture: bytes, lossy: bool) -> tuple[int, int]:
    # RFC 6386, section 9.1: 19 bits from the sixth on are the length of the predictions, which begin ten bytes in.
    predictions = 10 + (int.from_bytes(picture[:3], "little") >> 5) if lossy else len(picture)
    across = (int.from_bytes(picture[6:8], "little") % 2**14 + 15) // 16
    kept = len(picture.rstrip(b"\0"))
    holes = [run.span() for run in _ZEROS.finditer(picture, 0, kept)] if lossy else []
    longest = max(holes, key=lambda span: span[1] - span[0], default=(kept, kept))

    def rows(begin: int, end: int) -> int:
        if end - begin <= MAX_ZEROS:
            return 0
        return EVERY_ROW if begin < predictions else max(1, 16 * ((end - begin) * 8 // (_FLAT_BITS * across) - 1))

    return rows(kept, len(picture)), rows(*longest)


def _check_heic(data: bytes, name: str) -> None:
    """So many zeros in a row are no HEVC data: after any two zeros, a byte of 3 keeps a third away (ITU-T H.265, 7.4.2)."""
    boxes = {kind: (start, stop) for kind, start, stop in _boxes(data, 0, len(data), name)}
    if b"meta" not in boxes:
        return
    start, stop = boxes[b"meta"]
    parts = {kind: (begin, end) for kind, begin, end in _boxes(data, start + 4, stop, name)}
    if b"iinf" not in parts or b"iloc" not in parts:
        return
    pictures = {item for item, kind in _items(data, *parts[b"iinf"], name) if kind in (b"hvc1", b"hev1")}
    for item, begin, end in _extents(data, *parts[b"iloc"], name):
        if item in pictures and (end > len(data) or _has_hole(data, begin, end)):
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
                raise _too_many(name)
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
    raise _too_many(name)


def _chunks(data: bytes, start: int, stop: int, name: str, png: bool = False) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of the content of each chunk of a WebP file, or of a PNG file, from start to stop."""
    for _ in range(MAX_PARTS):
        if start + 8 > stop:
            return
        if png:
            size, kind = struct.unpack_from(">I4s", data, start)
        else:
            kind, size = struct.unpack_from("<4sI", data, start)
        yield kind, start + 8, min(start + 8 + size, stop)
        start += 8 + size + (4 if png else size % 2)  # a checksum; a byte that makes it even
    raise _too_many(name)


def _too_many(name: str) -> CaptureError:
    return CaptureError(f"{name}: over {MAX_PARTS} parts, which no camera writes; export it anew")
