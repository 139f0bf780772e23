"""Quantization-aware training from end to end: an ordinary checkpoint comes out, and the recipe says only what changes."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from compress import network_commands
from compress.fake_quantization import on_grid
from compress.qat import QatRecipe, QuantizationAware, adapt, finetune
from compress.recipe import RECIPES
from mobile_runtime.console import run
from mobile_runtime.errors import DataError
from tests.compress.conftest import SIZE, ShallowNetwork
from train.checkpoint import load_checkpoint, save_checkpoint
from train.datasets import Example, read_examples
from train.network import LesionNetwork
from train.recipe import load_recipe, read_recipe
from train.splits import Split, split_examples

SHORT = {"name": "short", "epochs": 1, "batch_size": 32, "calibration_images": 32, "calibration_steps": 1}


@pytest.fixture(scope="module")
def examples(synthetic_data: Path) -> list[Example]:
    return read_examples(synthetic_data)


@pytest.fixture(scope="module")
def split(examples: list[Example]) -> Split:
    return split_examples(examples, load_recipe("tiny").split)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(6)
    recipe = load_recipe("tiny").model_copy(update={"input_size": SIZE, "ema_decay": 0.5})
    return save_checkpoint(LesionNetwork(recipe.backbone, 7), recipe, tmp_path_factory.mktemp("start") / "model.safetensors")


@pytest.fixture(scope="module")
def trained(
    start: Path, examples: list[Example], split: Split, cache_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("qat")
    return finetune(QatRecipe(**SHORT), examples, folder, start, split=split, workers=0, cache=cache_folder)


def test_an_ordinary_checkpoint_comes_out_with_weights_on_the_grid(start: Path, trained: Path) -> None:
    network, recipe = load_checkpoint(trained)
    before, theirs = load_checkpoint(start)
    assert (recipe.name, recipe.input_size, recipe.backbone) == ("short", SIZE, theirs.backbone)
    assert network.state_dict().keys() == before.state_dict().keys()
    for name, layer in network.named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.testing.assert_close(on_grid(layer.weight), layer.weight)
            assert not torch.equal(layer.weight, before.get_parameter(f"{name}.weight")), "it was trained"
    for name, value in before.state_dict().items():
        if "running" in name:
            torch.testing.assert_close(network.state_dict()[name], value)


def test_what_a_resumed_run_needs_is_kept(trained: Path) -> None:
    saved = torch.load(trained.parent / "last.ckpt", weights_only=False)["current_model_state"]
    ranges = saved["objective.quantization.ranges"]
    assert (ranges[:, 0] < ranges[:, 1]).all()
    assert saved["objective.steps"] == 2  # of 80 images in batches of 32


def test_a_finished_run_is_not_trained_again_and_one_of_another_start_refused(
    start: Path, trained: Path, examples: list[Example], split: Split, cache_folder: Path, tmp_path: Path
) -> None:
    before = load_checkpoint(trained)[0].state_dict()
    again = finetune(QatRecipe(**SHORT), examples, trained.parent, start, split=split, workers=0, cache=cache_folder)
    assert all(torch.equal(value, before[name]) for name, value in load_checkpoint(again)[0].state_dict().items())
    network, recipe = load_checkpoint(start)
    with torch.no_grad():
        network.head.bias += 1
    other = save_checkpoint(network, recipe, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="another start"):
        finetune(QatRecipe(**SHORT), examples, trained.parent, other, split=split, workers=0, cache=cache_folder)


def test_the_command_shows_both_networks_beside_each_other(
    start: Path, trained: Path, shallow: ShallowNetwork, synthetic_data: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(network_commands, "make_forms", lambda *_: shallow.forms)  # conversion has tests of its own
    recipe = tmp_path / "short.yaml"
    recipe.write_text(yaml.safe_dump(SHORT), encoding="utf-8")
    words = [str(start), "--data", str(synthetic_data), "--recipe", str(recipe), "--out", str(trained.parent), "--workers", "0"]
    with pytest.raises(SystemExit) as ended:
        run("compress", ["qat", *words])
    shown = " ".join(capfd.readouterr().out.split())
    assert not ended.value.code
    assert "quantized as it was" in shown
    assert "int8 after training minus int8 before, malignancy AUC: +0.0000" in shown  # the same graphs
    stored = json.loads((trained.parent / "qat.json").read_text(encoding="utf-8"))
    assert stored["before"] == stored["after"]
    assert stored["before"]["from_first_float32"]["mean"] == pytest.approx(stored["before"]["mean"])
    with pytest.raises(SystemExit) as ended:
        run("compress", ["qat", str(tmp_path / "none.safetensors"), *words[1:]])
    assert ended.value.code == 2
    assert "none.safetensors: not a readable safetensors checkpoint" in " ".join(capfd.readouterr().err.split())


def test_ranges_are_found_anew_every_so_many_steps(shallow: ShallowNetwork) -> None:
    network = copy.deepcopy(shallow.network).train()
    objective = QuantizationAware(network, lambda one, *_: one.head.bias.sum(), shallow.calibration, 3)
    seen = []
    for _ in range(6):
        with torch.no_grad():
            network.backbone.conv_stem.weight *= 0.8
        objective(network, torch.zeros(1), torch.zeros(1), torch.zeros(1))
        seen.append(objective.quantization.ranges.clone())
    changed = [not torch.equal(a, b) for a, b in itertools.pairwise(seen)]
    assert changed == [False, True, False, False, True]


def test_the_recipe_changes_what_it_says_and_nothing_else() -> None:
    theirs = load_recipe("mobile").model_copy(update={"input_size": 96, "label_smoothing": 0.1})
    plan = adapt(QatRecipe(name="qat", epochs=2, learning_rate=1e-5), theirs)
    assert (plan.name, plan.epochs, plan.learning_rate) == ("qat", 2, 1e-5)
    kept = set(type(theirs).model_fields) - {"name", "epochs", "learning_rate"}
    assert all(getattr(plan, name) == getattr(theirs, name) for name in kept)


def test_a_start_whose_recipe_contradicts_is_an_error_that_says_how_to_mend_it() -> None:
    theirs = load_recipe("mobile").model_copy(update={"max_class_size": 100})
    with pytest.raises(DataError, match=r"'qat' does not fit recipe 'mobile'.*max_class_size"):
        adapt(QatRecipe(name="qat"), theirs)


@pytest.mark.parametrize("name", ["mobile", "teacher", "esteva2017"])
def test_the_shipped_recipe_fits_any_run(name: str) -> None:
    plan = adapt(read_recipe("qat", QatRecipe, RECIPES), load_recipe(name))
    assert plan.epochs <= 5
    assert plan.learning_rate <= 1e-4
    assert plan.split == load_recipe(name).split
    assert np.isclose(plan.weight_decay, 0)
