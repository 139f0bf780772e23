"""Preparing images once and running every variant that this machine can run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import scoring
from benchmarks.labelled import LabelledImage, LabelledSet
from mobile_runtime import pipeline
from mobile_runtime.bundle import Bundle
from mobile_runtime.engines import Engine
from mobile_runtime.errors import BundleError, DataError, EngineError, MissingEngineError
from mobile_runtime.manifest import Variant
from mobile_runtime.pipeline import TriagePipeline
from tests.benchmarks import fakes


def as_set(paths: list[Path]) -> LabelledSet:
    images = [LabelledImage(path.stem, path, "nv", ("melanocytic_nevus",), False, 5, path.stem) for path in paths]
    return LabelledSet(tuple(images), "ham10000")


def test_what_cannot_run_here_is_named_with_the_reason(bundle_path: Path) -> None:
    pipelines, not_run = scoring.open_pipelines(Bundle.load(bundle_path), None)
    assert list(pipelines) == ["float32", "int8", "onnx_float32"]
    assert list(not_run) == ["coreml_float16"]
    assert not_run["coreml_float16"].startswith("not run on this machine: ") and "Core ML" in not_run["coreml_float16"]


def test_a_variant_asked_for_by_name_must_run(bundle_path: Path) -> None:
    bundle = Bundle.load(bundle_path)
    with pytest.raises(EngineError, match="Core ML"):
        scoring.open_pipelines(bundle, ["float32", "coreml_float16"])
    with pytest.raises(BundleError, match="no variant 'int4'"):
        scoring.open_pipelines(bundle, ["int4"])
    assert list(scoring.open_pipelines(bundle, ["float32", "int8", "float32"])[0]) == ["float32", "int8"]


def test_a_broken_tflite_variant_is_never_skipped(bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise EngineError("LiteRT refuses the model")

    monkeypatch.setattr(pipeline, "open_engine", refuse)
    with pytest.raises(EngineError, match="refuses"):
        scoring.open_pipelines(Bundle.load(bundle_path), None)


def test_a_file_that_its_runtime_refuses_is_not_taken_for_a_runtime_that_is_not_here(
    bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_or_not(bundle: Bundle, variant: Variant, threads: int) -> Engine:
        if variant.runtime == "onnx":
            raise EngineError("ONNX Runtime refuses it")
        return fakes.open_fake_engine(bundle, variant, threads)

    monkeypatch.setattr(pipeline, "open_engine", open_or_not)
    with pytest.raises(EngineError, match="ONNX Runtime refuses it"):
        scoring.open_pipelines(Bundle.load(bundle_path), None)


@pytest.mark.usefixtures("bundle_path")
def test_a_bundle_of_which_nothing_runs_here_is_an_error(tmp_path: Path) -> None:
    phones = fakes.write_bundle(tmp_path / "phones", [fakes.variant("coreml_float16", "coreml", "float16")])
    with pytest.raises(MissingEngineError, match=r"no variant of it runs on this machine; not run on this machine: .*Core ML"):
        scoring.open_pipelines(Bundle.load(phones), None)


def test_unreadable_images_are_set_aside_with_the_reason(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    good = sorted(dataset.rglob("*.jpg"))[:3]
    (tmp_path / "broken.jpg").write_bytes(good[0].read_bytes()[:300])
    (tmp_path / "empty.jpg").touch()
    runner = TriagePipeline(bundle_path)
    done: list[int] = []
    images = as_set([good[0], tmp_path / "broken.jpg", good[1], tmp_path / "empty.jpg", good[2]])
    prepared = scoring.prepare(images, runner, done.append)
    assert [image.path for image in prepared.labelled.images] == good
    assert [item.image for item in prepared.unreadable] == ["broken", "empty"]
    assert "empty" in prepared.unreadable[1].reason
    assert not any(str(tmp_path) in item.reason for item in prepared.unreadable)
    assert prepared.pixels.shape == (3, fakes.SIZE, fakes.SIZE, 3)
    assert np.array_equal(prepared.pixels[1], runner.prepare(good[1]))
    assert sum(done) == 5


def test_nothing_readable_is_an_error(bundle_path: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(DataError, match="none of the 1 images can be read"):
        scoring.prepare(as_set([tmp_path / "empty.jpg"]), TriagePipeline(bundle_path))


def test_batches_are_put_together_in_order(bundle_path: Path, dataset: Path) -> None:
    runner = TriagePipeline(bundle_path, "int8")
    prepared = scoring.prepare(as_set(sorted(dataset.rglob("*.jpg"))), runner)
    scored = scoring.predict(runner, prepared)
    assert len(prepared.pixels) == 42  # more than one batch
    whole = runner.predict(prepared.pixels)
    assert np.array_equal(scored.prediction.malignancy, whole.malignancy)
    assert np.array_equal(scored.prediction.probabilities, whole.probabilities)
    assert scored.engine == "fake int8"


def test_scores_that_are_not_numbers_stop_the_run(bundle_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = TriagePipeline(bundle_path, "int8")
    prepared = scoring.prepare(as_set(sorted(dataset.rglob("*.jpg"))[:4]), runner)
    good = runner.engine.run

    def poison(batch: np.ndarray) -> dict[str, np.ndarray]:
        outputs = good(batch)
        outputs["scores"][2] = np.nan
        return outputs

    monkeypatch.setattr(runner.engine, "run", poison)
    first, last = (prepared.labelled.images[i].image_id for i in (0, 3))
    with pytest.raises(EngineError, match=rf"int8: scores of 1 images are not finite numbers; .* \(images {first} to {last}\)"):
        scoring.predict(runner, prepared)
