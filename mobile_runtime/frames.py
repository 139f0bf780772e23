"""Camera frames as phones deliver them: layout of planes, colour matrix and range, rotation, mirroring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from mobile_runtime.decoding import check_size
from mobile_runtime.errors import CaptureError
from mobile_runtime.planes import Buffer, Plane, flat, samples, whole

Layout = Literal["rgb", "rgba", "bgra", "yuv_420_888", "nv21", "nv12"]
Matrix = Literal["bt601", "bt709"]
Range = Literal["full", "limited"]

_CHANNELS = {"rgb": 3, "rgba": 4, "bgra": 4}
_PLANES = {"rgb": (1,), "rgba": (1,), "bgra": (1,), "yuv_420_888": (3,), "nv21": (1, 2), "nv12": (1, 2)}

# (luma offset, luma, V to red, U to green, V to green, U to blue) in 1/65536, rounded to nearest. From Kr, Kb of the
# matrix: 2(1-Kr), -2(1-Kb)Kb/Kg, -2(1-Kr)Kr/Kg, 2(1-Kb); limited range scales luma by 255/219 and chroma by 255/224.
COEFFICIENTS: dict[tuple[Matrix, Range], tuple[int, int, int, int, int, int]] = {
    ("bt601", "full"): (0, 65536, 91881, -22553, -46802, 116130),
    ("bt601", "limited"): (16, 76309, 104597, -25675, -53279, 132201),
    ("bt709", "full"): (0, 65536, 103206, -12276, -30679, 121609),
    ("bt709", "limited"): (16, 76309, 117489, -13975, -34925, 138438),
}

_FRACTION_BITS = 16
_CHROMA_ZERO = 128

# Rows converted at a time: int32 intermediates of a strip stay in the cache, which is about twice as fast.
_STRIP = 32


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """A camera frame in its sensor's orientation; `packed`, `yuv_420_888` and `semi_planar` make one.

    It refers to the buffers it was given: convert it before the camera takes them back.

    Attributes:
        layout: `rgb`, `rgba` and `bgra` (one plane; the fourth byte may be any, the same in all pixels: cameras are opaque),
            `yuv_420_888` (planes Y, U, V), `nv21` (Y, then V and U interleaved), `nv12` (Y, then U and V interleaved).
        width: pixels of a sensor row; even for YUV.
        height: sensor rows; even for YUV.
        planes: see layout; the semi-planar ones also take a single buffer in which chroma follows height rows of luma.
        matrix: `bt601` or `bt709`, for YUV.
        value_range: `full` (0-255) or `limited` (16-235), for YUV.
        rotation: clockwise degrees that make it upright: 0, 90, 180 or 270.
        mirrored: whether it is upright a mirror image, as front cameras' previews are; it is then flipped left to right,
            after the rotation.

    Raises:
        CaptureError: on construction, where a field is unknown, a size is odd or a plane is too short for its strides; on
            conversion, where the fourth byte of `rgba` or `bgra` is not the same in all pixels.
    """

    layout: Layout
    width: int
    height: int
    planes: tuple[Plane, ...]
    matrix: Matrix | None = None
    value_range: Range | None = None
    rotation: int = 0
    mirrored: bool = False

    def __post_init__(self) -> None:
        """Reject what could only be read wrongly."""
        _check_choice("layout", self.layout, get_args(Layout))
        _check_choice("rotation", self.rotation, (0, 90, 180, 270))
        if not isinstance(self.mirrored, bool):
            raise CaptureError(f"a camera frame's mirrored is {self.mirrored!r}; give True or False")
        for name in ("width", "height"):
            object.__setattr__(self, name, whole(f"a camera frame's {name}", getattr(self, name)))
        check_size(self.width, self.height, "camera frame")
        if not isinstance(self.planes, tuple) or not all(isinstance(plane, Plane) for plane in self.planes):
            raise CaptureError("a frame's planes are a tuple of Plane; wrap each buffer with its strides")
        if len(self.planes) not in _PLANES[self.layout]:
            wanted = " or ".join(str(count) for count in _PLANES[self.layout])
            raise CaptureError(f"{self.layout} has {wanted} plane(s), got {len(self.planes)}; choose the camera's layout")
        if self.layout in _CHANNELS:
            self._packed()
            return
        _check_choice("matrix", self.matrix, get_args(Matrix))
        _check_choice("value_range", self.value_range, get_args(Range))
        if self.width % 2 or self.height % 2:
            raise CaptureError(f"{self.layout} of {self.width}x{self.height}: sides must be even; crop the last row or column")
        self._planar()

    @classmethod
    def packed(
        cls,
        layout: Literal["rgb", "rgba", "bgra"],
        data: Buffer,
        width: int,
        height: int,
        row_stride: int | None = None,
        *,
        rotation: int = 0,
        mirrored: bool = False,
    ) -> CameraFrame:
        """A frame of interleaved channels; row_stride in bytes, None where rows are not padded."""
        _check_choice("layout", layout, tuple(_CHANNELS))
        channels = _CHANNELS[layout]
        width = whole("a camera frame's width", width)
        plane = Plane(data, width * channels if row_stride is None else row_stride, channels)
        return cls(layout, width, height, (plane,), rotation=rotation, mirrored=mirrored)

    @classmethod
    def yuv_420_888(
        cls,
        y: Plane,
        u: Plane,
        v: Plane,
        width: int,
        height: int,
        *,
        matrix: Matrix,
        value_range: Range,
        rotation: int = 0,
        mirrored: bool = False,
    ) -> CameraFrame:
        """A frame of three planes, as Android's `Image` has them (there: `bt601`, `full` unless its data space says else)."""
        return cls("yuv_420_888", width, height, (y, u, v), matrix, value_range, rotation, mirrored)

    @classmethod
    def semi_planar(
        cls,
        layout: Literal["nv21", "nv12"],
        data: Buffer,
        width: int,
        height: int,
        row_stride: int | None = None,
        *,
        matrix: Matrix,
        value_range: Range,
        chroma: Buffer | None = None,
        chroma_row_stride: int | None = None,
        rotation: int = 0,
        mirrored: bool = False,
    ) -> CameraFrame:
        """A frame of a luma plane and an interleaved chroma plane.

        Args:
            layout: `nv21` (Android's old camera API) or `nv12` (iOS: `420v` is limited, `420f` full range).
            data: luma, or the whole frame where `chroma` is None.
            width: pixels of a row.
            height: rows.
            row_stride: bytes of a luma row; None where rows are not padded.
            matrix: `bt601` or `bt709`.
            value_range: `full` or `limited`.
            chroma: the chroma plane where it is a buffer of its own.
            chroma_row_stride: bytes of a chroma row; None takes luma's.
            rotation: clockwise degrees that make it upright.
            mirrored: whether it is upright a mirror image.
        """
        stride = width if row_stride is None else row_stride
        planes: tuple[Plane, ...] = (Plane(data, stride),)
        if chroma is not None:
            planes += (Plane(chroma, stride if chroma_row_stride is None else chroma_row_stride, 2),)
        elif chroma_row_stride is not None:
            raise CaptureError("chroma_row_stride is for a chroma buffer of its own; pass chroma, or leave it out")
        return cls(layout, width, height, planes, matrix, value_range, rotation, mirrored)

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """The upright picture.

        YUV becomes RGB in 32-bit integers, with the constants of `COEFFICIENTS` (Y0, CY, RV, GU, GV, BU):

            R = clip((CY * (Y - Y0) + RV * (V - 128)                  + 32768) >> 16)
            G = clip((CY * (Y - Y0) + GU * (U - 128) + GV * (V - 128) + 32768) >> 16)
            B = clip((CY * (Y - Y0) + BU * (U - 128)                  + 32768) >> 16)

        `>>` is the arithmetic shift (rounding down, as in Java, Swift and JavaScript), clip is to 0..255, and the chroma
        of pixel (x, y) is sample (x // 2, y // 2): replicated 2x2, not interpolated. Integers and replication because
        floats differ in the last bit between compilers and vector units and every platform interpolates chroma its own
        way, whereas this gives the same bits in Python, Java, Swift and TypeScript; the resampling to the model's size
        averages the blocks away.

        Returns:
            uint8 RGB [H, W, 3], contiguous, owned by the caller.

        Raises:
            CaptureError: the fourth byte of a packed frame is not the same in all pixels, so that it is a colour.
        """
        if self.layout in _CHANNELS:
            pixels = self._packed()
            fourth = pixels[..., 3:]
            if fourth.size and fourth.min() != fourth.max():
                raise CaptureError(
                    f"{self.layout}: the fourth byte is not the same in all pixels, so it is a colour and the bytes are in "
                    "another order; choose the layout and stride that the camera writes"
                )
            rgb = pixels[..., 2::-1] if self.layout == "bgra" else pixels[..., :3]
        else:
            assert self.matrix is not None  # __post_init__ saw to both
            assert self.value_range is not None
            rgb = _yuv_to_rgb(*self._planar(), COEFFICIENTS[self.matrix, self.value_range])
        rgb = np.rot90(rgb, -(self.rotation // 90))
        return np.array(rgb[:, ::-1] if self.mirrored else rgb, order="C")

    def _packed(self) -> npt.NDArray[np.uint8]:
        return samples(self.planes[0], self.height, self.width, _CHANNELS[self.layout], self.layout)

    def _planar(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        rows, columns = self.height // 2, self.width // 2
        luma = samples(self.planes[0], self.height, self.width, 1, "Y")[..., 0]
        if self.layout == "yuv_420_888":
            u = samples(self.planes[1], rows, columns, 1, "U")
            v = samples(self.planes[2], rows, columns, 1, "V")
            return luma, u[..., 0], v[..., 0]
        if len(self.planes) == 2:
            pairs = samples(self.planes[1], rows, columns, 2, "chroma")
        else:
            stride = whole("a camera frame's Y row stride", self.planes[0].row_stride)
            pairs = samples(Plane(flat(self.planes[0], "Y")[stride * self.height :], stride, 2), rows, columns, 2, "chroma")
        first, second = pairs[..., 0], pairs[..., 1]
        return (luma, second, first) if self.layout == "nv21" else (luma, first, second)


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if isinstance(value, bool) or not isinstance(value, str | int) or value not in choices:
        raise CaptureError(f"a camera frame's {name} is {value!r}; give one of {', '.join(map(repr, choices))}")


def _yuv_to_rgb(
    y: npt.NDArray[np.uint8],
    u: npt.NDArray[np.uint8],
    v: npt.NDArray[np.uint8],
    coefficients: tuple[int, int, int, int, int, int],
) -> npt.NDArray[np.uint8]:
    offset, luma, v_red, u_green, v_green, u_blue = coefficients
    height, width = y.shape
    rgb = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        block = y[top : top + _STRIP].astype(np.int32)
        bright = ((block - offset) * luma + (1 << (_FRACTION_BITS - 1))).reshape(-1, 2, width // 2, 2)
        rows = slice(top // 2, top // 2 + len(bright))
        red_difference, blue_difference = (plane[rows].astype(np.int32) - _CHROMA_ZERO for plane in (v, u))
        chroma = (
            v_red * red_difference,
            u_green * blue_difference + v_green * red_difference,
            u_blue * blue_difference,
        )
        for channel, part in enumerate(chroma):
            value = np.clip((bright + part[:, None, :, None]) >> _FRACTION_BITS, 0, 255)
            rgb[top : top + len(block), :, channel] = value.reshape(len(block), width)
    return rgb
