"""Thresholds: each aim met on the images that chose them, and the same decisions from variant to variant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from export.figures import AIMS, NEAREST, carried, lock_points, measure, thresholds
from mobile_runtime.pipeline import Prediction
from mobile_runtime.taxonomy import default_taxonomy
from tests.train.factories import example


def drawn(seed: int, count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Truth and malignancy scores of a classifier that is right mostly."""
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < 0.25
    truth[:2] = True, False
    return truth, expit(rng.normal(np.where(truth, 1.5, -1.5), 1.2)).astype(np.float32)


def by_distance(scores: np.ndarray, cut: float) -> np.ndarray:
    """Images by how far their scores are from a threshold, the nearest first."""
    return np.argsort(np.abs(logit(scores.astype(np.float64)) - logit(cut)))


def moved(scores: np.ndarray, rows: np.ndarray, offset: float) -> np.ndarray:
    """The scores with some of their logits moved."""
    own = scores.copy()
    own[rows] = expit(logit(own[rows].astype(np.float64)) + offset)
    return own


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


def test_of_few_lesions_none_may_be_missed() -> None:
    truth, scores = drawn(5, 40)
    assert thresholds(truth, scores, np.arange(40))["rule_out"] < scores[truth].min()


def test_ruling_out_is_asked_for_as_many_lesions_as_are_malignant_whatever_their_images() -> None:
    truth = np.repeat([True, False], 400)
    scores = np.concatenate([np.linspace(0.3, 0.9, 400), np.linspace(0.01, 0.95, 400)]).astype(np.float32)
    groups = np.concatenate([np.repeat(np.arange(40), 10), np.arange(40, 440)])
    cut = thresholds(truth, scores, groups)["rule_out"]
    # By hand: a standard error of 40 lesions is 3.4 %, so that 98.4 % must be found. Of 400 images, or of all 440 lesions, it
    # is 1 %, and 15 images might be missed.
    assert (scores[truth] < cut).sum() == 6


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
    cut = thresholds(truth, scores, np.arange(len(truth)))["rule_out"]
    far = by_distance(scores, cut)[NEAREST:]
    assert len(far) > len(scores) / 2, "or the median of all images would be the same"
    assert carried({"rule_out": cut}, scores, moved(scores, far, -0.5)) == {"rule_out": cut}


def test_a_few_images_that_moved_far_do_not_take_the_threshold_with_them() -> None:
    truth, scores = drawn(2)
    cut = thresholds(truth, scores, np.arange(len(truth)))["rule_out"]
    few = by_distance(scores, cut)[: NEAREST // 10]
    assert carried({"rule_out": cut}, scores, moved(scores, few, 4.0)) == {"rule_out": cut}


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


def test_a_score_on_the_threshold_is_referred_in_what_is_stated() -> None:
    truth, on_it = np.array([True, False]), np.full(2, 0.5, np.float32)
    point = lock_points({"balanced": 0.5}, truth, on_it, np.arange(2), "own images")["balanced"]
    assert (point.sensitivity.value, point.specificity.value) == (1, 0)
    outputs = Prediction(np.array([[0.5, 0.5]] * 2, np.float32), on_it, {})
    classes = ("melanoma", "melanocytic_nevus")
    found = measure(outputs, [example(0, "mel"), example(1, "nv")], classes, default_taxonomy(), {"balanced": point})
    assert (found["sensitivity_balanced"].value, found["specificity_balanced"].value) == (1, 0)


def test_labels_that_leave_malignancy_open_are_neither_malignant_nor_benign() -> None:
    examples = [example(number, label, dataset="isic2019") for number, label in enumerate(["MEL", "NV", "UNK", "UNK"])]
    scores = np.array([0.9, 0.6, 0.1, 0.2], np.float32)
    outputs = Prediction(np.stack([scores, 1 - scores], axis=1), scores, {})
    point = lock_points({"balanced": 0.5}, np.array([True, False]), scores[:2], np.arange(2), "own images")["balanced"]
    classes = ("melanoma", "melanocytic_nevus")
    found = measure(outputs, examples, classes, default_taxonomy(), {"balanced": point})
    assert [found[name].n for name in ("auc_malignancy", "sensitivity_balanced", "specificity_balanced")] == [2, 1, 1]
    assert found["specificity_balanced"].value == 0, "the open ones would have been reassured"
