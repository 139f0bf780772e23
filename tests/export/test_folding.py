"""Folding and half precision: the same network up to rounding, and nothing left for float16 to round."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from export.folding import fold_to_half
from train.checkpoint import load_checkpoint, logits_of, save_checkpoint
from train.network import LesionNetwork
from train.recipe import Recipe

PIXELS = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def lived_in(backbone: str) -> LesionNetwork:
    """A network whose normalizations have statistics, scales of either sign and offsets."""
    torch.manual_seed(4)
    network = LesionNetwork(backbone, 7)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            module.weight.data[::3] *= -1
            nn.init.uniform_(module.bias, -0.5, 0.5)
    for _ in range(3):
        network(torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8))
    return network.eval()


@pytest.mark.parametrize("backbone", ["mobilenetv2_035", "efficientnet_lite0"])
def test_the_same_network_with_nothing_left_to_round(backbone: str, tmp_path: Path) -> None:
    network = lived_in(backbone)
    before = logits_of(network, PIXELS)
    folded = fold_to_half(network)
    assert torch.equal(logits_of(network, PIXELS), before), "the network itself is left as it is"
    for name, parameter in folded.named_parameters():
        assert torch.equal(parameter, parameter.half().float()), name
    for module in folded.modules():
        if isinstance(module, nn.BatchNorm2d):
            scale = module.weight / torch.sqrt(module.running_var + module.eps)
            torch.testing.assert_close(scale, torch.ones_like(scale), rtol=0, atol=2e-7)  # float32's last bit
            assert not module.running_mean.any()
    after = logits_of(folded, PIXELS)
    # float16 keeps 11 bits; through some 50 layers that is a percent of the logits' size.
    torch.testing.assert_close(after, before, rtol=0, atol=0.02 * float(before.abs().max()))
    recipe = Recipe.model_validate({"name": "r", "backbone": backbone, "input_size": 64})
    kept, _ = load_checkpoint(save_checkpoint(folded, recipe, tmp_path / "kept.safetensors", half=True))
    assert torch.equal(logits_of(kept, PIXELS), after), "a file in half precision loses nothing"


def test_a_backbone_that_normalizes_otherwise_is_rounded_only() -> None:
    network = lived_in("mobilenetv2_035")
    # What comes after the first convolution is no longer what is registered after it.
    network.backbone.conv_stem, network.backbone.bn1 = (
        nn.Sequential(network.backbone.conv_stem, nn.ReLU()),
        network.backbone.bn1,
    )
    before = logits_of(network, PIXELS)
    torch.testing.assert_close(logits_of(fold_to_half(network), PIXELS), before, rtol=0, atol=0.02 * float(before.abs().max()))
