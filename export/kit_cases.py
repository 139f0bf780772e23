"""What the vectors of image files are drawn with."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mobile_runtime.colour_profiles import DISPLAY_P3, rgb_profile
from mobile_runtime.synthetic import lesion

Pixels = npt.NDArray[np.uint8]
Case = tuple[str, bytes, str | None]
"""Name, bytes, and what ports that have codes call the fault; None: the file is to be accepted."""
CUT, HDR = "truncated", "high_dynamic_range"
SDR, PQ, HLG = 1, 16, 18
"""Transfer characteristics (ITU-T H.273, table 3)."""
HOLE = 40
_SIDE = 32


def draw_picture() -> Pixels:
    """With grain, as a camera's; not square."""
    grain = np.random.default_rng(1).normal(0, 6, (_SIDE, _SIDE + 8, 3))
    drawn = Image.fromarray(lesion("mel", 2, 96)).resize((_SIDE + 8, _SIDE))
    return np.clip(np.asarray(drawn) + grain, 0, 255).astype(np.uint8)


def encode(picture: Pixels | Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(stream, kind, **options)
    return stream.getvalue()


def holed(data: bytes, size: int = HOLE, filler: int = 0) -> bytes:
    at = len(data) * 2 // 3
    return data[:at] + bytes([filler] * size) + data[at + size :]


def profile_of(transfer: int) -> bytes:
    """A profile with a tag `cicp` (ICC.1:2022, 9.2.17)."""
    profile = rgb_profile(DISPLAY_P3)
    count = int.from_bytes(profile[128:132], "big")
    told = struct.iter_unpack(">4sII", profile[132 : 132 + 12 * count])
    entries = b"".join(struct.pack(">4sII", kind, place + 12, size) for kind, place, size in told)
    more = b"cicp" + struct.pack(">II", len(profile) + 12, 12)
    content = profile[132 + 12 * count :] + b"cicp" + bytes(4) + bytes([9, transfer, 0, 1])
    return struct.pack(">I", len(profile) + 24) + profile[4:128] + struct.pack(">I", count + 1) + entries + more + content
