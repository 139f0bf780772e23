"""The release gate and limits that decide otherwise than they did."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mobile_runtime import Bundle
from mobile_runtime.golden import GOLDEN
from tests.export.checking import edit, only, report

pytestmark = pytest.mark.slow


def test_thresholds_that_decide_otherwise_fail_on_golden_images(own: Path) -> None:
    def raise_thresholds(document: dict[str, Any]) -> None:
        for point in document["variants"]["float16"]["operating_points"].values():
            point["threshold"] = 0.999

    edit(own, raise_thresholds)
    status, _, failures = report(own, *only("float16"))
    assert status == 1
    assert any("another decision on" in failure for failure in failures["float16"])


@pytest.mark.parametrize("what", ["rule_out", "abstention"])
def test_limits_that_are_wrong_in_all_variants_alike_fail_by_the_golden_decisions(own: Path, what: str) -> None:
    def corrupt(document: dict[str, Any]) -> None:
        for variant in document["variants"].values():
            if what == "abstention":
                variant["abstention"]["limit"] = 0.5
            else:
                variant["operating_points"][what]["threshold"] = 0.9999

    edit(own, corrupt)
    names = ("float32", "float16", "float32_onnx")
    status, document, failures = report(own, *only(*names))
    assert status == 1
    assert document["problem"] is None
    for name in names:
        assert any("its limits decide otherwise than the golden decisions in" in reason for reason in failures[name]), failures


def test_quality_limits_that_are_wrong_fail_by_the_golden_pictures(own: Path) -> None:
    edit(
        own,
        lambda document: document["quality"].update(sharpness_min=0, least_sharpness_min=0, brightness_min=0, contrast_min=0),
    )
    status, document, failures = report(own, *only("float32"))
    assert status == 1
    assert document["problem"].startswith("golden vectors not met, first at stage quality, case ")
    assert failures["float32"] == []


def test_golden_decisions_that_cannot_be_read_fail_and_are_no_traceback(own: Path) -> None:
    golden = json.loads((own / GOLDEN).read_text(encoding="utf-8"))
    del golden["variants"]["float16"]["recordings"][0]["outputs"]["scores"]
    del golden["variants"]["float32_onnx"]
    (own / GOLDEN).write_text(json.dumps(golden), encoding="utf-8")
    edit(own, lambda document: None)
    status, _, failures = report(own, *only("float32", "float16", "float32_onnx"))
    assert status == 1
    assert failures == {
        "float32": [],
        "float16": ["its golden outputs: no scores; get the bundle again"],
        "float32_onnx": ["no golden decisions of it; make them with `python -m export golden`"],
    }


def test_what_is_wrong_in_a_bundle_without_float32_still_fails(tmp_path: Path) -> None:
    own = Path(shutil.copytree(Bundle.load().path, tmp_path / "own"))

    def corrupt(document: dict[str, Any]) -> None:
        for variant in document["variants"].values():
            variant["operating_points"]["rule_out"]["threshold"] = 0.9

    edit(own, corrupt)
    status, _, failures = report(own)
    assert status == 1
    assert any("its limits decide otherwise" in reason for reasons in failures.values() for reason in reasons)
