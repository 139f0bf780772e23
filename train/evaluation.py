"""Judging a network as Esteva et al. 2017 did: three-way, nine-way and binary tasks through the tree of diseases.

The probability of a node is the sum over the training classes below it; "accuracy" is the mean of the recalls (Methods,
"Inference algorithm" and "Confusion matrices"). A task whose classes are not in the data says so and has no figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_curve

from mobile_runtime.intervals import wilson
from mobile_runtime.manifest import Estimate
from mobile_runtime.proportions import proportion
from mobile_runtime.reliability import expected_calibration_error, reliability
from mobile_runtime.statistics import Measure, auc, balanced_accuracy
from mobile_runtime.taxonomy import Taxonomy, descendant_sum
from train.datasets import Example
from train.evaluation_results import Bin, Calibration, Evaluation, Level, Point, Readers, Subgroup, Task
from train.metrics import truths
from train.notes import group_notes
from train.subgroups import acquisition, subgroup_values
from train.tables import group_numbers

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
AMONG = {None: "", "photograph": " among the photographs", "dermoscopy": " among the dermoscopy images"}
CARCINOMAS = ("basal_cell_carcinoma", "squamous_cell_carcinoma")


@dataclass(frozen=True)
class BinaryTask:
    """Two sets of nodes to be told apart; `only` keeps one kind of acquisition."""

    title: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    only: str | None = None


TASKS = {
    "carcinoma": BinaryTask("carcinoma against seborrheic keratosis", CARCINOMAS, ("seborrheic_keratosis",)),
    "melanoma": BinaryTask("melanoma against nevus, photographs", ("melanoma",), ("melanocytic_nevus",), "photograph"),
    "dermoscopy": BinaryTask("melanoma against nevus, dermoscopy", ("melanoma",), ("melanocytic_nevus",), "dermoscopy"),
}


def evaluate(
    probabilities: Floats,
    examples: Sequence[Example],
    classes: Sequence[str],
    taxonomy: Taxonomy,
    *,
    run: str,
    part: str,
    readers: Mapping[str, Sequence[Point]] | None = None,
    subgroup_floor: int = 20,
) -> Evaluation:
    """All figures of one network.

    Args:
        probabilities: float32 [N, C].
        examples: the N examples.
        classes: the C training classes, as nodes.
        taxonomy: the tree.
        run: name of the run.
        part: name of the part of the data.
        readers: task -> points (1 - specificity, sensitivity) of people who did it.
        subgroup_floor: a subgroup with fewer images, or with fewer than a quarter as many of either kind, gets no figure.
    """
    groups = group_numbers(examples)
    malignancy = descendant_sum(probabilities, taxonomy.aggregate_vector("malignancy", classes))
    malignant = truths(examples, "malignancy", taxonomy)
    known = ~np.isnan(malignant)
    sick = malignant == 1
    tops = taxonomy.children(taxonomy.root)
    kinds = {"three_way": tops, "nine_way": [group for top in tops for group in taxonomy.children(top)], "classes": classes}
    names, counts = np.unique([example.dataset for example in examples], return_counts=True)
    return Evaluation(
        run=run,
        part=part,
        images=len(examples),
        groups=len(np.unique(groups)),
        datasets={str(name): int(count) for name, count in zip(names, counts, strict=True)},
        auc_malignancy=_estimate(auc(sick[known], malignancy[known]), groups[known]),
        levels={name: _level(nodes, probabilities, examples, classes, taxonomy, groups) for name, nodes in kinds.items()},
        tasks={
            name: _task(task, malignancy, examples, taxonomy, groups, (readers or {}).get(name)) for name, task in TASKS.items()
        },
        calibration=Calibration(
            images=int(known.sum()),
            ece=expected_calibration_error(sick[known], malignancy[known]),
            bins=[Bin(**vars(b)) for b in reliability(sick[known], malignancy[known])],
        ),
        subgroups=_subgroups(examples, sick, known, malignancy, groups, subgroup_floor),
        subgroup_floor=subgroup_floor,
        notes=group_notes(examples),
    )


def _estimate(measure: Measure | None, groups: Integers) -> Estimate | None:
    return measure.estimate(np.unique(groups, return_inverse=True)[1]) if measure else None


def _level(
    nodes: Sequence[str],
    probabilities: Floats,
    examples: Sequence[Example],
    classes: Sequence[str],
    taxonomy: Taxonomy,
    groups: Integers,
) -> Level:
    masks = [np.array([taxonomy.covers(node, c) for c in classes], dtype=np.float32) for node in nodes]
    sums = np.stack([descendant_sum(probabilities, mask) for mask in masks], -1)
    sums[:, [not mask.any() for mask in masks]] = -1.0
    of_nodes = {labels: _home(labels, nodes, taxonomy) for labels in {example.nodes for example in examples}}
    truth = np.array([of_nodes[example.nodes] for example in examples])
    decided = truth >= 0
    truth, answers = truth[decided], sums.argmax(-1)[decided]
    confusion = np.zeros((len(nodes), len(nodes)), dtype=int)
    np.add.at(confusion, (truth, answers), 1)
    present = confusion.sum(1) > 0
    enough = present.sum() > 1 and sum(mask.any() for mask in masks) > 1
    return Level(
        nodes=list(nodes),
        absent_in_data=[node for node, there in zip(nodes, present, strict=True) if not there],
        absent_in_model=[node for node, mask in zip(nodes, masks, strict=True) if not mask.any()],
        images=len(truth),
        left_out=int((~decided).sum()),
        balanced_accuracy=_estimate(balanced_accuracy(truth, answers), groups[decided]) if enough else None,
        accuracy=proportion(truth == answers, groups[decided]) if enough else None,
        confusion=confusion.tolist(),
    )


def _home(labels: Sequence[str], nodes: Sequence[str], taxonomy: Taxonomy) -> int:
    """Index of the one node that holds all of a label's meanings, -1 where none does."""
    return next((i for i, node in enumerate(nodes) if all(taxonomy.covers(node, label) for label in labels)), -1)


def _task(
    task: BinaryTask,
    malignancy: Floats,
    examples: Sequence[Example],
    taxonomy: Taxonomy,
    groups: Integers,
    readers: Sequence[Point] | None,
) -> Task:
    def members(nodes: Sequence[str]) -> Bools:
        inside = [all(any(taxonomy.covers(n, label) for n in nodes) for label in e.nodes) for e in examples]
        kept = [task.only is None or acquisition(e) == task.only for e in examples]
        return np.array(inside) & np.array(kept)

    positive, negative = members(task.positive), members(task.negative)
    chosen = positive | negative
    points = [(float(x), float(y)) for x, y in readers or ()]
    counts = {"positives": int(positive.sum()), "negatives": int(negative.sum())}
    measure = auc(positive[chosen], malignancy[chosen])
    if measure is None:
        pairs = ((task.positive, positive), (task.negative, negative))
        missing = " nor ".join(" or ".join(taxonomy.names[n] for n in nodes) for nodes, there in pairs if not there.any())
        told = Readers(points=points, under_curve=None) if points else None
        return Task(title=task.title, **counts, absent=f"no {missing}{AMONG[task.only]}", auc=None, curve=[], readers=told)
    curve = roc_points(positive[chosen], malignancy[chosen])
    under = sum(height(curve, x) > y for x, y in points)
    told = Readers(points=points, under_curve=wilson(under, len(points))) if points else None
    return Task(title=task.title, **counts, absent=None, auc=_estimate(measure, groups[chosen]), curve=curve, readers=told)


def roc_points(truth: Bools, scores: Floats) -> list[Point]:
    """The ROC curve as points (1 - specificity, sensitivity) from (0, 0) to (1, 1), one per distinct score.

    Args:
        truth: bool [N] with both classes.
        scores: float [N].
    """
    fall_out, recall, _ = roc_curve(truth, scores, drop_intermediate=False)
    return [(float(x), float(y)) for x, y in zip(fall_out, recall, strict=True)]


def height(curve: Sequence[Point], x: float) -> float:
    """Sensitivity of a ROC curve at 1 - specificity = x, the highest where the curve rises steeply."""
    xs, ys = np.array(curve).T
    at = int(np.searchsorted(xs, x, side="right")) - 1
    if at + 1 == len(xs):
        return float(ys[at])
    return float(np.interp(x, xs[at : at + 2], ys[at : at + 2]))


def _subgroups(
    examples: Sequence[Example], sick: Bools, known: Bools, malignancy: Floats, groups: Integers, floor: int
) -> list[Subgroup]:
    found = []
    for attribute, values in subgroup_values(examples).items():
        for value in sorted(set(values) - {""}):
            rows = known & np.array([v == value for v in values])
            count, malignant = int(rows.sum()), int(sick[rows].sum())
            few = count < floor or min(malignant, count - malignant) < floor / 4
            remark = f"under {floor} images, or under {-(-floor // 4)} malignant or benign ones" if few else None
            estimate = None if few else _estimate(auc(sick[rows], malignancy[rows]), groups[rows])
            found.append(
                Subgroup(attribute=attribute, value=value, images=count, malignant=malignant, auc=estimate, remark=remark)
            )
    return found
