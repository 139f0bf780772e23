"""Decoding: limits, formats, damage, EXIF and ICC garbage, DCT scaling."""

import builtins
import contextlib
import io
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from benchmarks.capture_scenes import encode, exif, scene, stored
from mobile_runtime import colour_profiles, decoding
from mobile_runtime.capture import acquire, prepare
from mobile_runtime.decoding import open_upright, read_bytes
from mobile_runtime.errors import CaptureError
from mobile_runtime.resample import resample
from mobile_runtime.synthetic import lesion

SMALL = scene()[200:248, 300:364]
PROFILE = colour_profiles.rgb_profile(colour_profiles.DISPLAY_P3)
FILES = {
    "jpeg": encode(SMALL, "JPEG", quality=90, exif=exif(6), icc_profile=PROFILE),
    "progressive jpeg": encode(SMALL, "JPEG", progressive=True),
    "cmyk jpeg": encode(Image.fromarray(SMALL).convert("CMYK"), "JPEG"),
    "png": encode(SMALL, "PNG", exif=exif(3), icc_profile=PROFILE),
    "palette png": encode(Image.fromarray(SMALL).quantize(32), "PNG", transparency=3),
    "16-bit png": encode(Image.fromarray(SMALL[..., 0].astype(np.uint16) * 257), "PNG"),
    "webp": encode(SMALL, "WEBP", exif=exif(8), icc_profile=PROFILE),
    "lossless webp": encode(SMALL, "WEBP", lossless=True),
}
HEIC_HEAD = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(64)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def blank_png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def valid(pixels: np.ndarray[Any, Any]) -> bool:
    return pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.flags.c_contiguous


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_an_error(name: str) -> None:
    data = FILES[name]
    assert valid(acquire(data))
    for length in {*range(0, len(data), max(1, len(data) // 150)), *range(len(data) - 30, len(data))}:
        with pytest.raises(CaptureError):
            acquire(data[:length])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_bytes_give_an_image_or_a_capture_error(name: str, data: st.DataObject) -> None:
    damaged = bytearray(FILES[name])
    # Half of the damage falls on the first bytes, where headers, EXIF and ICC are.
    position = st.integers(0, len(damaged) - 1) | st.integers(0, min(700, len(damaged) - 1))
    for place, value in data.draw(st.lists(st.tuples(position, st.integers(0, 255)), min_size=1, max_size=8)):
        damaged[place] = value
    start, length = data.draw(position), data.draw(st.sampled_from([0, 0, 0, 1, 7, 200]))
    del damaged[start : start + length]
    minimum = data.draw(st.sampled_from([None, 16]))
    with contextlib.suppress(CaptureError):
        assert valid(acquire(bytes(damaged), minimum))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\1\0\0WEBP", HEIC_HEAD]))
def test_arbitrary_bytes_are_a_capture_error(tail: bytes, head: bytes) -> None:
    with pytest.raises(CaptureError):
        acquire(head + tail)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120), st.booleans())
def test_garbage_exif_and_icc_are_ignored(garbage: bytes, tiff: bool) -> None:
    block = b"Exif\0\0" + (b"MM\0*\0\0\0\x08" if tiff else b"") + garbage
    expected = acquire(encode(SMALL, "PNG"))
    pixels = acquire(encode(SMALL, "PNG", exif=block, icc_profile=garbage or None))
    # Garbage may, by chance, spell an orientation.
    assert sorted(pixels.shape) == sorted(expected.shape)
    assert np.sort(pixels, axis=None).tobytes() == np.sort(expected, axis=None).tobytes()


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientations_are_upright(orientation: int) -> None:
    np.testing.assert_array_equal(acquire(encode(SMALL, "PNG", exif=exif(orientation))), SMALL)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "ICO", "PPM"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(CaptureError, match="not a JPEG, PNG, WebP, HEIC or BMP"):
        acquire(encode(SMALL, kind))


def test_avif_is_not_taken_for_heic() -> None:
    assert not decoding.is_heic(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf")
    assert decoding.is_heic(HEIC_HEAD)
    assert decoding.is_heic(b"\0\0\0\x14ftypheic\0\0\0\0mif1")
    assert not decoding.is_heic(b"\0\0\0\x14ftyp")
    assert not decoding.is_heic(b"")


def test_heic_without_its_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(CaptureError, match=r"pip install '\.\[heic\]'"):
        acquire(HEIC_HEAD)


def test_heic_is_turned_once_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the heic extra is not installed")
    stream = io.BytesIO()
    image = Image.fromarray(stored(SMALL, 6))
    pillow_heif.from_pillow(image).save(stream, quality=100, exif=exif(6))
    data = stream.getvalue()
    pixels = acquire(data)
    assert valid(pixels)
    assert pixels.shape == SMALL.shape
    # Lossy with 4:2:0 chroma; a wrong turn would be off by far more on average.
    assert np.abs(pixels.astype(int) - SMALL).mean() < 3
    for length in range(0, len(data), len(data) // 60):
        with pytest.raises(CaptureError):
            acquire(data[:length])
    monkeypatch.setattr(decoding, "MAX_PIXELS", 48 * 64 - 1)
    with pytest.raises(CaptureError, match="pixels"):
        acquire(data)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_are_refused_before_decoding() -> None:
    for side in (10_001, 13_500, 60_000):
        with pytest.raises(CaptureError, match="100000000 pixels"):
            acquire(blank_png(side, side))


def test_too_few_pixels_are_refused() -> None:
    with pytest.raises(CaptureError, match="under 16"):
        acquire(encode(SMALL[:15], "PNG"))
    assert acquire(encode(SMALL[:16], "PNG")).shape == (16, 64, 3)


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = FILES["png"]
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    monkeypatch.setattr(decoding, "MAX_BYTES", len(data))
    assert read_bytes(path) == data
    acquire(data)
    monkeypatch.setattr(decoding, "MAX_BYTES", len(data) - 1)
    for act in (lambda: read_bytes(path), lambda: acquire(data)):
        with pytest.raises(CaptureError, match="bytes"):
            act()


def test_a_png_without_its_rows_is_an_error() -> None:
    data = FILES["png"]
    rows = data.index(b"IDAT") - 4
    with pytest.raises(CaptureError):
        acquire(data[:rows] + chunk(b"IDAT", zlib.compress(bytes(64 * 48 * 3))[:20]) + chunk(b"IEND", b""))
    with pytest.raises(CaptureError, match="end is missing"):
        acquire(data[:-4])


def test_pillow_told_to_accept_truncation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(CaptureError, match="LOAD_TRUNCATED_IMAGES = False"):
        acquire(FILES["jpeg"])


def test_running_out_of_memory_is_a_capture_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", full)
    with pytest.raises(CaptureError, match="MemoryError"):
        acquire(FILES["cmyk jpeg"])


@pytest.mark.parametrize("path", ["absent.jpg", "", "nul\0.jpg", "a" * 5000, "surrogate\udcff\ud800.jpg"])
def test_unreadable_paths_are_capture_errors(path: str) -> None:
    with pytest.raises(CaptureError):
        read_bytes(path)


def test_folders_pipes_and_empty_files_are_capture_errors(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    reasons = {tmp_path: "a folder; .* assess-archive", tmp_path / "empty.jpg": "is empty", tmp_path / "pipe.jpg": "not a file"}
    for path, reason in reasons.items():
        with pytest.raises(CaptureError, match=reason):
            read_bytes(path)


def test_a_file_that_may_not_be_read_is_a_capture_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(CaptureError, match="Permission denied"):
        read_bytes(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_dct_scaling_keeps_the_short_side_whichever_way_is_up(orientation: int) -> None:
    wide = scene(1280, 960)
    data = encode(stored(wide, orientation), "JPEG", quality=90, exif=exif(orientation))
    assert acquire(data).shape == (960, 1280, 3)
    for minimum, height in ((961, 960), (481, 960), (480, 480), (241, 480), (240, 240), (121, 240), (120, 120), (16, 120)):
        assert acquire(data, min_short_side=minimum).shape == (height, height * 4 // 3, 3)


@pytest.mark.parametrize(("width", "height", "expected"), [(801, 600, 600), (800, 601, 601), (802, 600, 300), (804, 600, 150)])
def test_dct_scaling_is_only_for_pictures_on_its_grid(width: int, height: int, expected: int) -> None:
    data = encode(scene(width, height), "JPEG")
    assert acquire(data, min_short_side=100).shape[0] == expected


@pytest.mark.parametrize("orientation", range(1, 9))
def test_at_a_reduced_scale_the_middle_may_be_half_a_pixel(orientation: int) -> None:
    square = cv2.resize(lesion("mel", 1, 800), (800, 800), interpolation=cv2.INTER_CUBIC)
    data = encode(stored(square[100:-100], orientation), "JPEG", quality=95, exif=exif(orientation))
    assert acquire(data, min_short_side=64).shape == (75, 100, 3)
    full = resample(acquire(data)[:, 100:-100], 32)
    # Cut out from half a reduced pixel aside, it would be up to 20 levels off.
    assert np.abs(prepare(data, 32).astype(int) - full).max() <= 2


def test_large_pictures_off_the_grid_are_decoded_at_half_scale_and_come_out_the_same() -> None:
    square = cv2.resize(lesion("mel", 1, 800), (5001, 5001), interpolation=cv2.INTER_CUBIC)[1:-1]
    data = encode(square, "JPEG", quality=90)
    assert acquire(data, min_short_side=2 * 144).shape == (2500, 2501, 3)
    assert acquire(data, min_short_side=2 * 200).shape == square.shape  # half a reduced pixel more would count
    full = resample(acquire(data)[:, 1:5000], 144)
    # Half a reduced pixel is a 35th of a pixel of the result, whose neighbours differ by up to 60 levels.
    assert np.abs(prepare(data, 144).astype(int) - full).max() <= 2


def test_alpha_and_a_profile_at_once_have_a_limit_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clear = Image.fromarray(np.dstack([SMALL, np.full(SMALL.shape[:2], 99, np.uint8)]))
    monkeypatch.setattr(decoding, "MAX_COSTLY_PIXELS", SMALL.shape[0] * SMALL.shape[1] - 1)
    for name in ("PNG", "WEBP"):
        with pytest.raises(CaptureError, match=rf"{name} with alpha and profile of 64x48, the limit is 3071 pixels"):
            acquire(encode(clear, name, icc_profile=PROFILE))
        for picture, options in ((clear, {}), (Image.fromarray(SMALL), {"icc_profile": PROFILE})):
            assert acquire(encode(picture, name, **options)).shape == SMALL.shape


def test_multi_picture_jpegs_give_their_first_picture() -> None:
    second = Image.new("RGB", (640, 480), "red")
    data = encode(scene(), "MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(acquire(data).astype(int) - scene()).mean() < 3
    assert acquire(data, min_short_side=200).shape == (240, 320, 3)


def test_animations_give_their_first_frame() -> None:
    frames: dict[str, Any] = {"save_all": True, "append_images": [Image.new("RGB", (64, 48), "red")]}
    np.testing.assert_array_equal(acquire(encode(SMALL, "WEBP", lossless=True, **frames)), SMALL)
    np.testing.assert_array_equal(acquire(encode(SMALL, "PNG", **frames)), SMALL)


def test_bytes_after_the_end_are_allowed() -> None:
    for name in ("jpeg", "png", "webp"):  # phones append videos and gain maps
        np.testing.assert_array_equal(acquire(FILES[name] + b"trailer" * 30), acquire(FILES[name]))


def test_a_crop_is_the_same_part_of_the_whole() -> None:
    for data in FILES.values():
        whole = acquire(data)
        part = open_upright(data, crop=lambda width, height, reduced: (3, 5, width - 7, height - 2))
        np.testing.assert_array_equal(np.array(part), whole[5:-2, 3:-7])


def png(depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """16 x 16 pixels of rows that are alike."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress((b"\0" + rows) * 16))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_transparent_level_of_shallow_grey_is_white(depth: int) -> None:
    for key in range(2**depth):
        left, right = key, (key + 1) % 2**depth
        half = 8 * depth // 8
        row = bytes([sum(left << shift for shift in range(0, 8, depth))]) * half
        row += bytes([sum(right << shift for shift in range(0, 8, depth))]) * half
        pixels = acquire(png(depth, 0, row, chunk(b"tRNS", struct.pack(">H", key))))
        assert (pixels[:, :8] == 255).all()
        assert (pixels[:, 8:] == right * 255 // (2**depth - 1)).all()


def test_the_transparent_colour_of_16_bits_is_compared_by_its_high_bytes() -> None:
    key, low_bytes_alike, other = (0x1122, 0x2233, 0x3344), (0x0022, 0x0033, 0x0044), (0x2200, 0x3300, 0x4400)
    row = b"".join(struct.pack(">3H", *pixel) for pixel in (key, low_bytes_alike, other, key) * 4)
    pixels = acquire(png(16, 2, row, chunk(b"tRNS", struct.pack(">3H", *key))))
    assert pixels[0, :4].tolist() == [[255] * 3, [0, 0, 0], [0x22, 0x33, 0x44], [255] * 3]


def test_a_grey_profile_fits_grey_with_and_without_alpha_at_8_and_16_bits() -> None:
    linear = colour_profiles.grey_profile(1.0)
    profile = chunk(b"iCCP", b"grey\0\0" + zlib.compress(linear))
    found = [
        acquire(png(depth, colour, (struct.pack(">B" if depth == 8 else ">H", 50 << depth - 8) + alpha) * 16, profile))[0, 0, 0]
        for depth, colour, alpha in ((8, 0, b""), (16, 0, b""), (8, 4, b"\xff"), (16, 4, b"\xff\xff"))
    ]
    assert len(set(found)) == 1
    assert found[0] > 100  # brighter than the 50 it would be as sRGB


def test_results_are_writable_and_apart() -> None:
    first, second = acquire(FILES["png"]), acquire(FILES["png"])
    first[:] = 0
    assert second.any()
