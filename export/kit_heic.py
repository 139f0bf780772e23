"""Vectors of HEIC files: containers with a hole or in high dynamic range, and whole ones. Decoders are not asked."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from export.kit_cases import CUT, HDR, HLG, HOLE, PQ, SDR, Case, profile_of


def heic_cases() -> Iterator[Case]:
    """Containers with one picture, of noise in place of HEVC: decoders are not asked."""
    picture = np.random.default_rng(4).integers(1, 256, 400, dtype=np.uint8).tobytes()
    half = picture[:200]
    yield "a HEIC", _heic(picture), None
    yield "a HEIC with a trailer", _heic(picture) + b"trailer" * 9, None
    yield "a HEIC with zeros elsewhere", _heic(picture, b"Exif", half + bytes(200)), None
    yield "a HEIC with 64-bit boxes", _heic(picture, version=1, wide=True), None
    yield "a HEIC without its last third", _heic(picture)[:-133], CUT
    for version, wide in ((0, False), (1, True), (2, False)):
        yield f"a HEIC whose rest is zeros, version {version}", _heic(half + bytes(200), version=version, wide=wide), CUT
        yield f"a HEIC whose rest is erased, version {version}", _heic(half + b"\xff" * 200, version=version, wide=wide), CUT
    damaged = _heic(half + bytes(200))
    yield "a HEIC whose rest is zeros, with a trailer that is no box", damaged + bytes([0, 0, 0, 5]) + b"abcdefgh", CUT
    yield "a HEIC whose rest is zeros, with another list behind it", damaged + _box(b"meta", bytes(4)), CUT
    yield "a HEIC with a hole", _heic(half + bytes(HOLE) + half), CUT
    yield "a HEIC whose second picture has a hole", _heic(picture, b"hev1", half + bytes(200)), CUT
    for wide in (False, True):
        size = "long" if wide else "short"
        for transfer, code in ((SDR, None), (PQ, HDR), (HLG, HDR)):
            named = f"a HEIC of transfer {transfer}, {size} numbers"
            yield named, _heic(picture, colours=_colours([_nclx(transfer)], {1: [1]}, wide)), code
            yield (
                f"{named}, with a profile",
                _heic(picture, colours=_colours([_PROFILE, _nclx(transfer)], {1: [1, 2]}, wide)),
                None,
            )
            own = _box(b"colr", b"prof" + profile_of(transfer))
            yield (
                f"a HEIC with a profile of transfer {transfer}, {size}",
                _heic(picture, colours=_colours([own], {1: [1]}, wide)),
                code,
            )
            other = _colours([_nclx(transfer), _nclx(SDR)], {2: [1], 1: [2]}, wide)
            yield f"{named}, of another picture", _heic(picture, colours=other), None
            tiles = _colours([_box(b"irot", b"\0"), _nclx(transfer)], {1: [1], 2: [2]}, wide)
            yield f"{named}, of its tiles", _heic(picture, colours=tiles), code
    for box in (b"pitm", b"iprp", b"ipco"):
        without = _colours([_nclx(PQ)], {1: [1]}).replace(box, b"free")
        yield f"a HEIC whose {box.decode()} is missing", _heic(picture, colours=without), None
    yield "a HEIC whose colours are cut", _heic(picture, colours=_colours([_box(b"colr", b"nclx\0\x09")], {1: [1]})), None


_PROFILE = struct.pack(">I", 20) + b"colrprof" + bytes(8)


def _nclx(transfer: int) -> bytes:
    return _box(b"colr", b"nclx" + struct.pack(">HHHB", 9, transfer, 9, 128))


def _colours(properties: list[bytes], numbers: dict[int, list[int]], wide: bool = False) -> bytes:
    """That the first item counts, and numbers from 1 of each item's properties (ISO/IEC 23008-12); wide: in long numbers."""
    item_format, number_format, essential = (">I", ">H", 1 << 15) if wide else (">H", ">B", 1 << 7)
    links = struct.pack(">II", int(wide) << 24 | int(wide), len(numbers))
    for item, own in numbers.items():
        links += struct.pack(item_format, item) + bytes([len(own)])
        links += b"".join(struct.pack(number_format, essential | number) for number in own)
    primary = _box(b"pitm", struct.pack(">I", int(wide) << 24) + struct.pack(item_format, 1))
    return primary + _box(b"iprp", _box(b"ipco", b"".join(properties)) + _box(b"ipma", links))


def _heic(
    picture: bytes, other: bytes = b"Exif", more: bytes = b"more", version: int = 0, wide: bool = False, colours: bytes = b""
) -> bytes:
    """Two items, the first a picture (ISO/IEC 14496-12); version: of the list of places, of which 2 has long numbers."""
    kinds = [b"hvc1", other]
    numbers = ">I" if version == 2 else ">H"
    entries = b"".join(
        _box(b"infe", struct.pack(">IHH", 2 << 24, item, 0) + kind + b"\0") for item, kind in enumerate(kinds, 1)
    )
    items = _box(b"iinf", struct.pack(">IH", 0, len(kinds)) + entries)

    def head(base: int) -> bytes:
        places = struct.pack(">IH", version << 24, 0x4440) + struct.pack(numbers, len(kinds))
        for item, (offset, length) in enumerate([(0, len(picture)), (len(picture), len(more))], 1):
            places += struct.pack(numbers, item) + (b"\0\0" if version else b"") + struct.pack(">HIH", 0, base, 1)
            places += struct.pack(">II", offset, length)
        meta = _box(b"meta", bytes(4) + items + _box(b"iloc", places) + colours)
        return _box(b"ftyp", b"mif1" + bytes(4) + b"mif1heic") + meta + (b"\0\0\0\1mdat" if wide else b"")

    if not wide:
        return head(len(head(0)) + 8) + _box(b"mdat", picture + more)
    return head(len(head(0)) + 8) + struct.pack(">Q", 16 + len(picture + more)) + picture + more


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body
