"""Intervals of proportions of grouped images, against Wilson's and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from mobile_runtime.intervals import wilson, wilson_bounds
from mobile_runtime.manifest import Estimate
from mobile_runtime.proportions import proportion


def of(hits: int, n: int) -> Estimate:
    found = wilson(hits, n)
    assert found is not None
    return found


def test_images_of_their_own_have_wilsons_interval() -> None:
    hits = np.arange(40) < 7
    found = proportion(hits, np.arange(40))
    # The sample's variance with n - 1 makes the design effect a touch above 1.
    assert found is not None and (found.value, found.n) == (7 / 40, 40)
    assert (found.low, found.high) == pytest.approx((of(7, 40).low, of(7, 40).high), abs=0.004)
    assert proportion(np.zeros(0, bool), np.zeros(0, int)) is None


def test_copies_of_an_image_add_nothing() -> None:
    hits = np.arange(40) < 7
    once, thrice = proportion(hits, np.arange(40)), proportion(np.tile(hits, 3), np.tile(np.arange(40), 3))
    assert once is not None and thrice is not None and thrice.n == 120
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), abs=1e-9)


def test_no_miss_at_all_counts_groups_not_images() -> None:
    found = proportion(np.ones(30, bool), np.repeat(np.arange(10), 3) + 500)
    assert found is not None and (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(of(10, 10).low)


def test_the_interval_of_grouped_images_covers_what_it_should() -> None:
    rng = np.random.default_rng(0)
    covered, naive = 0, 0
    for _ in range(600):
        rates = rng.beta(3, 1, 60)  # mean 0.75; four images of one lesion are alike
        hits = rng.random((60, 4)) < rates[:, None]
        found = proportion(hits.ravel(), np.repeat(np.arange(60), 4))
        alone = of(int(hits.sum()), 240)
        assert found is not None
        covered += found.low <= 0.75 <= found.high
        naive += alone.low <= 0.75 <= alone.high
    # 95 % of 600 with a standard error of 0.9 %; images taken as independent fall well short.
    assert covered / 600 == pytest.approx(0.95, abs=0.03)
    assert naive < covered


@pytest.mark.parametrize(("groups", "images"), [(5, 10), (10, 5), (20, 4)])
def test_the_interval_of_few_groups_covers_what_it_should(groups: int, images: int) -> None:
    rng = np.random.default_rng(1)
    covered, runs = 0, 600
    for _ in range(runs):
        hits = rng.random((groups, images)) < rng.beta(2, 1, groups)[:, None]
        found = proportion(hits.ravel(), np.repeat(np.arange(groups), images))
        assert found is not None
        covered += found.low <= 2 / 3 <= found.high
    # 95 % less two standard errors of 0.9 %; by the normal quantile, 5 groups cover 88 %.
    assert covered / runs > 0.93


def test_few_groups_widen_only_what_is_estimated_from_them() -> None:
    """By hand: 6 groups of 4 images, as unalike as chance makes them; Student's quantile for 5 degrees of freedom is 2.5706."""
    hits = np.array([True] * 3 + [False])
    shares = np.concatenate([hits, hits, hits, hits, [True] * 4, [True, True, False, False]])
    found = proportion(shares, np.repeat(np.arange(6), 4))
    assert found is not None and found.value == 0.75
    variance = (1**2 + 1**2) / 24**2 * 6 / 5
    effective = min(24.0, 0.75 * 0.25 / variance)
    assert effective == 24
    student = effective * (1.959964 / 2.570582) ** 2
    assert (found.low, found.high) == pytest.approx(wilson_bounds(0.75, student), abs=1e-6)


def test_few_images_of_their_own_have_wilsons_interval() -> None:
    alone, twice = proportion(np.arange(12) < 8, np.arange(12)), proportion(np.arange(24) < 16, np.repeat(np.arange(12), 2))
    assert alone is not None and twice is not None
    assert (alone.low, alone.high) == pytest.approx(wilson_bounds(2 / 3, 11), abs=1e-9)
    assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high), abs=1e-9), "copies add nothing and take nothing"
