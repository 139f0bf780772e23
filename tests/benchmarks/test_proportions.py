"""Intervals of what follows from proportions, against definitions and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.proportions import share_of, weighted_sum
from mobile_runtime.intervals import wilson
from mobile_runtime.manifest import Estimate


def of(hits: int, n: int) -> Estimate:
    found = wilson(hits, n)
    assert found is not None
    return found


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
