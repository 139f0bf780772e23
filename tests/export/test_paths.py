"""The comparison of two paths to TFLite, with models from the bundle in the place of the converter's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("litert_torch")

from export import path_comparison
from export.commands import app
from export.errors import ExportError
from export.path_comparison import FIRST, SECOND
from export.paths import compare_paths
from export.variants import TFLITE_VARIANTS
from mobile_runtime import Bundle
from mobile_runtime.synthetic import lesion


@pytest.fixture
def converter(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Variant -> the variant whose file the stand-in gives for it; all give their own at first."""
    gives = {name: name for name in TFLITE_VARIANTS}

    def run(tool: str, script: str, model: str, input_name: str, images: str, out: str, cwd: Path) -> None:
        assert (tool, input_name) == ("onnx2tf", "pixels")
        assert (cwd / model).read_bytes() == (tiny_bundle / "models" / "float32.onnx").read_bytes()
        assert np.load(cwd / images).dtype == np.uint8
        for name, source in gives.items():
            shutil.copy(tiny_bundle / "models" / f"{source}.tflite", cwd / out / f"{name}.tflite")
        (cwd / out / "versions.json").write_text('{"onnx2tf": "0"}', encoding="utf-8")

    # The stand-in's files name their input as the first path does.
    monkeypatch.setattr("export.paths._second", lambda first, *rest: first)
    monkeypatch.setattr("export.paths.run_tool", run)
    monkeypatch.setattr(path_comparison, "ROUNDS", 2)
    monkeypatch.setattr(path_comparison, "CLEAR", 1e9)  # two rounds on a busy machine say nothing of speed
    return gives


@pytest.mark.slow
def test_the_same_models_are_equal(tiny_bundle: Path, converter: dict[str, str], tmp_path: Path) -> None:
    result = compare_paths(Bundle.load(tiny_bundle), keep=tmp_path / "kept")
    assert [pair.variant for pair in result.pairs] == list(TFLITE_VARIANTS)
    for pair in result.pairs:
        assert set(pair.ahead().values()) == {"equal"}
        assert pair.sides[FIRST].errors == pair.sides[SECOND].errors
        assert pair.sides[FIRST].graph == pair.sides[SECOND].graph
    assert result.verdict()[0] == FIRST
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == sorted(f"{name}.tflite" for name in TFLITE_VARIANTS)


@pytest.mark.slow
def test_the_command_writes_what_it_prints(tiny_bundle: Path, converter: dict[str, str], tmp_path: Path) -> None:
    converter["float32"] = "dynamic_wi8_afp32"
    folder, target = tmp_path / "photographs", tmp_path / "paths.json"
    folder.mkdir()
    from PIL import Image

    for seed in range(4):
        Image.fromarray(lesion("nv", seed, 96)).save(folder / f"{seed}.png")
    words = ["paths", str(tiny_bundle), str(target), "--images", str(folder), "--json"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    document = json.loads(target.read_text(encoding="utf-8"))
    assert json.loads(found.stdout) == document
    float32 = document["variants"]["float32"]
    errors = {path: side["errors"] for path, side in float32["paths"].items()}
    assert errors[FIRST]["photographs"]["images"] == 2  # the other two fixed the ranges
    assert errors[FIRST]["golden"]["mean"] < 1e-5 < errors[SECOND]["golden"]["mean"]
    assert float32["better"] == FIRST
    assert document["versions"]["onnx2tf: onnx2tf"] == "0"
    assert "--images DIR" in document["command"] and str(folder) not in target.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_failed_conversion_leaves_nothing(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*words: str, cwd: Path) -> None:
        raise ExportError("onnx2tf fails (status 1): an operator is not known")

    monkeypatch.setattr("export.paths.run_tool", fail)
    found = CliRunner().invoke(app, ["paths", str(tiny_bundle), str(tmp_path / "paths.json"), "--keep", str(tmp_path / "kept")])
    assert isinstance(found.exception, ExportError)
    assert not list(tmp_path.iterdir())


def test_a_bundle_without_onnx_is_refused() -> None:
    with pytest.raises(ExportError, match="no float32_onnx variant"):
        compare_paths(Bundle.load())
