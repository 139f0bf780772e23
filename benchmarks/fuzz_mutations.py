"""Damaged image files for `benchmarks.fuzz_capture`: real JPEG, PNG and WebP files, then one to three mutations each."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks.capture_scenes import encode
from mobile_runtime.colour_profiles import DISPLAY_P3, rgb_profile
from mobile_runtime.synthetic import lesion

Mutation = Callable[[random.Random, bytes], bytes]
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)
SIDES = (0, 1, 15, 16, 255, 256, 4096, 9999, 10000, 10001, 16383, 16384, 32767, 65500, 65535)
WIDE_SIDES = (*SIDES, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1)


def corpus() -> dict[str, bytes]:
    """Intact files by name, one for each way through the decoders."""
    rgb = Image.fromarray(lesion("mel", 3, 96)).resize((120, 90))
    rgba = rgb.convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize(rgb.size))
    grey = rgb.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    metadata = {"exif": _exif(), "icc_profile": rgb_profile(DISPLAY_P3)}
    pages = [rgb, rgb.rotate(90, expand=False)]
    return {
        "jpeg": encode(rgb, "JPEG", quality=85),
        "jpeg_metadata": encode(rgb, "JPEG", quality=85, **metadata),
        "jpeg_progressive": encode(rgb, "JPEG", quality=80, progressive=True, **metadata),
        "jpeg_cmyk": encode(rgb.convert("CMYK"), "JPEG", quality=85),
        "jpeg_grey": encode(grey, "JPEG", quality=85, **metadata),
        "png": encode(rgb, "PNG"),
        "png_metadata": encode(rgba, "PNG", **metadata),
        "png_palette": encode(rgb.quantize(32), "PNG", transparency=3),
        "png_16": encode(deep, "PNG"),
        "webp": encode(rgb, "WEBP", quality=80, **metadata),
        "webp_lossless": encode(rgba, "WEBP", lossless=True, **metadata),
        "webp_animation": encode(rgb, "WEBP", save_all=True, append_images=pages, **metadata),
    }


def bombs() -> dict[str, bytes]:
    """Files of at most a few megabytes that stand for as many pixels as the runtime takes, or for more.

    Those at the limit have all that costs time and memory: alpha, a profile, an orientation.
    """
    costly = {"exif": _exif(), "icc_profile": rgb_profile(DISPLAY_P3)}
    colour = (190, 140, 120)
    square = Image.new("RGBA", (5656, 5656), (*colour, 99))
    smaller = square.resize((4000, 4000))
    tiny = _plain_png(64, 64)
    return busy_work() | {
        "bomb_png_rgba": encode(square, "PNG", compress_level=1, exif=_exif()),
        "bomb_png_rgb": encode(square.convert("RGB"), "PNG", compress_level=1, **costly),
        "bomb_png_costly": encode(smaller, "PNG", compress_level=1, **costly),
        "bomb_png_palette": encode(smaller.convert("RGB").quantize(8), "PNG", transparency=0, **costly),
        "bomb_png_costly_over": encode(square, "PNG", compress_level=1, **costly),
        "bomb_png_wide": _plain_png(2_000_000, 16),
        "bomb_png_grey_16": _plain_png(5656, 5656, colour=0, depth=16),
        "bomb_png_over": _plain_png(10_000, 10_000),
        "bomb_png_far_over": _plain_png(100_000, 100_000, rows=8),
        "bomb_png_text": _with_chunk(tiny, b"zTXt", b"k\0\0" + zlib.compress(bytes(200_000_000), 9)),
        "bomb_png_profile": _with_chunk(tiny, b"iCCP", b"k\0\0" + zlib.compress(bytes(200_000_000), 9)),
        "bomb_jpeg": encode(Image.new("RGB", (7810, 7810), colour), "JPEG", quality=30, **costly),
        "bomb_jpeg_progressive": encode(Image.new("RGB", (7810, 7810), colour), "JPEG", progressive=True, **costly),
        "bomb_jpeg_cmyk": encode(Image.new("CMYK", (7810, 7810)), "JPEG", quality=30, exif=costly["exif"]),
        "bomb_jpeg_reduced": encode(Image.new("RGB", (10_000, 10_000), colour), "JPEG", quality=30, **costly),
        "bomb_jpeg_over": encode(Image.new("RGB", (9_999, 9_999), colour), "JPEG", quality=30, **costly),
        "bomb_webp": encode(square.resize((4898, 4898)), "WEBP", quality=1, method=0, exif=_exif()),
        "bomb_webp_costly": encode(smaller, "WEBP", quality=1, method=0, **costly),
        "bomb_webp_over": encode(Image.new("RGB", (16_383, 2_000), colour), "WEBP", quality=1, method=0),
    }


def busy_work() -> dict[str, bytes]:
    """Files of few pixels, or few bytes, and of very many parts."""
    progressive = encode(Image.new("L", (4096, 4096), 100), "JPEG", progressive=True)
    last_scan = progressive.rfind(b"\xff\xda")
    tiny = _plain_png(64, 64)
    return {
        "bomb_jpeg_scans": progressive[:-2] + progressive[last_scan:-2] * 5000 + progressive[-2:],
        "bomb_jpeg_segments": progressive[:2] + b"\xff\xe9\0\2" * 1_000_000 + progressive[2:],
        "bomb_png_chunks": tiny[:33] + _chunk(b"teXt", b"") * 300_000 + tiny[33:],
    }


def mutate(rng: random.Random, intact: dict[str, bytes]) -> tuple[str, str, bytes]:
    """Name of the file, names of the mutations, damaged bytes."""
    name = rng.choice(sorted(intact))
    data, applied = intact[name], []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        mutation = rng.choice(sorted(MUTATIONS))
        data = MUTATIONS[mutation](rng, data)
        applied.append(mutation)
    if rng.random() < 0.1:
        data = _splice(rng, data, intact[rng.choice(sorted(intact))])
        applied.append("splice")
    if data[:4] == b"\x89PNG" and rng.random() < 0.7:
        # Otherwise the checksums catch nearly everything before a decoder gets to see it.
        data = _mended(data)
        applied.append("mended checksums")
    return name, "+".join(applied), data


def _header_bytes(rng: random.Random, data: bytes) -> bytes:
    return _set_bytes(rng, data, min(len(data), 64))


def _any_bytes(rng: random.Random, data: bytes) -> bytes:
    return _set_bytes(rng, data, len(data))


def _set_bytes(rng: random.Random, data: bytes, span: int) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 4, 16, 64))):
        if span:
            changed[rng.randrange(span)] = rng.choice(INTERESTING) if rng.random() < 0.5 else rng.randrange(256)
    return bytes(changed)


def _flip_bit(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _zeros(rng: random.Random, data: bytes) -> bytes:
    """An interrupted copy that had its length already."""
    kept = rng.randrange(len(data) + 1)
    return data[:kept] + bytes(len(data) - kept)


def _remove(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 2, 4, 100)) :]


def _insert(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.randbytes(rng.choice((1, 2, 4, 1000))) + data[start:]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start : start + 64] * rng.choice((2, 16, 1000)) + data[start + 64 :]


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _sides(rng: random.Random, data: bytes) -> bytes:
    """Another width and height where the format keeps them; PNG's checksum is mended, so that the decoder gets there."""
    if data[:2] == b"\xff\xd8":
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            at = data.find(marker)
            if at >= 0:
                return data[: at + 5] + struct.pack(">HH", rng.choice(SIDES), rng.choice(SIDES)) + data[at + 9 :]
    if data[12:16] == b"IHDR" and len(data) > 33:
        chunk = b"IHDR" + struct.pack(">II", rng.choice(WIDE_SIDES), rng.choice(WIDE_SIDES)) + data[24:29]
        return data[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    if data[12:16] == b"VP8X":
        sides = struct.pack("<I", rng.choice(SIDES))[:3] + struct.pack("<I", rng.choice(SIDES))[:3]
        return data[:24] + sides + data[30:]
    if data[12:16] == b"VP8 ":
        return data[:26] + struct.pack("<HH", rng.choice(SIDES), rng.choice(SIDES)) + data[30:]
    return data


def _metadata_bytes(rng: random.Random, data: bytes) -> bytes:
    """Noise inside an EXIF or ICC block; without one, anywhere."""
    marks = [
        at for mark in (b"Exif", b"eXIf", b"EXIF", b"II*\0", b"ICC_PROFILE", b"ICCP", b"acsp") if (at := data.find(mark)) >= 0
    ]
    if not marks:
        return _any_bytes(rng, data)
    start = rng.choice(marks)
    end = min(len(data), start + 600)
    return data[:start] + _set_bytes(rng, data[start:end], end - start) + data[end:]


def _lengths(rng: random.Random, data: bytes) -> bytes:
    """A length of a segment or chunk that is absurd."""
    changed = bytearray(data)
    marks = [at for at in range(2, min(len(data) - 8, 4000)) if data[at] == 0xFF and 0xC0 <= data[at + 1] < 0xFF]
    if data[:4] == b"\x89PNG":
        marks = [at for name in (b"IHDR", b"IDAT", b"iCCP", b"eXIf", b"PLTE", b"tRNS") if (at := data.find(name) - 6) >= 0]
    if data[:4] == b"RIFF":
        marks = [2, *(at + 2 for name in (b"VP8X", b"VP8 ", b"ICCP", b"EXIF", b"ALPH") if (at := data.find(name)) >= 0)]
    if marks:
        at = rng.choice(marks) + 2
        changed[at : at + 2] = struct.pack(">H", rng.choice(SIDES))
    return bytes(changed)


MUTATIONS: dict[str, Mutation] = {
    "header": _header_bytes,
    "bytes": _any_bytes,
    "bit": _flip_bit,
    "truncate": _truncate,
    "zeros": _zeros,
    "remove": _remove,
    "insert": _insert,
    "repeat": _repeat,
    "sides": _sides,
    "metadata": _metadata_bytes,
    "lengths": _lengths,
}


def _mended(png: bytes) -> bytes:
    """The same chunks with the checksums that they should have."""
    parts, at = [png[:8]], 8
    while at + 12 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        if at + 12 + length > len(png):
            break
        parts.append(_chunk(png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join([*parts, png[at:]])


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "camera"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (52.0, 31.0, 0.0)
    return exif.tobytes()


def _plain_png(width: int, height: int, colour: int = 2, depth: int = 8, rows: int | None = None) -> bytes:
    """A PNG of one colour; rows: fewer than the header says."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    packer = zlib.compressobj(9)
    row = b"\0" + b"\xb4" * (width * channels * depth // 8)
    packed = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    return png[:33] + _chunk(kind, data) + png[33:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
