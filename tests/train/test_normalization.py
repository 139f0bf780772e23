"""A folded network computes what it did before folding; made fit for training, it does so in training, too."""

from __future__ import annotations

import copy

import pytest
import torch

from export.folding import fold_to_half
from train.network import LesionNetwork
from train.normalization import is_folded, restore_normalization

VIEWS = torch.randint(0, 256, (96, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def logits(network: LesionNetwork) -> torch.Tensor:
    with torch.no_grad():
        return copy.deepcopy(network)(VIEWS)  # a copy: training mode moves the statistics


@pytest.fixture(scope="module")
def trained() -> LesionNetwork:
    """A network whose normalizations have statistics, weights and biases of their own."""
    torch.manual_seed(1)
    network = LesionNetwork("mobilenetv2_035", 7)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.uniform_(-0.5, 1)
            norm.momentum = None
        network.train()(VIEWS)  # statistics of one batch: those that training mode would use
    for norm in norms:
        norm.momentum = 0.1
    return network.eval()


@pytest.fixture(scope="module")
def folded(trained: LesionNetwork) -> LesionNetwork:
    return fold_to_half(trained)


def test_only_a_folded_network_is_taken_for_one(trained: LesionNetwork, folded: LesionNetwork) -> None:
    assert is_folded(folded)
    assert not is_folded(trained)
    assert not is_folded(LesionNetwork("mobilenetv2_035", 7))  # before any training, weights are 1 and means 0, too


def test_what_it_computes_stays(folded: LesionNetwork) -> None:
    restored = copy.deepcopy(folded)
    restore_normalization(restored, VIEWS)
    assert not is_folded(restored)
    assert not restored.training
    torch.testing.assert_close(logits(restored), logits(folded), atol=1e-4, rtol=1e-4)  # float32, factors in another order


def test_in_training_it_computes_that_too(trained: LesionNetwork, folded: LesionNetwork) -> None:
    restored = copy.deepcopy(folded)
    restore_normalization(restored, VIEWS)
    wanted = logits(trained)
    apart = [float((logits(network.train()) - wanted).norm() / wanted.norm()) for network in (restored, copy.deepcopy(folded))]
    # Half precision's rounding, and the batch's unbiased variance, are all that is left of what was far off.
    assert apart[0] < 0.02 < 0.2 < apart[1]


def test_what_does_not_matter_stays_out(folded: LesionNetwork) -> None:
    """A channel that is the same everywhere has no variance; nothing becomes infinite."""
    dead = copy.deepcopy(folded)
    with torch.no_grad():
        dead.backbone.conv_stem.weight[0] = 0
    restore_normalization(dead, VIEWS)
    assert torch.isfinite(logits(dead)).all()
