"""Planes of camera frames: buffers with strides, read as samples after checking that these lie inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mobile_runtime.errors import CaptureError

Buffer: TypeAlias = bytes | bytearray | memoryview | npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Plane:
    """One buffer of a camera frame.

    Attributes:
        data: uint8 samples, contiguous; the last row may end with its last sample.
        row_stride: bytes from one row to the next.
        pixel_stride: bytes from one sample to the next within a row; of interleaved samples, from one group to the next.
    """

    data: Buffer
    row_stride: int
    pixel_stride: int = 1


def whole(what: str, value: object) -> int:
    """A plain integer: NumPy's small ones would wrap around where strides are multiplied by rows."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise CaptureError(f"{what} is {value!r}; give a whole number of at least 1")
    return int(value)


def flat(plane: Plane, name: str) -> npt.NDArray[np.uint8]:
    """A view of a plane's bytes, whatever buffer they are in."""
    data: Any = plane.data
    try:
        view = memoryview(data)
        if view.itemsize != 1:
            raise TypeError(f"its items have {view.itemsize} bytes")
        return np.frombuffer(view.cast("B"), np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise CaptureError(f"plane {name} is no contiguous buffer of bytes ({error}); copy it into bytes") from error


def samples(plane: Plane, rows: int, columns: int, channels: int, name: str) -> npt.NDArray[np.uint8]:
    """A read-only view [rows, columns, channels] of a plane, after checking that it lies inside the buffer."""
    row_stride = whole(f"a camera frame's {name} row stride", plane.row_stride)
    pixel_stride = whole(f"a camera frame's {name} pixel stride", plane.pixel_stride)
    if pixel_stride < channels:
        raise CaptureError(f"plane {name}: pixel stride {pixel_stride} is under {channels} bytes; read it off the camera")
    row_bytes = (columns - 1) * pixel_stride + channels
    if row_stride < row_bytes:
        raise CaptureError(
            f"plane {name}: row stride {row_stride} is under the {row_bytes} bytes of a row; give the stride in bytes"
        )
    data = flat(plane, name)
    needed = (rows - 1) * row_stride + row_bytes
    if data.size < needed:
        raise CaptureError(
            f"plane {name}: {data.size} bytes, {needed} needed for {rows} rows of stride {row_stride}; "
            "check width, height and strides, and pass the whole buffer"
        )
    strides = (row_stride, pixel_stride, 1)
    return np.lib.stride_tricks.as_strided(data, (rows, columns, channels), strides, writeable=False)
