"""Starts: one that has seen what it would be judged on is refused, and so is another one when a run is resumed."""

from __future__ import annotations

import dataclasses
import errno
import json
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from safetensors.torch import save_file

from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256
from train.checkpoint import load_checkpoint, save_checkpoint
from train.crossvalidation import crossvalidate
from train.datasets import Example
from train.fitting import fit
from train.network import LesionNetwork
from train.processes import WholeCheckpoints
from train.recipe import Recipe
from train.splits import save_split, split_examples
from train.starts import begin, read_last, refuse_seen_start, start_of


@pytest.fixture(scope="module")
def weights(quick_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint beside which no split lies."""
    torch.manual_seed(1)
    network = LesionNetwork(quick_recipe.backbone, len(quick_recipe.classes))
    return save_checkpoint(network, quick_recipe, tmp_path_factory.mktemp("weights") / "model.safetensors")


def forget_start(last: Path) -> None:
    """Make last.ckpt what it was before starts were noted."""
    saved = torch.load(last, weights_only=False)
    del saved["start"]
    torch.save(saved, last)


def test_a_start_is_a_name_or_what_is_in_the_file(weights: Path, tmp_path: Path) -> None:
    assert [start_of(name) for name in ("scratch", "hub")] == ["scratch", "hub"]
    assert start_of(str(weights)) == sha256(weights)
    with pytest.raises(DataError, match=r"none\.safetensors: not a readable safetensors file"):
        start_of(str(tmp_path / "none.safetensors"))


def test_a_run_folder_is_of_one_start(quick_recipe: Recipe, few_examples: list[Example], weights: Path, tmp_path: Path) -> None:
    def again(init: str, resume: bool = True) -> str:
        return sha256(fit(quick_recipe, few_examples, tmp_path, init=init, workers=0, resume=resume))

    first = again(str(weights))
    with pytest.raises(DataError, match=r"last\.ckpt: begun with another start, .* and not scratch; start over with --fresh"):
        again("scratch")
    assert again(str(weights)) == first
    assert again("scratch", resume=False) != first
    with pytest.raises(DataError, match=rf"another start, scratch and not {sha256(weights)[:12]}"):
        again(str(weights))
    forget_start(tmp_path / "last.ckpt")
    again(str(weights))


def test_a_given_network_is_of_one_start_too(quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path) -> None:
    def again(start: str | None) -> None:
        network = LesionNetwork(quick_recipe.backbone, len(quick_recipe.classes))
        fit(quick_recipe, few_examples, tmp_path, network=network, start=start, workers=0)

    again("a" * 64)
    again("a" * 64)
    again(None)
    with pytest.raises(DataError, match="another start, aaaaaaaaaaaa and not bbbbbbbbbbbb"):
        again("b" * 64)


def test_folds_are_of_one_start(
    quick_recipe: Recipe, few_examples: list[Example], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(init: str) -> dict[str, object]:
        return crossvalidate(quick_recipe, few_examples, tmp_path, folds=3, judged=1, init=init, workers=0)

    first = again("scratch")
    with pytest.raises(DataError, match=r"fold-1: finished with another start, scratch and not .* \(--init\)"):
        again(str(weights))
    assert again("scratch") == first
    note = tmp_path / "fold-1" / "fold.json"
    (tmp_path / "kept.json").write_bytes(note.read_bytes())
    note.unlink()  # killed before it was judged
    with pytest.raises(DataError, match=r"last\.ckpt: begun with another start"):
        again(str(weights))
    document = json.loads((tmp_path / "kept.json").read_text(encoding="utf-8"))
    del document["start"]  # finished before starts were noted
    note.write_text(json.dumps(document), encoding="utf-8")
    assert again("scratch") == first


def test_a_start_that_has_seen_what_it_would_be_judged_on_is_refused(
    quick_recipe: Recipe, few_examples: list[Example], weights: Path, tmp_path: Path
) -> None:
    split = split_examples(few_examples, quick_recipe.split)
    moved = {"train": split["val"], "val": split["train"], "test": split["test"]}
    own = tmp_path / "model.safetensors"
    own.write_bytes(weights.read_bytes())
    save_split(split, tmp_path / "splits.csv")
    with pytest.raises(DataError, match=r"model\.safetensors: was trained on .* for validation or test here"):
        fit(quick_recipe, few_examples, tmp_path / "run", init=str(own), split=moved, workers=0)
    assert not (tmp_path / "run").exists()
    refuse_seen_start(str(own), split)
    refuse_seen_start(str(weights), moved)  # nothing says what it was trained on
    # ImageNet weights in a folder with a split, as `data audit --repair splits.csv` leaves one.
    others = tmp_path / "imagenet.safetensors"
    save_file({"conv_stem.weight": torch.zeros(1)}, others)
    refuse_seen_start(str(others), moved)


def test_a_head_of_other_classes_begins_anew(quick_recipe: Recipe, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = load_checkpoint(weights)[0].state_dict()
    same = begin(quick_recipe, str(weights)).state_dict()
    torch.testing.assert_close(same["head.weight"], theirs["head.weight"])
    assert "classes" not in capsys.readouterr().err
    turned = begin(quick_recipe.model_copy(update={"classes": quick_recipe.classes[::-1]}), str(weights)).state_dict()
    assert not torch.equal(turned["head.weight"], theirs["head.weight"])
    name = next(name for name in theirs if name.startswith("backbone."))
    torch.testing.assert_close(turned[name], theirs[name])
    assert "has other classes than this recipe, so that the head begins anew" in capsys.readouterr().err


def test_a_backbone_that_does_not_take_the_size_is_named(quick_recipe: Recipe) -> None:
    recipe = quick_recipe.model_copy(update={"backbone": "vit_tiny_patch16_224"})
    with pytest.raises(DataError, match=f"vit_tiny_patch16_224 does not take pictures of {recipe.input_size} pixels a side"):
        begin(recipe, "scratch")


def test_a_cut_checkpoint_and_other_labels_are_not_gone_on_from(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path
) -> None:
    split = split_examples(few_examples, quick_recipe.split)
    fit(quick_recipe, few_examples, tmp_path, split=split, workers=0)
    first = split["train"][0]
    other = dataclasses.replace(first, label="bcc" if first.label != "bcc" else "nv")
    with pytest.raises(DataError, match=f"begun with other labels of 1 images, first {first.key}; start over with --fresh"):
        read_last(tmp_path / "last.ckpt", quick_recipe, {**split, "train": [other, *split["train"][1:]]}, None)
    (tmp_path / "last.ckpt").write_bytes((tmp_path / "last.ckpt").read_bytes()[:5000])
    with pytest.raises(DataError, match=r"last\.ckpt: not a whole checkpoint .*; start over with --fresh"):
        fit(quick_recipe, few_examples, tmp_path, split=split, workers=0)
    for other_content in ({"a": 1}, [1, 2]):
        torch.save(other_content, tmp_path / "last.ckpt")
        with pytest.raises(DataError, match=r"last\.ckpt: not a whole checkpoint \(it is of something else\)"):
            fit(quick_recipe, few_examples, tmp_path, split=split, workers=0)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_of_before(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = tmp_path / "run" / "last.ckpt"
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("tempfile.tempdir", str(tmp_path / "gone"))  # no checkpoint goes through another file system
        fit(quick_recipe, few_examples, last.parent, split=split_examples(few_examples, quick_recipe.split), workers=0)
    before, there = last.read_bytes(), sorted(last.parent.iterdir())

    def full(_: object, stream: BinaryIO) -> None:
        stream.write(before[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"No space left on device: .*last\.ckpt"):
        WholeCheckpoints().save_checkpoint({"epoch": 2}, last)
    assert last.read_bytes() == before and sorted(last.parent.iterdir()) == there


def test_a_run_begun_anew_leaves_no_network_beside_its_split(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path
) -> None:
    fit(quick_recipe, few_examples, tmp_path, workers=0)
    endless = quick_recipe.model_copy(update={"learning_rate": 1e9, "gradient_clip": 0.0})
    with pytest.raises(DataError, match="the loss is"):
        fit(endless, few_examples, tmp_path, workers=0, resume=False)
    assert (tmp_path / "splits.csv").is_file()
    assert not (tmp_path / "model.safetensors").exists()
    assert not (tmp_path / "metrics.json").exists()


def test_a_run_begun_with_teachers_is_not_gone_on_with_by_labels_alone(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path
) -> None:
    note = tmp_path / "distillation.json"
    note.write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"distillation\.json: begun with teachers; start over with --fresh or choose another"):
        fit(quick_recipe, few_examples, tmp_path, workers=0)
    assert list(tmp_path.iterdir()) == [note]
    fit(quick_recipe, few_examples, tmp_path, workers=0, resume=False)
    assert not note.exists()  # what is there now had none
    fit(quick_recipe, few_examples, tmp_path, workers=0)
