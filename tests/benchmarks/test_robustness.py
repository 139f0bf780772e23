"""Conditions against undamaged images on a fake bundle, and which faults the shipped golden vectors catch."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import robustness
from benchmarks.capture_scenes import encode, exif, scene, stored
from benchmarks.labelled import LabelledSet, read_labelled
from benchmarks.pipeline_faults import FAULTS
from benchmarks.robustness_results import Faulted
from mobile_runtime.capture import acquire, normalize
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.replay import OWN, replay


def labelled(dataset: Path, count: int) -> LabelledSet:
    found = read_labelled(dataset, dataset / "HAM10000_metadata.csv")
    return replace(found, images=found.images[:count])


def test_every_condition_is_measured_on_the_same_images(bundle_path: Path, dataset: Path) -> None:
    done: list[int] = []
    found = robustness.measure(TriagePipeline(bundle_path), labelled(dataset, 18), 0, done.append)
    assert sum(done) == 18 and found.undamaged.flips.value == 0
    assert found.undamaged.change is not None and found.undamaged.change.value == 0
    clean = found.undamaged.auc_malignancy
    assert clean is not None
    for corrupted in found.corruptions.values():
        assert len(corrupted.severities) == len(corrupted.strengths) == 5
        for each in corrupted.severities:
            assert each.auc_malignancy is not None and each.change is not None and each.flips.n == 18
            assert each.change.value == pytest.approx(each.auc_malignancy.value - clean.value)
    # A black picture has one score, whatever was photographed.
    black = found.faults["normalized_twice"].condition
    assert black.auc_malignancy is not None and black.auc_malignancy.value == pytest.approx(0.5, abs=0.15)
    # Square photographs are not squashed.
    assert (
        found.faults["squash"].condition.flips.value == 0 and found.faults["squash"].condition.change == found.undamaged.change
    )


def test_what_is_drawn_depends_on_the_seed_alone(bundle_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, images = TriagePipeline(bundle_path), labelled(dataset, 5)
    first = robustness.measure(pipeline, images, 1)
    monkeypatch.setattr(robustness, "_BATCH", 2)
    assert robustness.measure(pipeline, images, 1) == first
    assert robustness.measure(pipeline, images, 2).corruptions != first.corruptions


def test_unreadable_images_are_set_aside(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    images = labelled(dataset, 4)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    damaged = replace(images, images=(images.images[0], replace(images.images[1], path=broken), *images.images[2:]))
    found = robustness.measure(TriagePipeline(bundle_path), damaged, 0)
    assert [item.image for item in found.unreadable] == [images.images[1].image_id] and len(found.labelled) == 3
    assert found.undamaged.flips.n == 3


def test_each_fault_does_to_a_photograph_what_its_port_does_to_a_file() -> None:
    picture = scene(96, 64)
    lying = encode(stored(picture, 6), "PNG", exif=exif(6))
    fault = FAULTS["unrotated_exif"]
    assert np.array_equal(fault.port.acquire(lying), fault.photograph(picture))
    assert np.array_equal(FAULTS["bgr"].port.acquire(encode(picture, "PNG")), FAULTS["bgr"].photograph(picture))
    # Without the trait that brings it out, a fault does nothing.
    plain = encode(picture, "PNG")
    for name in ("unrotated_exif", "p3_as_srgb", "limited_as_full"):
        assert np.array_equal(FAULTS[name].port.acquire(plain), acquire(plain))
    wide = FAULTS["squash"].port.normalize(picture, 32).image
    assert not np.array_equal(wide, normalize(picture, 32).image)


@pytest.fixture(scope="module")
def checked() -> dict[str, Faulted]:
    """Every fault against the golden vectors of the bundle that ships, with its default variant."""
    pipeline = TriagePipeline()
    clean = robustness.Condition.model_validate(
        {
            "auc_malignancy": None,
            "change": None,
            "flips": {"value": 0, "low": 0, "high": 1, "n": 1},
            "lost": None,
            "reassured": None,
            "turned_away": {"value": 0, "low": 0, "high": 1, "n": 1},
        }
    )
    faults = {name: Faulted(about=fault.about, condition=clean, golden=None) for name, fault in FAULTS.items()}
    return robustness.check_golden(pipeline, faults)


@pytest.mark.parametrize(
    ("name", "stage", "case"),
    [
        ("unrotated_exif", "upright", "jpeg_exif_6"),
        ("bgr", "upright", "png"),
        ("limited_as_full", "upright", "frame_nv12"),
        ("squash", "prepared", "jpeg_wide"),
        ("resize_area", "prepared", "png"),
        ("resize_linear", "prepared", "png"),
        ("resize_nearest", "prepared", "png"),
        ("normalized_twice", "outputs", "png"),
        ("int8_offset", "outputs", "png"),
    ],
)
def test_golden_vectors_catch_the_fault_at_its_stage(checked: dict[str, Faulted], name: str, stage: str, case: str) -> None:
    golden = checked[name].golden
    assert golden is not None and golden.caught and golden.stage == stage and case in golden.cases


def test_an_ignored_profile_shows_only_where_a_case_has_one(checked: dict[str, Faulted]) -> None:
    folder = TriagePipeline().bundle.path / "golden"
    files = [path for suffix in ("png", "jpg", "webp") for path in folder.glob(f"*.{suffix}")]
    with_profile = [path for path in files if Image.open(io.BytesIO(path.read_bytes())).info.get("icc_profile")]
    golden = checked["p3_as_srgb"].golden
    assert golden is not None and golden.caught == bool(with_profile)
    said = " ".join(robustness.notes_of(checked))
    assert ("do not catch: p3_as_srgb" in said) == (not with_profile)


def test_a_port_without_faults_replays(checked: dict[str, Faulted]) -> None:
    found = replay(TriagePipeline().bundle, OWN, variants=[])
    assert found.first_failure is None and {check.stage for check in found.checks} == {"upright", "prepared", "quality"}
