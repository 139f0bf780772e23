"""What decoders let pass: files cut short that still open, and files made so as to keep a decoder busy.

A copy that was interrupted often has its full length already and zeros where the rest should be. Decoders paint something
there without an error, and a verdict would rest on half a lesion. So the bytes are looked at before decoding, and the
pixels after it. Segments of JPEG and boxes of HEIC files are read by `jpeg_structure` and `heic_structure`.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from mobile_runtime.errors import CaptureError
from mobile_runtime.heic_structure import check_heic
from mobile_runtime.jpeg_structure import MAX_PARTS, check_jpeg, too_many

MAX_ZEROS = 32
"""Bytes one after the other in a WebP picture, at its end or before; whole photographs have seldom over 7."""
UNWRITTEN = 128
"""Level of a JPEG's bands where no coefficient was read; in CMYK, which is stored inverted, one less, too."""
UNWRITTEN_PIXELS = 4
"""At the end of the last row that are of it: a block of a picture decoded at half scale."""
_FLAT = 6
"""Levels that one colour may spread over in WebP; at most 5 were measured on plain bars below photographs, at quality 10."""
_FLAT_BITS = 160
"""What a macroblock without detail takes at most; 134 were measured, beside much detail at the best quality."""
_EVERY_ROW = 2**14
_ZEROS = re.compile(rb"\0{%d,}" % (MAX_ZEROS + 1))
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of each colour type of PNG."""
WHOLE = [(0, 0, 1, 1)]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
"""First column, first row and steps of each pass over a PNG picture (PNG specification, 8.2)."""
_PIECE = 1 << 14
_HDR_TRANSFERS = (16, 18)
"""PQ and HLG (ITU-T H.273, table 3)."""


def check_structure(data: bytes, name: str) -> None:
    """Refuse what a decoder would paint over or work on for ever. What is no image at all is left to the decoders.

    Raises:
        CaptureError: over `MAX_SCANS` or `MAX_PARTS`, a JPEG or HEIC file with a hole, a JPEG without an end or with scans
            missing, a JPEG of which a part of the profile is missing, a PNG part that is not what its checksum is of, or one in
            high dynamic range.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            check_jpeg(data, name)
        elif data.startswith(b"\x89PNG\r\n\x1a\n"):
            _check_png(data, name)
        elif data[4:8] == b"ftyp":
            check_heic(data, name)
    except (struct.error, IndexError):
        return  # a length points outside the file: the decoder says so


def _check_png(data: bytes, name: str) -> None:
    """Pillow leaves the checksums of pixels alone and of what follows them, and zlib's own is behind the last byte that it asks
    for. It leaves cICP alone, too, which may say that the picture is no sRGB at all."""
    view = memoryview(data)
    for kind, begin, stop in _chunks(data, 8, len(data), name, png=True):
        if kind == b"IEND":
            return  # what follows is no part of the picture
        if kind == b"cICP" and stop > begin + 1:
            check_transfer(data[begin + 1], name)
        # Of a chunk that reaches outside the file Pillow takes what is there, and the checksum is lost.
        checksum = data[stop : stop + 4]
        if zlib.crc32(view[begin - 4 : stop]).to_bytes(4, "big") != checksum:
            raise CaptureError(f"{name}: a part of it is damaged; copy or take it again")


def check_transfer(transfer: int, name: str) -> None:
    """Refuse a picture in high dynamic range: read as sRGB it is flat, and what is referred otherwise may be reassured.

    Raises:
        CaptureError: these transfer characteristics are PQ or HLG.
    """
    if transfer in _HDR_TRANSFERS:
        raise CaptureError(f"{name}: a high dynamic range picture; export it as JPEG or take it again without HDR")


def check_profile(profile: bytes | None, name: str) -> None:
    """Refuse a picture whose colour profile says by its tag `cicp` (ICC.1:2022, 9.2.17) that it is in high dynamic range.

    Raises:
        CaptureError: it does; see `check_transfer`.
    """
    profile = profile or b""
    last = min(132 + 12 * int.from_bytes(profile[128:132], "big"), len(profile) - 11)
    for at in range(132, last, 12):
        if profile[at : at + 4] == b"cicp":
            begin = int.from_bytes(profile[at + 4 : at + 8], "big")
            said = profile[begin : begin + 12]
            if len(said) == 12 and said.startswith(b"cicp"):
                check_transfer(said[9], name)


def check_pixels(image: Image.Image, data: bytes, name: str) -> None:
    """Refuse a picture, as decoded, whose rest a decoder made up.

    Raises:
        CaptureError: a JPEG or PNG whose lower part is missing, or a WebP picture with zeros for a part of its data.
    """
    if image.format in ("JPEG", "MPO") and ends_unwritten(image):
        raise CaptureError(f"{name}: its lower part is missing; copy or take it again")
    if image.format == "WEBP" and _is_cut_webp(image, data, name):
        raise CaptureError(f"{name}: its rest is missing; copy or take it again")
    if image.format == "PNG" and _ends_black(image) and _lacks_rows(data, name):
        raise CaptureError(f"{name}: its lower part is missing; copy or take it again")


def ends_unwritten(image: Image.Image) -> bool:
    """Whether the last stored row ends in what libjpeg leaves, without an error, where the data end early but an end marker
    follows: all coefficients zero. Of data with a part cut out it leaves a few blocks, and shows all before them in a wrong
    place. A picture of which a part is grey must not be judged; one that really ends in this grey is refused, too."""
    corner = image.crop((image.width - UNWRITTEN_PIXELS, image.height - 1, image.width, image.height))
    extrema = corner.getextrema()
    bands = extrema if isinstance(extrema[0], tuple) else (extrema,)
    levels = (UNWRITTEN, UNWRITTEN - 1) if image.mode == "CMYK" else (UNWRITTEN,)
    return all(band in [(level, level) for level in levels] for band in bands)


def _ends_black(image: Image.Image) -> bool:
    """Whether one of the last two rows has nothing but zeros, as where pixels ran out; interlaced, every second row has."""
    last = np.asarray(image.crop((0, image.height - 2, image.width, image.height)))
    return not all(row.any() for row in last)


def _is_cut_webp(image: Image.Image, data: bytes, name: str) -> bool:
    rows, anywhere = _rows_of_zeros(data, name)
    if rows == anywhere == 0:
        return False
    pixels = np.asarray(image.convert("RGB"))
    if rows and np.ptp(pixels[-rows:], (0, 1)).max() > _FLAT:
        return True
    flat = np.ptp(pixels, 1).max(1) <= _FLAT
    longest = max((sum(1 for _ in run) for same, run in itertools.groupby(flat) if same), default=0)
    return longest < anywhere


def _lacks_rows(data: bytes, name: str) -> bool:
    """Whether the compressed pixels of a PNG file come to an end before the picture is whole, which Pillow leaves black."""
    width, height, depth, colour, interlaced = struct.unpack_from(">IIBB2xB", data, 16)
    left = 0
    for column, row, across, down in ADAM7 if interlaced else WHOLE:
        columns, rows = -((column - width) // across), -((row - height) // down)
        left += rows * (1 + (columns * depth * CHANNELS[colour] + 7) // 8) if min(columns, rows) > 0 else 0
    inflater = zlib.decompressobj()
    for kind, begin, stop in _chunks(data, 8, len(data), name, png=True):
        for at in range(begin, stop, _PIECE) if kind == b"IDAT" else ():
            left -= len(inflater.decompress(data[at : min(at + _PIECE, stop)]))
            if left <= 0 or inflater.eof:
                return left > 0
    return True


def _rows_of_zeros(data: bytes, name: str) -> tuple[int, int]:
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
                return _in_picture(data[start:stop], lossy=kind == b"VP8 ")
    return 0, 0


def _in_picture(picture: bytes, lossy: bool) -> tuple[int, int]:
    # RFC 6386, section 9.1: 19 bits from the sixth on are the length of the predictions, which begin ten bytes in.
    predictions = 10 + (int.from_bytes(picture[:3], "little") >> 5) if lossy else len(picture)
    across = (int.from_bytes(picture[6:8], "little") % 2**14 + 15) // 16
    kept = len(picture.rstrip(b"\0"))
    holes = [run.span() for run in _ZEROS.finditer(picture, 0, kept)] if lossy else []
    longest = max(holes, key=lambda span: span[1] - span[0], default=(kept, kept))

    def rows(begin: int, end: int) -> int:
        if end - begin <= MAX_ZEROS:
            return 0
        return _EVERY_ROW if begin < predictions else max(1, 16 * ((end - begin) * 8 // (_FLAT_BITS * across) - 1))

    return rows(kept, len(picture)), rows(*longest)


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
