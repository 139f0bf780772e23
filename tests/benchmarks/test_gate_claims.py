"""What a build states of itself, held against what was measured."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks import stored_results
from tests.benchmarks.judging import judged

LIMIT = {"figure": "drift.*.auc_malignancy", "at_least": 0.7}


def stating(value: float, low: float, dataset: str) -> dict[str, Any]:
    document = stored_results.drift()
    document["default_variant"], document["default_operating_point"] = "int8", "rule_out"
    stated = {"value": value, "low": low, "high": 1.0, "n": 271}
    for variant in document["variants"].values():
        point = variant["operating_points"]["rule_out"]
        point.update(stated=stated, stated_on=dataset, sensitivity={"value": 0.87, "low": 0.83, "high": 0.91, "n": 271})
    return document


def test_a_build_that_finds_fewer_than_it_states_does_not_ship() -> None:
    found = judged(LIMIT, stating(0.99, 0.97, "ham10000 test split"))
    failed = [check for check in found.checks if check.outcome == "failed"]
    assert not found.ship
    assert {check.figure for check in failed} == {f"drift.ham10000.{v}.sensitivity_at_rule_out" for v in ("float32", "int8")}
    said = "0.870 (0.830 to 0.910, n=271), where the bundle states 0.990 (0.970 to 1.000, n=271) of ham10000 test split"
    assert said in failed[0].said


@pytest.mark.parametrize("low", [0.91, 0.5])
def test_what_intervals_allow_is_no_false_claim(low: float) -> None:
    assert judged(LIMIT, stating(0.99, low, "ham10000 test split")).ship


def test_on_other_images_a_difference_is_named_and_not_judged() -> None:
    found = judged(LIMIT, stating(0.99, 0.97, "isic2017 test split"))
    assert found.ship
    assert [note for note in found.notes if "it finds fewer here" in note] == [
        "drift.ham10000.int8.sensitivity_at_rule_out: 0.870 (0.830 to 0.910, n=271), apps show "
        "0.990 (0.970 to 1.000, n=271) of isic2017 test split: it finds fewer here"
    ]
