"""What decoders let pass: files cut short that still open, and files made so as to keep a decoder busy.

A copy that was interrupted often has its full length already and zeros where the rest should be. Decoders paint something
there without an error, and a verdict would rest on half a lesion. `decoding` looks at the pixels, too, with `rows_of_zeros` and
`lacks_rows`.
"""

from __future__ import annotations

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator

from mobile_runtime.errors import CaptureError
from mobile_runtime.jpeg_structure import MAX_PARTS, check_jpeg, has_hole, too_many

MAX_ZEROS = 32
"""Bytes one after the other in a WebP picture, at its end or before; whole photographs have seldom over 7."""
_FLAT_BITS = 160
"""What a macroblock without detail takes at most; 134 were measured, beside much detail at the best quality."""
EVERY_ROW = 2**14
_ZEROS = re.compile(rb"\0{%d,}" % (MAX_ZEROS + 1))
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of each colour type of PNG."""
_WHOLE = [(0, 0, 1, 1)]
_ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
"""First column, first row and steps of each pass over a PNG picture (PNG specification, 8.2)."""
_PIECE = 1 << 14


def check_structure(data: bytes, name: str) -> None:
    """Refuse what a decoder would paint over or work on for ever. What is no image at all is left to the decoders.

    Raises:
        CaptureError: over `MAX_SCANS` or `MAX_PARTS`, a JPEG or HEIC file with a hole, a JPEG without an end or with scans
            missing, or a PNG picture that is not what its checksums are of.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            check_jpeg(data, name)
        elif data.startswith(b"\x89PNG\r\n\x1a\n"):
            _check_png(data, name)
        elif data[4:8] == b"ftyp":
            _check_heic(data, name)
    except (struct.error, IndexError):
        return  # a length points outside the file: the decoder says so


def _check_png(data: bytes, name: str) -> None:
    """Pillow leaves the checksums of pixels alone, and zlib's own is behind the last byte that it asks for."""
    view = memoryview(data)
    for kind, begin, stop in _chunks(data, 8, len(data), name, png=True):
        if kind == b"IEND":
            return  # what follows is no part of the picture
        # Of a chunk that reaches outside the file Pillow takes what is there, and the checksum is lost.
        checksum = data[stop : stop + 4]
        if kind == b"IDAT" and zlib.crc32(view[begin - 4 : stop]).to_bytes(4, "big") != checksum:
            raise CaptureError(f"{name}: a part of it is damaged; copy or take it again")


def lacks_rows(data: bytes, name: str) -> bool:
    """Whether the compressed pixels of a PNG file come to an end before the picture is whole, which Pillow leaves black."""
    width, height, depth, colour, interlaced = struct.unpack_from(">IIBB2xB", data, 16)
    left = 0
    for column, row, across, down in _ADAM7 if interlaced else _WHOLE:
        columns, rows = -((column - width) // across), -((row - height) // down)
        left += rows * (1 + (columns * depth * _CHANNELS[colour] + 7) // 8) if min(columns, rows) > 0 else 0
    inflater = zlib.decompressobj()
    for kind, begin, stop in _chunks(data, 8, len(data), name, png=True):
        for at in range(begin, stop, _PIECE) if kind == b"IDAT" else ():
            left -= len(inflater.decompress(data[at : min(at + _PIECE, stop)]))
            if left <= 0 or inflater.eof:
                return left > 0
    return True


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
    raise too_many(name)
