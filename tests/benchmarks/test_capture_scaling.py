"""Scaled decoding against full decoding, on synthetic photographs: the script runs, and what it stores is what it measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmarks.capture_scaling import app
from mobile_runtime import synthetic


@pytest.mark.slow
def test_the_difference_is_measured_and_stored(tmp_path: Path) -> None:
    for number, label in enumerate(("mel", "nv")):
        Image.fromarray(synthetic.lesion(label, number, 160)).save(tmp_path / f"{label}.png")
    arguments = ["--images", str(tmp_path), "--limit", "2", "--out", str(tmp_path / "result.json")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["images"] == 2
    # The reduced decode differs from the full one, by no more than its rounding: a few levels.
    assert 0 < found["largest_difference_in_levels"] <= 8
    assert 0 <= found["mean_malignancy_difference"] <= found["largest_malignancy_difference"] <= 0.05


def test_a_folder_without_photographs_is_a_typed_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--images", str(tmp_path)])
    assert type(done.exception).__name__ == "DataError"
    assert "no JPEG, PNG, WebP, HEIC or BMP files" in str(done.exception)
