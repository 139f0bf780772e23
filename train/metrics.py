"""Figures of merit from probabilities and labels, partial labels included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from mobile_runtime.taxonomy import Taxonomy, descendant_sum
from train.datasets import Example

Floats = npt.NDArray[np.float32]


def auc(truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating]) -> float:
    """Area under the ROC curve; NaN where only one class is present."""
    return float(roc_auc_score(truth, scores)) if 0 < truth.sum() < len(truth) else float("nan")


def truths(examples: Sequence[Example], aggregate: str, taxonomy: Taxonomy) -> npt.NDArray[np.float32]:
    """1 where a label belongs to the aggregate, 0 where not, NaN where the label leaves it open; [N]."""
    verdicts = [taxonomy.truth(aggregate, example.nodes) for example in examples]
    return np.array([np.nan if verdict is None else float(verdict) for verdict in verdicts], dtype=np.float32)


def exact_classes(examples: Sequence[Example], classes: Sequence[str], taxonomy: Taxonomy) -> npt.NDArray[np.int64]:
    """Index of each label's `Taxonomy.exact_class`, -1 where it has none; [N]."""
    found = {nodes: taxonomy.exact_class(nodes, classes) for nodes in {example.nodes for example in examples}}
    return np.array([-1 if (home := found[example.nodes]) is None else home for example in examples], dtype=np.int64)


def score(probabilities: Floats, examples: Sequence[Example], classes: Sequence[str], taxonomy: Taxonomy) -> dict[str, float]:
    """Balanced accuracy, per-class, macro and malignancy AUC over all examples, and malignancy AUC per data set.

    Class figures use the examples whose label is exactly one class; malignancy AUC those whose label decides it.

    Args:
        probabilities: float32 [N, C].
        examples: the N examples.
        classes: the C classes.
        taxonomy: the tree.

    Returns:
        Figure name -> value; figures that are undefined on these examples are left out.
    """
    truth = exact_classes(examples, classes, taxonomy)
    exact = truth >= 0
    truth = truth[exact]
    figures: dict[str, float] = {}
    if exact.any():
        figures["accuracy"] = float((probabilities[exact].argmax(1) == truth).mean())
        figures["balanced_accuracy"] = float(balanced_accuracy_score(truth, probabilities[exact].argmax(1)))
        for index, name in enumerate(classes):
            figures[f"auc_{name}"] = auc(truth == index, probabilities[exact][:, index])
        per_class = [figures[f"auc_{name}"] for name in classes]
        if not np.isnan(per_class).any():
            figures["auc_macro"] = float(np.mean(per_class))
    malignant = truths(examples, "malignancy", taxonomy)
    malignancy = descendant_sum(probabilities, taxonomy.aggregate_vector("malignancy", classes))
    known = ~np.isnan(malignant)
    figures["auc_malignancy"] = auc(malignant[known] == 1, malignancy[known])
    datasets = np.array([example.dataset for example in examples])
    for dataset in np.unique(datasets):
        chosen = known & (datasets == dataset)
        figures[f"auc_malignancy_{dataset}"] = auc(malignant[chosen] == 1, malignancy[chosen])
    return {name: value for name, value in figures.items() if not np.isnan(value)}
