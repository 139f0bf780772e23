"""Decoded pictures to 8-bit sRGB: ICC profile, then alpha on white; 16 bits become 8."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

_BAND_PIXELS = 4_000_000


def to_srgb(image: Image.Image) -> Image.Image:
    """An RGB picture of the colours that one of any mode shows on white; a profile that does not parse or fit is left aside.

    It is converted a few rows at a time: that makes up to five copies, which of a large picture would be gigabytes.
    """
    rows = max(1, _BAND_PIXELS // image.width)
    if rows >= image.height:
        return _convert(image)
    converted = Image.new("RGB", image.size)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(image.height, top + rows)))
        converted.paste(_convert(band), (0, top))
    return converted


def _convert(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    alpha = None
    if image.mode.startswith("I;16"):
        image, alpha = _from_16_bit(image)
    elif image.mode == "P" or image.has_transparency_data:
        grey = image.mode in ("1", "L", "LA")
        rgba = image.convert("RGBA")
        image, alpha = rgba.convert("RGB"), rgba.getchannel("A")
        if grey:
            image = image.getchannel("R")
    elif image.mode == "1":
        image = image.convert("L")
    if profile:
        image = _apply_profile(image, profile)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None:
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    return image


def _from_16_bit(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    values = np.asarray(image)
    key = image.info.get("transparency")
    alpha = None if key is None else Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))
    # The low byte is dropped because that is what Pillow does to 16-bit RGB: a grey picture looks the same either way.
    return Image.fromarray((values >> 8).astype(np.uint8)), alpha


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(image, source, srgb, renderingIntent=intent, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return image
    return converted if converted is not None else image
