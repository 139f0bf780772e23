"""Figures and intervals against independent formulas."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_runtime.intervals import wilson
from mobile_runtime.reliability import ReliabilityBin, reliability
from mobile_runtime.statistics import (
    Gap,
    auc,
    balanced_accuracy,
    mean_of,
    midranks,
    non_inferiority,
    paired_difference,
)


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


def patients(count: int, rng: np.random.Generator, pure: bool, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, scores and groups of 20 images each; malignant images score 1.5 more, a patient's together differ by `spread`."""
    groups = np.repeat(np.arange(count), 20)
    truth = groups % 2 == 0 if pure else rng.random(len(groups)) < 0.3
    return truth, 1.5 * truth + rng.normal(0, 1, len(groups)) + rng.normal(0, spread, count)[groups], groups


@pytest.mark.parametrize(
    ("count", "pure", "spread"),
    [(2, False, 0), (3, False, 0), (4, False, 0), (6, False, 0), (10, False, 0), (3, False, 1), (6, False, 1), (6, True, 1)],
)
def test_intervals_of_an_auc_of_few_patients_hold_what_they_say(count: int, pure: bool, spread: float) -> None:
    """95 % is nominal; without Student's quantile and G / (G - 1), 60 to 90 % with images alike, 65 to 81 % with patients."""
    rng = np.random.default_rng(0)
    expected = NormalDist().cdf(1.5 / math.sqrt(2 * (1 + spread**2)))
    held = []
    while len(held) < 500:
        truth, scores, groups = patients(count, rng, pure, spread)
        found = auc(truth, scores)
        assert found is not None
        bounds = found.estimate(groups)
        held.append(bounds.low <= expected <= bounds.high)
    assert np.mean(held) > 0.87 + 0.04 * (spread == 0)


def test_intervals_of_a_difference_of_few_patients_hold_what_they_say() -> None:
    rng = np.random.default_rng(1)
    held, apart = [], []
    while len(held) < 400:
        truth, scores, groups = patients(4, rng, False, 0)
        found = [auc(truth, scores + rng.normal(0, 1, len(scores))) for _ in range(2)]
        assert found[0] is not None and found[1] is not None
        gap = paired_difference(found[0], found[1], groups)
        assert gap.p_value is not None and (gap.p_value < 0.05) is not (gap.low <= 0 <= gap.high)
        held.append(gap.low <= 0 <= gap.high)
        apart.append(gap.high - gap.low)
    assert np.mean(held) > 0.91 and np.mean(apart) < 0.5


@pytest.mark.parametrize("one", [True, False])
def test_one_group_of_a_kind_says_nothing_about_the_error(one: bool) -> None:
    truth, scores, groups = patients(40, np.random.default_rng(2), False, 0)
    groups = np.where(truth == one, 40, groups)
    found, other = auc(truth, scores), auc(truth, scores.round())
    assert found is not None and other is not None
    assert (found.estimate(groups).low, found.estimate(groups).high) == (0, 1)
    macro = mean_of([found, other]).estimate(groups)
    assert (macro.low, macro.high) == (0, 1)
    gap = paired_difference(found, other, groups)
    assert (gap.low, gap.high, gap.p_value) == (-1, 1, None) and gap.value != 0
    assert non_inferiority(gap, 0.005) == "inconclusive"
    assert paired_difference(found, found, groups) == Gap(value=0, low=0, high=0, p_value=1)
    perfect = auc(truth, truth.astype(float))
    assert perfect is not None and perfect.estimate(groups).low == 0


def test_figures_without_spread_are_not_the_same_for_it() -> None:
    truth = np.arange(80) < 40
    best, worst = auc(truth, truth.astype(float)), auc(truth, -truth.astype(float))
    assert best is not None and worst is not None
    gap = paired_difference(best, worst, np.arange(80))
    assert (gap.value, gap.low, gap.high, gap.p_value) == (1, -1, 1, None)


@pytest.mark.parametrize("count", [6, 60])
def test_a_perfect_auc_counts_each_patient_once(count: int) -> None:
    truth = np.arange(20 * count) % 20 < 8
    found = auc(truth, truth.astype(float))
    assert found is not None
    assert found.estimate(np.arange(20 * count) // 20).low == pytest.approx(count / (count + 1.959964**2), rel=1e-5)


@pytest.mark.parametrize(
    ("expected", "malignant", "benign", "images"), [(0.856, 8, 30, 3), (0.95, 20, 60, 1), (0.95, 20, 60, 3), (0.98, 40, 120, 3)]
)
def test_intervals_of_high_aucs_hold_what_they_say(expected: float, malignant: int, benign: int, images: int) -> None:
    """Binormal scores; up to `images` images of a lesion, which correlate by a half."""
    rng = np.random.default_rng(6)
    shift, runs = NormalDist().inv_cdf(expected) * math.sqrt(2), 400
    too_high, held, symmetric = 0, 0, 0
    for _ in range(runs):
        groups = np.repeat(np.arange(malignant + benign), rng.integers(1, images + 1, malignant + benign))
        truth, alike = groups < malignant, 0.5 * (images > 1)
        noise = rng.normal(0, math.sqrt(alike), malignant + benign)[groups] + rng.normal(0, math.sqrt(1 - alike), len(groups))
        found = auc(truth, shift * truth + noise)
        assert found is not None
        bounds, plain = found.estimate(groups), replace(found, logit=False).estimate(groups)
        too_high += bounds.low > expected
        held += bounds.low <= expected <= bounds.high
        symmetric += plain.low <= expected <= plain.high
    # 400 runs at 95 % have a standard error of 1.1 %, at 2.5 % one of 0.8 %: three of these.
    assert held / runs == pytest.approx(0.95, abs=0.033)
    assert too_high / runs < 0.025 + 0.023
    assert symmetric / runs < 0.95 - 0.033


def test_an_aucs_interval_by_hand() -> None:
    """Ten of each kind; a malignant image is below two benign ones, so that 98 of 100 pairs are in order."""
    truth = np.arange(20) < 10
    scores = np.array([0.25, *range(11, 20), 0.5, 0.75, *[-k for k in range(8)]])
    found = auc(truth, scores)
    assert found is not None and found.value == pytest.approx(0.98)
    # Influences: of the malignant, one is 0.8 and nine are 1; of the benign, two are 0.9 and eight are 1.
    parts = [np.var([0.8] + [1] * 9, ddof=1) / 10, np.var([0.9] * 2 + [1] * 8, ddof=1) / 10]
    # Kurtosis of a share p is 1 / (p (1 - p)) - 3.
    left = [min(9, 20 / (1 / (p * (1 - p)) - 3 - 7 / 9)) for p in (0.1, 0.2)]
    freedom = int(sum(parts) ** 2 / sum(part**2 / each for part, each in zip(parts, left, strict=True)))
    assert freedom == 5
    half = 2.570582 * math.sqrt(sum(parts)) / (0.98 * 0.02)
    bounds = found.estimate(np.arange(20))
    ends = [math.log(end / (1 - end)) for end in (bounds.low, bounds.high)]
    assert ends == pytest.approx([math.log(49) - half, math.log(49) + half], rel=1e-5)


def test_a_mean_with_a_perfect_auc_has_a_symmetric_interval() -> None:
    truth = np.arange(200) < 100
    scores = truth + np.random.default_rng(5).normal(0, 0.5, 200)
    found, perfect = auc(truth, scores), auc(truth, truth.astype(float))
    assert found is not None and perfect is not None and found.logit
    mean = mean_of([found, perfect])
    assert not mean.logit and mean_of([found, found]).logit
    bounds = mean.estimate(np.arange(200))
    assert mean.value - bounds.low == pytest.approx(1.959964 * math.sqrt(mean.variance(np.arange(200))), rel=1e-5)


def test_groups_whose_parts_cancel_say_nothing_about_the_error() -> None:
    truth = np.arange(80) % 2 == 0
    found = auc(truth, np.repeat(np.arange(40), 2) % 2)
    assert found is not None and found.influence.any()
    bounds = found.estimate(np.arange(80) // 2)
    assert (bounds.value, bounds.low, bounds.high) == (0.5, 0, 1)


def test_from_thirty_groups_of_each_kind_on_intervals_are_normal() -> None:
    """Student's quantile on 18 degrees of freedom and G / (G - 1) add a tenth."""
    for count, wider in ((60, 1.0), (20, 2.1009 / 1.96 * math.sqrt(10 / 9 * 199 / 200))):
        truth, scores, groups = patients(count, np.random.default_rng(3), True, 0.3)
        found, other = auc(truth, scores), auc(truth, scores + np.sin(50 * scores))
        assert found is not None and other is not None
        normal = 2 * 1.959963984540054 * math.sqrt(found.variance(groups)) / (found.value * (1 - found.value))
        bounds, gap = found.estimate(groups), paired_difference(found, other, groups)
        apart_logits = math.log(bounds.high / (1 - bounds.high)) - math.log(bounds.low / (1 - bounds.low))
        assert apart_logits == pytest.approx(wider * normal, rel=0.05 if count < 60 else 1e-12)
        apart = replace(found, influence=found.influence - other.influence)
        normal = 2 * 1.959963984540054 * math.sqrt(apart.variance(groups))
        assert gap.high - gap.low == pytest.approx(wider * normal, rel=0.05 if count < 60 else 1e-12)


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
    # Bins of a fifteenth; 3/15 belongs to the upper one, 1.0 to the last.
    bins = reliability(truth, np.array([0.25, 0.2, 0.9375, 1.0]))
    assert bins == (ReliabilityBin(0.225, 0.5, 2), ReliabilityBin(0.96875, 1.0, 2))
    assert reliability(np.array([], bool), np.array([])) == ()
