"""The command that writes a file for MediaPipe, and, where MediaPipe is installed, what it makes of it."""

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
from export.check import golden_set
from export.commands import app
from export.errors import ExportError
from export.mediapipe import check_mediapipe, heads, write_mediapipe
from mobile_runtime import Bundle
from mobile_runtime.engines import LiteRTEngine, open_engine

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


def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> Any:
    bundle = Bundle.load()
    variant = write_mediapipe(bundle, tmp_path / "x.tflite")
    monkeypatch.setattr("export.mediapipe.run_tool", stand_in(bundle, change))
    return check_mediapipe((tmp_path / "x.tflite").read_bytes(), bundle, variant, golden_set(bundle).pixels[:3])


def test_the_command_writes_a_file_that_the_runtime_opens(tmp_path: Path) -> None:
    target = tmp_path / "model.tflite"
    found = CliRunner().invoke(app, ["mediapipe", str(Bundle.load().path), str(target), "--json"])
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert document["size_bytes"] == target.stat().st_size
    LiteRTEngine(target.read_bytes(), Bundle.load().variant())


def test_bad_input_writes_nothing(tmp_path: Path) -> None:
    bundle = Bundle.load()
    with pytest.raises(ExportError, match=r"\.tflite"):
        write_mediapipe(bundle, tmp_path / "model.bin")
    for words in (["--variant", "none"], ["--images", str(tmp_path)]):
        found = CliRunner().invoke(app, ["mediapipe", str(bundle.path), str(tmp_path / "model.tflite"), *words])
        assert found.exit_code != 0
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_variants_of_other_runtimes_are_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"float32_onnx is for onnx.*static_wi8_ai8"):
        write_mediapipe(Bundle.load(tiny_bundle), tmp_path / "model.tflite", "float32_onnx")


def test_agreement_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same = checked(tmp_path, monkeypatch, lambda row: None)
    assert (same.images, same.same_class, same.largest) == (3, 3, 0.0)

    def swap(row: dict[str, Any]) -> None:
        first, second = row["probabilities"][:2]
        row["probabilities"][:2] = [(*second[:2], first[2]), (*first[:2], second[2])]

    other = checked(tmp_path, monkeypatch, swap)
    assert other.same_class == 0
    assert other.largest > 0


def test_other_labels_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(row: dict[str, Any]) -> None:
        row["scores"][0] = ("other", *row["scores"][0][1:])

    with pytest.raises(ExportError, match="other labels for scores"):
        checked(tmp_path, monkeypatch, rename)
    with pytest.raises(ExportError, match="heads"):
        checked(tmp_path, monkeypatch, lambda row: row.pop("scores"))


@pytest.mark.slow
def test_mediapipe_gives_the_same_classes(tmp_path: Path) -> None:
    if isolation.find_tool("mediapipe") is None:
        pytest.skip("set SKINTRIAGE_TOOLS to the folder of environments that `python -m export mediapipe --check` filled")
    bundle = Bundle.load()
    variant = write_mediapipe(bundle, tmp_path / "model.tflite")
    images = golden_set(bundle).pixels
    found = check_mediapipe((tmp_path / "model.tflite").read_bytes(), bundle, variant, images)
    # Both run LiteRT with XNNPACK; versions of it may round an int8 activation by a step.
    assert found.same_class == found.images == len(images)
    assert found.largest < 0.05
    assert open_engine(bundle, variant).kernels == "xnnpack"
