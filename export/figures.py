"""Figures of a variant on labelled images: what the manifest and the model card state, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import balanced_accuracy_score

from mobile_runtime.manifest import Estimate, OperatingPoint
from mobile_runtime.pipeline import Prediction
from mobile_runtime.statistics import auc_estimate, bootstrap_estimate, proportion_estimate
from mobile_runtime.taxonomy import Taxonomy
from train.datasets import Example
from train.metrics import truths

AIMS = {
    "rule_out": "sensitivity >= 0.95",
    "balanced": "largest sensitivity + specificity",
    "rule_in": "specificity >= 0.95",
}
Bools = npt.NDArray[np.bool_]


def thresholds(truth: Bools, malignancy: npt.NDArray[np.float32]) -> dict[str, float]:
    """Decision thresholds on the malignancy score that meet each aim on these images.

    A threshold lies halfway between the neighbouring scores, so that rounding does not move a decision.

    Args:
        truth: [N].
        malignancy: float32 [N].
    """
    values = np.unique(malignancy.astype(np.float64))
    cuts = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2, [(values[-1] + 1) / 2]])
    sick, well = np.sort(malignancy[truth]), np.sort(malignancy[~truth])
    sensitivity = 1 - np.searchsorted(sick, cuts) / len(sick)
    specificity = np.searchsorted(well, cuts) / len(well)
    return {
        "rule_out": float(cuts[np.flatnonzero(sensitivity >= 0.95)[-1]]),
        "balanced": float(cuts[np.argmax(sensitivity + specificity)]),
        "rule_in": float(cuts[np.flatnonzero(specificity >= 0.95)[0]]),
    }


def lock_points(
    cuts: dict[str, float], truth: Bools, malignancy: npt.NDArray[np.float32], dataset: str
) -> dict[str, OperatingPoint]:
    """Sensitivity and specificity of fixed thresholds on images that did not choose them."""
    points = {}
    for name, cut in cuts.items():
        positive = malignancy >= cut
        points[name] = OperatingPoint(
            threshold=cut,
            aim=AIMS[name],
            sensitivity=proportion_estimate(int(positive[truth].sum()), int(truth.sum())),
            specificity=proportion_estimate(int((~positive[~truth]).sum()), int((~truth).sum())),
            dataset=dataset,
        )
    return points


def measure(
    prediction: Prediction,
    examples: Sequence[Example],
    classes: Sequence[str],
    taxonomy: Taxonomy,
    points: dict[str, OperatingPoint],
    resamples: int = 1000,
) -> dict[str, Estimate]:
    """AUCs, balanced accuracy, and sensitivity and specificity at each locked threshold, on one data set.

    Intervals: DeLong for AUCs, Wilson for proportions, bootstrap over lesions for means of several classes.
    """
    masks = np.stack([taxonomy.class_mask(example.nodes, classes) for example in examples])
    exact = masks.sum(1) == 1
    truth = masks.argmax(1)
    groups = np.unique([example.group for example in examples], return_inverse=True)[1]
    p = prediction.probabilities
    found: dict[str, Estimate] = {}
    malignant = truths(examples, "malignancy", taxonomy)
    known = ~np.isnan(malignant)
    sick = malignant[known] == 1
    score = prediction.malignancy[known]
    if 0 < sick.sum() < len(sick):
        found["auc_malignancy"] = auc_estimate(sick, score)
        for name, point in points.items():
            positive = score >= point.threshold
            found[f"sensitivity_{name}"] = proportion_estimate(int(positive[sick].sum()), int(sick.sum()))
            found[f"specificity_{name}"] = proportion_estimate(int((~positive[~sick]).sum()), int((~sick).sum()))
    present = [c for c in range(len(classes)) if 0 < (truth[exact] == c).sum() < exact.sum()]
    if len(present) == len(classes):
        rows = np.flatnonzero(exact)

        def macro_auc(chosen: npt.NDArray[np.intp]) -> float:
            picked = rows[chosen]
            return float(np.mean([auc_estimate(truth[picked] == c, p[picked, c]).value for c in present]))

        def balanced(chosen: npt.NDArray[np.intp]) -> float:
            return float(balanced_accuracy_score(truth[rows[chosen]], p[rows[chosen]].argmax(1)))

        found["auc_macro"] = bootstrap_estimate(macro_auc, groups[rows], resamples)
        found["balanced_accuracy"] = bootstrap_estimate(balanced, groups[rows], resamples)
        found["accuracy"] = proportion_estimate(int((p[rows].argmax(1) == truth[rows]).sum()), len(rows))
    if {"melanoma", "melanocytic_nevus"} <= set(classes):
        mel, nv = classes.index("melanoma"), classes.index("melanocytic_nevus")
        pair = exact & np.isin(truth, (mel, nv))
        if len(np.unique(truth[pair])) == 2:
            found["auc_melanoma_vs_nevus"] = auc_estimate(
                truth[pair] == mel, p[pair, mel] / (p[pair, mel] + p[pair, nv] + 1e-12)
            )
    return found
