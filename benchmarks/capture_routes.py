"""One scene on every route into capture, and how far they end from each other: `python -m benchmarks.capture_routes`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.table import Table

from benchmarks.capture_scenes import Pixels, camera_frames, encode, encode_heic, exif, padded, scene, stored
from benchmarks.environment import environment
from mobile_runtime import colour_profiles as profiles
from mobile_runtime.capture import ImageInput, acquire, prepare
from mobile_runtime.console import guard, out
from mobile_runtime.files import write_json
from mobile_runtime.frames import CameraFrame, Matrix, Range

RESULT = Path(__file__).parent / "results" / "capture_routes.json"
SIZE = 224
MEAN_LIMIT = 0.8
"""Largest mean difference allowed of any route, in levels of 255: half of what the mildest mistake costs."""


@dataclass(frozen=True, eq=False)
class Route:
    """A way from the scene to the model's input.

    Attributes:
        group: what sets the route's limit.
        name: the route.
        image: what capture gets.
        scene: the upright sRGB pixels that it stands for, uint8 RGB [H, W, 3].
        limit: largest difference allowed at S x S, in levels of 255; `routes` says why.
    """

    group: str
    name: str
    image: ImageInput
    scene: Pixels
    limit: int


def routes() -> list[Route]:
    """All routes, with limits in levels of 255 at S x S.

    - Lossless routes allow 0: the same integers must come out.
    - A colour space written in 8 bits is off by half a level going in and half coming out, more where a curve is steep;
      averaging leaves 1. JPEG on top adds 1, the nine-point tables of the CMYK profile interpolate to within 4.
    - Camera YUV shares a chroma sample among four noisy pixels and rounds it: up to 4 at the edges of colours.
    - JPEG, WebP and HEIC at quality 95 add their own loss: up to 6.
    - DCT scaling is another antialiasing filter in front of the same resampling: up to 3.

    Means stay under `MEAN_LIMIT`, which tells a mistake (the wrong matrix, a profile ignored) more sharply than the
    largest difference does: `tests/mobile_runtime/test_capture.py` tries them.
    """
    picture = scene()
    return [*_lossless(picture), *_coloured(picture), *_lossy(picture), *_cameras(picture), *_reduced()]


def _lossless(picture: Pixels) -> list[Route]:
    rng = np.random.default_rng(3)
    grey = np.repeat(picture[..., 1:2], 3, -1)
    alpha = np.linspace(0, 255, picture.shape[1]).round().astype(np.uint8)[None, :].repeat(len(picture), 0)
    on_white = _blend(picture, alpha)
    wide = picture.astype(np.uint16) * 256 + rng.integers(0, 256, picture.shape, dtype=np.uint16)
    palette = Image.fromarray(picture).quantize(64)
    clear = np.array(palette.convert("RGB"))
    clear[np.array(palette) == 5] = 255
    bilevel = np.repeat(np.where(picture[..., 1:2] > 120, 255, 0).astype(np.uint8), 3, -1)
    images: list[tuple[str, ImageInput, Pixels]] = [
        ("RGB array", picture, picture),
        ("WebP lossless", encode(picture, "WEBP", lossless=True, method=0), picture),
        ("WebP lossless RGBA", encode(np.dstack([picture, alpha]), "WEBP", lossless=True, exact=True, method=0), on_white),
        ("PNG RGBA on white", _png(np.dstack([picture, alpha])), on_white),
        ("PNG grey", _png(picture[..., 1]), grey),
        ("PNG grey with alpha", _png(Image.fromarray(np.dstack([picture[..., 1], alpha]), "LA")), _blend(grey, alpha)),
        ("PNG bilevel", _png(Image.fromarray(bilevel[..., 0]).convert("1", dither=Image.Dither.NONE)), bilevel),
        ("PNG palette", _png(palette), np.array(palette.convert("RGB"))),
        ("PNG palette with transparency", _png(palette, transparency=5), clear),
        ("PNG 16-bit grey", cv2.imencode(".png", wide[..., 1])[1].tobytes(), grey),
        ("PNG 16-bit RGB", cv2.imencode(".png", wide[..., ::-1])[1].tobytes(), picture),
    ]
    for orientation in range(1, 9):
        pixels, tag = stored(picture, orientation), exif(orientation)
        images.append((f"PNG, EXIF orientation {orientation}", _png(pixels, exif=tag), picture))
        image = encode(pixels, "WEBP", lossless=True, method=0, exif=tag)
        images.append((f"WebP, EXIF orientation {orientation}", image, picture))
    packings: dict[Literal["rgb", "rgba", "bgra"], list[int]] = {"rgb": [0, 1, 2], "rgba": [0, 1, 2, 3], "bgra": [2, 1, 0, 3]}
    for layout, channels in packings.items():
        sensor = np.dstack([picture, np.full(picture.shape[:2], 77, np.uint8)])[..., channels]
        for rotation in (0, 90, 180, 270):
            for mirrored in (False, True):
                turned = np.rot90(sensor[:, ::-1] if mirrored else sensor, rotation // 90)
                height, width = turned.shape[:2]
                row = width * len(channels)
                data = padded(turned.reshape(height, row), row + 32)
                frame = CameraFrame.packed(layout, data, width, height, row + 32, rotation=rotation, mirrored=mirrored)
                images.append((f"{layout}, rotation {rotation}{', mirrored' * mirrored}", frame, picture))
    return [Route("lossless", name, image, expected, 0) for name, image, expected in images]


def _coloured(picture: Pixels) -> list[Route]:
    grey = np.repeat(picture[..., 1:2], 3, -1)
    grey_code = (profiles.to_linear(picture[..., 1] / 255.0, None) ** (1 / 1.8) * 255).round().astype(np.uint8)
    ink = Image.fromarray(np.dstack([255 - picture, np.zeros_like(picture[..., 0])]), "CMYK")
    p3, adobe = profiles.DISPLAY_P3, profiles.ADOBE_RGB
    p3_pixels, adobe_pixels = profiles.encode(picture, p3), profiles.encode(picture, adobe, profiles.ADOBE_GAMMA)
    p3_profile, adobe_profile = profiles.rgb_profile(p3), profiles.rgb_profile(adobe, profiles.ADOBE_GAMMA)
    jpeg = {"quality": 100, "subsampling": 0}
    return [
        Route("colour space", "PNG, sRGB profile", _png(picture, icc_profile=profiles.rgb_profile(profiles.SRGB)), picture, 1),
        Route("colour space", "PNG, Display P3", _png(p3_pixels, icc_profile=p3_profile), picture, 1),
        Route("colour space", "PNG, Adobe RGB", _png(adobe_pixels, icc_profile=adobe_profile), picture, 1),
        Route(
            "colour space",
            "WebP, Display P3",
            encode(p3_pixels, "WEBP", lossless=True, method=0, icc_profile=p3_profile),
            picture,
            1,
        ),
        Route("colour space", "JPEG, Display P3", encode(p3_pixels, "JPEG", icc_profile=p3_profile, **jpeg), picture, 2),
        Route("colour space", "JPEG, Adobe RGB", encode(adobe_pixels, "JPEG", icc_profile=adobe_profile, **jpeg), picture, 2),
        Route("colour space", "PNG grey, gamma 1.8", _png(grey_code, icc_profile=profiles.grey_profile(1.8)), grey, 1),
        Route("colour space", "JPEG CMYK, no profile", encode(ink, "JPEG", **jpeg), picture, 2),
        Route(
            "colour space",
            "JPEG CMYK, table profile",
            encode(ink, "JPEG", icc_profile=profiles.cmyk_profile(), **jpeg),
            picture,
            4,
        ),
        # A profile that says nothing usable leaves the pixels as they are.
        Route("colour space", "PNG, garbage profile", _png(picture, icc_profile=b"garbage" * 40), picture, 0),
    ]


def _lossy(picture: Pixels) -> list[Route]:
    grey = np.repeat(picture[..., 1:2], 3, -1)
    made = [
        Route("JPEG", "JPEG 95, 4:4:4", encode(picture, "JPEG", quality=95, subsampling=0), picture, 4),
        Route("JPEG", "JPEG 95, progressive", encode(picture, "JPEG", quality=95, progressive=True), picture, 6),
        Route("JPEG", "JPEG 95, grey", encode(picture[..., 1], "JPEG", quality=95), grey, 4),
    ]
    for orientation in range(1, 9):
        data = encode(stored(picture, orientation), "JPEG", quality=95, exif=exif(orientation))
        made.append(Route("JPEG", f"JPEG 95, 4:2:0, EXIF orientation {orientation}", data, picture, 6))
    made.append(Route("WebP lossy", "WebP 95", encode(picture, "WEBP", quality=95), picture, 6))
    if find_spec("pillow_heif"):
        made.append(Route("HEIC", "HEIC 95", encode_heic(picture, quality=95), picture, 6))
        p3 = profiles.encode(picture, profiles.DISPLAY_P3)
        data = encode_heic(p3, quality=95, icc_profile=profiles.rgb_profile(profiles.DISPLAY_P3))
        made.append(Route("HEIC", "HEIC 95, Display P3", data, picture, 6))
    return made


def _cameras(picture: Pixels) -> list[Route]:
    made = []
    matrices: tuple[Matrix, ...] = ("bt601", "bt709")
    ranges: tuple[Range, ...] = ("full", "limited")
    for matrix in matrices:
        for value_range in ranges:
            for name, frame in camera_frames(picture, matrix, value_range).items():
                made.append(Route("camera YUV", f"{matrix} {value_range} {name}", frame, picture, 4))
    for rotation in (0, 90, 180, 270):
        for mirrored in (False, True):
            sensor = np.rot90(picture[:, ::-1] if mirrored else picture, rotation // 90)
            frames = camera_frames(sensor, "bt601", "full", rotation=rotation, mirrored=mirrored)
            name = f"rotation {rotation}{', mirrored' * mirrored}"
            made.append(Route("camera YUV", name, frames["nv21, one buffer"], picture, 4))
    return made


def _reduced() -> list[Route]:
    made = []
    sizes = ((2, 1200, 900, 1), (4, 2400, 1808, 6), (8, 4032, 3600, 3))
    for scale, width, height, orientation in sizes:
        data = encode(stored(scene(width, height), orientation), "JPEG", quality=92, exif=exif(orientation))
        name = f"JPEG {width}x{height} at 1/{scale}, EXIF orientation {orientation}"
        made.append(Route("DCT scaling, against full decoding", name, data, acquire(data), 3))
    return made


def _png(pixels: npt.NDArray[Any] | Image.Image, **options: Any) -> bytes:
    return encode(pixels, "PNG", compress_level=1, **options)


def _blend(pixels: Pixels, alpha: Pixels) -> Pixels:
    opacity = alpha[..., None] / 255
    return np.asarray((pixels * opacity + 255 * (1 - opacity)).round().astype(np.uint8))


def difference(route: Route) -> tuple[int, float]:
    """Largest and mean absolute difference at S x S, in levels of 255, between a route and its scene as an array."""
    levels = np.abs(prepare(route.image, SIZE).astype(np.int16) - prepare(route.scene, SIZE))
    return int(levels.max()), float(levels.mean())


def main() -> None:
    """Measure all routes, print the table, write the JSON."""
    table = Table("group", "route", "largest", "mean", "limit", title=f"capture routes at {SIZE}x{SIZE}, levels of 255")
    rows = []
    for route in routes():
        largest, mean = difference(route)
        style = None if largest <= route.limit and mean <= MEAN_LIMIT else "red"
        table.add_row(route.group, route.name, str(largest), f"{mean:.3f}", str(route.limit), style=style)
        rows.append(
            {
                "group": route.group,
                "route": route.name,
                "largest_difference": largest,
                "mean_difference": round(mean, 4),
                "limit": route.limit,
            }
        )
    out.print(table)
    heic = version("pillow-heif") if find_spec("pillow_heif") else None
    described = {"pillow_heif": heic, "environment": environment().model_dump()}
    result = {"size": SIZE, "mean_limit": MEAN_LIMIT, **described, "routes": rows}
    write_json(RESULT, result)


if __name__ == "__main__":
    guard(main)
