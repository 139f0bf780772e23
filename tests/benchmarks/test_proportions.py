"""Intervals of proportions of grouped images and of what follows from them, against definitions and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.proportions import proportion, share_of, weighted_sum
from mobile_runtime.manifest import Estimate
from mobile_runtime.statistics import wilson


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


def test_a_sum_adds_up_and_its_interval_is_that_of_the_terms() -> None:
    ill, well = of(9, 10), of(30, 100)
    one = weighted_sum([(50.0, ill)])
    assert (one.value, one.low, one.high) == pytest.approx((45, 50 * ill.low, 50 * ill.high))
    both = weighted_sum([(1.0, ill), (-2.0, well)])
    assert both.value == pytest.approx(0.3) and both.n == 110
    assert both.low == pytest.approx(0.3 - math.hypot(0.9 - ill.low, 2 * (well.high - 0.3)))
    assert both.high == pytest.approx(0.3 + math.hypot(ill.high - 0.9, 2 * (0.3 - well.low)))


@pytest.mark.parametrize(("hits", "misses"), [((45, 50), (30, 200)), ((20, 50), (3, 40)), ((50, 50), (120, 150))])
def test_limits_of_a_share_are_where_the_difference_is_none(hits: tuple[int, int], misses: tuple[int, int]) -> None:
    # p is inside the interval of a / (a + b) exactly when that of (1 - p) a - p b holds 0.
    a, b = of(*hits), of(*misses)
    found = share_of((0.1, a), (0.9, b))
    assert found is not None and found.value == pytest.approx(0.1 * a.value / (0.1 * a.value + 0.9 * b.value))
    lower = weighted_sum([((1 - found.low) * 0.1, a), (-found.low * 0.9, b)])
    upper = weighted_sum([((1 - found.high) * 0.1, a), (-found.high * 0.9, b)])
    assert lower.low == pytest.approx(0, abs=1e-12)
    assert upper.high == pytest.approx(0, abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_a_share_of_nothing_is_undefined_and_its_ends_are_not_certain() -> None:
    none, some = of(0, 20), of(5, 20)
    assert share_of((0.5, none), (0.5, none)) is None
    zero, one = share_of((0.5, none), (0.5, some)), share_of((0.5, some), (0.5, none))
    assert zero is not None and zero.value == zero.low == 0 and 0.1 < zero.high < 1
    assert one is not None and one.value == one.high == 1 and 0 < one.low < 0.9


def test_predictive_values_cover_what_they_should() -> None:
    rng = np.random.default_rng(1)
    prevalence, sensitivity, fall_out = 0.05, 0.9, 0.4
    truth = prevalence * sensitivity / (prevalence * sensitivity + (1 - prevalence) * fall_out)
    covered = 0
    for found, over in zip(rng.binomial(60, sensitivity, 800), rng.binomial(200, fall_out, 800), strict=True):
        share = share_of((prevalence, of(int(found), 60)), (1 - prevalence, of(int(over), 200)))
        assert share is not None
        covered += share.low <= truth <= share.high
    assert covered / 800 == pytest.approx(0.95, abs=0.025)
