"""Decision curves: what referring by a score is worth, against the threshold probability at which one would refer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.decision_results import NetBenefit
from benchmarks.proportions import weighted_sum
from benchmarks.verdicts import Judged
from mobile_runtime.decision import Decision
from mobile_runtime.statistics import Floats

THRESHOLDS = tuple(percent / 100 for percent in range(1, 51))
"""Threshold probabilities of the decision curve."""
_FARTHEST = 100.0
"""Log odds beyond which no score lies, wherever it is moved from: `logit` clips at 28."""


def decision_curve(judged: Judged, prevalence: float) -> list[NetBenefit]:
    """Net benefit against threshold probability (Vickers and Elkin 2006, Med Decis Making 26:565); empty with one class.

    Net benefit = prevalence * sensitivity - (1 - prevalence) * (1 - specificity) * odds of the threshold probability. The
    scores are moved to the stated prevalence first, all by one step of log odds (see `shift_to`); the locked operating point
    keeps its threshold, and its verdict counts as referral only where it is `refer`.
    """
    if not judged.of_both_kinds:
        return []
    logits = logit(judged.malignancy)
    moved = logits + shift_to(prevalence, logits[judged.truth.malignant], logits[judged.benign])
    locked = judged.shares(judged.verdict(Decision.REFER))
    curve = []
    for threshold in THRESHOLDS:
        odds = threshold / (1 - threshold)
        by_score = judged.shares(moved >= logit(threshold))
        weights = prevalence, -(1 - prevalence) * odds
        curve.append(
            NetBenefit(
                threshold=threshold,
                locked=weighted_sum(list(zip(weights, locked, strict=True))),
                score=weighted_sum(list(zip(weights, by_score, strict=True))),
                refer_all=sum(weights),
            )
        )
    return curve


def shift_to(prevalence: float, malignant: Floats, benign: Floats) -> float:
    """The step of log odds after which the scores' mean is the prevalence where that is the share of malignant lesions.

    The prior that a score was calibrated under is in no manifest, and the share of malignant images in a folder says how the
    folder was mixed. Calibration in the large on labels weighted to the prevalence needs neither: each kind counts by its mean,
    so that more images of one kind change nothing. It takes the intercept, one number, from the images that the curve is of.

    Args:
        prevalence: share 0..1, both excluded.
        malignant, benign: log odds of the scores of either kind, float64, at least one each.
    """
    low, high = -_FARTHEST, _FARTHEST
    while high - low > 1e-9:
        middle = (low + high) / 2
        means = [float((1 / (1 + np.exp(-(logits + middle)))).mean()) for logits in (malignant, benign)]
        if prevalence * means[0] + (1 - prevalence) * means[1] < prevalence:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def useful_range(curve: list[NetBenefit]) -> tuple[float, float] | None:
    """First and last threshold probability at which the locked point does better than referring all and referring none."""
    better = [point.threshold for point in curve if point.locked.value > max(0.0, point.refer_all)]
    return (better[0], better[-1]) if better else None


def logit(share: npt.ArrayLike) -> Floats:
    """Log odds of shares 0..1; those of 0 and 1 are as far out as 1e-12 is."""
    clipped = np.clip(np.asarray(share, dtype=np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(clipped / (1 - clipped)))
