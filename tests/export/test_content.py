"""The release gate and files that are not what the manifest says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mobile_runtime.bundle import MANIFEST
from tests.export.checking import edit, only, report

pytestmark = pytest.mark.slow


def test_names_in_the_manifest_that_are_not_those_in_the_files_fail(own: Path) -> None:
    def swap(document: dict[str, Any]) -> None:
        labels = [entry["label"] for entry in document["classes"]]
        for entry, label in zip(document["classes"], [labels[1], labels[0], *labels[2:]], strict=True):
            entry["label"] = label

    edit(own, swap)
    status, _, failures = report(own, *only("float32", "float16_coreml"))
    assert status == 1
    for name in ("float32", "float16_coreml"):
        assert "probabilities are akiec, bcc, bkl" in failures[name][0]
        assert "bcc, akiec, bkl, df, mel, nv, vasc in the manifest" in failures[name][0]


def test_scores_by_other_names_than_the_taxonomys_fail(own: Path) -> None:
    def rename(document: dict[str, Any]) -> None:
        names = [score["name"] for score in document["scores"]]
        for score, name in zip(document["scores"], reversed(names), strict=True):
            score["name"] = name

    edit(own, rename)
    status, document, failures = report(own, *only("float32"))
    assert status == 1
    assert "by the taxonomy it is" in document["problem"]
    assert "scores are malignancy, cancer in its file, cancer, malignancy in the manifest" in failures["float32"][0]


def test_a_stated_size_that_is_not_the_files_fails(own: Path) -> None:
    document = json.loads((own / MANIFEST).read_text(encoding="utf-8"))
    document["variants"]["float16"]["size_bytes"] = 5
    (own / MANIFEST).write_text(json.dumps(document), encoding="utf-8")
    status, _, failures = report(own, *only("float32", "float16"))
    assert status == 1
    assert "the manifest says 5; rebuild the bundle" in failures["float16"][0]
    assert failures["float32"] == []


@pytest.mark.parametrize(
    ("name", "source"),
    [("static_wi8_ai8", "float32.tflite"), ("static_wi8_ai8_onnx", "float32.onnx"), ("wi8_ai8_coreml", "float16.mlpackage")],
)
def test_a_float_graph_in_the_place_of_an_int8_one_fails(own: Path, name: str, source: str) -> None:
    edit(own, lambda document: document["variants"][name].update(replacement(document, source)))
    status, _, failures = report(own, *only(name))
    assert status == 1
    assert failures[name] == ["its graph quantizes no activations, which its name promises; rebuild the bundle"]


def test_static_and_dynamic_files_that_are_swapped_fail_both(own: Path) -> None:
    names = ("static_wi8_ai8", "dynamic_wi8_afp32")

    def swap(document: dict[str, Any]) -> None:
        variants = document["variants"]
        places = [{key: variants[name][key] for key in ("path", "size_bytes")} for name in names]
        for name, place in zip(names, reversed(places), strict=True):
            variants[name] |= place

    edit(own, swap)
    status, _, failures = report(own, *only(*names))
    assert status == 1
    assert failures["static_wi8_ai8"] == ["its graph quantizes no activations, which its name promises; rebuild the bundle"]
    assert failures["dynamic_wi8_afp32"] == [
        "its graph quantizes activations, of which its name says nothing; rebuild the bundle"
    ]


def replacement(document: dict[str, Any], source: str) -> dict[str, Any]:
    """Path and size of another variant."""
    other = next(variant for variant in document["variants"].values() if variant["path"] == f"models/{source}")
    return {key: other[key] for key in ("path", "size_bytes")}
