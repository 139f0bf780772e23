"""How far predicted frequencies are from observed ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobile_runtime.statistics import Bools, Scores

CALIBRATION_BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Predicted against observed frequency, both 0..1, over the examples whose prediction falls into one bin."""

    predicted: float
    observed: float
    n: int


def reliability(truth: Bools, probabilities: Scores) -> tuple[ReliabilityBin, ...]:
    """The non-empty bins of a reliability diagram with bins of equal width (Guo et al. 2017, section 2).

    Args:
        truth: bool [N].
        probabilities: float [N], 0..1; the last bin holds 1.0.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    index = np.minimum((values * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    members = [index == number for number in np.unique(index)]
    return tuple(ReliabilityBin(float(values[m].mean()), float(truth[m].mean()), int(m.sum())) for m in members)


def expected_calibration_error(truth: Bools, probabilities: Scores) -> float | None:
    """Mean gap between predicted and observed frequency over equal-width bins (Guo et al. 2017, section 2), 0..1.

    Args:
        truth: bool [N].
        probabilities: float [N], 0..1; the last bin holds 1.0.

    Returns:
        None without examples.
    """
    if not len(truth):
        return None
    return sum(b.n * abs(b.predicted - b.observed) for b in reliability(truth, probabilities)) / len(truth)
