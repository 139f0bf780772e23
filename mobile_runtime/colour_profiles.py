"""ICC profiles built from published primaries: colour tests need no profile files with licences of their own."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

SRGB: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3: Primaries = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE_RGB: Primaries = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
ADOBE_GAMMA = 563 / 256

_D65 = np.array([0.3127 / 0.3290, 1.0, 0.3583 / 0.3290])
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_GRID = 9

Array = npt.NDArray[np.float64]


def to_linear(encoded: Array, gamma: float | None) -> Array:
    """Undo sRGB's curve (gamma None) or a plain power; values 0..1."""
    if gamma is not None:
        return np.asarray(encoded**gamma)
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def from_linear(linear: Array, gamma: float | None) -> Array:
    """The inverse of `to_linear`."""
    if gamma is not None:
        return np.asarray(linear ** (1 / gamma))
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def to_xyz(primaries: Primaries) -> Array:
    """The matrix from linear RGB with a D65 white to XYZ adapted to D50, as ICC profiles store it."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    matrix = columns * np.linalg.solve(columns, _D65)
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ _D65))
    return np.asarray(np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ matrix)


def encode(srgb: npt.NDArray[np.uint8], primaries: Primaries, gamma: float | None = None) -> npt.NDArray[np.uint8]:
    """sRGB pixels in another RGB space, 8 bits, clipped to its gamut."""
    linear = to_linear(srgb / 255.0, None) @ (np.linalg.inv(to_xyz(primaries)) @ to_xyz(SRGB)).T
    scaled = from_linear(linear.clip(0, 1), gamma) * 255
    return np.asarray(np.floor(scaled + 0.5).clip(0, 255).astype(np.uint8))


def rgb_profile(primaries: Primaries, gamma: float | None = None) -> bytes:
    """A version 4 matrix profile with sRGB's curve (gamma None) or a power."""
    curve = struct.pack(">4s4xHxx5i", b"para", 3, *_fixed([2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]))
    if gamma is not None:
        curve = struct.pack(">4s4xHxxi", b"para", 0, *_fixed([gamma]))
    colorants = [struct.pack(">4s4x3i", b"XYZ ", *_fixed(column)) for column in to_xyz(primaries).T]
    white = struct.pack(">4s4x3i", b"XYZ ", *_fixed(_D50))
    names = (b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
    values = (white, *colorants, curve, curve, curve)
    return _profile(0x04000000, b"mntr", b"RGB ", b"XYZ ", dict(zip(names, values, strict=True)))


def grey_profile(gamma: float) -> bytes:
    """A version 4 grey profile with a power curve."""
    tags = {
        b"wtpt": struct.pack(">4s4x3i", b"XYZ ", *_fixed(_D50)),
        b"kTRC": struct.pack(">4s4xHxxi", b"para", 0, *_fixed([gamma])),
    }
    return _profile(0x04000000, b"mntr", b"GRAY", b"XYZ ", tags)


def cmyk_profile() -> bytes:
    """A version 2 table profile of an ideal press: sRGB = (1 - CMY) * (1 - K)."""
    axis = np.linspace(0, 1, _GRID)
    c, m, y, k = np.meshgrid(axis, axis, axis, axis, indexing="ij")
    rgb = (1 - np.stack([c, m, y], -1)) * (1 - k[..., None])
    ratio = (to_linear(rgb, None) @ to_xyz(SRGB).T) / _D50
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    lab = np.stack([116 * root[..., 1] - 16, 500 * (root[..., 0] - root[..., 1]), 200 * (root[..., 1] - root[..., 2])], -1)
    codes = (lab * [652.8, 256, 256] + [0, 32768, 32768]).round().clip(0, 65535).astype(">u2")
    identity = _fixed(np.eye(3).ravel())
    straight = struct.pack(">HH", 0, 65535)
    table = struct.pack(">4s4xBBBx9iHH", b"mft2", 4, 3, _GRID, *identity, 2, 2)
    lut = table + straight * 4 + codes.tobytes() + straight * 3
    white = struct.pack(">4s4x3i", b"XYZ ", *_fixed(_D50))
    return _profile(0x02400000, b"prtr", b"CMYK", b"Lab ", {b"wtpt": white, b"A2B0": lut, b"A2B1": lut})


def _fixed(values: npt.ArrayLike) -> list[int]:
    return [round(float(value) * 65536) for value in np.asarray(values, dtype=np.float64)]


def _profile(version: int, kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    position = 128 + 4 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        padded = data + b"\0" * (-len(data) % 4)
        directory += struct.pack(">4sII", name, position + len(body), len(data))
        body += padded
    size = position + len(body)
    date = (2000, 1, 1, 0, 0, 0)
    header = struct.pack(">I4xI4s4s4s6H4s", size, version, kind, space, connection, *date, b"acsp").ljust(68, b"\0")
    header += struct.pack(">3i", *_fixed(_D50))
    return header.ljust(128, b"\0") + directory + body
