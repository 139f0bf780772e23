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

from benchmarks.capture_scenes import encode, exif
from benchmarks.fuzz_mutations import busy_work
from mobile_runtime.capture import acquire
from mobile_runtime.colour_profiles import DISPLAY_P3, rgb_profile
from mobile_runtime.errors import CaptureError
from mobile_runtime.jpeg_structure import MAX_SCANS
from mobile_runtime.structure import check_profile, check_structure
from mobile_runtime.synthetic import lesion

RNG = np.random.default_rng(0)
PICTURE = np.clip(lesion("mel", 2, 240).astype(int) + RNG.normal(0, 6, (240, 240, 3)), 0, 255).astype(np.uint8)
"""With grain, as a camera's: without it, half a picture may go on as the whole one does."""


def heic(pixels: np.ndarray, quality: int = 85) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the heic extra is not installed")
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(stream, quality=quality)
    return stream.getvalue()


def interrupted(data: bytes, share: float) -> bytes:
    kept = int(len(data) * share)
    return data[:kept] + bytes(len(data) - kept)


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


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_heic_of_which_the_rest_is_zeros_is_refused(share: float) -> None:
    data = heic(PICTURE)
    assert acquire(data).shape == PICTURE.shape
    with pytest.raises(CaptureError, match="its rest is missing"):
        acquire(interrupted(data, share))


def test_a_hole_in_a_heic_is_found_and_zeros_elsewhere_are_not() -> None:
    data = heic(PICTURE)
    begin = data.index(b"mdat") + 100
    with pytest.raises(CaptureError, match="its rest is missing"):
        acquire(data[:begin] + bytes(40) + data[begin + 40 :])
    assert acquire(data + bytes(1000)).shape == PICTURE.shape
    assert acquire(heic(np.zeros((64, 64, 3), np.uint8))).shape == (64, 64, 3)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_hole_in_a_jpeg_of_standard_tables_is_found(mode: str) -> None:
    data = encode(Image.fromarray(PICTURE).convert(mode), "JPEG", quality=90)
    middle = len(data) // 2
    with pytest.raises(CaptureError, match="a part of it is missing"):
        acquire(data[:middle] + bytes(64) + data[middle + 64 :])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}], ids=str)
def test_a_jpeg_of_which_the_rest_is_zeros_is_refused(options: dict[str, bool], share: float) -> None:
    with pytest.raises(CaptureError, match=r"its end is missing|a part of it is missing|damaged or truncated"):
        acquire(interrupted(encode(PICTURE, "JPEG", quality=75, **options), share))


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}], ids=str)
@pytest.mark.parametrize("quality", [1, 50, 100])
def test_plain_jpegs_have_no_holes(quality: int, options: dict[str, bool]) -> None:
    stripes = np.zeros((240, 240, 3), np.uint8)
    stripes[:, ::2] = 255
    for pixels in (np.full((240, 240, 3), 77, np.uint8), np.concatenate([PICTURE, np.full_like(PICTURE, 255)]), stripes):
        assert acquire(encode(pixels, "JPEG", quality=quality, **options)).shape == pixels.shape


def scans_of(data: bytes) -> list[int]:
    """Where each scan of a JPEG of one picture begins."""
    return [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("quality", [30, 90, 100])
def test_a_progressive_jpeg_that_ends_before_its_last_scan_is_refused(quality: int, mode: str) -> None:
    data = encode(Image.fromarray(PICTURE).convert(mode), "JPEG", quality=quality, progressive=True)
    assert acquire(data).shape == PICTURE.shape
    for begin in scans_of(data)[1:]:
        with pytest.raises(CaptureError, match="its scans is missing"):
            acquire(data[:begin] + b"\xff\xd9")
        with pytest.raises(CaptureError, match=r"missing|damaged or truncated"):  # within the scan before
            acquire(data[: begin - 40].rstrip(b"\xff") + b"\xff\xd9")


def test_a_jpeg_that_lacks_a_colour_is_refused() -> None:
    """One scan for each component, as few encoders write them; of the first alone decoders show a grey picture."""
    parts = [encode(Image.fromarray(PICTURE[..., band]), "JPEG", quality=90, optimize=True) for band in range(3)]
    heads = [part[: scans_of(part)[0]] for part in parts]
    frame = heads[0].index(b"\xff\xc0")
    size = heads[0][frame + 5 : frame + 9]
    begin = b"\xff\xd8" + heads[0][heads[0].index(b"\xff\xdb") : frame]
    begin += b"\xff\xc0\x00\x11\x08" + size + b"\x03" + b"".join(bytes([band + 1, 0x11, 0]) for band in range(3))
    scans = []
    for band, (head, part) in enumerate(zip(heads, parts, strict=True)):
        tables = head[head.index(b"\xff\xc4") :]
        entropy = part[len(head) + 10 : -2]
        scans.append(tables + b"\xff\xda\x00\x08\x01" + bytes([band + 1, 0, 0, 63, 0]) + entropy)
    assert acquire(begin + b"".join(scans) + b"\xff\xd9").shape == PICTURE.shape
    with pytest.raises(CaptureError, match="its scans is missing"):
        acquire(begin + scans[0] + b"\xff\xd9")


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_whose_lower_part_is_missing_is_an_error_though_it_ends_properly(mode: str, kept: float) -> None:
    # Of 600 pixels the least kept and cut are several rows of blocks; libjpeg fills the rest with grey and says nothing.
    picture = Image.fromarray(lesion("mel", 3, 600)).convert(mode)
    for options in ({}, {"subsampling": 0}, {"exif": exif(6)}):
        data = encode(picture, "JPEG", quality=92, **options)
        cut = data[: int(len(data) * kept)] + b"\xff\xd9"
        for short_side in (None, 144, 75):
            assert acquire(data, short_side).ndim == 3
            with pytest.raises(CaptureError, match=r"lower part is missing|damaged or truncated"):
                acquire(cut, short_side)


@pytest.mark.parametrize("begin", [0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_with_a_part_cut_out_is_refused(mode: str, begin: float) -> None:
    # All that follows is shown in a wrong place, and a few blocks at the end are grey: less than a row of them.
    data = encode(Image.fromarray(PICTURE).resize((600, 450)).convert(mode), "JPEG", quality=90)
    at = scans_of(data)[0] + 20 + int(begin * (len(data) - scans_of(data)[0] - 600))
    for short_side in (None, 144):
        with pytest.raises(CaptureError, match=r"lower part is missing|damaged or truncated"):
            acquire(data[:at] + data[at + 512 :], short_side)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
def test_an_erased_part_of_a_jpeg_is_found(options: dict[str, int]) -> None:
    data = encode(PICTURE, "JPEG", quality=90, **options)
    at = len(data) * 2 // 3
    with pytest.raises(CaptureError, match="a part of it is missing"):
        acquire(data[:at] + b"\xff" * 64 + data[at + 64 :])
    with pytest.raises(CaptureError, match="a part of it is missing"):
        acquire(data[:at] + b"\xff" * (len(data) - at) + b"\xd9")


@pytest.mark.parametrize("blocks", [1, 4, 7])
def test_restart_markers_count_on(blocks: int) -> None:
    data = encode(PICTURE, "JPEG", quality=90, restart_marker_blocks=blocks)
    assert acquire(data).shape == PICTURE.shape
    places = [
        at for at in range(len(data)) if data[at] == 0xFF and data[at + 1 : at + 2] in b"\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7"
    ]
    assert len(places) == -(-225 // blocks) - 1
    for at in (0, len(places) // 2, len(places) - 2):
        with pytest.raises(CaptureError, match="a part of it is missing"):
            acquire(data[: places[at]] + data[places[at + 1] :])


def test_an_erased_part_of_a_heic_is_found() -> None:
    data = heic(PICTURE)
    at = data.index(b"mdat") + 100
    with pytest.raises(CaptureError, match="its rest is missing"):
        acquire(data[:at] + b"\xff" * (len(data) - at))


def test_grey_that_is_not_at_the_end_is_no_damage() -> None:
    pixels = lesion("nv", 2, 160)
    pixels[:80] = 128
    assert acquire(encode(pixels, "JPEG", quality=95)).shape == pixels.shape
    assert acquire(encode(np.full((64, 64, 3), 128, np.uint8), "PNG")).shape == (64, 64, 3)


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
    rows = RNG.integers(1, 256, (48, 48 * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] // 8)).astype(np.uint8)
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


def profiled(parts: list[tuple[int, int]]) -> bytes:
    """A JPEG with segments of a profile, given as number and count; each has a third of it."""
    profile, data = rgb_profile(DISPLAY_P3), encode(PICTURE, "JPEG", quality=95)
    third = -(-len(profile) // 3)
    segments = b""
    for number, count in parts:
        part = b"ICC_PROFILE\0" + bytes((number, count)) + profile[(number - 1) * third : number * third]
        segments += b"\xff\xe2" + struct.pack(">H", len(part) + 2) + part
    return data[:2] + segments + data[2:]


@pytest.mark.parametrize(
    "parts",
    [[(1, 3), (2, 3)], [(1, 3), (3, 3)], [(1, 3), (2, 3), (2, 3)], [(1, 3), (2, 3), (3, 2)], [(1, 1), (1, 1)]],
    ids=str,
)
def test_a_jpeg_that_lacks_a_part_of_its_profile_is_refused(parts: list[tuple[int, int]]) -> None:
    with pytest.raises(CaptureError, match="its colour profile is not whole"):
        acquire(profiled(parts))


def test_a_profile_in_several_parts_is_one_in_whatever_order() -> None:
    whole = acquire(encode(PICTURE, "JPEG", quality=95, icc_profile=rgb_profile(DISPLAY_P3)))
    for parts in ([(1, 3), (2, 3), (3, 3)], [(3, 3), (1, 3), (2, 3)]):
        np.testing.assert_array_equal(acquire(profiled(parts)), whole)
    assert not np.array_equal(acquire(profiled([])), whole)
    shared = encode(PICTURE, "JPEG", quality=95, icc_profile=rgb_profile(DISPLAY_P3))  # another picture behind it is its own
    np.testing.assert_array_equal(acquire(shared + profiled([(1, 3)])), whole)
    thumbnail = b"Exif\0\0" + profiled([(1, 3)])
    assert acquire(encode(PICTURE, "JPEG", exif=thumbnail)).shape == PICTURE.shape


def test_a_profile_in_one_part_is_read_whatever_its_number() -> None:
    data = encode(PICTURE, "JPEG", quality=95, icc_profile=rgb_profile(DISPLAY_P3))
    at = data.index(b"ICC_PROFILE\0") + 12
    assert data[at : at + 2] == b"\1\1"
    np.testing.assert_array_equal(acquire(data[:at] + b"\0" + data[at + 1 :]), acquire(data))


def test_segments_of_absurd_frames_are_passed_over_at_once() -> None:
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 8 + 3 * 255, 8, 64, 64, 255) + bytes(range(255)) * 3
    started = time.process_time()
    with pytest.raises(CaptureError):
        acquire(b"\xff\xd8" + frame * 40_000 + b"\xff\xd9")
    # Each of them read to its end would take five times as long as this.
    assert time.process_time() - started < 2


def test_what_keeps_decoders_busy_is_refused_at_once() -> None:
    for name, data in busy_work().items():
        started = time.process_time()
        with pytest.raises(CaptureError, match=r"over \d+ (scans|parts)"):
            acquire(data)
        # Decoding them takes many seconds.
        assert time.process_time() - started < 2, name


def test_progressive_pictures_of_many_scans_are_read_up_to_the_limit() -> None:
    data = encode(PICTURE, "JPEG", progressive=True, restart_marker_blocks=1)
    last = data.rindex(b"\xff\xda")
    scans = data.count(b"\xff\xda")
    more = MAX_SCANS - scans
    assert more > 5
    assert acquire(data[:-2] + data[last:-2] * more + data[-2:]).shape == PICTURE.shape
    with pytest.raises(CaptureError, match="scans"):
        check_structure(data[:-2] + data[last:-2] * (more + 1) + data[-2:], "image")
