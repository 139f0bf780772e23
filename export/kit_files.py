"""Vectors of image files for ports in other languages: whole and broken ones, drawn, with the answer that Python gives.

- `files`: `accepted` is Python's answer, `code` what ports that have codes call the fault, null where there is none;
- `edges`: pictures as decoders give them of a JPEG without its EXIF; not accepted where the row stored last was never written.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mobile_runtime.capture import acquire
from mobile_runtime.colour_profiles import ADOBE_RGB, DISPLAY_P3, rgb_profile
from mobile_runtime.errors import CaptureError
from mobile_runtime.jpeg_structure import MAX_SCANS
from mobile_runtime.srgb import to_srgb
from mobile_runtime.structure import ADAM7, CHANNELS, MAX_ZEROS, UNWRITTEN, WHOLE, check_structure, ends_unwritten
from mobile_runtime.synthetic import lesion

Pixels = npt.NDArray[np.uint8]
_ICC = b"ICC_PROFILE\0"
_END, _SCAN, _FRAME, _TABLES = b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\xc4"
_ORIENTATION = 0x0112
_SIDE = 32
_HOLE = 40
_CUT = "truncated"
_HDR = "high_dynamic_range"
_SDR_TRANSFER, _PQ, _HLG = 1, 16, 18
_CODES = {"stored": (0, zlib.Z_DEFAULT_STRATEGY), "fixed codes": (9, zlib.Z_FIXED), "own codes": (9, zlib.Z_DEFAULT_STRATEGY)}


def file_vectors() -> list[dict[str, Any]]:
    """The list `files` of port.json, the same at every call."""
    picture = _picture()
    made = [*_jpegs(picture), *_pngs(picture), *_webps(picture), *_heics(), *_others()]
    return [{"name": name, "data": data.hex(), "accepted": _accepts(data, code), "code": code} for name, data, code in made]


def edge_vectors() -> list[dict[str, Any]]:
    """The list `edges` of port.json."""
    drawn = Image.fromarray(_picture()[:18, :21])
    linear = rgb_profile(ADOBE_RGB, 1.0)
    files: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        f"orientation {value}": (drawn, {"exif": _exif(value)}) for value in range(1, 9)
    }
    files |= {"a profile": (drawn, {"icc_profile": linear}), "four colours": (drawn.convert("CMYK"), {})}
    cases = []
    for name, (image, options) in files.items():
        data = _encode(image, "JPEG", quality=90, **options)
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
    unwritten, nearly, first, black = (written.copy() for _ in range(4))
    unwritten[-9:] = nearly[-9:] = first[:9] = UNWRITTEN
    nearly[-1, 5, 1] += 9
    black[-1] = 255 if written.shape[2] == 4 else 0
    return {"written": written, "unwritten": unwritten, "nearly": nearly, "unwritten first": first, "black last": black}


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return exif


def _accepts(data: bytes, code: str | None) -> bool:
    try:
        # Decoding HEIC needs an extra, which tells of colours, too, and files drawn here are no more than a container.
        if data[4:8] == b"ftyp":
            check_structure(data, "image")
            return code != _HDR
        acquire(data)
    except CaptureError:
        return False
    return True


def _picture() -> Pixels:
    """With grain, as a camera's; not square."""
    grain = np.random.default_rng(1).normal(0, 6, (_SIDE, _SIDE + 8, 3))
    drawn = Image.fromarray(lesion("mel", 2, 96)).resize((_SIDE + 8, _SIDE))
    return np.clip(np.asarray(drawn) + grain, 0, 255).astype(np.uint8)


def _encode(picture: Pixels | Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(stream, kind, **options)
    return stream.getvalue()


def _holed(data: bytes, size: int = _HOLE) -> bytes:
    at = len(data) * 2 // 3
    return data[:at] + bytes(size) + data[at + size :]


def _begins(data: bytes, marker: bytes) -> list[int]:
    return [at for at in range(len(data)) if data.startswith(marker, at)]


Case = tuple[str, bytes, str | None]


def _jpegs(picture: Pixels) -> Iterator[Case]:
    image = Image.fromarray(picture)
    plain = _encode(picture, "JPEG", quality=90)
    scan = plain.index(_SCAN)
    yield "a JPEG", plain, None
    yield "a JPEG with tables of its own", _encode(picture, "JPEG", quality=75, optimize=True), None
    yield "a JPEG with a trailer", plain + b"trailer" * 9, None
    yield "a JPEG without its last third", plain[: len(plain) * 2 // 3], _CUT
    yield "a JPEG without its end marker", plain[:-2], _CUT
    yield "a JPEG that ends within its header", plain[: scan - 30], _CUT
    yield "a JPEG that ends within its scan's header", plain[: scan + 5], _CUT
    yield "a JPEG without a scan", plain[:scan] + _END, _CUT
    yield "a JPEG whose rest is zeros", plain[: len(plain) // 2] + bytes(len(plain) - len(plain) // 2), _CUT
    yield "a JPEG with a hole", _holed(plain), _CUT
    for mode in ("RGB", "L", "CMYK"):
        progressive = _encode(image.convert(mode), "JPEG", quality=75, progressive=True)
        begins = _begins(progressive, _SCAN)
        yield f"a progressive JPEG, {mode}", progressive, None
        for number, begin in enumerate(begins[1:], 1):
            yield f"a progressive JPEG of {number} scans, {mode}", progressive[:begin] + _END, _CUT
    progressive = _encode(image.convert("L"), "JPEG", quality=75, progressive=True)
    last = _begins(progressive, _SCAN)[-1]
    more = MAX_SCANS - progressive.count(_SCAN)
    yield "a JPEG of as many scans as may be", progressive[:-2] + progressive[last:-2] * more + _END, None
    yield "a JPEG of one scan more", progressive[:-2] + progressive[last:-2] * (more + 1) + _END, _CUT
    yield from _profiled_jpegs(picture)
    for bands in (3, 2, 1):
        yield f"a JPEG with scans of {bands} of 3 colours", _scan_by_scan(picture, bands), None if bands == 3 else _CUT


def _profiled_jpegs(picture: Pixels) -> Iterator[Case]:
    for transfer, code in ((_SDR_TRANSFER, None), (_PQ, _HDR), (_HLG, _HDR)):
        data = _encode(picture, "JPEG", quality=90, icc_profile=_profile_of(transfer))
        yield f"a JPEG with a profile of transfer {transfer}", data, code
    profile = _profile_of(_PQ)
    halves = [profile[: len(profile) // 2], profile[len(profile) // 2 :]]
    plain = _encode(picture, "JPEG", quality=90)

    def parted(*parts: tuple[int, int, bytes]) -> bytes:
        written = [_ICC + bytes([number, count]) + content for number, count, content in parts]
        return plain[:2] + b"".join(b"\xff\xe2" + struct.pack(">H", len(part) + 2) + part for part in written) + plain[2:]

    yield "a JPEG whose profile is in two parts", parted((1, 2, halves[0]), (2, 2, halves[1])), _HDR
    yield "a JPEG whose profile is in two parts, turned round", parted((2, 2, halves[1]), (1, 2, halves[0])), _HDR
    yield "a JPEG with the first part of a profile", parted((1, 2, halves[0])), _CUT
    yield "a JPEG with the second part of a profile", parted((2, 2, halves[1])), _CUT
    yield "a JPEG with a part of a profile twice", parted((1, 2, halves[0]), (1, 2, halves[0])), _CUT
    yield "a JPEG whose profile is a part alone, of another number", parted((7, 1, _profile_of(_SDR_TRANSFER))), None


def _profile_of(transfer: int) -> bytes:
    """A profile with a tag `cicp` (ICC.1:2022, 9.2.17)."""
    profile = rgb_profile(DISPLAY_P3)
    count = int.from_bytes(profile[128:132], "big")
    entries = b"".join(
        profile[at : at + 4]
        + struct.pack(">I", int.from_bytes(profile[at + 4 : at + 8], "big") + 12)
        + profile[at + 8 : at + 12]
        for at in range(132, 132 + 12 * count, 12)
    )
    more = b"cicp" + struct.pack(">II", len(profile) + 12, 12)
    content = profile[132 + 12 * count :] + b"cicp" + bytes(4) + bytes([9, transfer, 0, 1])
    return struct.pack(">I", len(profile) + 24) + profile[4:128] + struct.pack(">I", count + 1) + entries + more + content


def _scan_by_scan(picture: Pixels, bands: int) -> bytes:
    """One scan for each component, as few encoders write them; of the first alone decoders show a grey picture."""
    parts = [_encode(np.ascontiguousarray(picture[..., band]), "JPEG", quality=75, optimize=True) for band in range(3)]
    scans = [part.index(_SCAN) for part in parts]
    frame = parts[0].index(_FRAME)
    data = parts[0][:frame] + _FRAME + b"\x00\x11" + parts[0][frame + 4 : frame + 9]
    data += b"\x03" + b"".join(bytes([band + 1, 0x11, 0]) for band in range(3))
    for band, (part, scan) in enumerate(zip(parts[:bands], scans, strict=False)):
        tables = part[part.index(_TABLES) : scan]
        data += tables + _SCAN + b"\x00\x08\x01" + bytes([band + 1, 0, 0, 63, 0]) + part[scan + 10 : -2]
    return data + _END


def _pngs(picture: Pixels) -> Iterator[Case]:
    plain = _encode(picture, "PNG")
    pixels = plain.index(b"IDAT")
    yield "a PNG", plain, None
    yield "a PNG with a trailer", plain + bytes(99), None
    yield "a PNG with a hole", _holed(plain), _CUT
    yield "a PNG whose checksum is another", plain[:-16] + bytes([plain[-16] ^ 1]) + plain[-15:], _CUT
    yield "a PNG without its end", plain[:-12], _CUT
    yield "a PNG that ends within its pixels", plain[: len(plain) // 2], _CUT
    yield "a PNG whose pixels reach outside", plain[: pixels - 4] + b"\x7f" + plain[pixels - 3 :], _CUT
    yield "a PNG in high dynamic range, cut", _before(plain, b"IDAT", _cicp(_PQ))[: len(plain) // 2], _CUT
    for transfer, code in ((_SDR_TRANSFER, None), (_PQ, _HDR), (_HLG, _HDR)):
        yield f"a PNG of transfer {transfer}", _before(plain, b"IDAT", _cicp(transfer)), code
        yield f"a PNG of transfer {transfer}, behind its pixels", _before(plain, b"IEND", _cicp(transfer)), code
        profiled = _encode(picture, "PNG", icc_profile=_profile_of(transfer))
        yield f"a PNG with a profile of transfer {transfer}", profiled, code
    for kind in (b"iCCP", b"tRNS"):
        data = _encode(Image.fromarray(picture).convert("P"), "PNG", icc_profile=_profile_of(_SDR_TRANSFER), transparency=0)
        at = data.index(kind) + 4
        yield f"a PNG whose {kind.decode()} is damaged", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], _CUT
    late = bytearray(_before(plain, b"IEND", _chunk(b"tEXt", b"a note")))
    late[-20] ^= 1
    yield "a PNG whose note behind its pixels is damaged", bytes(late), _CUT
    yield "a PNG whose transfer is missing", _before(plain, b"IDAT", _chunk(b"cICP", b"\x09")), None
    yield "a PNG with a transfer behind its end", plain + _cicp(_PQ), None
    kinds = [(0, 1, False), (0, 16, False), (2, 8, False), (2, 8, True), (3, 2, False), (4, 8, True), (6, 8, False)]
    for colour, depth, interlaced in kinds:
        for codes, (level, strategy) in _CODES.items():
            name = f"a PNG of colour {colour}, {depth} bits{', interlaced' if interlaced else ''}, {codes}"
            packer = zlib.compressobj(level, strategy=strategy)
            yield name, _drawn_png(colour, depth, interlaced, packer.copy(), share=1), None
            yield f"{name}, which runs out", _drawn_png(colour, depth, interlaced, packer, share=0.75), _CUT


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


def _webps(picture: Pixels) -> Iterator[Case]:
    lossy = _encode(picture, "WEBP", quality=80)
    lossless = _encode(picture, "WEBP", lossless=True)
    pages = [Image.fromarray(np.roll(picture, shift, 1)) for shift in (0, 5)]
    animation = _encode(pages[0], "WEBP", save_all=True, append_images=pages[1:], quality=80)
    first = animation.index(b"VP8 ") + 60
    for transfer, code in ((_SDR_TRANSFER, None), (_PQ, _HDR), (_HLG, _HDR)):
        yield f"a WebP with a profile of transfer {transfer}", _encode(picture, "WEBP", icc_profile=_profile_of(transfer)), code
    for name, data in (("lossy", lossy), ("lossless", lossless), ("animated", animation)):
        yield f"a WebP, {name}", data, None
        yield f"a WebP without its last third, {name}", data[: len(data) * 2 // 3], _CUT
    for name, data in (("lossy", lossy), ("lossless", lossless)):
        kept = len(data) * 2 // 3
        yield f"a WebP whose rest is zeros, {name}", data[:kept] + bytes(len(data) - kept), _CUT
    yield "a WebP with a hole", _holed(lossy, 2 * MAX_ZEROS), _CUT
    yield "an animated WebP whose first picture has a hole", animation[:first] + bytes(99) + animation[first + 99 :], _CUT


def _heics() -> Iterator[Case]:
    """Containers with one picture, of noise in place of HEVC: decoders are not asked."""
    picture = np.random.default_rng(4).integers(1, 256, 400, dtype=np.uint8).tobytes()
    half = picture[:200]
    yield "a HEIC", _heic(picture), None
    yield "a HEIC with a trailer", _heic(picture) + b"trailer" * 9, None
    yield "a HEIC with zeros elsewhere", _heic(picture, b"Exif", half + bytes(200)), None
    yield "a HEIC with 64-bit boxes", _heic(picture, version=1, wide=True), None
    yield "a HEIC without its last third", _heic(picture)[:-133], _CUT
    for version, wide in ((0, False), (1, True), (2, False)):
        yield f"a HEIC whose rest is zeros, version {version}", _heic(half + bytes(200), version=version, wide=wide), _CUT
    damaged = _heic(half + bytes(200))
    yield "a HEIC whose rest is zeros, with a trailer that is no box", damaged + bytes([0, 0, 0, 5]) + b"abcdefgh", _CUT
    yield "a HEIC whose rest is zeros, with another list behind it", damaged + _box(b"meta", bytes(4)), _CUT
    yield "a HEIC with a hole", _heic(half + bytes(_HOLE) + half), _CUT
    yield "a HEIC whose second picture has a hole", _heic(picture, b"hev1", half + bytes(200)), _CUT
    for wide in (False, True):
        size = "long" if wide else "short"
        for transfer, code in ((_SDR_TRANSFER, None), (_PQ, _HDR), (_HLG, _HDR)):
            named = f"a HEIC of transfer {transfer}, {size} numbers"
            yield named, _heic(picture, colours=_colours([_nclx(transfer)], {1: [1]}, wide)), code
            yield (
                f"{named}, with a profile",
                _heic(picture, colours=_colours([_PROFILE, _nclx(transfer)], {1: [1, 2]}, wide)),
                None,
            )
            own = _box(b"colr", b"prof" + _profile_of(transfer))
            yield (
                f"a HEIC with a profile of transfer {transfer}, {size}",
                _heic(picture, colours=_colours([own], {1: [1]}, wide)),
                code,
            )
            other = _colours([_nclx(transfer), _nclx(_SDR_TRANSFER)], {2: [1], 1: [2]}, wide)
            yield f"{named}, of another picture", _heic(picture, colours=other), None
            tiles = _colours([_box(b"irot", b"\0"), _nclx(transfer)], {1: [1], 2: [2]}, wide)
            yield f"{named}, of its tiles", _heic(picture, colours=tiles), code
    for box in (b"pitm", b"iprp", b"ipco"):
        without = _colours([_nclx(_PQ)], {1: [1]}).replace(box, b"free")
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


def _others() -> Iterator[Case]:
    yield "nothing", b"", "unreadable"
    yield "words", b"not a picture, whatever its name says", "format"
    yield "a GIF", _encode(_picture(), "GIF"), "format"
