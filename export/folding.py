"""Batch normalization folded into convolutions, and weights that half precision holds exactly.

A folded kernel may reach far beyond its neighbours (the first depthwise layer of MobileNetV2 goes to 58), and rounding it to
float16 then moves probabilities by hundredths. Rounded before anything is fitted, every form of a release has the same weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from train.network import LesionNetwork

SAME = 1e-3
"""Largest difference of logits by which a folded network still is the same: float32 sums in another order."""


def fold_to_half(network: LesionNetwork) -> LesionNetwork:
    """The network with kernels that include the scale of the batch normalization after them, all weights values of float16.

    Normalizations stay in place with scale 1, so that the checkpoint fits its backbone. Where a backbone normalizes otherwise
    than right after each convolution, weights are rounded as they are.

    Args:
        network: in evaluation mode; left as it is.
    """
    folded = copy.deepcopy(network)
    with torch.no_grad():
        for convolution, normalization in _pairs(folded):
            mean, variance = normalization.running_mean, normalization.running_var
            if mean is None or variance is None:
                continue
            scale = normalization.weight / torch.sqrt(variance + normalization.eps)
            convolution.weight.mul_(scale.view(-1, *[1] * (convolution.weight.ndim - 1)))
            normalization.bias.sub_(mean * scale)
            normalization.weight.fill_(1)
            mean.zero_()
            variance.fill_(1 - normalization.eps)
    if not _same(network, folded):
        folded = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in folded.parameters():
            parameter.copy_(parameter.half())
    return folded


def _pairs(network: nn.Module) -> Iterator[tuple[nn.Conv2d, _BatchNorm]]:
    """Each convolution without bias with the normalization that is registered next."""
    before = None
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            before = module if module.bias is None else None
        elif isinstance(module, _BatchNorm) and before is not None:
            if module.affine and module.num_features == before.out_channels:
                yield before, module
            before = None


def _same(network: LesionNetwork, other: LesionNetwork) -> bool:
    pixels = torch.randint(0, 256, (2, 3, 96, 96), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.inference_mode():
        return bool((network(pixels) - other(pixels)).abs().max() <= SAME)
