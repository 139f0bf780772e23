"""Fixtures: a real small bundle of every variant, made once per session from the briefly trained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobile_runtime import Bundle
from tests.sharing import made_once

if TYPE_CHECKING:
    from export.parity import Limits
    from tests.conftest import TrainedRun


def loose_limits() -> dict[str, Limits]:
    """A network of a few seconds' training is far less smooth under quantization than a real one."""
    from export.parity import PARITY_LIMITS, Limits

    exact = {name: limits._replace(outlier=100.0) for name, limits in PARITY_LIMITS.items() if name.startswith("float")}
    return dict.fromkeys(PARITY_LIMITS, Limits(0.95, 0.25, 0.0, 1.0, 100.0)) | exact


@pytest.fixture(scope="session")
def _tiny_export(tiny_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("litert_torch")
    from export.assembly import assemble
    from export.folding import fold_to_half
    from export.outliers import save_outliers
    from export.record import save_record
    from export.release import fit_release
    from train.checkpoint import load_checkpoint, save_checkpoint
    from train.datasets import read_examples
    from train.splits import load_split

    def make(folder: Path) -> None:
        release = folder / "release"
        release.mkdir()
        network, recipe = load_checkpoint(tiny_run.checkpoint)
        weights = save_checkpoint(fold_to_half(network), recipe, release / "mobile.safetensors", half=True)
        split = load_split(tiny_run.folder / "splits.csv", read_examples(tiny_run.data))
        fitted = fit_release(weights, split, calibration_images=32, evaluate_coreml=True, cache=tiny_run.cache)
        save_record(fitted.record, release / "record.json")
        save_outliers(fitted.outliers, release / "outliers.safetensors")
        bundle, limits = folder / "tiny", loose_limits()
        assemble(weights, fitted.record, fitted.outliers, fitted.int8, bundle, base=fitted.base, parity_limits=limits)

    return made_once("export", make, tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_bundle(_tiny_export: Path) -> Path:
    """A bundle of all variants. Read it, never change it."""
    return _tiny_export / "tiny"


@pytest.fixture(scope="session")
def tiny_release(_tiny_export: Path) -> Path:
    """The kept weights and release record of `tiny_bundle`. Read it, never change it."""
    return _tiny_export / "release"


def unseen_labels(bundle: Path, data: Path, folder: Path, calibration_only: bool = False) -> Path:
    """The labels of the synthetic images that did not make a bundle, or only did not calibrate it, as a CSV in a folder."""
    provenance = Bundle.read(bundle).manifest.provenance
    made_by = provenance.calibrated_on if calibration_only else provenance.seen
    lines = (data / "HAM10000_metadata.csv").read_text(encoding="utf-8").splitlines()
    column = lines[0].split(",").index("image_id")
    kept = [lines[0], *(line for line in lines[1:] if not made_by("ham10000", [line.split(",")[column]]))]
    path = folder / "unseen.csv"
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return path
