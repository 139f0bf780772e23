"""Thresholds: each aim met on the images that chose them, and the same decisions from variant to variant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from export.figures import AIMS, carried, lock_points, thresholds


def drawn(seed: int, count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Truth and malignancy scores of a classifier that is right mostly."""
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < 0.25
    truth[:2] = True, False
    return truth, expit(rng.normal(np.where(truth, 1.5, -1.5), 1.2)).astype(np.float32)


@given(st.integers(0, 2**32 - 1))
def test_thresholds_meet_their_aims_and_no_other_would_be_better(seed: int) -> None:
    truth, scores = drawn(seed, 80)
    cuts = thresholds(truth, scores, np.arange(80))
    assert cuts.keys() == AIMS.keys()

    def rates(cut: float) -> tuple[float, float]:
        return float((scores[truth] >= cut).mean()), float((scores[~truth] < cut).mean())

    every = [rates(cut) for cut in [*np.unique(scores).astype(float), 1.1]]
    enough = min(1, 0.95 + np.sqrt(0.95 * 0.05 / truth.sum()))
    assert rates(cuts["rule_out"])[0] >= enough
    assert rates(cuts["rule_out"])[1] == max(well for sick, well in every if sick >= enough)
    assert rates(cuts["rule_in"])[1] >= 0.95
    assert rates(cuts["rule_in"])[0] == max(sick for sick, well in every if well >= 0.95)
    assert sum(rates(cuts["balanced"])) == pytest.approx(max(sum(pair) for pair in every))


def test_ruling_out_keeps_its_aim_on_other_lesions_more_often_than_not() -> None:
    kept = [0, 0]
    for seed in range(200):
        truth, scores = drawn(seed)
        cut = thresholds(truth, scores, np.arange(len(truth)))["rule_out"]
        chance = expit(np.random.default_rng(seed + 1000).normal(1.5, 1.2, 20_000)).astype(np.float32)
        kept[int((chance >= cut).mean() >= 0.95)] += 1
    # One standard error of a normal law is 84 %; of 200 draws, two in three is six standard deviations below that.
    assert kept[1] / 200 > 0.67


def test_of_few_lesions_none_may_be_missed_and_copies_of_a_lesion_are_no_others() -> None:
    truth, scores = drawn(5, 40)
    few = thresholds(truth, scores, np.arange(40))["rule_out"]
    assert few < scores[truth].min()
    many = np.repeat(truth, 100), np.repeat(scores, 100)
    assert thresholds(*many, np.repeat(np.arange(40), 100))["rule_out"] == few
    assert thresholds(*many, np.arange(4000))["rule_out"] >= few


def test_equal_scores_have_equal_thresholds() -> None:
    truth, scores = drawn(1)
    cuts = thresholds(truth, scores, np.arange(len(truth)))
    assert carried(cuts, scores, scores) == cuts


@given(st.floats(-0.5, 0.5), st.integers(0, 2**32 - 1))
def test_a_variant_that_is_off_by_a_constant_decides_the_same(offset: float, seed: int) -> None:
    truth, scores = drawn(seed)
    cuts = thresholds(truth, scores, np.arange(len(truth)))
    own = expit(logit(scores.astype(np.float64)) + offset)
    for name, cut in carried(cuts, scores, own.astype(np.float32)).items():
        # A threshold lies between two scores; those nearer to it than float32 resolves may change sides.
        clear = np.abs(logit(scores.astype(np.float64)) - logit(cuts[name])) > 1e-5
        assert np.array_equal((own >= cut)[clear], (scores >= cuts[name])[clear])


def test_the_offset_around_a_threshold_counts_and_not_that_elsewhere() -> None:
    truth, scores = drawn(2)
    cuts = thresholds(truth, scores, np.arange(len(truth)))
    own = scores.copy()
    far = scores > 0.9
    own[far] = expit(logit(own[far]) - 0.5)
    assert carried({"rule_out": cuts["rule_out"]}, scores, own) == {"rule_out": cuts["rule_out"]}


def test_scores_of_zero_and_one_are_no_obstacle() -> None:
    scores = np.array([0, 0, 0.2, 0.8, 1, 1], np.float32)
    assert np.isfinite(carried({"balanced": 0.5}, scores, scores[::-1].copy())["balanced"])


def test_images_of_one_lesion_count_once_in_the_intervals_of_a_threshold() -> None:
    truth, scores = drawn(3)
    groups = np.arange(len(truth))
    apart = lock_points({"balanced": 0.5}, truth, scores, groups, "own images")["balanced"]
    thrice = lock_points({"balanced": 0.5}, *(np.repeat(each, 3) for each in (truth, scores, groups)), "own images")["balanced"]
    for one, same in ((apart.sensitivity, thrice.sensitivity), (apart.specificity, thrice.specificity)):
        assert same.value == pytest.approx(one.value) and same.n == 3 * one.n
        # Repeated images say nothing new; the two estimates of the effective number differ by one group in the denominator.
        assert (same.low, same.high) == pytest.approx((one.low, one.high), abs=1e-3)


def test_a_threshold_without_images_of_a_kind_has_the_widest_interval() -> None:
    point = lock_points({"rule_in": 0.5}, np.zeros(3, bool), np.full(3, 0.1, np.float32), np.arange(3), "own images")["rule_in"]
    assert (point.sensitivity.low, point.sensitivity.high, point.sensitivity.n) == (0, 1, 0)
    assert point.specificity.value == 1
