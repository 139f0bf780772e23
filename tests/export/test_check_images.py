"""The release gate on labelled images."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.check_images import labelled_set
from mobile_runtime import Bundle, DataError
from tests.bundles import unseen_labels
from tests.export.checking import only, report, run
from train.tables import Columns

pytestmark = pytest.mark.slow


def test_labelled_images(tiny_bundle: Path, synthetic_data: Path, tmp_path: Path) -> None:
    words = [
        "--images",
        str(synthetic_data),
        "--labels",
        str(unseen_labels(tiny_bundle, synthetic_data, tmp_path, calibration_only=True)),
    ]
    names = ("float32", "float32_onnx", "palette6_coreml")
    status, document, failures = report(tiny_bundle, *words, "--group-column", "lesion_id", *only(*names))
    assert status == 0, failures
    for row in document["variants"]:
        figures = row["figures"]["ham10000"]
        assert figures["images"] == 112 - len(Bundle.load(tiny_bundle).manifest.provenance.calibration_ids)
        assert 0 <= figures["ece"] <= 1
        gap = figures["auc_difference"]
        assert gap["low"] <= gap["value"] <= gap["high"]
        assert figures["ece_reference"] == document["variants"][0]["figures"]["ham10000"]["ece"]
    seen = Bundle.load(tiny_bundle).manifest.provenance.seen
    listed = Path(words[3]).read_text(encoding="utf-8").splitlines()[1:]
    assert document["own_images"] == [name for line in listed if seen("ham10000", [name := line.split(",")[1]])] != []
    said = run(tiny_bundle, *words, *only("float32_onnx")).stderr
    assert f"warning: {len(document['own_images'])} of the labelled images, first" in said
    # A difference of nothing is not shown to be none by any number of images.
    refused = run(tiny_bundle, *words, "--margin", "0")
    assert isinstance(refused.exception, DataError)
    assert "--margin 0: no number of images" in str(refused.exception)


def test_an_image_named_twice_is_refused(tiny_bundle: Path, synthetic_data: Path, tmp_path: Path) -> None:
    image = min(synthetic_data.rglob("*.jpg"))
    (tmp_path / "labels.csv").write_text(f"image_id,dx\n{image.stem},mel\n{image.name},nv\n", encoding="utf-8")
    found = run(tiny_bundle, "--images", str(image.parent), "--labels", str(tmp_path / "labels.csv"))
    assert isinstance(found.exception, DataError)
    assert f"1 images are named by two ids, first ['{image.name}']" in str(found.exception)


def test_images_that_calibrated_the_bundle_are_refused(tiny_bundle: Path, synthetic_data: Path) -> None:
    ids = Bundle.load(tiny_bundle).manifest.provenance.calibration_ids
    found = run(tiny_bundle, "--images", str(synthetic_data), "--labels", str(synthetic_data / "HAM10000_metadata.csv"))
    assert isinstance(found.exception, DataError), found.exception
    assert f"{len(ids)} of the labelled images calibrated this bundle, first 'SYN_" in str(found.exception)


def test_a_publishers_own_columns_are_known(tiny_bundle: Path, synthetic_data: Path, tmp_path: Path) -> None:
    image = min(synthetic_data.rglob("*.jpg"))
    (tmp_path / "labels.csv").write_text(f"image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n{image.stem},1,0,0,0,0,0,0\n", encoding="utf-8")
    found = labelled_set(Bundle.load(tiny_bundle), image.parent, tmp_path / "labels.csv", Columns(group=None), "isic2018")
    assert len(found.pixels) == 1
    (tmp_path / "labels.csv").write_text(f"img_id,diagnostic\n{image.stem},MEL\n", encoding="utf-8")
    found = labelled_set(Bundle.load(tiny_bundle), image.parent, tmp_path / "labels.csv", Columns(group=None), "pad_ufes_20")
    assert len(found.pixels) == 1
