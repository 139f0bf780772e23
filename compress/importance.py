"""How much a fitted network's answers depend on each channel, asked of training pictures (Fisher pruning)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from train.network import LesionNetwork

BATCH = 32


def fisher_information(network: LesionNetwork, layers: Sequence[str], views: torch.Tensor, seed: int = 0) -> list[torch.Tensor]:
    """By how much the loss would rise without each channel, to second order.

    Theis et al. 2018, "Faster gaze prediction with dense networks and Fisher pruning", equation 5: the mean over pictures of
    (sum over positions of activation times gradient) squared, halved. Labels are drawn from what the network says, so that the
    gradients' covariance is the Fisher information (Kunstner et al. 2019, section 2) and no label is needed.

    Args:
        network: a fitted network.
        layers: names of convolutions.
        views: uint8 [N, 3, S, S].
        seed: of the labels.

    Returns:
        float32 [C] for each layer.
    """
    draw = torch.Generator().manual_seed(seed)
    modules = dict(network.named_modules())
    outputs: dict[str, torch.Tensor] = {}
    sums = {name: torch.zeros(modules[name].out_channels) for name in layers}

    def keep(name: str, output: torch.Tensor) -> None:
        outputs[name] = output

    hooks = [modules[n].register_forward_hook(lambda _module, _inputs, output, name=n: keep(name, output)) for n in layers]
    try:
        network.eval()
        for batch in _batches(views):
            logits = network(batch)
            labels = torch.multinomial(logits.detach().softmax(1), 1, generator=draw)[:, 0]
            gradients = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), [outputs[n] for n in layers])
            for name, gradient in zip(layers, gradients, strict=True):
                sums[name] += (outputs[name].detach() * gradient).sum((2, 3)).square().sum(0)
    finally:
        for hook in hooks:
            hook.remove()
    return [sums[name] / (2 * len(views)) for name in layers]


def renew_statistics(network: LesionNetwork, views: torch.Tensor) -> None:
    """Measure the means and variances of batch normalization anew, in place: without some channels, the others' sums move."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: the plain mean over batches
    network.train()
    with torch.no_grad():
        for batch in _batches(views):
            network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def _batches(views: torch.Tensor) -> Iterator[torch.Tensor]:
    for start in range(0, len(views), BATCH):
        yield views[start : start + BATCH].contiguous(memory_format=torch.channels_last)
