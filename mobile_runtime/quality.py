"""Quality of a capture, judged on the S x S image before the model sees it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mobile_runtime.manifest import QualityLimits

ADVICE = {
    "too_dark": "The picture is too dark. Move to brighter, even light.",
    "too_bright": "The picture is too bright. Step out of direct light or lower the exposure.",
    "clipped": "Parts of the picture are burnt out. Tilt the phone to avoid glare, or turn the flash off.",
    "blurred": "The picture is not sharp. Hold still, tap to focus on the spot, and take it again.",
    "uniform": "No spot can be made out. Bring the spot to the middle of the frame.",
}
"""Reason code -> advice to show. Codes are stable."""


@dataclass(frozen=True)
class Quality:
    """Quality figures of one S x S image.

    Attributes:
        sharpness: standard deviation of the Laplacian over that of the luma; unitless.
        brightness: mean luma, 0..1.
        clipped: share of pixels whose three channels are all >= 250, 0..1.
        contrast: standard deviation of the luma after a light blur, 0..1.
        reasons: codes of `ADVICE` for each limit that is not kept; empty for a good image.
    """

    sharpness: float
    brightness: float
    clipped: float
    contrast: float
    reasons: tuple[str, ...] = ()

    @property
    def acceptable(self) -> bool:
        return not self.reasons


def measure(image: npt.NDArray[np.uint8]) -> Quality:
    """Quality figures of a uint8 RGB image [S, S, 3], without limits."""
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    smooth = cv2.GaussianBlur(luma, (0, 0), 2.0).astype(np.float32) / 255
    spread = float(luma.std())
    laplacian = float(cv2.Laplacian(luma, cv2.CV_32F).std())
    return Quality(
        sharpness=laplacian / (spread + 1.0),
        brightness=float(luma.mean()) / 255,
        clipped=float((image.min(axis=2) >= 250).mean()),
        contrast=float(smooth.std()),
    )


def judge(image: npt.NDArray[np.uint8], limits: QualityLimits) -> Quality:
    """Measure an image [S, S, 3] and name the limits that it does not keep."""
    figures = measure(image)
    faults = {
        "too_dark": figures.brightness < limits.brightness_min,
        "too_bright": figures.brightness > limits.brightness_max,
        "clipped": figures.clipped > limits.clipped_max,
        "blurred": figures.sharpness < limits.sharpness_min,
        "uniform": figures.contrast < limits.contrast_min,
    }
    reasons = tuple(code for code, found in faults.items() if found)
    return Quality(figures.sharpness, figures.brightness, figures.clipped, figures.contrast, reasons)
