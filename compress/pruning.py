"""Structured pruning: whole channels go, so that what is left is a plain smaller network (DepGraph, Fang et al. 2023)."""

from __future__ import annotations

import bisect
import copy
from dataclasses import dataclass

import torch
import torch_pruning
from timm.models._efficientnet_blocks import InvertedResidual
from torch import nn

from compress.importance import fisher_information, renew_statistics
from mobile_runtime.errors import DataError
from train.network import LesionNetwork
from train.normalization import is_folded, restore_normalization

CHUNK = 8
"""Channels go so many at a time: what int8 kernels work on at once."""


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of one image, and weights."""

    multiply_adds: int
    parameters: int


def cost(network: LesionNetwork, input_size: int) -> Cost:
    """What one image [3, S, S] costs."""
    macs, parameters = torch_pruning.utils.count_ops_and_params(network, torch.zeros(1, 3, input_size, input_size))
    return Cost(int(macs), int(parameters))


def prune(
    network: LesionNetwork, input_size: int, share: float, views: torch.Tensor | None = None, seed: int = 0
) -> LesionNetwork:
    """Take expansion channels off the inverted residual blocks, the weakest first, until so much of the work is left.

    Channels go in chunks, so that widths suit the kernels; what the blocks hand on, the stem and the head keep their widths.
    With training pictures, a channel's importance is its Fisher information for each multiply-add that it costs (Theis et al.
    2018, section 2.3), and batch normalization is measured anew at the end. Without, it is DepGraph's group magnitude (section
    3.3): the norm of all weights that the channel is tied to, relative to the layer's mean. Either way the network loses
    accuracy: distil it afterwards.

    Args:
        network: a fitted network; left as it is.
        input_size: S.
        share: multiply-adds to be left, as a share of the network's.
        views: uint8 [N, 3, S, S], training pictures; None judges by the weights alone.
        seed: of the labels drawn for the Fisher information.

    Returns:
        A smaller network with the attribute `pruned`.

    Raises:
        DataError: a share outside 0.05 to 0.95, one that cannot be reached, or a network without depthwise layers.
    """
    if not 0.05 <= share <= 0.95:
        raise DataError(f"a share of {share:g} of the multiply-adds cannot be left; give one from 0.05 to 0.95")
    network = copy.deepcopy(network).eval()
    if views is not None and is_folded(network):
        restore_normalization(network, views)
    # Elsewhere depthwise layers are followed by what cannot lose channels.
    fit = any(isinstance(module, InvertedResidual) for module in network.modules())
    chunks = _chunks(network, input_size, share, views, seed) if fit else []
    if not chunks:
        raise DataError("the network has no inverted residual blocks, hence nothing to prune")
    budget = share * cost(network, input_size).multiply_adds

    def dear(count: int) -> bool:
        return cost(_without(network, input_size, chunks[:count]), input_size).multiply_adds > budget

    if dear(len(chunks)):
        least = cost(_without(network, input_size, chunks), input_size).multiply_adds / budget * share
        raise DataError(
            f"with {CHUNK} channels in every block, {least:.1%} of the multiply-adds at {input_size} pixels are left, more "
            f"than {share:.1%}; give a greater share"
        )
    fewest = bisect.bisect_left(range(len(chunks) + 1), True, key=lambda count: not dear(count))
    small = _without(network, input_size, chunks[:fewest])
    if views is not None:
        renew_statistics(small, views)
    return small


def _graph(network: LesionNetwork, input_size: int) -> torch_pruning.DependencyGraph:
    return torch_pruning.DependencyGraph().build_dependency(network, torch.zeros(1, 3, input_size, input_size))


def _hidden_layers(network: LesionNetwork) -> list[tuple[str, nn.Conv2d]]:
    """The depthwise layers between an expansion and a projection; the first follows the stem and is left out."""
    layers = [(name, m) for name, m in network.named_modules() if isinstance(m, nn.Conv2d) and 1 < m.groups == m.in_channels]
    return layers[1:]


def _group(graph: torch_pruning.DependencyGraph, layer: nn.Conv2d, channels: list[int]) -> torch_pruning.Group:
    return graph.get_pruning_group(layer, torch_pruning.prune_depthwise_conv_out_channels, channels)


def _importance(
    network: LesionNetwork, input_size: int, layers: list[tuple[str, nn.Conv2d]], views: torch.Tensor | None, seed: int
) -> list[torch.Tensor]:
    if views is not None:
        return fisher_information(network, [name for name, _ in layers], views, seed)
    graph = _graph(network, input_size)
    magnitude = torch_pruning.importance.GroupMagnitudeImportance(p=2, normalizer="mean")
    return [magnitude(_group(graph, layer, list(range(layer.in_channels)))) for _, layer in layers]


def _chunks(
    network: LesionNetwork, input_size: int, share: float, views: torch.Tensor | None, seed: int
) -> list[tuple[str, list[int]]]:
    """(layer, channels) in the order in which they may go.

    Of each layer, the share squared stays, a quarter at a half, until all the others have given what they can: narrow layers
    have no chunk to give otherwise. One chunk always stays.
    """
    layers = _hidden_layers(network)
    whole = cost(network, input_size).multiply_adds
    ranked = []
    for (name, layer), values in zip(layers, _importance(network, input_size, layers, views, seed), strict=True):
        order = values.argsort().tolist()
        spared = layer.in_channels - int(layer.in_channels * share**2)
        starts = range(0, layer.in_channels - 2 * CHUNK + 1, CHUNK)
        if views is not None and starts:
            values = values / (whole - cost(_without(network, input_size, [(name, order[:CHUNK])]), input_size).multiply_adds)
        for start in starts:
            channels = order[start : start + CHUNK]
            ranked.append((start + CHUNK > spared, float(values[channels].mean()), name, channels))
    return [(name, channels) for *_, name, channels in sorted(ranked)]


def _without(network: LesionNetwork, input_size: int, chunks: list[tuple[str, list[int]]]) -> LesionNetwork:
    small = copy.deepcopy(network).eval()
    graph = _graph(small, input_size)
    for name, layer in _hidden_layers(small):
        gone = [channel for chunk, channels in chunks if chunk == name for channel in channels]
        if gone:
            _group(graph, layer, sorted(gone)).prune()
    small.pruned = True
    return small
