"""Drift: the figures of two forms of one network, by hand and by another library."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from compress.conversion import Forms
from compress.drift import ask, probability_error
from compress.sensitivity import Workbench
from mobile_runtime.errors import DataError
from mobile_runtime.synthetic import LABELS
from mobile_runtime.taxonomy import default_taxonomy
from tests.compress.conftest import ShallowNetwork
from tests.compress.graphs import run

CLASSES = [default_taxonomy().nodes_of("ham10000", label)[0] for label in LABELS]
MALIGNANT = np.array([label in ("akiec", "bcc", "mel") for label in LABELS])


def bench(shallow: ShallowNetwork, malignant: np.ndarray) -> Workbench:
    return Workbench(shallow.calibration, np.arange(56) % 2 == 1, shallow.images[:14], malignant, np.arange(14) // 2)


def test_figures_are_those_of_the_graphs(shallow: ShallowNetwork) -> None:
    truth = np.tile(MALIGNANT, 2)
    drift = ask(shallow.forms, bench(shallow, truth), CLASSES).drift()
    float32, int8 = (run(graph, shallow.images[:14])["probabilities"] for graph in (shallow.forms.float32, shallow.forms.int8))
    assert drift.auc_float32.value == pytest.approx(roc_auc_score(truth, float32[:, MALIGNANT].sum(1)), abs=1e-9)
    assert drift.auc_int8.value == pytest.approx(roc_auc_score(truth, int8[:, MALIGNANT].sum(1)), abs=1e-9)
    assert drift.int8_minus_float32.value == pytest.approx(drift.auc_int8.value - drift.auc_float32.value)
    assert drift.auc_int8.low <= drift.auc_int8.value <= drift.auc_int8.high
    assert drift.largest == pytest.approx(np.abs(float32 - int8).max())
    assert drift.images == 14


def test_a_network_has_no_drift_from_itself(shallow: ShallowNetwork) -> None:
    same = Forms(shallow.forms.float32, shallow.forms.float32)
    drift = ask(same, bench(shallow, np.tile(MALIGNANT, 2)), CLASSES).drift()
    assert (drift.largest, drift.mean, drift.int8_minus_float32.value, drift.int8_minus_float32.p_value) == (0, 0, 0, 1)


def test_images_of_one_kind_have_no_auc(shallow: ShallowNetwork) -> None:
    with pytest.raises(DataError, match="all malignant or all benign"):
        ask(shallow.forms, bench(shallow, np.ones(14, bool)), CLASSES)


def test_probability_error_is_the_largest_and_the_mean() -> None:
    assert probability_error(np.float32([[0.5, 0.5]]), np.float32([[0.25, 0.75]])) == (0.25, 0.25)
