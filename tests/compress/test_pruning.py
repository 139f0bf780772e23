"""Pruning: less work, the same interface, and a checkpoint that comes back as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import compress.pruning
from compress.importance import fisher_information, renew_statistics
from compress.pruning import CHUNK, cost, prune
from export.folding import fold_to_half
from mobile_runtime.errors import DataError
from tests.conftest import TrainedRun
from train.checkpoint import load_checkpoint, save_checkpoint
from train.network import LesionNetwork

PIXELS = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def outputs(network: LesionNetwork) -> torch.Tensor:
    with torch.no_grad():
        return network.eval()(PIXELS)


@pytest.fixture(scope="module")
def whole(tiny_run: TrainedRun) -> LesionNetwork:
    return load_checkpoint(tiny_run.checkpoint)[0]


@pytest.mark.parametrize("share", [0.7, 0.5, 0.4])
def test_no_more_than_the_share_of_the_work_is_left(whole: LesionNetwork, share: float) -> None:
    before = outputs(whole)
    small = prune(whole, 64, share)
    left = cost(small, 64).multiply_adds / cost(whole, 64).multiply_adds
    assert 0.8 * share < left <= share  # channels go in eights, the last of which may take more than was asked
    assert torch.equal(outputs(whole), before)
    assert outputs(small).shape == before.shape
    pairs = zip(small.modules(), whole.modules(), strict=True)
    lost = [b.out_channels - a.out_channels for a, b in pairs if isinstance(b, torch.nn.Conv2d)]
    assert any(lost)
    assert all(count % CHUNK == 0 for count in lost)


def test_a_share_below_what_blocks_can_give_is_refused_with_the_least(whole: LesionNetwork) -> None:
    with pytest.raises(DataError, match=rf"with {CHUNK} channels in every block, [\d.]+% .* give a greater share"):
        prune(whole, 64, 0.05)


def test_narrow_layers_give_way_where_the_others_keep_too_much(whole: LesionNetwork) -> None:
    left = cost(prune(whole, 64, 0.95), 64).multiply_adds / cost(whole, 64).multiply_adds
    assert 0.8 < left <= 0.95


@pytest.mark.parametrize("views", [None, PIXELS], ids=["weights", "pictures"])
def test_every_layer_keeps_a_chunk(monkeypatch: pytest.MonkeyPatch, views: torch.Tensor | None) -> None:
    wide = LesionNetwork("mobilenetv2_100", 7)
    taken: dict[str, int] = {}
    for name, channels in compress.pruning._chunks(wide, 32, 0.05, views, 0):
        taken[name] = taken.get(name, 0) + len(channels)
    layers = dict(wide.named_modules())
    assert taken
    assert all(layers[name].out_channels - count >= CHUNK for name, count in taken.items())


def test_a_pruned_checkpoint_comes_back_as_it_was(whole: LesionNetwork, tiny_run: TrainedRun, tmp_path: Path) -> None:
    small = prune(whole, 64, 0.5)
    recipe = load_checkpoint(tiny_run.checkpoint)[1]
    again, kept = load_checkpoint(save_checkpoint(small, recipe, tmp_path / "half.safetensors"))
    assert kept == recipe
    assert again.pruned
    assert torch.equal(outputs(again), outputs(small))
    assert again.embed_with_textures(PIXELS)[0].shape == (2, again.head.in_features)
    again.train()(PIXELS).sum().backward()  # every narrowed layer can learn
    assert all(p.grad is not None for p in again.parameters())


@pytest.mark.parametrize("views", [None, PIXELS], ids=["weights", "pictures"])
def test_pruning_takes_the_channels_that_do_nothing_first(whole: LesionNetwork, views: torch.Tensor | None) -> None:
    idle = LesionNetwork("mobilenetv2_035", 7)
    idle.load_state_dict(whole.state_dict())
    blocks = [block for stage in idle.backbone.blocks for block in stage if hasattr(block, "conv_pwl")]
    with torch.no_grad():
        for block in blocks:
            kept = block.conv_pw.out_channels // 2
            for part in (block.conv_pw, block.bn1, block.conv_dw, block.bn2):
                part.weight[kept:] = 0
            for norm in (block.bn1, block.bn2):
                norm.bias[kept:] = 0
            block.conv_pwl.weight[:, kept:] = 0
    if views is not None:
        renew_statistics(idle, views)  # as pruning does
    small = prune(idle, 64, 0.8, views)
    assert torch.allclose(outputs(small), outputs(idle), atol=1e-4)  # float32, summed in another order


def test_pictures_tell_what_the_weights_do_not(whole: LesionNetwork) -> None:
    """Large weights behind an activation that stays at zero: they look important, and nothing depends on them."""
    loud = LesionNetwork("mobilenetv2_035", 7)
    loud.load_state_dict(whole.state_dict())
    block = loud.backbone.blocks[3][1]
    half = block.conv_pw.out_channels // 2
    with torch.no_grad():
        block.bn2.bias[half:] = -1e3  # ReLU6 gives zero
        block.conv_pwl.weight[:, half:] *= 100
    renew_statistics(loud, PIXELS)
    before = outputs(loud)
    (values,) = fisher_information(loud, ["backbone.blocks.3.1.conv_dw"], PIXELS)
    assert torch.all(values[half:] == 0)
    assert torch.count_nonzero(values[:half]) > half // 2
    assert torch.equal(outputs(loud), before)
    narrow = dict(prune(loud, 64, 0.9, PIXELS).named_modules())["backbone.blocks.3.1.conv_pw"]
    assert narrow.out_channels < block.conv_pw.out_channels


def matter(monkeypatch: pytest.MonkeyPatch, importance: Callable[[int], torch.Tensor]) -> None:
    """Let pictures say that the channels of each layer matter so much."""
    monkeypatch.setattr(
        "compress.pruning.fisher_information",
        lambda network, layers, views, seed: [importance(network.get_submodule(name).out_channels) for name in layers],
    )


def test_a_released_network_keeps_what_it_has_learned(whole: LesionNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its batch normalization is folded: statistics measured anew as they are would be the end of it."""
    views = torch.randint(0, 255, (32, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    idle = copy.deepcopy(whole)
    with torch.no_grad():
        for block in (block for stage in idle.backbone.blocks for block in stage if hasattr(block, "conv_pwl")):
            block.conv_pwl.weight[:, block.conv_pw.out_channels // 2 :] = 0
    renew_statistics(idle, views)
    released = fold_to_half(idle)
    matter(monkeypatch, lambda count: torch.arange(count, 0.0, -1))  # the last channels go, which do nothing
    small = outputs(prune(released, 64, 0.8, views))
    # 0.12: half precision, and statistics of one batch of 32 on two pictures that are not in it. Taken as they are: 0.83.
    assert (small - outputs(released)).norm() < 0.25 * outputs(released).norm()


def test_of_channels_that_matter_alike_the_dearest_go(whole: LesionNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    matter(monkeypatch, torch.ones)
    small = dict(prune(whole, 64, 0.9, PIXELS).named_modules())
    kept = {
        name: small[name].out_channels / layer.out_channels
        for name, layer in whole.named_modules()
        if isinstance(layer, torch.nn.Conv2d) and layer.groups > 1
    }
    # A channel of the second block works on 32 x 32 and 16 x 16 pixels, one of the last but one on 2 x 2.
    assert kept["backbone.blocks.1.0.conv_dw"] < 1, kept
    assert kept["backbone.blocks.5.2.conv_dw"] == 1, kept


def test_the_same_seed_takes_the_same_channels(whole: LesionNetwork) -> None:
    again = [prune(whole, 64, 0.5, PIXELS, seed=4) for _ in range(2)]
    assert torch.equal(outputs(again[0]), outputs(again[1]))


def test_statistics_are_those_of_the_pictures_given(whole: LesionNetwork) -> None:
    moved = copy.deepcopy(whole)
    norm = moved.backbone.bn1
    norm.running_mean += 3
    renew_statistics(moved, PIXELS)
    seen: list[torch.Tensor] = []
    hook = moved.backbone.conv_stem.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    outputs(moved)
    hook.remove()
    assert torch.allclose(norm.running_mean, seen[0].mean((0, 2, 3)), atol=1e-5)  # float32 sums
    assert norm.momentum == whole.backbone.bn1.momentum


@pytest.mark.parametrize("share", [0, 0.04, 1, 2, float("nan")])
def test_a_share_that_makes_no_sense_is_refused(whole: LesionNetwork, share: float) -> None:
    with pytest.raises(DataError, match=r"0\.05 to 0\.95"):
        prune(whole, 64, share)
