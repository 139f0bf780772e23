"""The deployed network: what is taken back of an adjustment in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.deployed import undo_adjustment
from tests.conftest import TrainedRun
from train.checkpoint import load_checkpoint
from train.datasets import read_examples
from train.recipe import Recipe
from train.splits import load_split


@pytest.mark.parametrize(("tau", "share"), [(0.8, 0.5), (0.8, 0.0), (0.0, 1.0)])
def test_a_share_of_the_adjustment_is_taken_back_from_every_logit(tiny_run: TrainedRun, tau: float, share: float) -> None:
    network, recipe = load_checkpoint(tiny_run.checkpoint)
    train = load_split(tiny_run.folder / "splits.csv", read_examples(tiny_run.data))["train"]
    adjusted = Recipe.model_validate({**recipe.model_dump(), "logit_adjustment": tau})
    pixels = torch.randint(0, 256, (2, 3, recipe.input_size, recipe.input_size), dtype=torch.uint8)
    with torch.inference_mode():
        before = network(pixels).numpy()
    undo_adjustment(network, adjusted, train, share)
    with torch.inference_mode():
        after = network(pixels).numpy()
    # Synthetic lesions carry one of seven labels each, in known numbers; one is added to every class.
    counts = np.array([1 + sum(node in e.nodes for e in train) for node in recipe.classes])
    np.testing.assert_allclose(after - before, np.tile(share * tau * np.log(counts / counts.sum()), (2, 1)), atol=1e-5)
