"""Image files to upright sRGB pixels: format allow-list, limits, EXIF orientation, ICC profile, alpha, bit depth."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps

from mobile_runtime.errors import CaptureError

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 100_000_000
MIN_SIDE = 16


def read_bytes(path: str | Path) -> bytes:
    """Read an image file of at most 64 MiB.

    Raises:
        CaptureError: missing, unreadable, empty or larger.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise CaptureError(f"{path}: not a file")
        if size > MAX_BYTES:
            raise CaptureError(f"{path}: {size} bytes, the limit is {MAX_BYTES}; export a smaller image")
        data = path.read_bytes()
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    if not data:
        raise CaptureError(f"{path}: the file is empty; copy or take it again")
    return data


def decode(data: bytes, min_short_side: int | None = None, name: str = "image") -> npt.NDArray[np.uint8]:
    """Decode image bytes to upright 8-bit sRGB.

    Args:
        data: the bytes of a JPEG, PNG or WebP file.
        min_short_side: let big JPEGs be decoded at 1/2, 1/4 or 1/8 DCT scale as long as the short side keeps this many
            pixels; None decodes in full.
        name: what error messages call the image.

    Returns:
        uint8 RGB [H, W, 3].

    Raises:
        CaptureError: not an allowed format, truncated, over 64 MiB or 100 megapixels, or under 16 pixels a side.
    """
    if not data:
        raise CaptureError(f"{name}: no bytes; copy or take the image again")
    if len(data) > MAX_BYTES:
        raise CaptureError(f"{name}: {len(data)} bytes, the limit is {MAX_BYTES}; export a smaller image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise CaptureError(f"{name}: {width}x{height} is over {MAX_PIXELS} pixels; export a smaller image")
                if min(width, height) < MIN_SIDE:
                    raise CaptureError(f"{name}: {width}x{height} is under {MIN_SIDE} pixels a side; take a larger photo")
                if min_short_side is not None and image.format == "JPEG":
                    _draft(image, min_short_side)
                image.load()
                return _to_srgb(ImageOps.exif_transpose(image))
    except CaptureError:
        raise
    except Image.UnidentifiedImageError as error:
        raise CaptureError(f"{name}: not a JPEG, PNG or WebP image; convert it first") from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ValueError and others
        raise CaptureError(f"{name}: damaged or truncated ({type(error).__name__}: {error}); take it again") from error


def _draft(image: Image.Image, min_short_side: int) -> None:
    short = min(image.size)
    for scale in (8, 4, 2):
        if short // scale >= min_short_side:
            image.draft(None, (image.width // scale, image.height // scale))
            return


def _to_srgb(image: Image.Image) -> npt.NDArray[np.uint8]:
    profile = image.info.get("icc_profile")
    alpha = image.convert("RGBA").getchannel("A") if "transparency" in image.info or image.mode[-1] in "Aa" else None
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        image = Image.fromarray((values / (257.0 if values.max(initial=0.0) > 255 else 1.0)).round().astype(np.uint8))
    if image.mode in ("P", "LA", "PA", "La", "RGBA", "RGBa", "1"):
        image = image.convert("RGB")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        image = _apply_profile(image, profile)
    image = image.convert("RGB")
    if alpha is not None:
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    return np.array(image)


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(image, source, srgb, renderingIntent=intent, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a profile that does not parse or fit says nothing: the pixels are sRGB, as browsers assume
    return converted if converted is not None else image
