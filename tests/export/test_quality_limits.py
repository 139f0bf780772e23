"""Limits of the quality gate: each turns away its share of the images that set it, and damaged copies of others."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from export import quality_limits as shares
from export.quality_limits import quality_limits
from mobile_runtime.manifest import QualityLimits
from mobile_runtime.quality import Quality, judge, measure
from mobile_runtime.synthetic import LABELS, lesion

SIZE = 64
COUNT = 800


def taken(seed: int) -> np.ndarray:
    """A lesion with grain, as a camera takes it."""
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, rng.uniform(4, 8), (SIZE, SIZE, 1))
    return np.clip(lesion(LABELS[seed % len(LABELS)], seed, SIZE) + grain, 0, 249).astype(np.uint8)


@pytest.fixture(scope="module")
def train() -> np.ndarray:
    return np.stack([taken(seed) for seed in range(COUNT)])


@pytest.fixture(scope="module")
def figures(train: np.ndarray) -> list[Quality]:
    return [measure(image) for image in train]


@pytest.fixture(scope="module")
def others() -> np.ndarray:
    return np.stack([taken(seed) for seed in range(COUNT, COUNT + 50)])


@pytest.fixture(scope="module")
def limits(train: np.ndarray, others: np.ndarray) -> QualityLimits:
    return quality_limits(train, others, np.arange(len(others)))


@pytest.mark.parametrize(
    ("figure", "share"),
    [
        ("sharpness", shares.CLEAN_SHARE),
        ("least_sharpness", shares.SMEARED_SHARES[0]),
        ("evenness", shares.SMEARED_SHARES[1]),
        ("detail", shares.DETAIL_SHARE),
        ("brightness", shares.CLEAN_SHARE),
        ("contrast", shares.CLEAN_SHARE),
        ("warmth", shares.BLUE_SHARE),
    ],
)
def test_a_lower_limit_turns_its_share_away(figure: str, share: float, figures: list[Quality], limits: QualityLimits) -> None:
    below = sum(getattr(each, figure) < getattr(limits, f"{figure}_min") for each in figures)
    assert below == pytest.approx(share * COUNT, abs=1)


@pytest.mark.parametrize(
    ("figure", "share"),
    [
        ("echo", shares.ECHO_SHARE),
        ("brightness", shares.CLEAN_SHARE),
        ("highlight", shares.HIGHLIGHT_SHARE),
        ("glare", shares.CLEAN_SHARE),
    ],
)
def test_an_upper_limit_turns_its_share_away(figure: str, share: float, figures: list[Quality], limits: QualityLimits) -> None:
    above = sum(getattr(each, figure) > getattr(limits, f"{figure}_max") for each in figures)
    assert above == pytest.approx(share * COUNT, abs=1)


def test_colour_is_asked_for_by_a_part_of_what_the_palest_have(figures: list[Quality], limits: QualityLimits) -> None:
    paler = sum(each.colour < limits.colour_min / shares.COLOUR_SHARE for each in figures)
    assert paler == pytest.approx(shares.CLEAN_SHARE * COUNT, abs=1)
    assert limits.colour_min < min(each.colour for each in figures)


def test_a_region_of_fewer_pixels_than_half_the_side_is_too_small(limits: QualityLimits) -> None:
    assert limits.region_px_min == SIZE / 2


def test_the_false_retakes_are_those_of_the_other_images(others: np.ndarray, limits: QualityLimits) -> None:
    turned_away = np.mean([not judge(image, limits).acceptable for image in others])
    assert limits.false_retakes is not None and 0 < turned_away < 0.2
    assert (limits.false_retakes.value, limits.false_retakes.n) == (turned_away, len(others))


def twice(image: np.ndarray) -> np.ndarray:
    return cv2.addWeighted(image, 0.5, np.roll(image, (6, 4), (0, 1)), 0.5, 0)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda image: image[..., ::-1].copy(), "blue_cast"),
        (lambda image: cv2.addWeighted(image, 0.4, np.full_like(image, 200), 0.6, 0), "blurred"),  # haze
        (twice, "doubled"),
    ],
    ids=["red and blue swapped", "haze", "two exposures"],
)
def test_damaged_copies_are_turned_away(
    damage: Callable[[np.ndarray], np.ndarray], reason: str, others: np.ndarray, limits: QualityLimits
) -> None:
    for image in others:
        assert reason in judge(damage(image), limits).reasons


def test_where_no_clean_image_shines_little_may(train: np.ndarray) -> None:
    dull = np.minimum(train[:50], 190)
    limits = quality_limits(dull, dull, np.arange(len(dull)))
    assert (limits.clipped_max, limits.glare_max, limits.highlight_max) == (0.02, 0.02, shares.HIGHLIGHT_LEAST)
    for image in dull:
        burnt, shining = image.copy(), image.copy()
        burnt[:3] = 255  # 4.7 % of the picture
        assert "clipped" in judge(burnt, limits).reasons
        shining[30:32, 30:35] = 255  # ten pixels, 1 % of its middle
        assert "glare" in judge(shining, limits).reasons and "clipped" not in judge(shining, limits).reasons
