"""One scene, delivered in every way a phone may deliver it: for the route table and for the tests of capture."""

from __future__ import annotations

import importlib
import importlib.util
import io
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from mobile_runtime import colour_profiles as profiles
from mobile_runtime.capture import ImageInput, acquire
from mobile_runtime.frames import CameraFrame, Matrix, Range
from mobile_runtime.planes import Buffer, Plane
from mobile_runtime.synthetic import lesion

Pixels = npt.NDArray[np.uint8]
SIZE = 224
MEAN_LIMIT = 0.8
"""Largest mean difference allowed of any route, in levels of 255: half of what the mildest mistake costs."""
_KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


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


def scene(width: int = 640, height: int = 480) -> Pixels:
    """A synthetic lesion on a wide picture, with pixel noise."""
    side = max(width, height)
    picture = lesion("mel", 7, 640)
    if side != 640:
        large = cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)
        noise = np.random.default_rng(7).standard_normal(large.shape, dtype=np.float32)
        picture = (large + 2 * noise).round().clip(0, 255).astype(np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def stored(upright: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """The pixels a file of this EXIF orientation holds, from the standard's table of what row 0 and column 0 are."""
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: upright.swapaxes(0, 1)[::-1],
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: upright.swapaxes(0, 1)[:, ::-1],
    }[orientation]
    return np.ascontiguousarray(turned)


def exif(orientation: int) -> bytes:
    """An EXIF block with nothing but an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def encode(pixels: Pixels | Image.Image, kind: str, **options: Any) -> bytes:
    """An image file's bytes, with Pillow's save options."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def encode_heic(pixels: Pixels, **options: Any) -> bytes:
    """A HEIC file's bytes; needs pillow-heif."""
    pillow_heif = importlib.import_module("pillow_heif")
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(stream, format="HEIF", **options)
    return stream.getvalue()


def padded(rows: npt.NDArray[np.uint8], row_stride: int, cut: bool = True) -> bytes:
    """Rows of bytes [H, N] with noise between them; cut ends the buffer with the last row's last byte, as phones do."""
    full = np.random.default_rng(0).integers(0, 256, (len(rows), row_stride), dtype=np.uint8)
    full[:, : rows.shape[1]] = rows
    data = full.tobytes()
    return data[: len(data) - (row_stride - rows.shape[1])] if cut else data


def to_yuv(rgb: Pixels, matrix: Matrix, value_range: Range) -> tuple[Pixels, Pixels, Pixels]:
    """Y [H, W], U and V [H/2, W/2] in floating point from the standard's definition; chroma is the mean of 2x2."""
    red_share, blue_share = _KR_KB[matrix]
    red, green, blue = (rgb[..., channel].astype(np.float64) for channel in (0, 1, 2))
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    u, v = (blue - luma) / (2 * (1 - blue_share)), (red - luma) / (2 * (1 - red_share))
    if value_range == "limited":
        luma, u, v = luma * 219 / 255 + 16, u * 224 / 255, v * 224 / 255
    half = [part.reshape(len(part) // 2, 2, -1, 2).mean((1, 3)) + 128 for part in (u, v)]
    y, u, v = (part.round().clip(0, 255).astype(np.uint8) for part in (luma, *half))
    return y, u, v


def camera_frames(rgb: Pixels, matrix: Matrix, value_range: Range, **geometry: Any) -> dict[str, CameraFrame]:
    """The sensor's pixels in every YUV layout, with and without padding."""
    height, width = rgb.shape[:2]
    y, u, v = to_yuv(rgb, matrix, value_range)
    nv12, nv21 = (np.stack(pair, -1).reshape(height // 2, width) for pair in ((u, v), (v, u)))
    stride = width + 48
    kind: dict[str, Any] = {"matrix": matrix, "value_range": value_range, **geometry}

    def three(first: Plane, second: Plane, third: Plane) -> CameraFrame:
        return CameraFrame.yuv_420_888(first, second, third, width, height, **kind)

    interleaved = padded(nv12, stride)
    tight = Plane(y.tobytes(), width)
    frames = {
        "yuv_420_888, pixel stride 1": three(tight, Plane(u.tobytes(), width // 2), Plane(v.tobytes(), width // 2)),
        "yuv_420_888, pixel stride 1, padded": three(
            Plane(padded(y, stride), stride), Plane(padded(u, stride), stride), Plane(padded(v, stride), stride)
        ),
        # As phones deliver it: U and V are windows one byte apart on the same interleaved memory.
        "yuv_420_888, pixel stride 2, padded": three(
            Plane(padded(y, stride), stride), Plane(interleaved[:-1], stride, 2), Plane(interleaved[1:], stride, 2)
        ),
    }
    interleavings: tuple[tuple[Literal["nv21", "nv12"], Pixels], ...] = (("nv21", nv21), ("nv12", nv12))
    for layout, chroma in interleavings:
        whole: Buffer = np.concatenate([y.ravel(), chroma.ravel()])
        frames[f"{layout}, one buffer"] = CameraFrame.semi_planar(layout, whole, width, height, **kind)
        frames[f"{layout}, two planes, padded"] = CameraFrame.semi_planar(
            layout,
            padded(y, stride),
            width,
            height,
            stride,
            chroma=padded(chroma, width + 16),
            chroma_row_stride=width + 16,
            **kind,
        )
    return frames


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
    opacity = alpha[..., None] / 255
    on_white = (picture * opacity + 255 * (1 - opacity)).round().astype(np.uint8)
    wide = picture.astype(np.uint16) * 256 + rng.integers(0, 256, picture.shape, dtype=np.uint16)
    palette = Image.fromarray(picture).quantize(64)
    clear = np.array(palette.convert("RGB"))
    clear[np.array(palette) == 5] = 255
    bilevel = np.repeat(np.where(picture[..., 1:2] > 120, 255, 0).astype(np.uint8), 3, -1)
    images: list[tuple[str, ImageInput, Pixels]] = [
        ("RGB array", picture, picture),
        ("WebP lossless", encode(picture, "WEBP", lossless=True, method=0), picture),
        (
            "WebP lossless RGBA",
            encode(np.dstack([picture, alpha]), "WEBP", lossless=True, exact=True, method=0),
            on_white,
        ),
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
        sensor = np.dstack([picture, alpha])[..., channels]
        for rotation in (0, 90, 180, 270):
            for mirrored in (False, True):
                turned = np.rot90(sensor[:, ::-1] if mirrored else sensor, rotation // 90)
                height, width = turned.shape[:2]
                row = width * len(channels)
                data = padded(turned.reshape(height, row), row + 32)
                frame = CameraFrame.packed(
                    layout,
                    data,
                    width,
                    height,
                    row + 32,
                    rotation=rotation,
                    mirrored=mirrored,
                )
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
        Route(
            "colour space",
            "PNG, sRGB profile",
            _png(picture, icc_profile=profiles.rgb_profile(profiles.SRGB)),
            picture,
            1,
        ),
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
        Route(
            "colour space",
            "JPEG, Adobe RGB",
            encode(adobe_pixels, "JPEG", icc_profile=adobe_profile, **jpeg),
            picture,
            2,
        ),
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
    if importlib.util.find_spec("pillow_heif"):
        made.append(Route("HEIC", "HEIC 95", encode_heic(picture, quality=95), picture, 6))
        p3 = profiles.encode(picture, profiles.DISPLAY_P3)
        image = Image.fromarray(p3)
        image.info["icc_profile"] = profiles.rgb_profile(profiles.DISPLAY_P3)
        stream = io.BytesIO()
        importlib.import_module("pillow_heif").from_pillow(image).save(stream, quality=95)
        made.append(Route("HEIC", "HEIC 95, Display P3", stream.getvalue(), picture, 6))
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
