"""The release gate on a real small bundle: whole, damaged, and with a variant that is not what it should be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_runtime import Bundle, BundleError, DataError
from mobile_runtime.golden import GOLDEN, load_vectors
from tests.bundles import unseen_labels
from tests.export.checking import edit, only, report, run

pytestmark = pytest.mark.slow


def test_a_whole_bundle_passes(tiny_bundle: Path) -> None:
    status, document, failures = report(tiny_bundle)
    assert status == 0, failures
    assert document["passed"]
    assert document["problem"] is None
    assert document["reference"] == "float32"
    assert set(failures) == set(Bundle.load(tiny_bundle).variants)
    rows = {row["variant"]: row for row in document["variants"]}
    assert "not Core ML" in rows["palette4_coreml"]["runtime"]
    for row in rows.values():
        figures = row["figures"]["golden"]
        assert figures["images"] == len(load_vectors(Bundle.load(tiny_bundle)).cases)
        assert figures["auc_difference"] is None
    # Float forms of one network are alike; float32 itself against what it gave when the bundle was made.
    assert rows["float32"]["figures"]["golden"]["largest"] < 1e-4
    assert rows["float32_onnx"]["figures"]["golden"]["largest"] < 1e-4


@pytest.mark.parametrize("name", ["static_wi8_ai8", "static_wi8_ai8_onnx", "palette4_coreml"])
def test_a_corrupt_variant_fails_and_the_others_are_checked(own: Path, name: str) -> None:
    path = own / Bundle.load(own).variants[name].path
    file = path if path.is_file() else next(path.rglob("weight.bin"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    status, document, failures = report(own, *only("float32", "float16", name))
    assert status == 1
    assert "SHA-256 differs" in document["problem"]
    assert "SHA-256 differs" in failures[name][0]
    assert failures["float32"] == failures["float16"] == []


def test_a_missing_variant_fails(own: Path) -> None:
    (own / "models" / "float16.tflite").unlink()
    shutil.rmtree(own / "models" / "float16.mlpackage")
    status, document, failures = report(own, *only("float32", "float16", "float16_coreml", "static_wi8_ai9"))
    assert status == 1
    assert "missing" in document["problem"]
    assert "cannot be read" in failures["float16"][0]
    assert "cannot be read" in failures["float16_coreml"][0]
    assert "no variant 'static_wi8_ai9'" in failures["static_wi8_ai9"][0]
    assert failures["float32"] == []
    found = run(own, *only("float32", "float16"))
    assert found.exit_code == 1
    assert "FAIL" in found.output


def test_a_file_that_is_not_listed_fails_the_bundle(own: Path) -> None:
    (own / "models" / "float16.mlpackage" / "extra.bin").write_bytes(b"x")
    status, document, failures = report(own, *only("float32"))
    assert status == 1
    assert "not listed in the manifest" in document["problem"]
    assert failures["float32"] == []


def test_intact_files_with_wrong_numbers_fail(own: Path) -> None:
    """float16 replaced by the float32 graph at a temperature that makes it sure of everything, and hashes to match."""
    from compress.flatbuffer import with_temperature

    model = (own / "models" / "float32.tflite").read_bytes()
    (own / "models" / "float16.tflite").write_bytes(with_temperature(model, 0.01))
    edit(own, lambda document: None)
    status, document, failures = report(own, *only("float32", "float16"))
    assert status == 1
    assert document["problem"] is None
    assert any("probability error" in reason for reason in failures["float16"])
    assert failures["float32"] == []


def test_a_changed_float32_fails_by_its_recording(own: Path) -> None:
    from compress.flatbuffer import with_temperature

    file = own / "models" / "float32.tflite"
    file.write_bytes(with_temperature(file.read_bytes(), 0.01))
    edit(own, lambda document: None)
    status, _, failures = report(own, *only("float32"))
    assert status == 1
    assert "largest probability error" in failures["float32"][0]


def test_without_float32_onnx_takes_its_place(own: Path) -> None:
    (own / "models" / "float32.tflite").unlink()
    status, document, failures = report(own, *only("float32", "float16"))
    assert status == 1
    assert document["reference"] == "float32_onnx"
    assert failures["float32"] != []
    assert failures["float16"] == []


def test_nothing_to_compare_with_fails_everything(own: Path) -> None:
    for name in ("float32.tflite", "float32.onnx"):
        (own / "models" / name).unlink()
    status, document, failures = report(own, *only("float16"))
    assert status == 1
    assert document["reference"] is None
    assert "no variant float32 or float32_onnx that works" in failures["float16"][0]


def test_what_cannot_be_checked_at_all_is_an_error(own: Path, tmp_path: Path, synthetic_data: Path) -> None:
    assert isinstance(run(tmp_path).exception, BundleError)
    found = run(own, "--images", str(synthetic_data))
    assert isinstance(found.exception, DataError)
    assert "both --images and --labels" in str(found.exception)
    assert isinstance(run(own, "--operating-point", "none").exception, BundleError)
    (own / "golden" / "golden.json").write_text("{}", encoding="utf-8")
    assert isinstance(run(own).exception, BundleError)
    labelled = (
        "--images",
        str(synthetic_data),
        "--labels",
        str(unseen_labels(own, synthetic_data, tmp_path, calibration_only=True)),
    )
    status, document, _ = report(own, *labelled, *only("float32"))
    assert status == 1
    assert document["problem"] is not None


@pytest.mark.parametrize("name", ["full", "half"])
def test_of_a_bundle_without_float32_nothing_can_be_checked(name: str) -> None:
    from mobile_runtime.bundle import SHIPPED_BUNDLES

    found = run(SHIPPED_BUNDLES[name])
    assert isinstance(found.exception, BundleError), found.output
    assert "no float32 or float32_onnx in it to compare anything with, so nothing could be checked" in str(found.exception)


@pytest.mark.parametrize("change", [lambda values: values[:-1], lambda values: values * np.nan], ids=["short", "nan"])
def test_damaged_recordings_are_an_error_and_no_traceback(own: Path, change: Callable[[Any], Any]) -> None:
    path = load_vectors(Bundle.load(own)).variants["float32"].recordings[0].outputs["probabilities"]
    np.save(own / path, change(np.load(own / path)))
    edit(own, lambda document: None)
    found = run(own, *only("float32"), "--json")
    assert isinstance(found.exception, BundleError), found.exception


def test_damaged_golden_images_fail_though_labelled_ones_pass(
    own: Path, tiny_bundle: Path, synthetic_data: Path, tmp_path: Path
) -> None:
    np.save(own / "golden" / "png.prepared.npy", np.zeros((3, 3, 3), np.uint8))
    words = [
        "--images",
        str(synthetic_data),
        "--labels",
        str(unseen_labels(tiny_bundle, synthetic_data, tmp_path, calibration_only=True)),
    ]
    status, document, failures = report(own, *words, *only("float32"))
    assert status == 1
    assert document["problem"] is not None
    assert failures["float32"] == []


def test_missing_golden_vectors_fail_though_labelled_images_pass(
    own: Path, tiny_bundle: Path, synthetic_data: Path, tmp_path: Path
) -> None:
    shutil.rmtree(own / "golden")
    edit(own, lambda document: document.update(files=[e for e in document["files"] if not e["path"].startswith("golden/")]))
    table = unseen_labels(tiny_bundle, synthetic_data, tmp_path, calibration_only=True)
    status, document, failures = report(own, "--images", str(synthetic_data), "--labels", str(table), *only("float32"))
    assert status == 1 and failures["float32"] == []
    assert "no golden vectors" in document["problem"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda it: it["classes"][0].update(name="Harmless mole"), "is called"),
        (lambda it: it["classes"][0].update(label="other"), "is called"),
        (lambda it: it["variants"][it["default_variant"]].update(abstention=None), "no limit above which it abstains"),
        (lambda it: it["provenance"].update(seen_images=""), "does not name the images that made it"),
    ],
)
def test_a_bundle_without_its_guards_or_names_fails(own: Path, change: Callable[[dict[str, Any]], None], problem: str) -> None:
    edit(own, change)
    status, document, _ = report(own, *only("float32"))
    assert status == 1 and problem in document["problem"]


@pytest.mark.parametrize(
    "change", [lambda values: values[:, :1], lambda values: values[:, 0], lambda values: values.astype("i4")]
)
def test_recordings_of_another_shape_are_an_error_and_no_traceback(own: Path, change: Callable[[Any], Any]) -> None:
    path = load_vectors(Bundle.load(own)).variants["float32"].recordings[0].outputs["scores"]
    np.save(own / path, change(np.load(own / path)))
    edit(own, lambda document: None)
    assert isinstance(run(own, *only("float32")).exception, BundleError)


def drop_recorded(folder: Path, *roles: str) -> None:
    """Take outputs out of what was recorded of float32."""
    golden = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
    for role in roles:
        del golden["variants"]["float32"]["recordings"][0]["outputs"][role]
    (folder / GOLDEN).write_text(json.dumps(golden), encoding="utf-8")
    edit(folder, lambda document: None)


def test_recordings_without_an_output_are_an_error_and_no_traceback(own: Path) -> None:
    drop_recorded(own, "scores", "outlier")
    found = run(own, *only("float32"))
    assert isinstance(found.exception, BundleError), found.exception
    assert "golden outputs of float32: no outlier, scores" in str(found.exception)


def forget_float32(folder: Path) -> None:
    """Take what was recorded of float32 out of the golden vectors."""
    golden = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
    golden["variants"]["float32"]["recordings"] = []
    (folder / GOLDEN).write_text(json.dumps(golden), encoding="utf-8")
    edit(folder, lambda document: None)


def test_float32_is_never_compared_with_itself_alone(own: Path) -> None:
    from compress.flatbuffer import with_temperature

    forget_float32(own)
    status, _, failures = report(own, *only("float32"))
    assert status == 0, failures
    file = own / "models" / "float32.tflite"
    whole = file.read_bytes()
    file.write_bytes(with_temperature(whole, 0.01))
    edit(own, lambda document: None)
    status, _, failures = report(own, *only("float32"))
    assert status == 1
    assert "largest probability error" in failures["float32"][0], "against float32_onnx"
    file.write_bytes(whole)
    (own / "models" / "float32.onnx").write_bytes(b"nothing")
    edit(own, lambda document: None)
    status, _, failures = report(own, *only("float32", "float16"))
    assert status == 1
    assert failures["float32"] == ["neither golden outputs of it nor another float32 variant that works, to compare it with"]
    assert failures["float16"] == []


def test_a_variant_whose_malignancy_leaves_melanoma_out_fails(own: Path) -> None:
    import onnx
    from onnx import numpy_helper

    file = own / "models" / "float32.onnx"
    model = onnx.load(str(file))
    melanoma = [spec.node for spec in Bundle.load(own).manifest.classes].index("melanoma")
    for tensor in model.graph.initializer:
        if tuple(tensor.dims) == (7, 2):
            values = numpy_helper.to_array(tensor).copy()
            values[melanoma, 0] = 0
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, str(file))
    edit(own, lambda document: None)
    status, _, failures = report(own, *only("float32", "float32_onnx"))
    assert status == 1
    assert "malignancy is not the sum of its classes" in failures["float32_onnx"][0]
    assert failures["float32"] == []
