"""Fixtures: a real small bundle of every variant, made once per session from the briefly trained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobile_runtime import Bundle

if TYPE_CHECKING:
    from export.parity import Limits
    from tests.conftest import TrainedRun


def loose_limits() -> dict[str, Limits]:
    """A network of a few seconds' training is far less smooth under quantization than a real one."""
    from export.parity import PARITY_LIMITS, Limits

    exact = {name: limits._replace(outlier=100.0) for name, limits in PARITY_LIMITS.items() if name.startswith("float")}
    return dict.fromkeys(PARITY_LIMITS, Limits(0.95, 0.25, 0.0, 1.0, 100.0)) | exact


@pytest.fixture(scope="session")
def tiny_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of kept weights and release record; filled by `tiny_bundle`."""
    return tmp_path_factory.mktemp("release")


@pytest.fixture(scope="session")
def tiny_bundle(tiny_run: TrainedRun, tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of all variants. Read it, never change it."""
    pytest.importorskip("litert_torch")
    from export.assembly import assemble
    from export.folding import fold_to_half
    from export.outliers import save_outliers
    from export.record import save_record
    from export.release import fit_release
    from train.checkpoint import load_checkpoint, save_checkpoint
    from train.datasets import read_examples
    from train.splits import load_split

    network, recipe = load_checkpoint(tiny_run.checkpoint)
    weights = save_checkpoint(fold_to_half(network), recipe, tiny_release / "mobile.safetensors", half=True)
    split = load_split(tiny_run.folder / "splits.csv", read_examples(tiny_run.data))
    fitted = fit_release(weights, split, calibration_images=32, evaluate_coreml=True, cache=tiny_run.cache)
    save_record(fitted.record, tiny_release / "record.json")
    save_outliers(fitted.outliers, tiny_release / "outliers.safetensors")
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    assemble(weights, fitted.record, fitted.outliers, fitted.int8, folder, base=fitted.base, parity_limits=loose_limits())
    return folder


def unseen_labels(bundle: Path, data: Path, folder: Path) -> Path:
    """The labels of the synthetic images that did not calibrate a bundle, as a CSV in a folder."""
    used = {key.split(":")[1] for key in Bundle.read(bundle).manifest.provenance.calibration_ids}
    lines = (data / "HAM10000_metadata.csv").read_text(encoding="utf-8").splitlines()
    column = lines[0].split(",").index("image_id")
    kept = [lines[0], *(line for line in lines[1:] if line.split(",")[column] not in used)]
    path = folder / "unseen.csv"
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return path
