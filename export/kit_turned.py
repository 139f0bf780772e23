"""Vectors of files that EXIF says to turn, for ports in other languages: decoders go by some of it, each by another part.

`turned` has, of each file, the orientation that Python reads in it, the upright picture, and by how many levels of 255 its
decoders may differ.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from export.golden_cases import LOSSY_TOLERANCE
from mobile_runtime.capture import acquire

Pixels = npt.NDArray[np.uint8]
_WIDTH, _HEIGHT = 24, 18
_ORIENTATION, _MAKE = 0x0112, 0x010F
_SHORT, _ASCII, _LONG = 3, 2, 4
_HEAD = b"Exif\0\0"
_EXIF_FLAG = 8


def turned_vectors() -> list[dict[str, Any]]:
    """The list `turned` of port.json, the same at every call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of faulty EXIF
        return [_vector(*case) for case in (*_jpegs(), *_pngs(), *_webps())]


def _vector(name: str, data: bytes, stored: bytes) -> dict[str, Any]:
    """Of one file; stored: the same without EXIF."""
    upright, plain = acquire(data), acquire(stored)
    orientation = next(number for number in range(1, 9) if np.array_equal(_turned(plain, number), upright))
    return {
        "name": name,
        "data": data.hex(),
        "orientation": orientation,
        "width": upright.shape[1],
        "height": upright.shape[0],
        "rgb": upright.tobytes().hex(),
        "tolerance": LOSSY_TOLERANCE if b"\xff\xda" in data or b"VP8 " in data else 0,
    }


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """As EXIF numbers them: the sides that the stored first row and column are on."""
    pixels = pixels[:: -1 if orientation in (3, 4, 6, 7) else 1, :: -1 if orientation in (2, 3, 7, 8) else 1]
    return pixels.transpose(1, 0, 2) if orientation > 4 else pixels


def _picture() -> Image.Image:
    """Unlike itself however it is turned."""
    rows, columns = np.mgrid[:_HEIGHT, :_WIDTH]
    pixels = np.stack([9 * columns, 12 * rows, np.where(columns + rows < _HEIGHT, 200, 20)], 2)
    return Image.fromarray(pixels.astype(np.uint8))


def _encode(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    _picture().save(stream, kind, **options)
    return stream.getvalue()


def _entry(order: str, tag: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack(f"{order}HHI", tag, kind, count) + value.ljust(4, b"\0")


def _tiff(entries: list[bytes], order: str, more: bytes = b"", head: bytes | None = None) -> bytes:
    """One directory of entries, and what they may point at, from `_more(len(entries))` on."""
    start = head or (b"MM\0*" if order == ">" else b"II*\0")
    return start + struct.pack(f"{order}IH", 8, len(entries)) + b"".join(entries) + bytes(4) + more


def _more(entries: int) -> int:
    return 8 + 2 + 12 * entries + 4


def _short(orientation: int, order: str = ">") -> bytes:
    return _entry(order, _ORIENTATION, _SHORT, 1, struct.pack(f"{order}H", orientation))


def _plain(orientation: int) -> bytes:
    return _tiff([_short(orientation)], ">")


def _tiffs() -> Iterator[tuple[str, bytes]]:
    """Directories of every kind of number and fault."""
    for order in "><":
        numbers = {"H": _SHORT, "I": _LONG, "b": 6, "h": 8, "i": 9, "f": 11}
        for code, kind in numbers.items():
            value = struct.pack(order + code, 6)
            yield f"type {kind}, {order}", _tiff([_entry(order, _ORIENTATION, kind, 1, value)], order)
        for code, kind in {"II": 5, "ii": 10, "d": 12, "Q": 16}.items():
            value = struct.pack(order + code, *((12, 2) if len(code) == 2 else (6,)))
            place = struct.pack(f"{order}I", _more(1))
            yield f"type {kind}, {order}", _tiff([_entry(order, _ORIENTATION, kind, 1, place)], order, value)
        yield f"two numbers, {order}", _tiff([_entry(order, _ORIENTATION, _SHORT, 2, struct.pack(f"{order}HH", 6, 3))], order)
        yield f"a letter, {order}", _tiff([_entry(order, _ORIENTATION, _ASCII, 2, b"\6")], order)
        for kind, value in ((1, b"6"), (1, b"\6"), (_ASCII, b"6"), (_ASCII, b"6\0"), (_ASCII, b"66"), (7, b"6"), (7, b"6\0")):
            digits = _entry(order, _ORIENTATION, kind, len(value), value)
            yield f"type {kind} of {value.hex()}, {order}", _tiff([digits], order)
        yield f"no number, {order}", _tiff([_entry(order, _ORIENTATION, _SHORT, 0, b""), _short(6, order)], order)
        yield (
            f"a type that there is none of, {order}",
            _tiff([_entry(order, _ORIENTATION, 99, 1, b""), _short(6, order)], order),
        )
        other = struct.pack(f"{order}I", _more(2))
        yield f"behind a name, {order}", _tiff([_entry(order, _MAKE, _ASCII, 6, other), _short(6, order)], order, b"maker\0")
        yield (
            f"behind a name that is missing, {order}",
            _tiff([_entry(order, _MAKE, _ASCII, 6, other), _short(6, order)], order),
        )
        yield (
            f"behind a name that is too long, {order}",
            _tiff([_entry(order, _MAKE, _ASCII, 99, other), _short(6, order)], order),
        )
        yield f"half of it missing, {order}", _tiff([_short(6, order)], order)[:-8]
        yield f"less of it missing, {order}", _tiff([_short(6, order)], order)[:-4]
    yield "the number 42 in the other order, >", _tiff([_short(6, ">")], ">", head=b"MM*\0")
    yield "the number 42 in the other order, <", _tiff([_short(6, "<")], "<", head=b"II\0*")
    for head in (b"MM\0+", b"II+\0", b"MMMM"):
        order = "<" if head.startswith(b"II") else ">"
        yield f"another number than 42, {head.hex()}", _tiff([_short(6, order)], order, head=head)
    yield "no directory", b"MM\0*"
    yield "nothing", b""
    yield "a name before it", _HEAD + _plain(6)
    for orientation in (0, 9, 262):
        yield f"orientation {orientation}", _plain(orientation)


def _jpegs() -> Iterator[tuple[str, bytes, bytes]]:
    plain = _encode("JPEG", quality=95, subsampling=0)

    def with_exif(*exif: bytes, head: bytes = _HEAD) -> bytes:
        segments = (b"\xff\xe1" + struct.pack(">H", 2 + len(head + part)) + head + part for part in exif)
        return plain[:2] + b"".join(segments) + plain[2:]

    for orientation in range(1, 9):
        yield f"a JPEG of orientation {orientation}", with_exif(_plain(orientation)), plain
    whole = _plain(6)
    yield "a JPEG, a long number", with_exif(_tiff([_entry(">", _ORIENTATION, _LONG, 1, struct.pack(">I", 6))], ">")), plain
    yield "a JPEG, a name before it", with_exif(_HEAD + whole), plain
    yield "a JPEG with EXIF in two parts", with_exif(whole[:15], whole[15:]), plain
    yield "a JPEG with EXIF twice", with_exif(_plain(1), whole), plain
    yield "a JPEG with EXIF twice, the other way round", with_exif(whole, _plain(1)), plain
    yield "a JPEG with EXIF of another name", with_exif(whole, head=b"Exif\0\xff"), plain
    scan = plain.index(b"\xff\xda")
    late = with_exif(whole)[2 : 2 + 4 + len(_HEAD + whole)]
    yield "a JPEG with EXIF before its scan", plain[:scan] + late + plain[scan:], plain
    yield "a JPEG with EXIF behind its scan", plain[:-2] + late + plain[-2:], plain


def _pngs() -> Iterator[tuple[str, bytes, bytes]]:
    plain = _encode("PNG")

    def with_exif(*exif: bytes, before: bytes) -> bytes:
        at = plain.index(before) - 4
        chunks = b"".join(
            struct.pack(">I", len(part)) + b"eXIf" + part + struct.pack(">I", zlib.crc32(b"eXIf" + part)) for part in exif
        )
        return plain[:at] + chunks + plain[at:]

    for orientation in range(1, 9):
        for before in (b"IDAT", b"IEND"):
            name = f"a PNG of orientation {orientation}, EXIF before {before.decode()}"
            yield name, with_exif(_plain(orientation), before=before), plain
    for name, tiff in _tiffs():
        yield f"a PNG, {name}", with_exif(tiff, before=b"IEND"), plain
    yield "a PNG with EXIF twice", with_exif(_plain(3), _plain(6), before=b"IDAT"), plain
    yield "a PNG with EXIF behind its end", plain + with_exif(_plain(6), before=b"IEND")[-12 - 38 :], plain


def _webps() -> Iterator[tuple[str, bytes, bytes]]:
    lossless, lossy = _encode("WEBP", lossless=True), _encode("WEBP", quality=95)
    for orientation in range(1, 9):
        yield f"a WebP of orientation {orientation}", _webp(lossless, _plain(orientation)), lossless
    yield "a WebP, a name before it", _webp(lossless, _HEAD + _plain(6)), lossless
    yield "a lossy WebP", _webp(lossy, _plain(6)), lossy
    yield "a WebP with EXIF twice", _webp(lossless, _plain(3), _plain(6)), lossless
    yield "a WebP with EXIF that its header does not tell of", _webp(lossless, _plain(6), flags=0), lossless
    odd = _plain(6) + b"\0"
    yield "a WebP with EXIF of an odd length", _webp(lossless, odd, _plain(3)), lossless


def _webp(simple: bytes, *exif: bytes, flags: int = _EXIF_FLAG) -> bytes:
    """A WebP file with a header for more than a picture."""
    sides = (_WIDTH - 1).to_bytes(3, "little") + (_HEIGHT - 1).to_bytes(3, "little")
    body = b"WEBP" + _chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides) + simple[12:]
    body += b"".join(_chunk(b"EXIF", part) for part in exif)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
