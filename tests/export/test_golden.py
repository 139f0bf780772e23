"""Making golden vectors: the same bytes each time, all of the bundle or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from export import golden
from export.commands import app
from export.golden import add_golden
from export.golden_cases import draw_sources
from mobile_runtime import Bundle, EngineError, capture
from mobile_runtime.bundle import SIGNATURE
from mobile_runtime.golden import load_vectors, open_source
from mobile_runtime.replay import replay

pytestmark = pytest.mark.slow


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_vectors_are_the_same_each_time(own: Path) -> None:
    before = Bundle.load(own)
    made_at_export = contents(own)
    again = add_golden(own)
    assert again.id == before.id
    assert contents(own) == made_at_export
    assert again.variants == before.variants


def test_tolerances_rest_on_the_measured_spread(tiny_bundle: Path) -> None:
    vectors = load_vectors(Bundle.load(tiny_bundle))
    for name, variant in vectors.variants.items():
        assert variant.recordings, name
        for tolerance in variant.tolerance.values():
            assert tolerance.same <= tolerance.other
            assert tolerance.other >= 2.5 * tolerance.spread
    assert vectors.variants["float32"].tolerance["probabilities"].other <= 0.005
    assert [r.kernels for r in vectors.variants["static_wi8_ai8"].recordings] == ["xnnpack", "builtin"]
    # What cannot run here is to match the evaluation of its program.
    assert vectors.variants["float16_coreml"].recordings[0].kernels in ("mil", "coreml")


def test_a_signature_does_not_outlive_its_files(own: Path) -> None:
    (own / SIGNATURE).write_text("{}", encoding="utf-8")
    found = CliRunner().invoke(app, ["golden", str(own)])
    assert found.exit_code == 0, found.output
    assert "files of golden vectors" in found.output
    assert not (own / SIGNATURE).exists()


def test_nothing_changes_when_a_variant_cannot_run(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(own)

    def broken(*_: object, **__: object) -> None:
        raise EngineError("no engine")

    monkeypatch.setattr(golden, "open_engine", broken)
    with pytest.raises(EngineError):
        add_golden(own)
    assert contents(own) == before
    assert [path.name for path in own.parent.iterdir()] == ["own"]


def test_sources_are_what_they_claim() -> None:
    sources = {source.name: source for source in draw_sources(149, 71)}
    uprights = {name: capture.acquire(open_source(source.data, source.frame)) for name, source in sources.items()}
    assert min(uprights["png"].shape[:2]) == 149
    assert uprights["jpeg_exif_6"].shape[0] != uprights["jpeg_exif_6"].shape[1]
    assert np.ptp(uprights["png_uniform"]) == 0
    assert np.array_equal(uprights["png_grey_16"][..., 0], uprights["png_grey_16"][..., 2])
    assert uprights["webp_dark"].mean() < 40
    # Turned twice by 90 degrees and back again, BGRA is the picture that it was packed from.
    assert sources["frame_bgra"].frame is not None
    assert uprights["frame_bgra"].shape == (75, 73, 3)


@pytest.mark.parametrize("name", ["full", "half"])
def test_each_limit_of_quality_is_missed_by_a_picture_where_it_is_off(name: str) -> None:
    bundle = Bundle.load(name)
    limits = bundle.manifest.quality
    off = {
        field: 1e9 if field.endswith("_max") else -1 for field in type(limits).model_fields if field.endswith(("_min", "_max"))
    }
    assert len(off) == 14
    for field, value in off.items():
        without = limits.model_copy(update={field: value})
        changed = replace(bundle, manifest=bundle.manifest.model_copy(update={"quality": without}))
        found = [check.case for check in replay(changed, variants=[]).checks if check.stage == "quality" and not check.passed]
        assert found, f"no golden picture is turned away by {field} alone"
