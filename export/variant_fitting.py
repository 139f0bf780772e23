"""What is fitted on validation images and measured on test images for one variant: thresholds, limit of abstention, figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from export.figures import carried, lock_points, measure, thresholds
from export.record import VariantRecord
from mobile_runtime.errors import DataError
from mobile_runtime.manifest import AbstentionLimit
from mobile_runtime.pipeline import Prediction
from mobile_runtime.proportions import proportion
from mobile_runtime.statistics import Bools, Integers
from mobile_runtime.taxonomy import default_taxonomy
from train.datasets import Example
from train.metrics import truths
from train.splits import Split
from train.tables import group_numbers

REFUSAL_AIM = 0.02
"""Share of any data set's validation images that abstention may refuse."""


def by_dataset(examples: Sequence[Example]) -> dict[str, list[int]]:
    """Data set -> the rows of its examples."""
    rows: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        rows.setdefault(example.dataset, []).append(index)
    return rows


def as_prediction(outputs: dict[str, npt.NDArray[np.float32]]) -> Prediction:
    """A variant's outputs as the runtime gives them."""
    scores = outputs["scores"]
    return Prediction(outputs["probabilities"], scores[:, 0], {"malignancy": scores[:, 0]}, outputs["outlier"][:, 0])


def fit_variant(
    split: Split,
    outputs: dict[str, Prediction],
    reference: Prediction,
    primary: str,
    classes: tuple[str, ...],
    temperature: float,
    how: str,
) -> VariantRecord:
    """Fit a variant's thresholds and limit on the validation images, and measure it on the test images.

    Args:
        split: the images.
        outputs: "val" and "test" -> what the variant says of them.
        reference: what the float32 variant says of the validation images.
        primary: the data set whose images set the thresholds.
        classes: the training classes.
        temperature: with which the outputs were made.
        how: for the record, how it was run if not by a runtime; else "".

    Raises:
        DataError: the validation images of the primary data set are all malignant or all benign.
    """
    taxonomy = default_taxonomy()
    rows = {part: by_dataset(split[part]) for part in ("val", "test")}
    truth = {part: truths(split[part], "malignancy", taxonomy) for part in ("val", "test")}

    def known(part: str, prediction: Prediction) -> tuple[Bools, npt.NDArray[np.float32], Integers]:
        kept = [i for i in rows[part].get(primary, []) if not np.isnan(truth[part][i])]
        return truth[part][kept] == 1, prediction.malignancy[kept], group_numbers([split[part][i] for i in kept])

    sick, malignancy, groups = known("val", reference)
    if sick.all() or not sick.any():
        raise DataError(f"the validation images of {primary} are all of one kind; thresholds need malignant and benign")
    cuts = carried(thresholds(sick, malignancy, groups), malignancy, known("val", outputs["val"])[1])
    points = lock_points(cuts, *known("test", outputs["test"]), dataset=", ".join(filter(None, (f"{primary} test split", how))))
    metrics = {
        dataset: measure(_part(outputs["test"], kept), [split["test"][i] for i in kept], classes, taxonomy, points)
        for dataset, kept in rows["test"].items()
    }
    abstention = _abstention(outputs["val"], outputs["test"], rows["val"], group_numbers(split["test"]))
    return VariantRecord(temperature=temperature, operating_points=points, abstention=abstention, metrics=metrics)


def shared(fitted: VariantRecord, source: str) -> VariantRecord:
    """What was fitted for one form, for another of the same numbers that was not measured itself."""
    points = {
        name: point.model_copy(update={"dataset": f"{point.dataset}, measured on {source}"})
        for name, point in fitted.operating_points.items()
    }
    abstention = fitted.abstention.model_copy(update={"dataset": f"{fitted.abstention.dataset}, measured on {source}"})
    return fitted.model_copy(update={"operating_points": points, "abstention": abstention, "metrics": {}})


def _part(prediction: Prediction, rows: list[int]) -> Prediction:
    scores = {name: values[rows] for name, values in prediction.scores.items()}
    return Prediction(prediction.probabilities[rows], prediction.malignancy[rows], scores)


def refusal_limit(outlier: npt.NDArray[np.float32]) -> float:
    """The limit above which no more than `REFUSAL_AIM` of these scores [N] lie.

    It is halfway between neighbouring scores, so that rounding does not move a decision; of so few that none may be refused,
    a little above the largest.
    """
    values = np.sort(outlier.astype(np.float64))
    largest_kept = len(values) - 1 - int(len(values) * REFUSAL_AIM)
    return float(np.append(values, 1.01 * values[-1])[largest_kept : largest_kept + 2].mean())


def _abstention(val: Prediction, test: Prediction, rows: dict[str, list[int]], groups: Integers) -> AbstentionLimit:
    """The limit that refuses no more than the aimed share of any data set's validation images."""
    assert val.outlier is not None
    assert test.outlier is not None
    limit = max(refusal_limit(val.outlier[kept]) for kept in rows.values())
    refused = proportion(test.outlier > limit, groups)
    assert refused is not None
    return AbstentionLimit(limit=limit, aim=REFUSAL_AIM, refused=refused, dataset="test split, all data sets")
