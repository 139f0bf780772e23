"""Figures and intervals against independent formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_runtime.statistics import ReliabilityBin, auc, balanced_accuracy, midranks, reliability, wilson


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30))
def test_midranks_by_counting(values: list[int]) -> None:
    by_hand = [sum(o < v for o in values) + (sum(o == v for o in values) + 1) / 2 for v in values]
    assert midranks(np.array(values, float)).tolist() == by_hand


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=30))
def test_auc_by_counting_pairs(rows: list[tuple[bool, int]]) -> None:
    truth, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], float)
    found = auc(truth, scores)
    if truth.all() or not truth.any():
        assert found is None
        return
    pairs = [(p > n) + (p == n) / 2 for p in scores[truth] for n in scores[~truth]]
    assert found is not None
    assert found.value == pytest.approx(np.mean(pairs))


def test_scores_that_are_all_alike_say_nothing() -> None:
    found = auc(np.arange(40) < 20, np.zeros(40))
    assert found is not None
    assert (found.value, found.estimate(np.arange(40)).low, found.estimate(np.arange(40)).high) == (0.5, 0, 1)


def test_a_recall_of_few_hits_or_none_is_not_certain() -> None:
    truth = np.repeat([0, 1, 2], [40, 40, 3])
    found = balanced_accuracy(truth, np.where(truth == 2, 0, truth))
    assert found is not None
    bounds = found.estimate(np.arange(83))
    # By hand: Wilson's interval of n of n is z2 / (n + z2) wide, which counts as z deviations; the mean of three.
    z2 = 1.959964**2
    half = (2 * (z2 / (40 + z2)) ** 2 + (z2 / (3 + z2)) ** 2) ** 0.5 / 3
    assert found.value == pytest.approx(2 / 3)
    assert bounds.high - bounds.low == pytest.approx(2 * half, rel=1e-5)


@pytest.mark.parametrize("recalls", [(0.9, 0.8, 0.5), (0.6, 0.95, 0.1)])
def test_intervals_of_balanced_accuracy_hold_what_they_say(recalls: tuple[float, ...]) -> None:
    """Also with two images of the rarest class."""
    rng = np.random.default_rng(0)
    counts = (12, 19, 2)
    truth = np.repeat(np.arange(3), counts)
    held = 0
    for _ in range(400):
        hit = rng.random(len(truth)) < np.repeat(recalls, counts)
        found = balanced_accuracy(truth, np.where(hit, truth, (truth + 1) % 3))
        assert found is not None
        bounds = found.estimate(np.arange(len(truth)))
        held += bounds.low <= np.mean(recalls) <= bounds.high
    assert held / 400 > 0.9


def test_wilson_of_a_textbook_case() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, Table I: 81 of 263.
    found = wilson(81, 263)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    assert wilson(0, 0) is None


def test_reliability_by_hand() -> None:
    truth = np.array([True, False, True, True])
    # Bins of one half; 0.5 belongs to the upper one, 1.0 to the last.
    bins = reliability(truth, np.array([0.25, 0.125, 0.5, 1.0]), bins=2)
    assert bins == (ReliabilityBin(0.1875, 0.5, 2), ReliabilityBin(0.75, 1.0, 2))
    assert reliability(np.array([], bool), np.array([])) == ()
