"""Image files to upright sRGB pictures: format allow-list, limits, reduced scales of JPEGs, EXIF orientation."""

from __future__ import annotations

import importlib
import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageFile, UnidentifiedImageError

from mobile_runtime.bitmap import bitmap_size, is_bitmap, read_bitmap
from mobile_runtime.errors import CaptureError
from mobile_runtime.resample import MIN_SIDE, Box
from mobile_runtime.srgb import to_srgb
from mobile_runtime.structure import check_pixels, check_profile, check_structure, check_transfer

FORMATS = ("JPEG", "PNG", "WEBP")
EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".png", ".webp", ".heic", ".heif", ".bmp")
"""Endings of files that are taken for photographs, in small letters; what they are is told by their bytes."""
MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 100_000_000
MAX_FULL_PIXELS = {"JPEG": 61_000_000, "MPO": 61_000_000, "HEIC": 51_000_000, "PNG": 32_000_000, "WEBP": 24_000_000}
"""Most pixels decoded in full, by format; JPEGs beyond that must allow a reduced scale. More of them would take over 2 s or, as
WebP, over 1 GiB; HEIC takes longer, but phones write that many. Cameras write neither PNG nor WebP."""
MAX_COSTLY_PIXELS = 16_000_000
"""The same for pictures with both alpha and a profile: converting their colours takes longest."""

LARGE_PIXELS = 24_000_000
"""From here on a JPEG that is off the grid of every scale is decoded at half scale all the same, where its short side is many
times what is needed: in full it would take up to 2 s, and half a reduced pixel more is then next to nothing."""
_TO_SPARE = 8

Crop: TypeAlias = Callable[[int, int, bool], Box]
"""Width and height of the upright picture as decoded, and whether that was at a reduced scale -> the part that is wanted."""

# At debug level Pillow logs the values of EXIF tags: who took a picture and when must not get into an app's log.
logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.INFO)

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_PNG_END = b"IEND\xaeB`\x82"
_PNG_GREY, _PNG_RGB, _PNG_GREY_ALPHA = 0, 2, 4
_ORIENTATION_TAG = 0x0112
_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_bytes(path: str | Path) -> bytes:
    """Read an image file of at most 64 MiB.

    Raises:
        CaptureError: missing, unreadable, not a file, empty or larger.
    """
    if str(path) in ("", "-"):
        raise CaptureError(f"{str(path)!r} is no file, and standard input is not read; give the path of an image")
    try:
        path = Path(path)
        # Asked before opening, because opening a named pipe would wait for ever.
        if path.is_dir():
            raise CaptureError(f"{path}: a folder; give the path of an image, or the folder to `skintriage assess-archive`")
        if path.exists() and not path.is_file():
            raise CaptureError(f"{path}: not a file; give the path of an image")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except ValueError as error:  # a null character or a lone surrogate in the name
        raise CaptureError(f"{path!r} cannot be a path ({error}); check it") from error
    if not data:
        raise CaptureError(f"{path}: the file is empty; copy or take it again")
    if len(data) > MAX_BYTES:
        raise CaptureError(f"{path}: over {MAX_BYTES} bytes; export a smaller image")
    return data


def check_size(width: int, height: int, name: str = "image") -> None:
    """Accept 16 pixels a side to 100 megapixels.

    Raises:
        CaptureError: smaller or larger.
    """
    if min(width, height) < MIN_SIDE:
        raise CaptureError(f"{name}: {width}x{height} is under {MIN_SIDE} pixels a side; take a larger photo")
    if width * height > MAX_PIXELS:
        raise CaptureError(f"{name}: {width}x{height} is over {MAX_PIXELS} pixels; export a smaller image")


def _check_full_size(width: int, height: int, kind: str, name: str, costly: bool = False) -> None:
    limit = min(MAX_COSTLY_PIXELS, MAX_FULL_PIXELS[kind]) if costly else MAX_FULL_PIXELS[kind]
    if width * height > limit:
        what = f"{kind} with alpha and profile" if costly else kind
        raise CaptureError(f"{name}: {what} of {width}x{height}, the limit is {limit} pixels; export a smaller image")


def open_upright(
    data: bytes,
    min_short_side: int | None = None,
    name: str = "image",
    crop: Crop | None = None,
) -> Image.Image:
    """Decode image bytes to an upright 8-bit sRGB picture, or to a part of it.

    Orientation is EXIF's (HEIC: the container's). Colours go through the ICC profile, relative colorimetric; without one,
    or with one that does not parse or fit, pixels are taken as sRGB: PNG's gAMA, cHRM and cICP are ignored, which browsers
    obey, but for PQ and HLG, which are refused. Alpha is composited on white after that. 16 bits become 8 by dropping the low
    byte. Of an animation or a multi-picture JPEG the first picture counts, of a PNG the still one beside its animation, if any.

    Args:
        data: the bytes of a JPEG, PNG, WebP or 24-bit BMP file, or of a HEIC file where pillow-heif is installed.
        min_short_side: let big JPEGs be decoded at 1/2, 1/4 or 1/8 DCT scale as long as the short side keeps this many
            pixels and the image is a whole number of pixels at that scale (from `LARGE_PIXELS` on, half scale needs
            no whole pixels); the result is then that much smaller. None decodes in full.
        name: what error messages call the image.
        crop: gives the box to return; pixels outside it are spared the colour conversion, those inside come out the same.

    Returns:
        A picture of mode RGB.

    Raises:
        CaptureError: not an allowed format, truncated, over 64 MiB or 100 megapixels, under 16 pixels a side, or HEIC
            without its extra. Of what is decoded in full, `MAX_FULL_PIXELS` is the limit; see `structure` for others.
    """
    if not data:
        raise CaptureError(f"{name}: no bytes; copy or take the image again")
    if len(data) > MAX_BYTES:
        raise CaptureError(f"{name}: {len(data)} bytes, the limit is {MAX_BYTES}; export a smaller image")
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        # Switching it off here and back on would race with other threads' decoding.
        raise CaptureError("a library switched Pillow to truncated images; set ImageFile.LOAD_TRUNCATED_IMAGES = False")
    try:
        check_structure(data, name)
        if is_bitmap(data):
            check_size(*bitmap_size(data, name), name)
            image, reduced = read_bitmap(data, name), False
        elif is_heic(data):
            image, reduced = _open_heic(data, name), False
        else:
            image, reduced = _open(data, min_short_side, name)
        check_profile(image.info.get("icc_profile"), name)
        # A crop that keeps everything would copy everything.
        if crop is not None and (box := crop(image.width, image.height, reduced)) != (0, 0, image.width, image.height):
            image = image.crop(box)
        return to_srgb(image)
    except CaptureError:
        raise
    except UnidentifiedImageError as error:
        raise CaptureError(f"{name}: not a JPEG, PNG, WebP, HEIC or BMP image; convert it first") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise CaptureError(f"{name}: over {MAX_PIXELS} pixels; export a smaller image") from error
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError, MemoryError and others
        raise CaptureError(f"{name}: damaged or truncated ({type(error).__name__}: {error}); take it again") from error


def is_heic(data: bytes) -> bool:
    """Whether the `ftyp` box names an HEVC-coded HEIF brand, as main or as compatible brand."""
    if data[4:8] != b"ftyp":
        return False
    box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    return any(box[start : start + 4] in _HEIC_BRANDS for start in range(0, len(box), 4))


def _open(data: bytes, min_short_side: int | None, name: str) -> tuple[Image.Image, bool]:
    """The upright picture, and whether it was decoded at a reduced scale."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        image: Image.Image = opened
        full = image.size
        check_size(*full, name)
        if image.format == "PNG" and _PNG_END not in data:
            raise CaptureError(f"{name}: truncated, its end is missing; copy or take it again")
        if min_short_side is not None and image.format in ("JPEG", "MPO"):
            _draft(image, min_short_side)
        reduced = image.size != full
        costly = image.has_transparency_data and bool(image.info.get("icc_profile"))
        _check_full_size(image.width, image.height, str(image.format), name, costly)
        image.load()
        check_pixels(image, data, name)
        if image.format == "PNG":
            image = _as_png_says(image, depth=data[24], colour=data[25])
        method = _TO_UPRIGHT.get(_orientation(image))
        # Leaving the block closes the file, not the pixels.
        return (image if method is None else image.transpose(method)), reduced


def _as_png_says(image: Image.Image, depth: int, colour: int) -> Image.Image:
    """What Pillow leaves undone: it brings pixels to 8 bits but not the transparent level or colour, and makes deep grey with
    alpha RGB, to which a grey profile does not fit. Of a 16-bit colour the high bytes are compared."""
    key = image.info.get("transparency")
    if colour == _PNG_GREY and depth in (2, 4) and isinstance(key, int):
        image.info["transparency"] = key * (255 // (2**depth - 1))
    elif colour == _PNG_RGB and depth == 16 and isinstance(key, tuple):
        image.info["transparency"] = tuple(level >> 8 for level in key)
    return image.convert("LA") if colour == _PNG_GREY_ALPHA and image.mode == "RGBA" else image


def _open_heic(data: bytes, name: str) -> Image.Image:
    try:
        pillow_heif = importlib.import_module("pillow_heif")
    except ImportError as error:
        remedy = "in skintriage's folder, pip install '.[heic]', or export it as JPEG"
        raise CaptureError(f"{name}: reading HEIC needs an extra: {remedy}") from error
    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    width, height = file.size
    check_size(width, height, name)
    _check_full_size(width, height, "HEIC", name)
    if nclx := file.info.get("nclx_profile"):  # of the primary picture, where it has no ICC profile
        check_transfer(nclx["transfer_characteristics"], name)
    # libheif turns the picture as the container says; EXIF's orientation repeats that and would turn it twice.
    image: Image.Image = file.to_pillow()
    return image


def _draft(image: Image.Image, min_short_side: int) -> None:
    short, long = sorted(image.size)
    for scale in (8, 4, 2):
        # A last row or column that is not whole would count as much as the others.
        on_grid = short % scale == 0 and long % scale == 0
        if on_grid and short // scale >= min_short_side:
            image.draft(None, (image.width // scale, image.height // scale))
            return
    # What is over the limit in full stays refused: cameras' pictures of that size are on the grid.
    decodable = LARGE_PIXELS <= image.width * image.height <= MAX_FULL_PIXELS["JPEG"]
    if decodable and short // 2 >= _TO_SPARE * min_short_side:
        image.draft(None, (image.width // 2, image.height // 2))


def _orientation(image: Image.Image) -> int:
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        return int(exif.get(_ORIENTATION_TAG, 1))
    except Exception:
        return 1
