"""A picture with grain, and copies of it that were interrupted."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mobile_runtime.synthetic import lesion

RNG = np.random.default_rng(0)
PICTURE = np.clip(lesion("mel", 2, 240).astype(int) + RNG.normal(0, 6, (240, 240, 3)), 0, 255).astype(np.uint8)
"""With grain, as a camera's: without it, half a picture may go on as the whole one does."""


def heic(pixels: np.ndarray, quality: int = 85) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the heic extra is not installed")
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(stream, quality=quality)
    return stream.getvalue()


def interrupted(data: bytes, share: float) -> bytes:
    kept = int(len(data) * share)
    return data[:kept] + bytes(len(data) - kept)
