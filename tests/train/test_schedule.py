"""Learning rates by analytic values, and one step of each optimizer by hand."""

from __future__ import annotations

import math

import pytest
import torch

from train.recipe import Recipe, load_recipe
from train.schedule import learning_rate_factor, make_optimizer, make_schedule


def test_the_papers_rate_falls_sixteenfold_every_thirty_epochs() -> None:
    recipe = load_recipe("esteva2017")
    steps = 7 * recipe.epochs
    at = {epoch: learning_rate_factor(recipe, 7 * epoch, steps) for epoch in (0, 29, 30, 59, 60, 89)}
    assert at == {0: 1, 29: 1, 30: 1 / 16, 59: 1 / 16, 60: 1 / 256, 89: 1 / 256}
    assert learning_rate_factor(recipe, 7 * 30 - 1, steps) == 1, "within an epoch nothing changes"


def test_cosine_rises_and_falls_to_nothing() -> None:
    recipe = Recipe(name="r", schedule="cosine", warmup=0.2)
    curve = [learning_rate_factor(recipe, step, 100) for step in range(101)]
    assert curve[:20] == sorted(curve[:20])
    assert curve[0] == pytest.approx(1 / 21)
    assert curve[20] == 1
    assert curve[60] == pytest.approx(0.5)
    assert curve[40] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert curve[20:] == sorted(curve[20:], reverse=True)
    assert curve[100] == pytest.approx(0)


def test_one_step_of_the_papers_optimizer_by_hand() -> None:
    recipe = load_recipe("esteva2017")
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = make_optimizer(recipe, [{"params": [weight], "weight_decay": 0.0}])
    weight.grad = torch.tensor([2.0])
    optimizer.step()
    # TensorFlow starts the mean square at 1: 0.9 * 1 + 0.1 * 4 = 1.3, and adds epsilon 0.1 under the root.
    assert weight.item() == pytest.approx(1 - 1e-3 * 2 / math.sqrt(1.3 + 0.1), rel=1e-6)


def test_without_the_newer_keys_it_is_adamw_in_one_cycle() -> None:
    recipe = load_recipe("tiny")
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = make_optimizer(recipe, [{"params": [weight], "weight_decay": 0.01}])
    assert type(optimizer) is torch.optim.AdamW
    assert type(make_schedule(recipe, optimizer, 10)) is torch.optim.lr_scheduler.OneCycleLR
