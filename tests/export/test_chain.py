"""The main job from end to end on synthetic lesions: fit, quantize, export, bundle, assess, drift."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from export.commands import app
from export.errors import ExportError
from export.outliers import load_outliers, save_outliers
from mobile_runtime import Bundle, CaptureError, Decision, TriagePipeline, synthetic
from mobile_runtime.manifest import OperatingPoint, Variant
from tests.bundles import loose_limits, unseen_labels
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

VARIANTS = {
    "float32",
    "float16",
    "dynamic_wi8_afp32",
    "static_wi8_ai8",
    "float32_onnx",
    "static_wi8_ai8_onnx",
    "float16_coreml",
    "wi8_afp16_coreml",
    "wi8_ai8_coreml",
    "palette6_coreml",
    "palette4_coreml",
}


def rule_out(variant: Variant) -> OperatingPoint:
    return variant.operating_points["rule_out"]


def test_bundle_holds_every_variant(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    assert set(bundle.variants) == VARIANTS
    assert bundle.variants["static_wi8_ai8"].size_bytes < 0.6 * bundle.variants["float32"].size_bytes
    manifest = bundle.manifest
    assert len(manifest.provenance.calibration_ids) >= 32
    assert [(s.name, s.weights) for s in manifest.scores] == [
        ("malignancy", [1, 1, 0, 0, 1, 0, 0]),
        ("cancer", [0, 1, 0, 0, 1, 0, 0]),
    ]
    for name in ("float32", "float32_onnx"):
        assert bundle.variants[name].parity["largest"] <= 1e-4
    for variant in bundle.variants.values():
        assert variant.parity["images"] == 70, variant.name
        assert set(variant.operating_points) == {"rule_out", "balanced", "rule_in"}
    borrowed = bundle.variants["float32_onnx"]
    assert borrowed.abstention is not None
    assert all(text.endswith(", measured on float32") for text in (borrowed.abstention.dataset, rule_out(borrowed).dataset))
    assert borrowed.metrics == {}
    assert "by evaluation in PyTorch" in bundle.variants["wi8_afp16_coreml"].operating_points["rule_out"].dataset
    card = (tiny_bundle / "model_card.md").read_text(encoding="utf-8")
    assert "Not a medical device" in card
    assert "CC-BY-NC-4.0" in card


@pytest.mark.parametrize("variant", sorted(name for name in VARIANTS if not name.endswith("_coreml")))
def test_every_variant_predicts_alike(tiny_bundle: Path, variant: str) -> None:
    pipeline = TriagePipeline(tiny_bundle, variant=variant)
    images = np.stack([pipeline.prepare(synthetic.lesion(label, 50)) for label in synthetic.LABELS])
    found = pipeline.predict(images)
    assert found.probabilities.dtype == np.float32
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-5)
    # The graph's sums against the runtime's taxonomy: the same numbers in another order of addition.
    for spec in pipeline.manifest.scores:
        weights = np.array(spec.weights, np.float32)
        np.testing.assert_allclose(found.scores[spec.name], found.probabilities @ weights, atol=1e-6)
    assert found.malignancy is found.scores["malignancy"]
    reference = TriagePipeline(tiny_bundle, variant="float32").predict(images)
    # Float forms differ by rounding; a network of a few seconds' training is far less smooth under int8 than a real one.
    limit = 0.05 if "wi8" not in variant else 0.6
    assert np.abs(found.probabilities - reference.probabilities).max() < limit


def test_assessment_rests_on_the_manifest(tiny_bundle: Path) -> None:
    pipeline = TriagePipeline(tiny_bundle)
    sharp = synthetic.lesion("mel", 5)
    found = pipeline.assess(sharp)
    document = json.loads(found.to_json())
    assert document["model"]["bundle"] == Bundle.load(tiny_bundle).id
    assert document["operating_point"]["name"] == "rule_out"
    assert found.point == rule_out(pipeline.variant)
    assert found.malignancy is not None
    # A network of a few seconds' training may abstain: without that limit the threshold decides, and itself is above.
    pipeline.variant = pipeline.variant.model_copy(update={"abstention": None})
    for threshold, expected in (
        (found.malignancy, Decision.REFER),
        (math.nextafter(found.malignancy, 1), Decision.LOW_CONCERN),
    ):
        pipeline.point = found.point.model_copy(update={"threshold": threshold})
        assert pipeline.assess(sharp).decision is expected
    dark = pipeline.assess(np.zeros((200, 200, 3), np.uint8))
    assert dark.decision is Decision.RETAKE
    assert dark.malignancy is None
    with pytest.raises(CaptureError, match="uint8"):
        pipeline.predict(np.zeros((1, 8, 8, 3), np.uint8))


def test_drift_reads_the_bundle(tiny_bundle: Path, synthetic_data: Path, tmp_path: Path) -> None:
    from benchmarks.commands import app

    images = tmp_path / "images"
    images.mkdir()
    for part in (1, 2):
        for file in (synthetic_data / f"HAM10000_images_part_{part}").iterdir():
            (images / file.name).write_bytes(file.read_bytes())
    whole = synthetic_data / "HAM10000_metadata.csv"
    labels = unseen_labels(tiny_bundle, synthetic_data, tmp_path)
    words = ["drift", "--bundle", str(tiny_bundle), "--images", str(images), "--resamples", "200", "--json"]
    flattered = CliRunner().invoke(app, [*words, "--labels", str(whole), "--out", str(tmp_path / "whole")])
    assert "that trained this build" in json.loads(flattered.stdout)["notes"][0]
    assert "that trained this build" in flattered.stderr
    found = CliRunner().invoke(app, [*words, "--labels", str(labels), "--out", str(tmp_path / "report")])
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert document["dataset"]["seen"] == document["dataset"]["calibration"] == []
    assert not any("that trained this build" in note for note in document["notes"])
    assert (tmp_path / "report" / "drift.html").stat().st_size > 1000
    assert "static_wi8_ai8" in json.dumps(document)
    for command in (["decisions", "--prevalence", "0.1"], ["robustness", "--limit", "8"], ["gates", "--limit", "8"]):
        few = [*command, "--bundle", str(tiny_bundle), "--images", str(images), "--labels", str(whole), "--json"]
        found = CliRunner().invoke(app, few)
        assert found.exit_code == 0, found.output
        assert "that trained this build" in json.loads(found.stdout)["notes"][0]


def test_rebuild_without_images_gives_the_same_models(
    tiny_bundle: Path, tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export.commands import app

    # What a few seconds' training gives differs from processor to processor, and so does what int8 makes of it.
    monkeypatch.setattr("export.parity.PARITY_LIMITS", loose_limits())
    words = ["rebuild", "--release", str(tiny_release), "--int8-from", str(tiny_bundle), "--out", str(tmp_path / "again")]
    for variant in ("static_wi8_ai8", "float32", "static_wi8_ai8_onnx", "wi8_afp16_coreml"):
        words += ["--only", variant]
    found = CliRunner().invoke(app, [*words, "--json"])
    assert found.exit_code == 0, found.output
    made = [file.relative_to(tmp_path / "again") for file in (tmp_path / "again" / "models").rglob("*") if file.is_file()]
    assert len(made) == 6  # a Core ML package is three files
    for name in made:
        assert (tmp_path / "again" / name).read_bytes() == (tiny_bundle / name).read_bytes(), name


def test_a_bundle_states_the_licence_and_the_data_of_its_record(
    tiny_bundle: Path, tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.parity.PARITY_LIMITS", loose_limits())
    release = tmp_path / "release"
    shutil.copytree(tiny_release, release)
    document = json.loads((release / "record.json").read_text(encoding="utf-8"))
    document["provenance"]["datasets"] = {"clinic": 100}
    (release / "record.json").write_text(json.dumps({**document, "licence": "CC0-1.0"}), encoding="utf-8")
    words = ["rebuild", "--release", str(release), "--int8-from", str(tiny_bundle), "--out", str(tmp_path / "own")]
    found = CliRunner().invoke(app, [*words, "--only", "float32"], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    manifest = Bundle.load(tmp_path / "own").manifest
    assert manifest.licence == "CC0-1.0" and manifest.limitations[0] == "Trained on images (clinic)."
    text = (tmp_path / "own" / "LICENCE-WEIGHTS.txt").read_text(encoding="utf-8")
    assert "trained on clinic.\nLicence: CC0-1.0\n" in text
    model = (tmp_path / "own" / "models" / "float32.tflite").read_bytes()
    assert b"CC0-1.0" in model and b"HAM10000" not in model


def test_a_bundle_is_not_put_where_something_else_is(tiny_release: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    words = ["rebuild", "--release", str(tiny_release), "--int8-from", str(tiny_bundle), "--out", str(tmp_path)]
    found = CliRunner().invoke(app, words)
    assert isinstance(found.exception, ExportError), found.exception
    assert "something else than a bundle" in str(found.exception)
    assert [file.name for file in tmp_path.iterdir()] == ["photo.jpg"]


def test_the_outlier_score_of_another_release_is_refused(tiny_release: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(tiny_release, tmp_path / "release"))
    model = load_outliers(release / "outliers.safetensors")
    save_outliers(replace(model, mean=model.mean + 1), release / "outliers.safetensors")
    words = ["rebuild", "--release", str(release), "--int8-from", str(tiny_bundle), "--out", str(tmp_path / "never")]
    found = CliRunner().invoke(app, words)
    assert isinstance(found.exception, ExportError), found.exception
    assert "outliers.safetensors is not the one" in str(found.exception)
    assert not (tmp_path / "never").exists()


def test_a_name_that_no_bundle_may_have_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    words = ["bundle", str(tmp_path / "none"), "--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(app, [*words, "--name", "My Bundle"])
    assert isinstance(found.exception, ExportError)
    assert "--name 'My Bundle': take small letters" in str(found.exception)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_an_export_that_is_ended_leaves_nothing(tiny_release: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    words = ["rebuild", "--release", str(tiny_release), "--int8-from", str(tiny_bundle), "--out", str(tmp_path / "bundle")]
    command = [sys.executable, "-m", "export", *words]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(tmp_path.iterdir()):
            time.sleep(0.05)
        process.terminate()
        assert process.wait(timeout=120) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


SWALLOWED = """
import os, signal
from export.errors import ExportError
from export.variants import VariantWriter
from mobile_runtime.console import run

write = VariantWriter.write

def swallow(writer, name, *rest):
    try:
        signal.raise_signal(signal.SIGTERM)
    except SystemExit:
        if name == "float32":
            raise ExportError("something else") from None
    return write(writer, name, *rest)

VariantWriter.write = swallow
run("export")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("variant", ["static_wi8_ai8", "float32"], ids=["swallowed", "made another error"])
def test_an_export_is_ended_though_a_library_catches_it(
    tiny_release: Path, tiny_bundle: Path, tmp_path: Path, variant: str
) -> None:
    words = ["rebuild", "--release", str(tiny_release), "--int8-from", str(tiny_bundle), "--out", str(tmp_path / "bundle")]
    command = [sys.executable, "-c", SWALLOWED, *words, "--only", variant]
    assert subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=120).returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_export_stops_at_a_variant_that_is_off(tiny_run: object, tiny_release: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    from export.assembly import assemble
    from export.errors import ExportError
    from export.outliers import load_outliers
    from export.parity import Limits
    from export.record import load_record

    record = load_record(tiny_release / "record.json")
    int8 = Bundle.load(tiny_bundle).model_bytes(Bundle.load(tiny_bundle).variants["static_wi8_ai8"])
    outliers = load_outliers(tiny_release / "outliers.safetensors")
    strict = {"float32": Limits(0.0, 0.0)}
    with pytest.raises(ExportError, match=r"float32 differs from PyTorch by up to .* \(limit 0\)"):
        assemble(
            tiny_release / "mobile.safetensors",
            record,
            outliers,
            int8,
            tmp_path / "never",
            only=["float32"],
            parity_limits=strict,
        )
    assert list(tmp_path.iterdir()) == []
