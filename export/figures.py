"""Figures of a variant on labelled images: what the manifest and the model card state, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from mobile_runtime.manifest import Estimate, OperatingPoint
from mobile_runtime.pipeline import Prediction
from mobile_runtime.proportions import proportion
from mobile_runtime.statistics import Bools, Integers, Measure, auc, balanced_accuracy, mean_of
from mobile_runtime.taxonomy import Taxonomy
from train.datasets import Example
from train.metrics import exact_classes, truths
from train.tables import group_numbers

SENSITIVITY = 0.95
AIMS = {
    "rule_out": f"sensitivity >= {SENSITIVITY}",
    "balanced": "largest sensitivity + specificity",
    "rule_in": "specificity >= 0.95",
}
NEAREST = 100
"""So many images around a threshold say how far it moves from one variant to another."""


def thresholds(truth: Bools, malignancy: npt.NDArray[np.float32], groups: Integers) -> dict[str, float]:
    """Decision thresholds on the malignancy score that meet each aim on these images, `rule_out` by a standard error.

    A threshold that just meets an aim on the images that chose it misses it on others as often as not. What `rule_out` misses
    is reassured, so that it is asked for one standard error more, of as many lesions as there are, or for all of them.

    A threshold lies halfway between the neighbouring scores, so that rounding does not move a decision.

    Args:
        truth: [N].
        malignancy: float32 [N].
        groups: int [N], the lesion or patient of each image.
    """
    values = np.unique(malignancy.astype(np.float64))
    cuts = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2, [(values[-1] + 1) / 2]])
    sick, well = np.sort(malignancy[truth]), np.sort(malignancy[~truth])
    sensitivity = 1 - np.searchsorted(sick, cuts) / len(sick)
    specificity = np.searchsorted(well, cuts) / len(well)
    lesions = len(np.unique(groups[truth]))
    enough = min(1.0, SENSITIVITY + float(np.sqrt(SENSITIVITY * (1 - SENSITIVITY) / lesions)))
    return {
        "rule_out": float(cuts[np.flatnonzero(sensitivity >= enough)[-1]]),
        "balanced": float(cuts[np.argmax(sensitivity + specificity)]),
        "rule_in": float(cuts[np.flatnonzero(specificity >= 0.95)[0]]),
    }


def carried(cuts: dict[str, float], reference: npt.NDArray[np.float32], own: npt.NDArray[np.float32]) -> dict[str, float]:
    """The thresholds by which another variant of the network decides as the first one does.

    Fitted by itself, each variant's threshold would hang on the one or two lesions nearest to it, and variants would differ by
    more than their arithmetic does. Here a threshold moves by the median difference of logits of the images around it.

    Args:
        cuts: the first variant's thresholds.
        reference: malignancy scores of the first variant, float32 [N].
        own: those of the other one for the same images, float32 [N]; equal ones leave the thresholds as they are.
    """
    first, second = (logit(np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)) for scores in (reference, own))
    moved = {}
    for name, cut in cuts.items():
        near = np.argsort(np.abs(first - logit(cut)), kind="stable")[:NEAREST]
        shift = float(np.median(second[near] - first[near]))
        moved[name] = float(expit(logit(cut) + shift)) if shift else cut
    return moved


def lock_points(
    cuts: dict[str, float], truth: Bools, malignancy: npt.NDArray[np.float32], groups: Integers, dataset: str
) -> dict[str, OperatingPoint]:
    """Sensitivity and specificity of fixed thresholds on images that did not choose them; a group's images count as one."""
    points = {}
    for name, cut in cuts.items():
        positive = malignancy.astype(np.float64) >= cut  # as the runtime compares them
        points[name] = OperatingPoint(
            threshold=cut,
            aim=AIMS[name],
            sensitivity=_share(positive[truth], groups[truth]),
            specificity=_share(~positive[~truth], groups[~truth]),
            dataset=dataset,
        )
    return points


def _share(hits: Bools, groups: Integers) -> Estimate:
    return proportion(hits, groups) or Estimate(value=0.0, low=0.0, high=1.0, n=0)


def measure(
    prediction: Prediction,
    examples: Sequence[Example],
    classes: Sequence[str],
    taxonomy: Taxonomy,
    points: dict[str, OperatingPoint],
) -> dict[str, Estimate]:
    """AUCs, balanced accuracy, and sensitivity and specificity at each locked threshold, on one data set.

    Intervals take the images of a lesion or patient as one: of AUCs by DeLong's error on the logit scale, of proportions
    Wilson's for the effective number of images.
    """
    truth = exact_classes(examples, classes, taxonomy)
    exact = truth >= 0
    groups = group_numbers(examples)
    p = prediction.probabilities
    found: dict[str, Estimate | None] = {}

    def estimate(measure: Measure | None, rows: Bools) -> Estimate | None:
        return measure.estimate(np.unique(groups[rows], return_inverse=True)[1]) if measure else None

    malignant = truths(examples, "malignancy", taxonomy)
    known = ~np.isnan(malignant)
    sick, score = malignant[known] == 1, prediction.malignancy[known].astype(np.float64)
    found["auc_malignancy"] = estimate(auc(sick, score), known)
    for name, point in points.items():
        positive = score >= point.threshold
        found[f"sensitivity_{name}"] = proportion(positive[sick], groups[known][sick])
        found[f"specificity_{name}"] = proportion(~positive[~sick], groups[known][~sick])
    labels, outputs = truth[exact], p[exact]
    if len(set(labels)) == len(classes):
        per_class = [auc(labels == c, outputs[:, c]) for c in range(len(classes))]
        found["auc_macro"] = estimate(mean_of([m for m in per_class if m]), exact)
        found["balanced_accuracy"] = estimate(balanced_accuracy(labels, outputs.argmax(1)), exact)
        found["accuracy"] = proportion(outputs.argmax(1) == labels, groups[exact])
    if {"melanoma", "melanocytic_nevus"} <= set(classes):
        mel, nv = classes.index("melanoma"), classes.index("melanocytic_nevus")
        pair = exact & np.isin(truth, (mel, nv))
        found["auc_melanoma_vs_nevus"] = estimate(
            auc(truth[pair] == mel, p[pair, mel] / (p[pair, mel] + p[pair, nv] + 1e-12)), pair
        )
    return {name: value for name, value in found.items() if value is not None}
