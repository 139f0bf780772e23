"""Figures and intervals against independent formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_runtime.statistics import ReliabilityBin, auc, midranks, reliability, wilson


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
