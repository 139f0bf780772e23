"""A synthetic scene, and the files and camera frames that phones make of one: for benchmarks and for the tests of capture."""

from __future__ import annotations

import importlib
import io
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from mobile_runtime.frames import CameraFrame, Matrix, Range
from mobile_runtime.planes import Buffer, Plane
from mobile_runtime.synthetic import lesion

Pixels = npt.NDArray[np.uint8]
_KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


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


def padded(rows: npt.NDArray[np.uint8], row_stride: int) -> bytes:
    """Rows of bytes [H, N] with noise between them; the buffer ends with the last row's last byte, as phones' do."""
    full = np.random.default_rng(0).integers(0, 256, (len(rows), row_stride), dtype=np.uint8)
    full[:, : rows.shape[1]] = rows
    data = full.tobytes()
    return data[: len(data) - (row_stride - rows.shape[1])]


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
