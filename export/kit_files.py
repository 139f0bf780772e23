"""Vectors of image files for ports in other languages: whole and broken ones, drawn, with the answer that Python gives.

- `files`: `accepted` is Python's answer, `code` what ports that have codes call the fault, null where there is none;
- `edges`: pictures as decoders give them of a JPEG without its EXIF; not accepted where the row stored last was never written.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from export.kit_cases import CUT, HDR, HLG, PQ, SDR, Case, Pixels, draw_picture, encode, holed, profile_of
from export.kit_heic import heic_cases
from export.kit_png import png_cases
from mobile_runtime.capture import acquire
from mobile_runtime.colour_profiles import ADOBE_RGB, rgb_profile
from mobile_runtime.errors import CaptureError
from mobile_runtime.jpeg_structure import MAX_SCANS
from mobile_runtime.srgb import to_srgb
from mobile_runtime.structure import MAX_ZEROS, UNWRITTEN, check_structure, ends_unwritten

_ICC = b"ICC_PROFILE\0"
_END, _SCAN, _FRAME, _TABLES = b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\xc4"
_ORIENTATION = 0x0112


def file_vectors() -> list[dict[str, Any]]:
    """The list `files` of port.json, the same at every call."""
    picture = draw_picture()
    made = [*_jpegs(picture), *png_cases(picture), *_webps(picture), *heic_cases(), *_others()]
    return [{"name": name, "data": data.hex(), "accepted": _accepts(data, code), "code": code} for name, data, code in made]


def edge_vectors() -> list[dict[str, Any]]:
    """The list `edges` of port.json."""
    drawn = Image.fromarray(draw_picture()[:18, :21])
    linear = rgb_profile(ADOBE_RGB, 1.0)
    files: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        f"orientation {value}": (drawn, {"exif": _exif(value)}) for value in range(1, 9)
    }
    files |= {"a profile": (drawn, {"icc_profile": linear}), "four colours": (drawn.convert("CMYK"), {})}
    cases = []
    for name, (image, options) in files.items():
        data = encode(image, "JPEG", quality=90, **options)
        for what, stored in _ends(np.asarray(image)).items():
            picture = Image.fromarray(stored, image.mode)
            accepted = not ends_unwritten(picture)
            picture.info.update(options)
            decoded = to_srgb(picture)
            case = {"name": f"{name}, {what}", "data": data.hex(), "width": decoded.width, "height": decoded.height}
            cases.append(case | {"rgb": decoded.tobytes().hex(), "accepted": accepted})
    return cases


def _ends(written: Pixels) -> dict[str, Pixels]:
    """A picture, and the same with other rows last; or first, where nothing speaks against it."""
    unwritten, nearly, blocks, plain, first, black = (written.copy() for _ in range(6))
    unwritten[-9:] = nearly[-9:] = blocks[-9:, -8:] = first[:9] = UNWRITTEN
    nearly[-1, -2, 1] += 9
    plain[-9:, -8:] = written[0, 0]
    black[-1] = 255 if written.shape[2] == 4 else 0
    found = {"written": written, "unwritten": unwritten, "nearly": nearly, "last blocks unwritten": blocks}
    return found | {"last blocks plain": plain, "unwritten first": first, "black last": black}


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return exif


def _accepts(data: bytes, code: str | None) -> bool:
    try:
        # Decoding HEIC needs an extra, which tells of colours, too, and files drawn here are no more than a container.
        if data[4:8] == b"ftyp":
            check_structure(data, "image")
            return code != HDR
        acquire(data)
    except CaptureError:
        return False
    return True


def _begins(data: bytes, marker: bytes) -> list[int]:
    return [at for at in range(len(data)) if data.startswith(marker, at)]


def _jpegs(picture: Pixels) -> Iterator[Case]:
    image = Image.fromarray(picture)
    plain = encode(picture, "JPEG", quality=90)
    scan = plain.index(_SCAN)
    yield "a JPEG", plain, None
    yield "a JPEG with tables of its own", encode(picture, "JPEG", quality=75, optimize=True), None
    yield "a JPEG with a trailer", plain + b"trailer" * 9, None
    yield "a JPEG without its last third", plain[: len(plain) * 2 // 3], CUT
    yield "a JPEG without its end marker", plain[:-2], CUT
    yield "a JPEG that ends within its header", plain[: scan - 30], CUT
    yield "a JPEG that ends within its scan's header", plain[: scan + 5], CUT
    yield "a JPEG without a scan", plain[:scan] + _END, CUT
    yield "a JPEG whose rest is zeros", plain[: len(plain) // 2] + bytes(len(plain) - len(plain) // 2), CUT
    yield "a JPEG with a hole", holed(plain), CUT
    yield "a JPEG with an erased part", holed(plain, filler=0xFF), CUT
    restarting = encode(picture, "JPEG", quality=90, restart_marker_blocks=1)
    places = [at for at in range(len(restarting)) if restarting[at] == 0xFF and restarting[at + 1] in range(0xD0, 0xD8)]
    yield "a JPEG with restart markers", restarting, None
    yield "a JPEG that lacks what is between two restart markers", restarting[: places[0]] + restarting[places[1] :], CUT
    yield "a JPEG with an erased part between restart markers", holed(restarting, filler=0xFF), CUT
    for mode in ("RGB", "L", "CMYK"):
        progressive = encode(image.convert(mode), "JPEG", quality=75, progressive=True)
        begins = _begins(progressive, _SCAN)
        yield f"a progressive JPEG, {mode}", progressive, None
        for number, begin in enumerate(begins[1:], 1):
            yield f"a progressive JPEG of {number} scans, {mode}", progressive[:begin] + _END, CUT
        for number, begin in enumerate(begins, 1):
            rest = progressive[_after(progressive, begin) :]
            yield f"a progressive JPEG without scan {number}, {mode}", progressive[:begin] + rest, CUT
            yield f"a progressive JPEG with scan {number} twice, {mode}", progressive[: -len(rest)] + progressive[begin:], CUT
    yield "a JPEG of as many scans as may be", _in_bands(MAX_SCANS), None
    yield "a JPEG of one scan more", _in_bands(MAX_SCANS + 1), CUT
    yield from _profiled_jpegs(picture)
    for bands in (3, 2, 1):
        yield f"a JPEG with scans of {bands} of 3 colours", _scan_by_scan(picture, bands), None if bands == 3 else CUT


def _after(data: bytes, scan: int) -> int:
    """Where the marker is that ends the data of a scan."""
    return next(at for at in range(scan + 2, len(data)) if data[at] == 0xFF and data[at + 1] not in (0, *range(0xD0, 0xD8)))


def _in_bands(scans: int) -> bytes:
    """A progressive JPEG of so many scans: of one colour all over, whose coefficients 6 to 63 take the same data one by one."""
    data = encode(Image.new("L", (64, 64), 200), "JPEG", quality=75, progressive=True)
    at = next(begin for begin in _begins(data, _SCAN) if data[begin + 7] == 6)
    stop, last = _after(data, at), 6 + scans - data.count(_SCAN)
    bands = [*((first, first) for first in range(6, last)), (last, 63)]
    return data[:at] + b"".join(data[at : at + 7] + bytes(band) + data[at + 9 : stop] for band in bands) + data[stop:]


def _profiled_jpegs(picture: Pixels) -> Iterator[Case]:
    for transfer, code in ((SDR, None), (PQ, HDR), (HLG, HDR)):
        data = encode(picture, "JPEG", quality=90, icc_profile=profile_of(transfer))
        yield f"a JPEG with a profile of transfer {transfer}", data, code
    profile = profile_of(PQ)
    halves = [profile[: len(profile) // 2], profile[len(profile) // 2 :]]
    plain = encode(picture, "JPEG", quality=90)

    def parted(*parts: tuple[int, int, bytes]) -> bytes:
        written = [_ICC + bytes([number, count]) + content for number, count, content in parts]
        return plain[:2] + b"".join(b"\xff\xe2" + struct.pack(">H", len(part) + 2) + part for part in written) + plain[2:]

    yield "a JPEG whose profile is in two parts", parted((1, 2, halves[0]), (2, 2, halves[1])), HDR
    yield "a JPEG whose profile is in two parts, turned round", parted((2, 2, halves[1]), (1, 2, halves[0])), HDR
    yield "a JPEG with the first part of a profile", parted((1, 2, halves[0])), CUT
    yield "a JPEG with the second part of a profile", parted((2, 2, halves[1])), CUT
    yield "a JPEG with a part of a profile twice", parted((1, 2, halves[0]), (1, 2, halves[0])), CUT
    yield "a JPEG whose profile is a part alone, of another number", parted((7, 1, profile_of(SDR))), None


def _scan_by_scan(picture: Pixels, bands: int) -> bytes:
    """One scan for each component, as few encoders write them; of the first alone decoders show a grey picture."""
    parts = [encode(np.ascontiguousarray(picture[..., band]), "JPEG", quality=75, optimize=True) for band in range(3)]
    scans = [part.index(_SCAN) for part in parts]
    frame = parts[0].index(_FRAME)
    data = parts[0][:frame] + _FRAME + b"\x00\x11" + parts[0][frame + 4 : frame + 9]
    data += b"\x03" + b"".join(bytes([band + 1, 0x11, 0]) for band in range(3))
    for band, (part, scan) in enumerate(zip(parts[:bands], scans, strict=False)):
        tables = part[part.index(_TABLES) : scan]
        data += tables + _SCAN + b"\x00\x08\x01" + bytes([band + 1, 0, 0, 63, 0]) + part[scan + 10 : -2]
    return data + _END


def _webps(picture: Pixels) -> Iterator[Case]:
    lossy = encode(picture, "WEBP", quality=80)
    lossless = encode(picture, "WEBP", lossless=True)
    pages = [Image.fromarray(np.roll(picture, shift, 1)) for shift in (0, 5)]
    animation = encode(pages[0], "WEBP", save_all=True, append_images=pages[1:], quality=80)
    first = animation.index(b"VP8 ") + 60
    for transfer, code in ((SDR, None), (PQ, HDR), (HLG, HDR)):
        yield f"a WebP with a profile of transfer {transfer}", encode(picture, "WEBP", icc_profile=profile_of(transfer)), code
    for name, data in (("lossy", lossy), ("lossless", lossless), ("animated", animation)):
        yield f"a WebP, {name}", data, None
        yield f"a WebP without its last third, {name}", data[: len(data) * 2 // 3], CUT
    for name, data in (("lossy", lossy), ("lossless", lossless)):
        kept = len(data) * 2 // 3
        yield f"a WebP whose rest is zeros, {name}", data[:kept] + bytes(len(data) - kept), CUT
    yield "a WebP with a hole", holed(lossy, 2 * MAX_ZEROS), CUT
    yield "an animated WebP whose first picture has a hole", animation[:first] + bytes(99) + animation[first + 99 :], CUT


def _others() -> Iterator[Case]:
    yield "nothing", b"", "unreadable"
    yield "words", b"not a picture, whatever its name says", "format"
    yield "a GIF", encode(draw_picture(), "GIF"), "format"
