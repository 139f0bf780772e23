"""Risk among the images that are kept when the least sure ones are refused."""

from __future__ import annotations

import numpy as np

from benchmarks.decision_curve import logit
from benchmarks.decision_results import CoveragePoint
from benchmarks.verdicts import Judged
from mobile_runtime.proportions import proportion
from mobile_runtime.statistics import Bools, Floats, Integers, auc

COVERAGES = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


def coverage_curves(judged: Judged) -> dict[str, list[CoveragePoint]]:
    """Risk among the images kept, by ordering, over the images whose label says whether they are malignant.

    Decisions here are the score against the threshold, without the gates: the curve shows what a gate could do.
    """
    decided = judged.truth.decided
    if not decided.any():
        return {}
    distance = np.abs(logit(judged.malignancy) - logit(judged.point.threshold))
    orders = {"margin": -distance} if judged.outlier is None else {"outlier": judged.outlier, "margin": -distance}
    score, malignant, groups = judged.malignancy[decided], judged.truth.malignant[decided], judged.truth.groups[decided]
    return {
        name: coverage_curve(order[decided], score, malignant, groups, judged.point.threshold) for name, order in orders.items()
    }


def coverage_curve(order: Floats, score: Floats, malignant: Bools, groups: Integers, threshold: float) -> list[CoveragePoint]:
    """Risk among the images kept when those with the largest `order` are refused; all arrays [N]."""
    ranked = np.argsort(order, kind="stable")
    points = []
    for coverage in COVERAGES:
        kept = ranked[: max(1, round(coverage * len(ranked)))]
        ill, referred = malignant[kept], score[kept] >= threshold
        _, numbers = np.unique(groups[kept], return_inverse=True)
        curve = auc(ill, score[kept])
        points.append(
            CoveragePoint(
                coverage=coverage,
                limit=float(order[kept[-1]]),
                missed=proportion(~referred[ill], groups[kept][ill]),
                wrong=proportion(referred != ill, groups[kept]),
                auc_malignancy=curve.estimate(numbers) if curve else None,
            )
        )
    return points
