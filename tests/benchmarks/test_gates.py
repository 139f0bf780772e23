"""What the gates do, measured on pictures of several sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from benchmarks import not_skin
from benchmarks.gates import measure_gates
from benchmarks.labelled import read_labelled
from mobile_runtime import Assessment, Bundle, TriagePipeline
from mobile_runtime.synthetic import lesion
from tests.benchmarks import fakes


def test_gates_count_regions_that_are_too_small(
    bundle_path: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(not_skin, "KINDS", {"plain": not_skin.KINDS["plain"]})
    manifest = Bundle.load(bundle_path).manifest
    strict = manifest.model_copy(update={"quality": manifest.quality.model_copy(update={"region_px_min": 10_000})})
    pipeline = TriagePipeline(bundle_path)
    pipeline.manifest = strict
    labelled = read_labelled(dataset, dataset / "HAM10000_metadata.csv", allow_missing=True)
    found = measure_gates(pipeline, replace(labelled, images=labelled.images[:2])).fields
    assert found["false_retakes"].value == 1
    assert found["retake_reasons"] == {"too_small": 2}


def test_gates_look_at_big_photographs_in_a_smaller_size(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(not_skin, "draw", lambda kind, seed: lesion("nv", seed, fakes.SIZE))
    for name in ("a.png", "b.png"):
        Image.fromarray(lesion("nv", 1, 600)).save(tmp_path / name)
    (tmp_path / "labels.csv").write_text("image_id,dx\na,nv\nb,nv\n", encoding="utf-8")
    pipeline = TriagePipeline(bundle_path, operating_point="rule_out")
    quality = pipeline.manifest.quality.model_copy(update={"region_px_min": 500})
    pipeline.manifest = pipeline.manifest.model_copy(update={"quality": quality})
    seen: list[int] = []
    assess = pipeline.assess

    def spied(image: npt.NDArray[np.uint8]) -> Assessment:
        seen.append(len(image))
        return assess(image)

    monkeypatch.setattr(pipeline, "assess", spied)
    found = measure_gates(pipeline, read_labelled(tmp_path, tmp_path / "labels.csv"), drawings=1)
    assert max(seen) == 2 * fakes.SIZE
    # The gate judges the square that was photographed, not what the views are taken of.
    assert found.fields["retake_reasons"] == {}
