"""JPEGs that lack a part although they open, and those whose scans would keep a decoder busy."""

from __future__ import annotations

import io
import struct
import time

import numpy as np
import pytest
from PIL import Image

from benchmarks.capture_scenes import encode, exif
from mobile_runtime.capture import acquire
from mobile_runtime.colour_profiles import DISPLAY_P3, rgb_profile
from mobile_runtime.errors import CaptureError
from mobile_runtime.jpeg_structure import MAX_SCANS
from mobile_runtime.structure import check_structure
from mobile_runtime.synthetic import lesion
from tests.mobile_runtime.grainy import PICTURE, interrupted


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


def end_of(data: bytes, scan: int) -> int:
    """Where the marker is that ends the data of a scan that begins there."""
    return next(at for at in range(scan + 2, len(data)) if data[at] == 0xFF and data[at + 1] not in (0, *range(0xD0, 0xD8)))


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


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_progressive_jpeg_that_lacks_one_of_its_scans_or_has_it_twice_is_refused(mode: str) -> None:
    # Without its first scan, which the later ones refine, a picture opens, too, and may be far darker.
    data = encode(Image.fromarray(PICTURE).convert(mode), "JPEG", quality=75, progressive=True)
    assert len(scans_of(data)) >= 6
    for begin in scans_of(data):
        end = end_of(data, begin)
        for changed in (data[:begin] + data[end:], data[:end] + data[begin:]):
            with pytest.raises(CaptureError, match="its scans is missing"):
                acquire(changed)


def test_colours_of_the_same_number_are_read() -> None:
    # No encoder should write them, some do, and libjpeg-turbo takes them in their order.
    data = encode(PICTURE, "JPEG", quality=90)
    frame, scan = data.index(b"\xff\xc0") + 10, scans_of(data)[0] + 5
    alike = bytearray(data)
    alike[frame : frame + 9 : 3] = alike[scan : scan + 6 : 2] = b"\1\1\1"
    assert acquire(bytes(alike)).shape == PICTURE.shape


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


@pytest.mark.parametrize(("mode", "quality", "least"), [("L", 90, 20), ("RGB", 75, 12)])
def test_a_jpeg_that_lacks_its_last_blocks_is_refused(mode: str, quality: int, least: int) -> None:
    # One block or two, of 8 pixels each, at the end of the last row.
    data = encode(Image.fromarray(PICTURE).convert(mode), "JPEG", quality=quality, subsampling=0)
    for cut in range(least, 41):
        with pytest.raises(CaptureError, match="lower part is missing"):
            acquire(data[: -2 - cut] + b"\xff\xd9")


def test_the_first_of_several_pictures_must_be_whole() -> None:
    stream = io.BytesIO()
    picture = Image.fromarray(lesion("mel", 3, 600))
    picture.save(stream, "MPO", save_all=True, append_images=[picture], quality=92)
    data = stream.getvalue()
    assert acquire(data).shape == (600, 600, 3)
    begin, end = scans_of(data)[0], end_of(data, scans_of(data)[0])
    half = (begin + end) // 2
    cut = data[:half] + b"\xff\xd9" + bytes(end - half - 2) + data[end:]
    with Image.open(io.BytesIO(cut)) as opened:
        assert opened.format == "MPO"
    with pytest.raises(CaptureError, match="lower part is missing"):
        acquire(cut)


def test_grey_that_is_not_at_the_end_is_no_damage() -> None:
    pixels = lesion("nv", 2, 160)
    pixels[:80] = 128
    assert acquire(encode(pixels, "JPEG", quality=95)).shape == pixels.shape
    assert acquire(encode(np.full((64, 64, 3), 128, np.uint8), "PNG")).shape == (64, 64, 3)


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


def test_progressive_pictures_of_many_scans_are_read_up_to_the_limit() -> None:
    # Of one colour all over, so that the scan of coefficients 6 to 63 says of each of them alone what it says of all.
    data = encode(Image.new("L", (64, 64), 200), "JPEG", progressive=True)
    begin = next(at for at in scans_of(data) if data[at + 7 : at + 9] == bytes((6, 63)))
    end, more = end_of(data, begin), MAX_SCANS - len(scans_of(data))

    def parted(more: int) -> bytes:
        bands = [*((first, first) for first in range(6, 6 + more)), (6 + more, 63)]
        return (
            data[:begin]
            + b"".join(data[begin : begin + 7] + bytes(band) + data[begin + 9 : end] for band in bands)
            + data[end:]
        )

    assert more > 5
    np.testing.assert_array_equal(acquire(parted(more)), 200)
    with pytest.raises(CaptureError, match=f"over {MAX_SCANS} scans"):
        check_structure(parted(more + 1), "image")
