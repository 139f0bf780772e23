"""Statistics against brute force, scikit-learn and SciPy."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from scipy.stats import t as student
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from benchmarks.statistics import bootstrap_auc, bootstrap_calibration, mcnemar, percentile_interval
from mobile_runtime import intervals, statistics
from mobile_runtime.intervals import wilson
from mobile_runtime.reliability import expected_calibration_error
from mobile_runtime.statistics import Gap

LABELLED = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40)


def problem(n: int = 200, seed: int = 0, ties: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Truth [N], two correlated scores [N], groups [N]."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.3
    first = truth + rng.normal(0, 1, n)
    second = first + rng.normal(0, 0.5, n)
    if ties:
        first, second = first.round(1), second.round(1)
    _, groups = np.unique(rng.integers(0, n // 2, n), return_inverse=True)
    return truth, first, second, groups


def components(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's structural components, by the definition."""
    kernel = [[(p > q) + 0.5 * (p == q) for q in scores[~truth]] for p in scores[truth]]
    return np.mean(kernel, axis=1), np.mean(kernel, axis=0)


@given(LABELLED)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[bool, int]]) -> None:
    truth, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=np.float32)
    measure = statistics.auc(truth, scores)
    if truth.all() or not truth.any():
        assert measure is None
        return
    assert measure is not None
    pairs = [(p > q) + 0.5 * (p == q) for p, q in product(scores[truth], scores[~truth])]
    assert measure.value == pytest.approx(np.mean(pairs), abs=1e-12)
    turned = statistics.auc(truth, -scores)
    assert turned is not None and turned.value == pytest.approx(1 - measure.value, abs=1e-12)
    estimate = measure.estimate(np.arange(len(truth)))
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_auc_matches_scikit_learn() -> None:
    truth, first, _, _ = problem()
    measure = statistics.auc(truth, first)
    assert measure is not None and measure.value == pytest.approx(roc_auc_score(truth, first), abs=1e-12)


def test_delong_matches_its_definition() -> None:
    truth, first, second, _ = problem()
    (v10, v01), (w10, w01) = components(truth, first), components(truth, second)
    m, n = len(v10), len(v01)
    alone = np.arange(len(truth))
    measure, other = statistics.auc(truth, first), statistics.auc(truth, second)
    assert measure is not None and other is not None
    assert measure.variance(alone) == pytest.approx(v10.var(ddof=1) / m + v01.var(ddof=1) / n, rel=1e-9)

    gap = statistics.paired_difference(other, measure, alone)
    deviation = math.sqrt((w10 - v10).var(ddof=1) / m + (w01 - v01).var(ddof=1) / n)
    assert gap.value == pytest.approx(w10.mean() - v10.mean(), abs=1e-12)
    assert gap.high - gap.low == pytest.approx(2 * norm.ppf(0.975) * deviation, rel=1e-9)
    assert gap.p_value == pytest.approx(2 * norm.sf(abs(gap.value) / deviation), rel=1e-9)


def test_delong_by_group_counts_copies_once() -> None:
    truth, first, _, _ = problem()
    copies = 3
    once = statistics.auc(truth, first)
    thrice = statistics.auc(np.tile(truth, copies), np.tile(first, copies))
    assert once is not None and thrice is not None
    alone = once.variance(np.arange(len(truth)))
    grouped = thrice.variance(np.tile(np.arange(len(truth)), copies))
    assert grouped == pytest.approx(alone, rel=0.03)
    assert thrice.variance(np.arange(len(truth) * copies)) < alone / 2


def test_equal_scores_differ_by_nothing() -> None:
    truth, first, _, groups = problem()
    measure, same_order = statistics.auc(truth, first), statistics.auc(truth, np.exp(first))
    assert measure is not None and same_order is not None
    assert statistics.paired_difference(measure, same_order, groups) == Gap(value=0, low=0, high=0, p_value=1)


def test_perfect_separation_does_not_claim_certainty() -> None:
    truth = np.array([False] * 30 + [True] * 8)
    measure = statistics.auc(truth, truth.astype(float))
    assert measure is not None
    estimate = measure.estimate(np.arange(38))
    assert estimate.value == estimate.high == 1.0
    assert estimate.low == pytest.approx(binomtest(8, 8).proportion_ci(method="wilson").low)


def test_one_example_of_a_class_says_nothing_about_the_error() -> None:
    measure = statistics.auc(np.array([True, False, False]), np.array([0.5, 0.4, 0.6]))
    assert measure is not None
    estimate = measure.estimate(np.arange(3))
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (0.5, 0.0, 1.0, 3)


def test_macro_variance_matches_the_bootstrap() -> None:
    rng = np.random.default_rng(3)
    classes = rng.integers(0, 3, 400)
    scores = rng.normal(0, 1, (400, 3)) + 1.2 * np.eye(3)[classes]
    measures = [statistics.auc(classes == k, scores[:, k]) for k in range(3)]
    macro = statistics.mean_of([measure for measure in measures if measure is not None])
    resampled = []
    for _ in range(600):
        pick = rng.integers(0, 400, 400)
        drawn = [statistics.auc(classes[pick] == k, scores[pick, k]) for k in range(3)]
        resampled.append(np.mean([measure.value for measure in drawn if measure is not None]))
    assert macro.value == pytest.approx(np.mean([roc_auc_score(classes == k, scores[:, k]) for k in range(3)]))
    assert math.sqrt(macro.variance(np.arange(400))) == pytest.approx(np.std(resampled), rel=0.12)


def test_a_perfect_class_does_not_narrow_the_macro() -> None:
    rng = np.random.default_rng(4)
    classes = np.array([0] * 5 + [1] * 60 + [2] * 60)
    scores = rng.normal(0, 1, (125, 3)) + np.eye(3)[classes]
    scores[:, 0] = classes == 0
    measures = [measure for k in range(3) if (measure := statistics.auc(classes == k, scores[:, k])) is not None]
    alone = np.arange(125)
    macro = statistics.mean_of(measures)
    perfect = binomtest(5, 5).proportion_ci(method="wilson").low
    spread = math.sqrt(macro.variance(alone)), math.sqrt(statistics.mean_of(measures[1:]).variance(alone)) * 2 / 3
    assert spread[0] == pytest.approx(math.hypot(spread[1], (1 - perfect) / norm.ppf(0.975) / 3), rel=0.05)
    assert statistics.paired_difference(macro, macro, alone) == Gap(value=0, low=0, high=0, p_value=1)
    # By itself it has the interval that it had, also against another one.
    assert measures[0].estimate(alone).low == pytest.approx(perfect)
    assert statistics.paired_difference(measures[0], measures[0], alone).p_value == 1
    assert measures[0].variance(alone) == 0


def test_balanced_accuracy_matches_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 300)
    predicted = np.where(rng.random(300) < 0.6, truth, rng.integers(0, 4, 300))
    measure = statistics.balanced_accuracy(truth, predicted)
    assert measure is not None and measure.value == pytest.approx(balanced_accuracy_score(truth, predicted))
    recalls = [(predicted[truth == k] == k) for k in range(4)]
    expected = sum(r.var(ddof=1) / len(r) for r in recalls) / 16
    assert measure.variance(np.arange(300)) == pytest.approx(expected, rel=1e-9)
    assert statistics.balanced_accuracy(truth[:0], predicted[:0]) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(4, 40))
def test_bootstrap_matches_repeated_images(seed: int, n: int) -> None:
    truth, first, second, groups = problem(n, seed)
    found = bootstrap_auc(truth, [first, second], groups, 9, seed)
    count = groups.max() + 1
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), 9)
    for resample in range(9):
        repeats = np.repeat(np.arange(n), weights[resample][groups])
        for row, scores in enumerate((first, second)):
            kinds = set(truth[repeats].tolist())
            expected = roc_auc_score(truth[repeats], scores[repeats]) if len(kinds) == 2 else math.nan
            assert found[row, resample] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_bootstrap_does_not_depend_on_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, first, _, groups = problem()
    whole = bootstrap_auc(truth, [first], groups, 300, seed=5)
    monkeypatch.setattr("benchmarks.statistics._CHUNK", 7)
    done: list[int] = []
    assert np.array_equal(whole, bootstrap_auc(truth, [first], groups, 300, 5, done.append))
    assert sum(done) == 300
    assert not np.array_equal(whole, bootstrap_auc(truth, [first], groups, 300, seed=6))


def test_bootstrap_spread_agrees_with_delong() -> None:
    truth, first, second, _ = problem(600)
    alone = np.arange(600)
    resampled = bootstrap_auc(truth, [first, second], alone, 2000, seed=0)
    measure, other = statistics.auc(truth, first), statistics.auc(truth, second)
    assert measure is not None and other is not None
    gap = statistics.paired_difference(other, measure, alone)
    bootstrap = percentile_interval(gap.value, resampled[1] - resampled[0])
    assert bootstrap is not None and bootstrap.resamples == 2000
    assert bootstrap.low == pytest.approx(gap.low, abs=0.1 * (gap.high - gap.low))
    assert bootstrap.high == pytest.approx(gap.high, abs=0.1 * (gap.high - gap.low))


def test_percentile_interval_counts_what_it_uses() -> None:
    resampled = np.array([math.nan, *np.linspace(-1, 1, 201)])
    assert percentile_interval(0.0, resampled) == Gap(value=0, low=-0.95, high=0.95, resamples=201)
    assert percentile_interval(0.0, np.full(3, math.nan)) is None


@given(st.integers(1, 200), st.data())
def test_wilson_matches_scipy(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    estimate = wilson(successes, trials)
    assert estimate is not None
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert estimate.low <= estimate.value <= estimate.high and estimate.n == trials


@pytest.mark.parametrize("freedom", [*range(1, 29), 29, 500])
def test_students_distribution_matches_scipy(freedom: int) -> None:
    expected = student(freedom) if freedom < 29 else norm
    assert intervals.quantile(freedom) == pytest.approx(expected.ppf(0.975), abs=1e-9)
    for deviations in (0.0, 0.3, 1.0, 2.5, 12.0):
        assert intervals.p_value(deviations, freedom) == pytest.approx(2 * expected.sf(deviations), abs=1e-12)


def test_wilson_without_trials_is_undefined() -> None:
    assert wilson(0, 0) is None


@given(st.integers(0, 25), st.integers(0, 25))
def test_mcnemar_matches_the_binomial_sum(lost: int, gained: int) -> None:
    n = lost + gained
    tail = sum(math.comb(n, k) for k in range(min(lost, gained) + 1)) / 2**n
    assert mcnemar(lost, gained) == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=50))
def test_calibration_error_matches_its_definition(rows: list[tuple[bool, float]]) -> None:
    truth, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    bins = np.minimum((scores * 15).astype(int), 14)
    expected = sum((bins == b).mean() * abs(scores[bins == b].mean() - truth[bins == b].mean()) for b in set(bins.tolist()))
    assert expected_calibration_error(truth, scores) == pytest.approx(expected, abs=1e-12)


def test_calibration_error_of_nothing_is_undefined() -> None:
    assert expected_calibration_error(np.array([], bool), np.array([])) is None


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.004, 0.001, "non-inferior"),
        (-0.005, 0.001, "inconclusive"),
        (-0.02, 0.03, "inconclusive"),
        (-0.02, -0.006, "inferior"),
    ],
)
def test_verdict_compares_the_interval_with_the_margin(low: float, high: float, outcome: str) -> None:
    assert statistics.non_inferiority(Gap(value=(low + high) / 2, low=low, high=high), 0.005) == outcome


def test_no_difference_gives_no_verdict() -> None:
    assert statistics.non_inferiority(None, 0.005) == "undetermined"


def test_calibration_limits_are_those_of_resampled_groups() -> None:
    rng = np.random.default_rng(1)
    scores = [rng.random(120), rng.random(120) ** 2]
    truth = rng.random(120) < scores[0]
    groups = np.repeat(np.arange(40), 3)
    found = bootstrap_calibration(truth, scores, groups, 200, seed=3)
    drawing = np.random.default_rng(3)
    drawn = np.concatenate([drawing.multinomial(40, np.full(40, 1 / 40), size) for size in (128, 72)])
    for vector, limits in zip(scores, found, strict=True):
        value = expected_calibration_error(truth, vector)
        assert value is not None and limits is not None
        errors = []
        for weights in drawn:
            chosen = np.repeat(np.arange(120), weights[groups])
            errors.append(expected_calibration_error(truth[chosen], vector[chosen]))
        below, above = np.percentile(np.array(errors, dtype=float), [2.5, 97.5])
        assert limits[0] == pytest.approx(min(value, max(0.0, 2 * value - above)), abs=1e-12)
        assert limits[1] == pytest.approx(max(value, 2 * value - below), abs=1e-12)
    assert found[1] is not None and found[0] is not None and found[0][1] < found[1][0]  # the second is not calibrated
    assert bootstrap_calibration(truth[:0], [scores[0][:0]], groups[:0], 100, 0) == [None]
