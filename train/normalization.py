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
    idle = all(not n.running_mean.any() and torch.allclose(n.running_var + n.eps, n.weight.square(), rtol=1e-3) for n in norms)
    return idle and any(bool(n.bias.any()) for n in norms)


def restore_normalization(network: LesionNetwork, views: torch.Tensor) -> None:
    """Give each normalization the mean and variance that its input has on pictures, and the weight and bias that undo them.

    In evaluation mode the network computes what it did before, but for rounding; in training mode nearly so.

    Args:
        network: changed in place; left in the mode it was in.
        views: uint8 [N, 3, S, S], training pictures.
    """
    sums = {norm: (torch.zeros(norm.num_features).double(), torch.zeros(norm.num_features).double()) for norm in _norms(network)}
    counts = dict.fromkeys(sums, 0)

    def add(norm: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        values = inputs[0].double()
        counts[norm] += values.numel() // values.shape[1]  # type: ignore[index]
        for total, part in zip(sums[norm], (values, values.square()), strict=True):  # type: ignore[index]
            total += part.sum((0, 2, 3))

    training = network.training
    hooks = [norm.register_forward_pre_hook(add) for norm in sums]
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
        for norm, (first, second) in sums.items():
            mean = first / counts[norm]
            variance = (second / counts[norm] - mean.square()).clamp_min(0)
            scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
            norm.bias.copy_(norm.bias + scale * (mean - norm.running_mean))
            norm.weight.copy_(scale * (variance + norm.eps).sqrt())
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)


def _norms(network: LesionNetwork) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
