"""What is fitted for a release, on made-up scores and with converters left out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("litert_torch")
import torch
from PIL import Image
from safetensors.torch import load_file

import export.commands
import export.release
from export.errors import ExportError
from export.record import load_record
from export.release import selected_ids, split_digest
from mobile_runtime.console import run
from mobile_runtime.manifest import Provenance
from mobile_runtime.taxonomy import default_taxonomy
from tests.conftest import TrainedRun
from train.checkpoint import load_checkpoint, save_checkpoint
from train.datasets import read_examples
from train.objective import class_log_prior
from train.splits import save_split, split_examples


class NoConverter:
    """Stands in for the writer of variants."""

    def __init__(self, *_: object, **__: object) -> None:
        self.ranges: dict[str, object] = {}

    def calibrate(self, images: np.ndarray) -> None:
        """Ranges need a graph."""

    def write(self, name: str, temperature: float, folder: Path) -> Path:
        path = folder / name
        path.write_bytes(b"graph")
        return path


def any_answers(name: str, path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs drawn at random."""
    rng = np.random.default_rng(len(images))
    probabilities = rng.dirichlet(np.ones(7), len(images)).astype(np.float32)
    return {"probabilities": probabilities, "scores": probabilities[:, :2], "outlier": probabilities[:, 2:3]}


def test_calibration_images_of_several_folders_are_known_by_what_data_select_writes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for place, name in (("h1", "north"), ("h2", "south")):
        (tmp_path / "own" / place / "photos").mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / place / "photos" / f"{i}.png")
        described = f"dataset: taxonomy\nimages: [photos]\nname: {name}\n"
        (tmp_path / "own" / place / "dataset.yaml").write_text(described, encoding="utf-8")
        rows = [f"{i},{('melanoma', 'nevus')[i % 2]}" for i in range(4)]
        (tmp_path / "own" / place / "metadata.csv").write_text("\n".join(["image_id,dx", *rows]), encoding="utf-8")
    table = tmp_path / "all.csv"
    with pytest.raises(SystemExit) as ended:
        run("train", ["data", "select", "--data", str(tmp_path / "own"), "--part", "all", "--out", str(table)])
    assert not ended.value.code
    ids = [line.split(",")[0] for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    examples = read_examples(tmp_path / "own")
    provenance = Provenance(
        datasets={}, split_sha256="", recipe={}, checkpoint_sha256="", calibration_ids=selected_ids(examples[:3], examples)
    )
    assert len(ids) == 8
    assert provenance.calibrated_on("taxonomy", ids) == ids[:3]


def test_data_that_the_recipe_trained_without_are_no_part_of_a_release(
    tiny_run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = tmp_path / "data"
    (both / "other" / "photos").mkdir(parents=True)
    (both / "synthetic").symlink_to(tiny_run.data)
    rows = [f"p{i},{('melanoma', 'nevus')[i % 2]}" for i in range(40)]
    (both / "other" / "metadata.csv").write_text("\n".join(["image_id,dx", *rows]), encoding="utf-8")
    (both / "other" / "dataset.yaml").write_text("dataset: taxonomy\nimages: [photos]\n", encoding="utf-8")
    for i in range(40):
        Image.fromarray(np.full((64, 64, 3), 100 + i, np.uint8)).save(both / "other" / "photos" / f"p{i}.png")

    network, recipe = load_checkpoint(tiny_run.checkpoint)
    recipe = recipe.model_copy(update={"repeats": {"taxonomy": 0}, "logit_adjustment": 0.8})
    save_checkpoint(network, recipe, tmp_path / "run" / "model.safetensors")
    split = split_examples(read_examples(both), recipe.split)
    seen = [e for e in split["train"] if e.dataset == "ham10000"]
    assert 0 < len(seen) < len(split["train"])
    save_split(split, tmp_path / "run" / "splits.csv")

    def sampled(textures: np.ndarray, datasets: list[str]) -> SimpleNamespace:
        assert set(datasets) == {"ham10000"}
        return SimpleNamespace()

    stubs = {
        "fit_outliers": sampled,
        "outliers_digest": lambda _: "0" * 64,
        "deploy": lambda *_: None,
        "convert": lambda *_: b"graph",
        "prepare_static": lambda base, *_: (base,),
        "with_temperature": lambda graph, _: graph,
        "quantize": lambda graph: graph,
        "fingerprint": lambda _: "0" * 64,
        "VariantWriter": NoConverter,
        "run_variant": any_answers,
    }
    for name, stub in stubs.items():
        monkeypatch.setattr(export.release, name, stub)
    monkeypatch.setattr(export.commands, "assemble", lambda *_, **__: SimpleNamespace(id="x", variants={}, manifest=None))
    monkeypatch.setattr(export.commands, "doubts", lambda _: [])
    monkeypatch.setattr(export.commands, "save_outliers", lambda _, path: path.write_bytes(b""))

    words = [tmp_path / "run", "--data", both, "--out", tmp_path / "bundle", "--record", tmp_path / "kept", "--json"]
    with pytest.raises(SystemExit) as ended:
        run("export", ["bundle", *map(str, words), "--calibration-images", "100", "--undo-adjustment", "0.5"])
    assert not ended.value.code
    provenance = load_record(tmp_path / "kept" / "record.json").provenance
    assert provenance.datasets == {"ham10000": len(seen)}
    assert sorted(provenance.calibration_ids) == sorted(e.key for e in seen)
    assert provenance.split_sha256 == split_digest(split)
    everything = [e for part in split.values() for e in part]
    made = [e.key for e in everything if e in seen or e in split["val"]]
    assert [e.key for e in everything if provenance.seen(e.dataset, [e.image_id])] == made
    bias = load_file(tmp_path / "kept" / "mobile.safetensors")["head.bias"]
    added = 0.5 * 0.8 * class_log_prior(seen, recipe, default_taxonomy())
    torch.testing.assert_close(
        bias, (network.head.bias + added).detach().half().float()
    )  # a released network is of half precision


def test_a_release_that_fails_leaves_no_folder_for_its_record(
    tiny_run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def failing(kept: Path, *_: object, **__: object) -> None:
        assert kept.is_file()
        raise ExportError("no such op")

    monkeypatch.setattr(export.commands, "fit_release", failing)
    (tmp_path / "file").touch()
    words = ["bundle", str(tiny_run.folder), "--data", str(tiny_run.data), "--out", str(tmp_path / "bundle"), "--record"]
    for place, reason in (("kept/here", "no such op"), ("file/here", "file: not a folder, so nothing can be written into it")):
        with pytest.raises(SystemExit) as ended:
            run("export", [*words, str(tmp_path / place)])
        assert ended.value.code == 2
        assert reason in " ".join(capfd.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
