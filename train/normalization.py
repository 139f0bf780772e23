"""Batch normalization of released checkpoints, which hold it folded into their convolutions, made fit for training again.

A folded network computes the same in evaluation mode only: in training, batch normalization would take away the mean and the
scale that the folded one no longer does, and every layer would see other values than it was trained for.
"""

from __future__ import annotations

import torch
from torch import nn

from train.network import LesionNetwork

BATCH = 64


def is_folded(network: LesionNetwork) -> bool:
    """Whether no normalization of the network takes away or scales anything but one adds something: as `export.folding` leaves
    them, and not as they are before any training."""
    norms = _norms(network)
    idle = all(not mean.any() and torch.allclose(norm.weight.square(), var + norm.eps, rtol=1e-3) for norm, mean, var in norms)
    return idle and any(bool(norm.bias.any()) for norm, *_ in norms)


def restore_normalization(network: LesionNetwork, views: torch.Tensor) -> None:
    """Give each normalization the mean and variance that its input has on pictures, and the weight and bias that undo them.

    In evaluation mode the network computes what it did before, but for rounding; in training mode nearly so.

    Args:
        network: changed in place; left in the mode it was in.
        views: uint8 [N, 3, S, S], training pictures.
    """
    norms = _norms(network)
    sums: dict[nn.Module, torch.Tensor] = {norm: torch.zeros(3, norm.num_features).double() for norm, *_ in norms}

    def add(norm: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        values = inputs[0].double().transpose(0, 1).flatten(1)
        sums[norm] += torch.stack([torch.ones_like(values).sum(1), values.sum(1), values.square().sum(1)])

    training = network.training
    hooks = [norm.register_forward_pre_hook(add) for norm, *_ in norms]
    try:
        network.eval()
        with torch.no_grad():
            for start in range(0, len(views), BATCH):
                network(views[start : start + BATCH].contiguous(memory_format=torch.channels_last))
    finally:
        for hook in hooks:
            hook.remove()
        network.train(training)
    with torch.no_grad():
        for norm, running_mean, running_var in norms:
            count, first, second = sums[norm]
            mean = first / count
            variance = (second / count - mean.square()).clamp_min(0)
            scale = norm.weight.double() / (running_var.double() + norm.eps).sqrt()
            norm.bias.copy_(norm.bias + scale * (mean - running_mean))
            norm.weight.copy_(scale * (variance + norm.eps).sqrt())
            running_mean.copy_(mean)
            running_var.copy_(variance)


def _norms(network: LesionNetwork) -> list[tuple[nn.BatchNorm2d, torch.Tensor, torch.Tensor]]:
    """Each batch normalization with its stored mean and variance."""
    found = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    return [(n, n.running_mean, n.running_var) for n in found if n.running_mean is not None and n.running_var is not None]
