"""Limits of the quality gate: fitted on clean training images, checked on clean test images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mobile_runtime.manifest import QualityLimits
from mobile_runtime.proportions import proportion
from mobile_runtime.quality import judge, measure
from mobile_runtime.statistics import Integers

Images = npt.NDArray[np.uint8]

CLEAN_SHARE = 0.0025
"""Share of clean training images that each limit may turn away; the limits together keep the sum at the aim of 2 %."""
SMEARED_SHARES = (0.05, 0.025)
"""Share of clean training images below each of the two limits for motion; hardly any is below both."""
DETAIL_SHARE = 0.004
"""Share of clean training images with less detail. More turn more haze away, and more smooth skin in focus, too."""
ECHO_SHARE = 0.002
"""Share of clean training images that resemble themselves more when moved; ridges of palms and soles do, parallel hairs may."""
HIGHLIGHT_SHARE = 0.0075
"""Share of clean training images whose middle may shine more. Fewer let small reflections pass, more turn white scale away."""
HIGHLIGHT_LEAST = 0.002
"""Of the middle: ten of its pixels at S = 144."""
COLOUR_SHARE = 0.75
"""Of the clean images' limit: grey and tinted pictures lie far below it, and no one can give a pale spot more colour."""
BLUE_SHARE = 0.005
"""Share of clean training images that are bluer than skin may be; with fewer, more pictures of swapped red and blue pass."""
REGION_SHARE = 0.5
"""A region of fewer source pixels than this share of S a side holds too little detail."""


def quality_limits(train: Images, test: Images, groups: Integers) -> QualityLimits:
    """Fit limits.

    Args:
        train: clean prepared images uint8 [N, S, S, 3] that set the limits.
        test: other clean prepared images, on which the false-retake rate is measured.
        groups: int [M], the lesion or patient of each of these.
    """
    figures = [measure(image) for image in train]

    def tail(name: str, quantile: float) -> float:
        return float(np.quantile([getattr(figure, name) for figure in figures], quantile))

    limits = QualityLimits(
        sharpness_min=tail("sharpness", CLEAN_SHARE),
        least_sharpness_min=tail("least_sharpness", SMEARED_SHARES[0]),
        evenness_min=tail("evenness", SMEARED_SHARES[1]),
        detail_min=tail("detail", DETAIL_SHARE),
        echo_max=tail("echo", 1 - ECHO_SHARE),
        brightness_min=tail("brightness", CLEAN_SHARE),
        brightness_max=tail("brightness", 1 - CLEAN_SHARE),
        clipped_max=max(0.02, tail("clipped", 1 - CLEAN_SHARE)),
        highlight_max=max(HIGHLIGHT_LEAST, tail("highlight", 1 - HIGHLIGHT_SHARE)),
        glare_max=max(0.02, tail("glare", 1 - CLEAN_SHARE)),
        contrast_min=tail("contrast", CLEAN_SHARE),
        colour_min=COLOUR_SHARE * tail("colour", CLEAN_SHARE),
        warmth_min=tail("warmth", BLUE_SHARE),
        region_px_min=int(train.shape[1] * REGION_SHARE),
        dataset="training images",
    )
    turned_away = np.array([not judge(image, limits).acceptable for image in test], bool)
    return limits.model_copy(update={"false_retakes": proportion(turned_away, groups)})
