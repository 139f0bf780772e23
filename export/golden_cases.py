"""The images of the golden vectors: synthetic, small, each with one trap for a port."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from mobile_runtime import colour_profiles
from mobile_runtime.golden import FrameSpec, PlaneSpec
from mobile_runtime.synthetic import lesion

Pixels = npt.NDArray[np.uint8]
LOSSY_TOLERANCE = 8
"""Levels of 255 by which JPEG decoders may differ: fast DCTs and smoothed chroma were measured at up to 6."""

PROFILE_TOLERANCE = 2
"""Levels of 255 by which colour management may round differently; to read P3 as sRGB is off by more."""


@dataclass(frozen=True)
class Source:
    """One image as it reaches an app; `tolerance` is for its decoder, in levels of 255."""

    name: str
    about: str
    suffix: str
    data: bytes
    tolerance: int = 0
    frame: FrameSpec | None = None


def draw_sources(side: int, too_small: int) -> list[Source]:
    """All cases.

    Args:
        side: short side in pixels of those that are to pass the quality gate; the others have less.
        too_small: a side of fewer pixels than it takes.
    """
    benign, malignant, vessel = (lesion(label, seed, side) for label, seed in (("nv", 5), ("mel", 3), ("vasc", 4)))
    wide = _padded(lesion("bcc", 6, side), right=side // 4)
    small = lesion("bkl", 8, 75)
    nv12 = _padded(lesion("df", 2, 96), right=32)
    checkers = (np.indices((93, 93)).sum(axis=0) % 2 * 255).astype(np.uint8)
    return [
        Source("png", "plain RGB PNG", "png", _encode(benign, "PNG")),
        Source("jpeg_wide", "wide JPEG, 4:2:0", "jpg", _encode(wide, "JPEG", quality=92), LOSSY_TOLERANCE),
        Source("jpeg_exif_6", "JPEG on its side, EXIF orientation 6", "jpg", _turned_jpeg(malignant), LOSSY_TOLERANCE),
        _nv21("frame_nv21", "NV21, BT.601 full range, to be turned by 90 degrees", _even(vessel)),
        Source("png_rgba", "RGBA PNG, odd sides, alpha from 0 to 255", "png", _encode(_with_alpha(small), "PNG")),
        Source("png_palette", "palette PNG, tall", "png", _palette_png(_padded(small, bottom=22))),
        Source("png_grey_16", "16-bit grey PNG", "png", _grey_16_png(small)),
        Source("webp_dark", "lossless WebP, far too dark", "webp", _encode(small // 8, "WEBP", lossless=True)),
        Source("png_checkers", "one-pixel checkers: a resize without antialiasing shows", "png", _encode(checkers, "PNG")),
        Source("png_uniform", "one colour", "png", _encode(np.full((64, 64, 3), 170, np.uint8), "PNG")),
        Source("png_swapped", "red and blue swapped, which no skin is like", "png", _encode(small[..., ::-1], "PNG")),
        Source("png_reflection", "a reflection on the spot, not burnt out", "png", _encode(_reflecting(malignant), "PNG")),
        Source("png_glare", "a bright frame around the spot", "png", _encode(_framed(benign), "PNG")),
        Source("png_bright", "far too bright", "png", _encode((small // 6 + 212).astype(np.uint8), "PNG")),
        Source("png_smeared", "smeared by a moving hand", "png", _encode(cv2.blur(lesion("bkl", 9, side), (13, 1)), "PNG")),
        Source("png_blurred", "out of focus", "png", _encode(cv2.GaussianBlur(lesion("vasc", 8, 75), (0, 0), 1), "PNG")),
        Source("png_hazy", "behind a veil of stray light", "png", _encode(lesion("mel", 8, 75) // 5 + 120, "PNG")),
        Source("png_doubled", "two exposures between which the hand moved", "png", _encode(_doubled(malignant), "PNG")),
        Source("png_small", "too few pixels", "png", _encode(lesion("bkl", 9, too_small), "PNG")),
        Source("png_display_p3", "PNG in Display P3, as iPhones save it", "png", _p3_png(vessel), PROFILE_TOLERANCE),
        _bgra("frame_bgra", "BGRA with padded rows, to be turned by 180 degrees", small[:, :-2]),
        _nv12("frame_nv12", "NV12, BT.709 limited range, padded rows, mirrored", nv12),
    ]


def _reflecting(image: Pixels) -> Pixels:
    copy, middle, reach = image.copy(), len(image) // 2, len(image) // 14
    copy[middle - reach : middle + reach, middle - reach : middle + reach] = (245, 242, 236)
    return copy


def _doubled(image: Pixels) -> Pixels:
    moved = np.roll(image, (len(image) // 14, len(image) // 20), axis=(0, 1))
    return np.asarray((image.astype(np.uint16) + moved) // 2, np.uint8)


def _framed(image: Pixels) -> Pixels:
    framed, edge = np.full_like(image, (242, 240, 238)), len(image) // 8
    framed[edge:-edge, edge:-edge] = image[edge:-edge, edge:-edge] // 5 * 4
    return framed


def _p3_png(image: Pixels) -> bytes:
    profile = colour_profiles.rgb_profile(colour_profiles.DISPLAY_P3)
    return _encode(colour_profiles.encode(image, colour_profiles.DISPLAY_P3), "PNG", icc_profile=profile)


def _padded(image: Pixels, right: int = 0, bottom: int = 0) -> Pixels:
    padded: Pixels = np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="reflect")
    return padded


def _even(image: Pixels) -> Pixels:
    return image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]


def _encode(image: Pixels, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


def _turned_jpeg(image: Pixels) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _encode(np.ascontiguousarray(np.rot90(_padded(image, bottom=21))), "JPEG", quality=92, exif=exif.tobytes())


def _with_alpha(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    alpha = np.linspace(0, 255, height * width).reshape(height, width, 1).astype(np.uint8)
    return np.concatenate([image, alpha], axis=2)


def _palette_png(image: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).quantize(64).save(stream, "PNG")
    return stream.getvalue()


def _grey_16_png(image: Pixels) -> bytes:
    grey = image[..., 1].astype(np.uint16) * 257 - np.arange(image.shape[1], dtype=np.uint16)
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    return stream.getvalue()


def _yuv(image: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """Luma [H, W] and halved chroma [H/2, W/2]; the frame's description decides what they mean."""
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
    height, width = image.shape[:2]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    return planes[:height], chroma[0], chroma[1]


def _nv21(name: str, about: str, image: Pixels) -> Source:
    y, u, v = _yuv(image)
    height, width = y.shape
    data = y.tobytes() + np.stack([v, u], axis=-1).tobytes()
    planes = [PlaneSpec(offset=0, length=len(data), row_stride=width, pixel_stride=1)]
    frame = FrameSpec(
        layout="nv21",
        width=width,
        height=height,
        planes=planes,
        matrix="bt601",
        value_range="full",
        rotation=90,
        mirrored=False,
    )
    return Source(name, about, "nv21", data, frame=frame)


def _nv12(name: str, about: str, image: Pixels) -> Source:
    y, u, v = _yuv(image)
    height, width = y.shape
    padding = ((0, 0), (0, 16))
    luma = np.pad(y, padding, constant_values=255).tobytes()
    chroma = np.pad(np.stack([u, v], axis=-1).reshape(height // 2, width), padding, constant_values=255).tobytes()
    planes = [
        PlaneSpec(offset=0, length=len(luma), row_stride=width + 16, pixel_stride=1),
        PlaneSpec(offset=len(luma), length=len(chroma), row_stride=width + 16, pixel_stride=2),
    ]
    frame = FrameSpec(
        layout="nv12",
        width=width,
        height=height,
        planes=planes,
        matrix="bt709",
        value_range="limited",
        rotation=0,
        mirrored=True,
    )
    return Source(name, about, "nv12", luma + chroma, frame=frame)


def _bgra(name: str, about: str, image: Pixels) -> Source:
    height, width = image.shape[:2]
    rows = np.full((height, width * 4 + 20), 7, np.uint8)
    rows[:, : width * 4] = np.dstack([image[..., ::-1], np.full((height, width), 255, np.uint8)]).reshape(height, -1)
    planes = [PlaneSpec(offset=0, length=rows.size, row_stride=rows.shape[1], pixel_stride=4)]
    frame = FrameSpec(
        layout="bgra",
        width=width,
        height=height,
        planes=planes,
        matrix=None,
        value_range=None,
        rotation=180,
        mirrored=False,
    )
    return Source(name, about, "bgra", rows.tobytes(), frame=frame)
