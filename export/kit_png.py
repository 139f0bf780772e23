"""Vectors of PNG files: whole, cut and damaged ones, and those in high dynamic range."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from export.kit_cases import CUT, HDR, HLG, PQ, SDR, Case, Pixels, encode, holed, profile_of
from mobile_runtime.structure import ADAM7, CHANNELS, WHOLE

_CODES = {"stored": (0, zlib.Z_DEFAULT_STRATEGY), "fixed codes": (9, zlib.Z_FIXED), "own codes": (9, zlib.Z_DEFAULT_STRATEGY)}


def png_cases(picture: Pixels) -> Iterator[Case]:
    plain = encode(picture, "PNG")
    pixels = plain.index(b"IDAT")
    yield "a PNG", plain, None
    yield "a PNG with a trailer", plain + bytes(99), None
    yield "a PNG with a hole", holed(plain), CUT
    yield "a PNG whose checksum is another", plain[:-16] + bytes([plain[-16] ^ 1]) + plain[-15:], CUT
    yield "a PNG without its end", plain[:-12], CUT
    yield "a PNG that ends within its pixels", plain[: len(plain) // 2], CUT
    yield "a PNG whose pixels reach outside", plain[: pixels - 4] + b"\x7f" + plain[pixels - 3 :], CUT
    yield "a PNG in high dynamic range, cut", _before(plain, b"IDAT", _cicp(PQ))[: len(plain) // 2], CUT
    for transfer, code in ((SDR, None), (PQ, HDR), (HLG, HDR)):
        yield f"a PNG of transfer {transfer}", _before(plain, b"IDAT", _cicp(transfer)), code
        yield f"a PNG of transfer {transfer}, behind its pixels", _before(plain, b"IEND", _cicp(transfer)), code
        profiled = encode(picture, "PNG", icc_profile=profile_of(transfer))
        yield f"a PNG with a profile of transfer {transfer}", profiled, code
    for kind in (b"iCCP", b"tRNS"):
        data = encode(Image.fromarray(picture).convert("P"), "PNG", icc_profile=profile_of(SDR), transparency=0)
        at = data.index(kind) + 4
        yield f"a PNG whose {kind.decode()} is damaged", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], CUT
    late = bytearray(_before(plain, b"IEND", _chunk(b"tEXt", b"a note")))
    late[-20] ^= 1
    yield "a PNG whose note behind its pixels is damaged", bytes(late), CUT
    yield "a PNG whose transfer is missing", _before(plain, b"IDAT", _chunk(b"cICP", b"\x09")), None
    yield "a PNG with a transfer behind its end", plain + _cicp(PQ), None
    kinds = [(0, 1, False), (0, 16, False), (2, 8, False), (2, 8, True), (3, 2, False), (4, 8, True), (6, 8, False)]
    for colour, depth, interlaced in kinds:
        for codes, (level, strategy) in _CODES.items():
            name = f"a PNG of colour {colour}, {depth} bits{', interlaced' if interlaced else ''}, {codes}"
            packer = zlib.compressobj(level, strategy=strategy)
            yield name, _drawn_png(colour, depth, interlaced, packer.copy(), share=1), None
            yield f"{name}, which runs out", _drawn_png(colour, depth, interlaced, packer, share=0.75), CUT


def _drawn_png(colour: int, depth: int, interlaced: bool, packer: Any, share: float) -> bytes:
    """A PNG file whose checksums are right and which has a share of its pixels."""
    width, height, bits = 19, 17, depth * CHANNELS[colour]
    lines = []
    for column, row, across, down in ADAM7 if interlaced else WHOLE:
        columns, rows = len(range(column, width, across)), len(range(row, height, down))
        # Some of them alike, so that there are matches of several lengths and distances.
        drawn = np.random.default_rng(3).integers(85, 99, (rows, (columns * bits + 7) // 8), dtype=np.uint8)
        drawn[rows // 3 : rows // 2] = drawn[rows // 3 : rows // 3 + 1]
        lines += [b"\0" + line.tobytes() for line in drawn]
    pixels = b"".join(lines)
    packed = packer.compress(pixels[: int(len(pixels) * share)]) + packer.flush()
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    data += _chunk(b"PLTE", bytes(range(3, 15))) if colour == 3 else b""
    middle = len(packed) // 2
    return data + _chunk(b"IDAT", packed[:middle]) + _chunk(b"IDAT", packed[middle:]) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _cicp(transfer: int) -> bytes:
    return _chunk(b"cICP", bytes([9, transfer, 0, 1]))


def _before(png: bytes, kind: bytes, more: bytes) -> bytes:
    """A PNG with something more before its first chunk of a kind."""
    at = png.index(kind) - 4
    return png[:at] + more + png[at:]
