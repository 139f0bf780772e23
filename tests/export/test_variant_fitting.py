"""What is fitted for a variant, on made-up scores."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pandas")

from scipy.special import expit, logit

from export.record import VariantRecord
from export.variant_fitting import REFUSAL_AIM, by_dataset, fit_variant, refusal_limit
from mobile_runtime.pipeline import Prediction
from tests.train.factories import example
from train.splits import Split

PRIMARY = "isic2019"
OPEN = "UNK"
"""A label that says neither malignant nor benign."""
COUNTS = {"val": {"MEL": 100, "NV": 200, OPEN: 50}, "test": {"MEL": 40, "NV": 120, OPEN: 30}}
CLASSES = ("melanoma", "melanocytic_nevus")


@pytest.mark.parametrize("count", [1, 7, 49, 50, 99, 100, 1703])
def test_no_more_than_the_aimed_share_is_refused_and_no_score_is_on_the_limit(count: int) -> None:
    scores = np.random.default_rng(count).permutation(np.linspace(0.5, 9, count)).astype(np.float32)
    limit = refusal_limit(scores)
    assert (scores > limit).sum() == int(count * REFUSAL_AIM)
    assert np.abs(scores / limit - 1).min() > 1e-4


@pytest.fixture
def split() -> Split:
    """Images of a primary data set, some with open labels, and of another one."""
    found: Split = {"train": []}
    for part, counts in COUNTS.items():
        labels = [label for label, count in counts.items() for _ in range(count)]
        found[part] = [example(number, label, f"{part}{number}", PRIMARY) for number, label in enumerate(labels)]
        found[part] += [example(number, "nv", f"{part}{number}") for number in range(100)]
    return found


def outputs(split: Split, offset: float = 0.0) -> dict[str, Prediction]:
    """What a network that is right mostly says; `offset` is added to its logits. The other data set is the more unusual one."""
    rng = np.random.default_rng(0)
    found = {}
    for part in ("val", "test"):
        malignant = np.array([e.label == "MEL" for e in split[part]])
        scores = expit(rng.normal(np.where(malignant, 1.5, -1.5)) + offset).astype(np.float32)
        unusual = rng.uniform(1, 2, len(scores)) * np.where([e.dataset == PRIMARY for e in split[part]], 1, 2)
        found[part] = Prediction(np.stack([scores, 1 - scores], 1), scores, {"malignancy": scores}, unusual.astype(np.float32))
    return found


def fitted(split: Split, said: dict[str, Prediction], reference: Prediction) -> VariantRecord:
    return fit_variant(split, said, reference, PRIMARY, CLASSES, 1.0, "")


def test_what_is_stated_of_a_threshold_is_measured_on_decided_test_images(split: Split) -> None:
    said = outputs(split)
    # None of the malignant test images is found, all those for validation are: who stated the latter would state 1.
    said["test"].malignancy[:40] = 0.001
    said["val"].malignancy[:100] = np.linspace(0.9, 0.99, 100)
    record = fitted(split, said, said["val"])
    for name, point in record.operating_points.items():
        assert (point.sensitivity.value, point.sensitivity.n) == (0, COUNTS["test"]["MEL"])
        assert point.specificity.n == COUNTS["test"]["NV"], "open labels are not benign"
        assert point.dataset == f"{PRIMARY} test split"
        assert record.metrics[PRIMARY][f"sensitivity_{name}"] == point.sensitivity
    assert record.metrics.keys() == {PRIMARY, "ham10000"}


def test_open_labels_do_not_set_thresholds(split: Split) -> None:
    said = outputs(split)
    known = fitted(split, said, said["val"]).operating_points
    opened = [e.label == OPEN for e in split["val"]]
    said["val"].malignancy[opened] = 0.999
    again = fitted(split, said, said["val"]).operating_points
    assert {name: point.threshold for name, point in again.items()} == {name: point.threshold for name, point in known.items()}


def test_a_variant_whose_odds_are_halved_has_halved_thresholds_and_the_same_decisions(split: Split) -> None:
    reference, halved = outputs(split), outputs(split, offset=-np.log(2))
    first, second = (fitted(split, said, reference["val"]).operating_points for said in (reference, halved))
    for name, point in first.items():
        assert logit(second[name].threshold) == pytest.approx(logit(point.threshold) - np.log(2), abs=1e-4)
        assert (second[name].sensitivity, second[name].specificity) == (point.sensitivity, point.specificity)


def test_abstention_refuses_the_aimed_share_of_the_most_unusual_data_set_and_states_that_of_the_test_images(
    split: Split,
) -> None:
    said = outputs(split)
    said["test"].outlier[:10] = 9.0
    abstention = fitted(split, said, said["val"]).abstention
    refused = {part: said[part].outlier > abstention.limit for part in ("val", "test")}
    rows = by_dataset(split["val"])
    assert {name: int(refused["val"][kept].sum()) for name, kept in rows.items()} == {PRIMARY: 0, "ham10000": 100 * REFUSAL_AIM}
    assert refused["test"].sum() >= 10
    assert (abstention.refused.value, abstention.refused.n) == (refused["test"].mean(), len(split["test"]))
