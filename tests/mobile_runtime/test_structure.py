"""Structure of image files: interrupted copies that are as long as the whole, and files that would keep a decoder busy."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from benchmarks.capture_scenes import encode
from benchmarks.fuzz_mutations import busy_work
from mobile_runtime.capture import acquire
from mobile_runtime.colour_profiles import DISPLAY_P3, rgb_profile
from mobile_runtime.errors import CaptureError
from mobile_runtime.structure import check_profile
from tests.mobile_runtime.grainy import PICTURE, interrupted


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("options", [{"quality": 50}, {"quality": 95}, {"lossless": True}], ids=str)
def test_a_webp_of_which_the_rest_is_zeros_is_refused(options: dict[str, int], share: float) -> None:
    data = encode(PICTURE, "WEBP", **options)
    assert acquire(data).shape == PICTURE.shape
    with pytest.raises(CaptureError, match=r"copy or take it again|damaged or truncated"):
        acquire(interrupted(data, share))


@pytest.mark.parametrize("size", [64, 1024])
@pytest.mark.parametrize("begin", [0.1, 0.5, 0.8])
def test_a_hole_in_a_lossy_webp_is_found(begin: float, size: int) -> None:
    data = encode(PICTURE, "WEBP", quality=80)
    at = int(len(data) * begin)
    with pytest.raises(CaptureError, match=r"copy or take it again|damaged or truncated"):
        acquire(data[:at] + bytes(size) + data[at + size :])


@pytest.mark.parametrize("quality", [75, 95, 100])
@pytest.mark.parametrize("level", [0, 255])
def test_detail_beside_dark_corners_or_patches_is_whole(level: int, quality: int) -> None:
    rng = np.random.default_rng(1)
    noisy = rng.integers(0, 256, (480, 640, 3)).astype(np.uint8)
    y, x = np.mgrid[:480, :640]
    corners = np.where(np.hypot(y - 240, x - 320)[..., None] > 300, level, noisy).astype(np.uint8)
    patch = noisy.copy()
    patch[200:264, 300:380] = level
    large = np.asarray(Image.fromarray(PICTURE).resize((640, 480), Image.Resampling.BICUBIC))
    dark = np.where(np.hypot(y - 240, x - 320)[..., None] > 260, level, large).astype(np.uint8)
    for pixels in (corners, patch, dark):
        assert acquire(encode(pixels, "WEBP", quality=quality)).shape == pixels.shape


def test_an_animation_and_a_picture_with_metadata_are_looked_into() -> None:
    pages = [Image.fromarray(np.roll(PICTURE, shift, 1)) for shift in (0, 9)]
    # The first picture is in the first half of the file, and its second half is missing.
    animation = encode(pages[0], "WEBP", save_all=True, append_images=pages[1:], quality=80)
    begin = animation.index(b"VP8 ") + 8
    half = int.from_bytes(animation[begin - 4 : begin], "little") // 2
    cut = animation[: begin + half] + bytes(half) + animation[begin + 2 * half :]
    described = encode(PICTURE, "WEBP", quality=80, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    for damaged in (cut, interrupted(described, 0.5)):
        with pytest.raises(CaptureError):
            acquire(damaged)
    assert acquire(animation).shape == acquire(described).shape == PICTURE.shape


@pytest.mark.parametrize("quality", [10, 75, 100])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_pictures_and_bars_below_a_picture_end_in_zeros_and_are_whole(level: int, quality: int) -> None:
    bar = np.full((160, 240, 3), level, np.uint8)
    beside = np.full((240, 900, 3), level, np.uint8)
    beside[:, 300:540] = PICTURE
    between = np.concatenate([PICTURE, bar, PICTURE])
    for pixels in (np.full((900, 1200, 3), level, np.uint8), np.concatenate([PICTURE, bar]), between, beside):
        assert acquire(encode(pixels, "WEBP", quality=quality)).shape == pixels.shape
        assert acquire(encode(pixels, "WEBP", lossless=True)).shape == pixels.shape


@pytest.mark.parametrize("size", [1, 512, 4096])
@pytest.mark.parametrize("begin", [0.3, 0.6, 0.9])
def test_a_damaged_stretch_of_a_png_is_found(begin: float, size: int) -> None:
    data = encode(PICTURE, "PNG")
    at = int(len(data) * begin)
    stretch = bytes(byte ^ 0x55 for byte in data[at : at + size])
    with pytest.raises(CaptureError, match=r"a part of it is damaged|damaged or truncated"):
        acquire(data[:at] + stretch + data[at + size :])


def png(rows: np.ndarray, kept: int, colour: int, depth: int = 8) -> bytes:
    """A PNG file whose checksums are right and which has the first rows of uint8 [H, bytes] alone."""
    height, width = rows.shape[0], rows.shape[1] * 8 // depth // {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))]
    parts += [(b"PLTE", bytes(range(3, 15)))] if colour == 3 else []
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows[:kept]))
    parts += [(b"IDAT", pixels[: len(pixels) // 2]), (b"IDAT", pixels[len(pixels) // 2 :]), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(("colour", "depth"), [(0, 1), (0, 16), (2, 8), (2, 16), (3, 2), (4, 8), (6, 8)])
def test_a_png_that_ends_before_its_last_row_is_refused(colour: int, depth: int) -> None:
    rows = (
        np.random.default_rng(0)
        .integers(1, 256, (48, 48 * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] // 8))
        .astype(np.uint8)
    )
    black = np.concatenate([rows[:40], rows[:8] * 0])
    for whole in (rows, black, rows * 0):
        assert acquire(png(whole, 48, colour, depth)).shape == (48, 48, 3)
    for whole in (rows, black):
        for kept in (12, 40, 47):
            with pytest.raises(CaptureError, match="its lower part is missing"):
                acquire(png(whole, kept, colour, depth))


def test_a_png_that_lacks_a_pass_is_refused() -> None:
    # Only a picture's first pass is there, every eighth pixel of every eighth row.
    first = png(PICTURE[::8, ::8].reshape(30, -1), 30, 2)
    head = struct.pack(">IIBBBBB", 240, 240, 8, 2, 0, 0, 1)
    begin = first.index(b"IHDR")
    sparse = first[: begin + 4] + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + first[begin + 21 :]
    with pytest.raises(CaptureError, match="its lower part is missing"):
        acquire(sparse)


def test_a_chunk_of_pixels_that_reaches_outside_the_file_is_refused() -> None:
    data = encode(PICTURE, "PNG")
    at = data.rindex(b"IDAT") - 4
    with pytest.raises(CaptureError, match="a part of it is damaged"):
        acquire(data[:at] + b"\x7f" + data[at + 1 :])


def test_what_follows_the_end_of_a_png_does_not_count() -> None:
    assert acquire(encode(PICTURE, "PNG") + bytes(1 << 20)).shape == PICTURE.shape


def in_bt2020(transfer: int, **options: object) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the heic extra is not installed")
    deep = PICTURE.astype(np.uint16) << 8
    stream = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", PICTURE.shape[1::-1], deep.tobytes()).save(
        stream,
        save_nclx_profile=True,
        color_primaries=9,
        transfer_characteristics=transfer,
        matrix_coefficients=9,
        full_range_flag=1,
        **options,
    )
    return stream.getvalue()


def with_cicp(transfer: int) -> bytes:
    data, chunk = encode(PICTURE, "PNG"), b"cICP" + bytes((9, transfer, 0, 1))
    return data[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


def tagged_profile(transfer: int) -> bytes:
    """A profile with one more tag, which says how light becomes numbers."""
    plain = rgb_profile(DISPLAY_P3)
    count = int.from_bytes(plain[128:132], "big")
    entries = [struct.unpack_from(">4sII", plain, at) for at in range(132, 132 + 12 * count, 12)]
    table = b"".join(struct.pack(">4sII", name, begin + 12, length) for name, begin, length in entries)
    rest = plain[132 + 12 * count :] + b"cicp" + bytes((0, 0, 0, 0, 9, transfer, 0, 1))
    size = len(plain) + 12 + 12
    last = b"cicp" + struct.pack(">II", size - 12, 12)
    return struct.pack(">I", size) + plain[4:128] + struct.pack(">I", count + 1) + table + last + rest


def with_profile(transfer: int) -> bytes:
    return encode(PICTURE, "JPEG", icc_profile=tagged_profile(transfer))


@pytest.mark.parametrize("made", [with_cicp, in_bt2020, with_profile])
@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_refused(made: Callable[[int], bytes], transfer: int) -> None:
    with pytest.raises(CaptureError, match="a high dynamic range picture; export it as JPEG or take it again without HDR"):
        acquire(made(transfer))


@pytest.mark.parametrize("made", [with_cicp, in_bt2020, with_profile])
@pytest.mark.parametrize("transfer", [1, 2, 6, 13, 14])
def test_other_transfers_are_read(made: Callable[[int], bytes], transfer: int) -> None:
    assert acquire(made(transfer)).shape == PICTURE.shape


def test_a_profile_that_is_cut_short_says_nothing() -> None:
    whole = tagged_profile(16)
    for length in range(0, len(whole), 7):
        check_profile(whole[:length], "cut")
    with pytest.raises(CaptureError, match="whole: a high dynamic range picture"):
        check_profile(whole, "whole")
    check_profile(None, "none")


def test_a_heic_without_transfer_or_with_a_profile_is_read() -> None:
    data = in_bt2020(16)
    assert acquire(data.replace(b"colrnclx", b"freenclx")).shape == PICTURE.shape
    assert acquire(in_bt2020(16, icc_profile=rgb_profile(DISPLAY_P3))).shape == PICTURE.shape


def test_what_keeps_decoders_busy_is_refused_at_once() -> None:
    for name, data in busy_work().items():
        started = time.process_time()
        with pytest.raises(CaptureError, match=r"over \d+ (scans|parts)"):
            acquire(data)
        # Decoding them takes many seconds.
        assert time.process_time() - started < 2, name
