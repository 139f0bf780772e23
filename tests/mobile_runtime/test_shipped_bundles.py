"""The bundles that ship with the runtime: whole, told apart, and alike in what they promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_runtime import Bundle, BundleError, TriagePipeline, synthetic
from mobile_runtime.bundle import DEFAULT_BUNDLE, SHIPPED_BUNDLES
from mobile_runtime.replay import replay

pytestmark = pytest.mark.skipif(not DEFAULT_BUNDLE.is_dir(), reason="no bundle ships with the runtime")


@pytest.mark.parametrize("name", SHIPPED_BUNDLES)
def test_each_is_intact_and_meets_its_golden_vectors(name: str) -> None:
    bundle = Bundle.load(name)
    assert bundle.path == SHIPPED_BUNDLES[name]
    found = replay(bundle)
    assert found.checks and found.first_failure is None
    verdict = TriagePipeline(bundle).assess(synthetic.lesion("mel", 7, 400))
    assert verdict.bundle_id == bundle.id and verdict.variant == "static_wi8_ai8"


def test_the_half_is_smaller_and_otherwise_promises_the_same() -> None:
    full, half = Bundle.load(), Bundle.load("half")
    assert full.id == Bundle.load("full").id != half.id
    sizes = [bundle.variant().size_bytes for bundle in (half, full)]
    assert sizes[0] <= 1.6 * 2**20 < sizes[1]
    assert half.manifest.input.size < full.manifest.input.size
    assert [spec.label for spec in half.manifest.classes] == [spec.label for spec in full.manifest.classes]
    assert half.variant().operating_points.keys() == full.variant().operating_points.keys()
    assert half.manifest.provenance.split_sha256 == full.manifest.provenance.split_sha256


def test_a_folder_of_such_a_name_is_given_as_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("half").mkdir()
    assert Bundle.load("half").path == SHIPPED_BUNDLES["half"]
    for path in ("./half", Path("half")):
        with pytest.raises(BundleError, match=r"no manifest\.json"):
            Bundle.load(path)
