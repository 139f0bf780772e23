"""Damage to colours: light of another hue, colours smeared by noise reduction, grain over a blurred picture, a ring of ink.

All functions take and give square uint8 RGB [A, A, 3].
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
_GRAIN = 400.0
"""Levels of 255 for a blur as wide as the side: as much as makes a blurred picture look sharp."""


def redden(image: Pixels, strength: float, _: np.random.Generator) -> Pixels:
    """Red light: red gains by `strength`, blue loses as much and green four fifths of it."""
    return _levels(image * np.array([1 + strength, 1 - 0.8 * strength, 1 - strength]))


def smear_colours(image: Pixels, width: float, _: np.random.Generator) -> Pixels:
    """Colours blurred (Gaussian, `width` of the side) and brightness left: strong noise reduction, poor video."""
    parts = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    parts[..., 1:] = cv2.GaussianBlur(parts[..., 1:], (0, 0), max(0.3, width * len(image)))
    return np.asarray(cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB), np.uint8)


def grain_over_blur(image: Pixels, width: float, rng: np.random.Generator) -> Pixels:
    """Out of focus (Gaussian, `width` of the side), and grey grain that makes it look sharp."""
    soft = cv2.GaussianBlur(image, (0, 0), max(0.3, width * len(image))).astype(np.float64)
    grain = cv2.GaussianBlur(rng.normal(0, 1, image.shape[:2]).astype(np.float32), (0, 0), 0.7)
    return _levels(soft + _GRAIN * width * (grain / grain.std())[..., None])


def draw_ring(image: Pixels, thickness: float, _: np.random.Generator) -> Pixels:
    """A red ring of ink around what is in the middle; thickness as a share of the side."""
    side, drawn = len(image), image.copy()
    axes = (round(0.41 * side), round(0.39 * side))
    cv2.ellipse(drawn, (side // 2, side // 2), axes, 0, 0, 360, (200, 40, 48), max(1, round(thickness * side)), cv2.LINE_AA)
    return drawn


def _levels(values: npt.NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
