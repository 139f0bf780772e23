"""Estimates with 95 % intervals, on numpy alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mobile_runtime.manifest import Estimate

Z95 = 1.959963984540054


def midranks(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Ranks from 1, ties sharing their mean; [N]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: npt.NDArray[np.float64] = (last - (counts - 1) / 2.0)[inverse]
    return ranks


def delong_components(
    truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating]
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """AUC and its structural components over positives and negatives.

    Sun & Xu 2014, "Fast Implementation of DeLong's Algorithm" (IEEE Signal Processing Letters 21:11), Algorithm 2.
    """
    positive, negative = scores[truth], scores[~truth]
    m, n = len(positive), len(negative)
    pooled = midranks(np.concatenate([positive, negative]))
    v10 = (pooled[:m] - midranks(positive)) / n
    v01 = 1 - (pooled[m:] - midranks(negative)) / m
    return float(v10.mean()), v10, v01


def auc_estimate(truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating]) -> Estimate:
    """Area under the ROC curve with DeLong's 95 % interval, cut to 0..1. Both classes must be present."""
    value, v10, v01 = delong_components(np.asarray(truth, bool), np.asarray(scores, np.float64))
    spread = [v.var(ddof=1) / len(v) if len(v) > 1 else 0.25 for v in (v10, v01)]
    half = Z95 * float(np.sqrt(sum(spread)))
    return Estimate(value=value, low=max(0.0, value - half), high=min(1.0, value + half), n=len(truth))


def proportion_estimate(hits: int, n: int) -> Estimate:
    """A proportion with Wilson's 95 % interval (Wilson 1927); without samples it is 0 with the interval 0..1."""
    if n == 0:
        return Estimate(value=0.0, low=0.0, high=1.0, n=0)
    p, z2 = hits / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * float(np.sqrt(p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return Estimate(value=p, low=max(0.0, centre - half), high=min(1.0, centre + half), n=n)


def bootstrap_estimate(
    figure: Callable[[npt.NDArray[np.intp]], float], groups: npt.NDArray[np.intp], resamples: int = 1000, seed: int = 0
) -> Estimate:
    """A figure with its percentile bootstrap 95 % interval over groups (lesions or patients), not over images.

    Args:
        figure: takes row numbers [M] and gives a value; resamples on which it is NaN are left out.
        groups: group number of each of the N rows.
        resamples: how many.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(groups, kind="stable")
    _, starts = np.unique(groups[order], return_index=True)
    members = np.split(order, starts[1:])
    values = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(members), len(members))
        values.append(figure(np.concatenate([members[i] for i in drawn])))
    finite = np.asarray(values)[np.isfinite(values)]
    low, high = np.quantile(finite, (0.025, 0.975)) if len(finite) else (float("nan"), float("nan"))
    value = figure(np.arange(len(groups)))
    return Estimate(value=value, low=float(low), high=float(high), n=len(groups))
