"""Figures of merit: by hand, by brute force, and with labels that leave things open."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_runtime.taxonomy import HAM10000_CLASSES, default_taxonomy
from tests.train.factories import example
from train.metrics import auc, exact_classes, score, truths

TREE = default_taxonomy()
LABELS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def one_hot(*labels: str) -> np.ndarray:
    return np.eye(7, dtype=np.float32)[[LABELS.index(label) for label in labels]]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(pairs: list[tuple[bool, int]]) -> None:
    truth = np.array([positive for positive, _ in pairs])
    scores = np.array([value / 8 for _, value in pairs], np.float32)
    above = [(p > n) + 0.5 * (p == n) for p in scores[truth] for n in scores[~truth]]
    if above:
        assert auc(truth, scores) == pytest.approx(np.mean(above), abs=1e-12)  # sums of halves in float64
    else:
        assert math.isnan(auc(truth, scores))


def test_truths_of_partial_labels() -> None:
    examples = [
        example(0, "mel"),
        example(1, "nv"),
        example(2, "akiec"),
        example(3, "0", dataset="isic2017"),
        example(4, "SCC", dataset="pad_ufes_20"),
    ]
    np.testing.assert_array_equal(truths(examples, "malignancy", TREE), [1, 0, 1, 0, 1])
    np.testing.assert_array_equal(truths(examples, "cancer", TREE), [1, 0, 0, 0, 1])
    unsure = example(5)
    open_label = type(unsure)(unsure.image_id, unsure.path, "ham10000", "?", ("skin_condition",), unsure.group)
    assert np.isnan(truths([open_label], "malignancy", TREE)).all()


def test_a_perfect_and_a_constant_classifier() -> None:
    examples = [example(i, label) for i, label in enumerate(LABELS * 2)]
    perfect = score(one_hot(*LABELS * 2), examples, HAM10000_CLASSES, TREE)
    assert set(perfect) >= {f"auc_{name}" for name in HAM10000_CLASSES}
    assert set(perfect.values()) == {1.0}
    constant = score(np.full((14, 7), 1 / 7, np.float32), examples, HAM10000_CLASSES, TREE)
    # argmax of equals is the first class, which is right for one class of seven.
    assert constant["balanced_accuracy"] == pytest.approx(1 / 7)
    assert constant["auc_macro"] == constant["auc_malignancy"] == 0.5


def test_figures_of_a_small_case_by_hand() -> None:
    examples = [example(i, label) for i, label in enumerate(["nv", "nv", "nv", "mel", "bcc"])]
    #          akiec bcc  bkl   df  mel   nv  vasc
    rows = [
        [0.00, 0.1, 0.0, 0.0, 0.1, 0.8, 0.0],  # nv, malignancy 0.2
        [0.00, 0.0, 0.0, 0.0, 0.6, 0.4, 0.0],  # nv, malignancy 0.6, wrong
        [0.25, 0.0, 0.0, 0.0, 0.0, 0.75, 0.0],  # nv, malignancy 0.25
        [0.00, 0.0, 0.0, 0.0, 0.5, 0.25, 0.25],  # mel, malignancy 0.5
        [0.50, 0.2, 0.3, 0.0, 0.0, 0.0, 0.0],  # bcc, malignancy 0.7, wrong
    ]
    figures = score(np.array(rows, np.float32), examples, HAM10000_CLASSES, TREE)
    assert figures["accuracy"] == pytest.approx(3 / 5)
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert figures["auc_melanoma"] == pytest.approx(3 / 4)
    assert figures["auc_basal_cell_carcinoma"] == 1
    assert figures["auc_melanocytic_nevus"] == 1
    assert figures["auc_malignancy"] == figures["auc_malignancy_ham10000"] == pytest.approx(5 / 6)
    assert "auc_macro" not in figures, "an average over the classes that happen to be there would be another figure"
    assert "auc_dermatofibroma" not in figures


def test_a_label_that_only_climbs_to_a_class_is_not_of_it() -> None:
    two = ("melanoma", "melanocytic_nevus")
    examples = [example(0, "nv"), example(1, "mel"), example(2, "bcc"), example(3, "df")]
    assert exact_classes(examples, two, TREE).tolist() == [1, 0, -1, -1]
    assert exact_classes(examples, HAM10000_CLASSES, TREE).min() >= 0
    assert exact_classes([example(0, "0", dataset="isic2017")], HAM10000_CLASSES, TREE).tolist() == [-1]


def test_partial_labels_count_where_they_decide() -> None:
    examples = [
        example(0, "nv"),
        example(1, "mel"),
        example(2, "0", dataset="isic2017"),
        example(3, "1", dataset="isic2017"),
        example(4, "SCC", dataset="pad_ufes_20"),
    ]
    probabilities = one_hot("nv", "mel", "mel", "mel", "nv")
    figures = score(probabilities, examples, HAM10000_CLASSES, TREE)
    assert figures["accuracy"] == 1, "a label of two classes is no exact label"
    assert figures["auc_malignancy_ham10000"] == 1
    assert figures["auc_malignancy_isic2017"] == 0.5
    assert "auc_malignancy_pad_ufes_20" not in figures, "one verdict only"
    # Malignant: 1, 3 (score 1) and 4 (score 0); benign: 0 (score 0) and 2 (score 1). Pairs: 1+.5, 1+.5, .5+0 of 6.
    assert figures["auc_malignancy"] == pytest.approx(3.5 / 6)


def test_no_figure_is_made_up_where_there_is_nothing_to_judge() -> None:
    assert score(one_hot("mel"), [example(0, "1", dataset="isic2017")], HAM10000_CLASSES, TREE).keys() == {
        "accuracy",
        "balanced_accuracy",
    }
    assert score(one_hot("nv"), [example(0, "0", dataset="isic2017")], HAM10000_CLASSES, TREE) == {}
