"""Averaged runs: the mean of what they hold, and only of runs that belong together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from mobile_runtime.errors import DataError
from train.averaging import average
from train.checkpoint import load_checkpoint, save_checkpoint
from train.network import LesionNetwork
from train.recipe import Recipe

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def run(name: str, value: float = 0.0, split: str = "dataset,image_id\n", **changes: object) -> Path:
        recipe = Recipe.model_validate({"name": name, "backbone": "mobilenetv2_035", "input_size": 32, **changes})
        network = LesionNetwork(recipe.backbone, len(recipe.classes))
        with torch.no_grad():
            for tensor in (*network.parameters(), *(b for b in network.buffers() if b.is_floating_point())):
                tensor.fill_(value)
        save_checkpoint(network, recipe, tmp_path / name / "model.safetensors")
        (tmp_path / name / "splits.csv").write_text(split, encoding="utf-8")
        return tmp_path / name

    return run


def test_every_weight_and_statistic_is_the_mean(make: Make, tmp_path: Path) -> None:
    checkpoint = average([make("a", 1.0), make("b", 2.0), make("c", 6.0, seed=9)], tmp_path / "mean")
    network, recipe = load_checkpoint(checkpoint)
    assert (recipe.name, recipe.seed) == ("c", 9)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(value, torch.full_like(value, 3.0)), name
    assert (tmp_path / "mean" / "splits.csv").read_text(encoding="utf-8") == "dataset,image_id\n"


def test_a_run_given_twice_counts_twice(make: Make, tmp_path: Path) -> None:
    once, twice = make("once", 3.0), make("twice", 6.0)
    network, _ = load_checkpoint(average([once, twice, twice], tmp_path / "mean"))
    assert all(torch.equal(value, torch.full_like(value, 5.0)) for value in network.parameters())


def test_a_folded_release_and_a_run_have_no_mean(make: Make, tmp_path: Path) -> None:
    trained, released = make("trained", 0.5), make("released", 0.5)
    network, recipe = load_checkpoint(released / "model.safetensors")
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        nn.init.ones_(norm.weight)
    save_checkpoint(network, recipe, released / "model.safetensors")
    with pytest.raises(DataError, match=r"released: its normalization is folded .* average runs as they were trained"):
        average([trained, released], tmp_path / "mean")
    average([released, released], tmp_path / "mean")


def test_runs_that_do_not_belong_together_are_refused(make: Make, tmp_path: Path) -> None:
    first = make("a")
    out = tmp_path / "mean"
    with pytest.raises(DataError, match="two runs or more"):
        average([first], out)
    with pytest.raises(DataError, match="input_size 32, but 64"):
        average([first, make("larger", input_size=64)], out)
    with pytest.raises(DataError, match="different splits"):
        average([first, make("other", split="dataset,image_id\nx,1\n")], out)
    with pytest.raises(DataError, match=r"the network of one of the runs itself"):
        average([make("b"), first], first)
    (first / "splits.csv").unlink()
    with pytest.raises(DataError, match="not a readable split"):
        average([first, make("b")], out)
    with pytest.raises(DataError, match="not a readable safetensors"):
        average([make("c"), tmp_path / "nothing"], out)
    assert not out.exists()
