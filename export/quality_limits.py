"""Limits of the quality gate: fitted on clean training images, checked on clean and on degraded test images."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mobile_runtime.manifest import QualityLimits
from mobile_runtime.quality import Quality, judge, measure
from mobile_runtime.statistics import wilson

Images = npt.NDArray[np.uint8]

CLEAN_SHARE = 0.0025
"""Share of clean training images that each limit may turn away; seven limits keep the sum under the aim of 2 %."""
REGION_SHARE = 0.5
"""A region of fewer source pixels than this share of S a side holds too little detail."""


def quality_limits(train: Images, test: Images, share: float = CLEAN_SHARE) -> QualityLimits:
    """Fit limits.

    Args:
        train: clean prepared images uint8 [N, S, S, 3] that set the limits.
        test: other clean prepared images, on which the false-retake rate is measured.
        share: see `CLEAN_SHARE`.
    """
    figures = [measure(image) for image in train]

    def tail(name: str, quantile: float) -> float:
        return float(np.quantile([getattr(figure, name) for figure in figures], quantile))

    limits = QualityLimits(
        sharpness_min=tail("sharpness", share),
        brightness_min=tail("brightness", share),
        brightness_max=tail("brightness", 1 - share),
        clipped_max=max(0.02, tail("clipped", 1 - share)),
        glare_max=max(0.02, tail("glare", 1 - share)),
        contrast_min=tail("contrast", share),
        region_px_min=int(train.shape[1] * REGION_SHARE),
        dataset="training images",
    )
    turned_away = sum(not judge(image, limits).acceptable for image in test)
    return limits.model_copy(update={"false_retakes": wilson(turned_away, len(test))})


def degrade(image: npt.NDArray[np.uint8], fault: str, severity: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Degrade a prepared image [S, S, 3] in a known way.

    Args:
        image: clean.
        fault: one of `FAULTS`.
        severity: 1 to 5.
        seed: where glare falls.
    """
    size, level = len(image), severity / 5
    rng = np.random.default_rng(seed)
    if fault == "blurred":
        return np.asarray(cv2.GaussianBlur(image, (0, 0), size * (0.006 + 0.034 * level)))
    if fault == "too_dark":
        return (image * (1 - 0.93 * level)).astype(np.uint8)
    if fault == "too_bright":
        return np.clip(image * 1.0 + 190 * level, 0, 255).astype(np.uint8)
    if fault == "clipped":
        return np.clip(image * (1 + 2.2 * level), 0, 255).astype(np.uint8)
    if fault == "uniform":
        mean = image.mean(axis=(0, 1), keepdims=True)
        return (mean + (image - mean) * (1 - 0.97 * level)).astype(np.uint8)
    mask = np.zeros((size, size), np.float32)
    centre = tuple(int(v) for v in rng.uniform(0.3, 0.7, 2) * size)
    axes = (max(1, int(size * 0.24 * level)), max(1, int(size * 0.17 * level)))
    cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.5)[..., None]
    return (image * (1 - mask) + 252 * mask).astype(np.uint8)


FAULTS = ("blurred", "too_dark", "too_bright", "clipped", "glare", "uniform")


def catch_rates(images: Images, limits: QualityLimits, severities: tuple[int, ...] = (1, 2, 3, 4, 5)) -> dict[str, list[float]]:
    """Share of degraded images that the gate turns away, for any reason, by fault and severity."""

    def caught(fault: str, severity: int) -> float:
        verdicts: list[Quality] = [judge(degrade(x, fault, severity, i), limits) for i, x in enumerate(images)]
        return float(np.mean([not verdict.acceptable for verdict in verdicts]))

    return {fault: [caught(fault, severity) for severity in severities] for fault in FAULTS}
