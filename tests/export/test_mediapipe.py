"""The command that asks MediaPipe, and, where MediaPipe is installed, what it makes of the shipped file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("ai_edge_quantizer")

from export import isolation
from export.check_images import golden_set
from export.commands import app
from export.errors import ExportError
from export.mediapipe import check_mediapipe, heads
from mobile_runtime import Bundle
from mobile_runtime.engines import LiteRTEngine, open_engine
from mobile_runtime.errors import SkintriageError

Tool = Callable[..., None]


def stand_in(bundle: Bundle, change: Callable[[dict[str, Any]], None] = lambda row: None) -> Tool:
    """What MediaPipe would answer: every head, the likeliest class first."""

    def run(tool: str, script: str, model: str, images: str, out: str, cwd: Path) -> None:
        assert (tool, script) == ("mediapipe", "mediapipe_classify.py")
        variant = bundle.variant()
        outputs = LiteRTEngine((cwd / model).read_bytes(), variant).run(np.load(cwd / images))
        rows = []
        for number in range(len(outputs["probabilities"])):
            row = {}
            for head in heads(bundle.manifest, variant):
                scores = outputs[head.name][number].tolist()
                row[head.name] = sorted(zip(head.labels, head.names, scores, strict=True), key=lambda entry: -entry[2])
            change(row)
            rows.append(row)
        (cwd / out).write_text(json.dumps({"version": "0", "images": rows}), encoding="utf-8")

    return run


def checked(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> Any:
    bundle = Bundle.load()
    monkeypatch.setattr("export.mediapipe.run_tool", stand_in(bundle, change))
    return check_mediapipe(bundle, golden_set(bundle).pixels[:3])


def test_the_command_says_how_well_they_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle.load()
    monkeypatch.setattr("export.mediapipe.run_tool", stand_in(bundle))
    found = CliRunner().invoke(app, ["mediapipe", str(bundle.path), "--json"])
    assert found.exit_code == 0, found.output
    agreement = json.loads(found.stdout)["agreement"]["golden"]
    assert agreement["same_class"] == agreement["images"] == len(golden_set(bundle).pixels)
    words = CliRunner().invoke(app, ["mediapipe", str(bundle.path)])
    assert "static_wi8_ai8, golden: same class on" in words.output


@pytest.mark.parametrize("words", [["--variant", "none"], ["--images", "no-such-folder"]])
def test_bad_input_is_refused(words: list[str]) -> None:
    found = CliRunner().invoke(app, ["mediapipe", str(Bundle.load().path), *words])
    assert isinstance(found.exception, SkintriageError)


@pytest.mark.slow
def test_variants_of_other_runtimes_are_refused(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    with pytest.raises(ExportError, match=r"float32_onnx is for onnx.*static_wi8_ai8"):
        check_mediapipe(bundle, golden_set(bundle).pixels[:1], "float32_onnx")


def test_agreement_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    same = checked(monkeypatch, lambda row: None)
    assert (same.images, same.same_class, same.largest) == (3, 3, 0.0)

    def swap(row: dict[str, Any]) -> None:
        first, second = row["probabilities"][:2]
        row["probabilities"][:2] = [(*second[:2], first[2]), (*first[:2], second[2])]

    other = checked(monkeypatch, swap)
    assert other.same_class == 0
    assert other.largest > 0


def test_other_labels_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(row: dict[str, Any]) -> None:
        row["scores"][0] = ("other", *row["scores"][0][1:])

    with pytest.raises(ExportError, match="other labels for scores"):
        checked(monkeypatch, rename)
    with pytest.raises(ExportError, match="heads"):
        checked(monkeypatch, lambda row: row.pop("scores"))


@pytest.mark.slow
def test_mediapipe_gives_the_same_classes() -> None:
    if isolation.find_tool("mediapipe") is None:
        pytest.skip("set SKINTRIAGE_TOOLS to the folder of environments that `python -m export mediapipe` filled")
    bundle = Bundle.load()
    images = golden_set(bundle).pixels
    found = check_mediapipe(bundle, images)
    # Both run LiteRT with XNNPACK; versions of it may round an int8 activation by a step.
    assert found.same_class == found.images == len(images)
    assert found.largest < 0.05
    assert open_engine(bundle, bundle.variant()).kernels == "xnnpack"
