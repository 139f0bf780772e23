"""Intervals by resampling whole lesions, and McNemar's test.

The figures themselves are in `mobile_runtime.statistics`. Every interval is two-sided 95 %. A figure that is undefined on the
data (an AUC with one class only) is None, not NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mobile_runtime.reliability import CALIBRATION_BINS
from mobile_runtime.statistics import Bools, Floats, Gap, Integers, Scores

_CHUNK = 128


def bootstrap_auc(
    truth: Bools,
    scores: Sequence[Scores],
    groups: Integers,
    resamples: int,
    seed: int,
    advance: Callable[[int], None] | None = None,
) -> Floats:
    """AUCs of V score vectors over resamples of whole groups, paired: every vector sees the same resamples.

    A resample draws G of the G groups with replacement and so weights image i by the number of times w_i that its group
    was drawn. The weighted AUC is sum_pos w_i (L_i + H_i) / 2 / (W_pos W_neg), where L_i and H_i are the weights of the
    negatives strictly below and not above i: one running sum over the sorted negatives gives both, and ties are exact.

    Args:
        truth: bool [N].
        scores: V vectors float [N].
        groups: int [N], 0..G-1.
        resamples: R.
        seed: the same seed gives the same resamples.
        advance: called with the number of resamples done since the last call.

    Returns:
        float64 [V, R]; NaN in a resample that has only one class.
    """
    result = np.full((len(scores), resamples), np.nan)
    plans = [_sorting_plan(truth, vector) for vector in scores]
    for start, drawn in _resampled_groups(groups, resamples, seed):
        size = drawn.shape[1]
        for row, (positives, negatives, low, high) in enumerate(plans):
            running = np.zeros((len(negatives) + 1, size))
            np.cumsum(drawn[groups[negatives]], axis=0, out=running[1:])
            weights = drawn[groups[positives]]
            wins = np.einsum("ir,ir->r", weights, running[low] + running[high]) / 2
            pairs = weights.sum(0) * running[-1]
            np.divide(wins, pairs, out=result[row, start : start + size], where=pairs > 0)
        if advance is not None:
            advance(size)
    return result


def bootstrap_calibration(
    truth: Bools, scores: Sequence[Scores], groups: Integers, resamples: int, seed: int
) -> list[tuple[float, float] | None]:
    """95 % limits of the expected calibration error of V score vectors, from resamples of whole groups.

    A resample has noise of its own in every bin, which adds to an error that cannot be negative. The limits are therefore
    those of the basic bootstrap (Davison and Hinkley 1997, section 5.2.1), which takes that bias off again, as Kumar et al.
    2019 (NeurIPS, "Verified Uncertainty Calibration") do; clipped to 0..1, and widened to the value itself where need be.

    Args:
        truth: bool [N].
        scores: V vectors of probabilities float [N].
        groups: int [N], 0..G-1.
        resamples: R.
        seed: the same seed gives the same resamples.

    Returns:
        Low and high for each vector; None without examples.
    """
    if not len(truth):
        return [None] * len(scores)
    count = int(groups.max()) + 1
    # Sum of (predicted - observed) of each group in each bin: a resample's error is then a product with its weights.
    gaps = []
    for vector in scores:
        values = np.asarray(vector, dtype=np.float64)
        cells = np.minimum((values * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1) * count + groups
        sums = np.bincount(cells, weights=values - truth, minlength=CALIBRATION_BINS * count)
        gaps.append(sums.reshape(CALIBRATION_BINS, count))
    sizes = np.bincount(groups, minlength=count).astype(np.float64)
    drawn_errors = np.empty((len(scores), resamples))
    for start, drawn in _resampled_groups(groups, resamples, seed):
        images = sizes @ drawn
        for row, gap in enumerate(gaps):
            drawn_errors[row, start : start + drawn.shape[1]] = np.abs(gap @ drawn).sum(axis=0) / images
    limits: list[tuple[float, float] | None] = []
    for gap, errors in zip(gaps, drawn_errors, strict=True):
        value = float(np.abs(gap.sum(axis=1)).sum()) / len(truth)
        below, above = np.percentile(errors, [2.5, 97.5])
        limits.append((float(np.clip(2 * value - above, 0, value)), float(np.clip(2 * value - below, value, 1))))
    return limits


def _resampled_groups(groups: Integers, resamples: int, seed: int) -> Iterator[tuple[int, Floats]]:
    """How often each of the G groups was drawn, float64 [G, up to 128 resamples], with the number of resamples before."""
    rng = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        # Groups along the first axis: gathering an image's weights then copies whole rows.
        yield start, np.ascontiguousarray(rng.multinomial(count, np.full(count, 1 / count), size).T, dtype=np.float64)


def _sorting_plan(truth: Bools, scores: Scores) -> tuple[Integers, Integers, Integers, Integers]:
    positives, negatives = np.flatnonzero(truth), np.flatnonzero(~truth)
    negatives = negatives[np.argsort(scores[negatives], kind="stable")]
    low = np.searchsorted(scores[negatives], scores[positives], "left")
    high = np.searchsorted(scores[negatives], scores[positives], "right")
    return positives, negatives, low, high


def percentile_interval(value: float, resampled: Floats) -> Gap | None:
    """A value with the 2.5th and 97.5th percentiles of its resamples; NaN resamples are left out, None if all are."""
    kept = resampled[~np.isnan(resampled)]
    if not len(kept):
        return None
    low, high = np.percentile(kept, [2.5, 97.5])
    return Gap(value=value, low=float(low), high=float(high), resamples=len(kept))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test from the two discordant counts; 1 when nothing is discordant."""
    discordant = only_first + only_second
    # Whole numbers, hence exact; and importing scipy.stats takes longer than all else that the commands import.
    tail = term = 1
    for k in range(min(only_first, only_second)):
        term = term * (discordant - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**discordant)
