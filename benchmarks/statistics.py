"""Comparisons with honest intervals: paired differences, bootstrap over lesions, calibration, non-inferiority.

The figures themselves are in `mobile_runtime.statistics`. Every interval is two-sided 95 %. A figure that is undefined on the
data (an AUC with one class only) is None, not NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mobile_runtime.statistics import (
    Bools,
    Floats,
    Gap,
    Integers,
    Measure,
    Outcome,
    Scores,
    auc,
    balanced_accuracy,
    expected_calibration_error,
    mean_of,
    non_inferiority,
    paired_difference,
    wilson,
)

__all__ = [
    "Gap",
    "Measure",
    "Outcome",
    "auc",
    "balanced_accuracy",
    "bootstrap_auc",
    "expected_calibration_error",
    "mcnemar",
    "mean_of",
    "non_inferiority",
    "paired_difference",
    "percentile_interval",
    "wilson",
]

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
    rng = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    result = np.full((len(scores), resamples), np.nan)
    plans = [_sorting_plan(truth, vector) for vector in scores]
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        # Groups along the first axis: gathering an image's weights then copies whole rows.
        drawn = np.ascontiguousarray(rng.multinomial(count, np.full(count, 1 / count), size).T, dtype=np.float64)
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
