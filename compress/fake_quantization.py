"""Fake quantization: a network that computes, in float and with gradients, what its static int8 form computes.

The arithmetic is that of recipe `static_wi8_ai8` (Jacob et al. 2018, "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", section 3): weights on a symmetric grid per output channel, activations on an
affine grid per tensor whose range is the smallest and largest value over a calibration set; gradients pass straight through
the rounding (Bengio et al. 2013, "Estimating or Propagating Gradients Through Stochastic Neurons", section 4) and stop
outside the range.

Batch normalization keeps its stored statistics, and then scales each channel of a convolution by a constant: rounding the
weights before or after that folding is the same, because the grid of a channel is scaled with it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mobile_runtime.errors import DataError
from train.network import LesionNetwork

_STEPS = 127
_LOW, _HIGH = -128, 127
_BATCH = 64
_FUSED = (nn.Identity, nn.ReLU, nn.ReLU6)
"""Activations that TFLite computes within a convolution."""


def on_grid(weight: torch.Tensor) -> torch.Tensor:
    """Weights [O, ...] rounded to int8 steps of their output channel; the gradient passes."""
    scale = weight.detach().abs().flatten(1).amax(1).clamp_min(1e-12) / _STEPS
    zero = torch.zeros(len(scale), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -_STEPS, _STEPS)


class _Convolution(nn.Conv2d):
    """A convolution that stores float weights and computes with rounded ones."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        return self._conv_forward(input, on_grid(self.weight), self.bias)


class FakeQuantization(nn.Module):
    """Puts fake quantization into a network, for good; the names and shapes of its weights stay.

    Every value that is int8 in the TFLite graph is rounded: what convolutions give after batch normalization and activation,
    what residual blocks add up, and the mean over pixels. The head stays in float, as it does there.

    Args:
        network: changed in place; its batch normalization no longer adapts.
        images: calibration images, uint8 [M, S, S, 3].

    Attributes:
        ranges: float32 [K, 2], smallest and largest value of each activation; part of the state.

    Raises:
        DataError: the network has parts whose int8 arithmetic is not known here.
    """

    def __init__(self, network: LesionNetwork, images: npt.NDArray[np.uint8]) -> None:
        super().__init__()
        points = _points(network)
        self._observed: torch.Tensor | None = None
        self._images = torch.from_numpy(images).permute(0, 3, 1, 2)  # no buffer: it is not to be averaged or saved
        self.ranges: torch.Tensor
        self.register_buffer("ranges", torch.zeros(len(points), 2))
        for module in network.modules():
            if type(module) is nn.Conv2d:
                module.__class__ = _Convolution
            elif isinstance(module, nn.BatchNorm2d):
                module.register_forward_pre_hook(_freeze)
        for index, module in enumerate(points):
            module.register_forward_hook(partial(self._round, index))
        self.calibrate(network)

    def calibrate(self, network: LesionNetwork) -> None:
        """Find the ranges with rounded weights and float activations, as `compress.ranges` does."""
        training = network.training
        self._observed = torch.empty_like(self.ranges)
        self._observed[:, 0], self._observed[:, 1] = torch.inf, -torch.inf
        with torch.no_grad():
            network.eval()
            for start in range(0, len(self._images), _BATCH):
                network(self._images[start : start + _BATCH].to(self.ranges.device))
        self.ranges.copy_(self._observed)
        self._observed = None
        network.train(training)

    def _round(self, index: int, module: nn.Module, inputs: Any, values: torch.Tensor) -> torch.Tensor:
        if self._observed is not None:
            found = self._observed[index]
            found[0], found[1] = torch.minimum(found[0], values.min()), torch.maximum(found[1], values.max())
            return values
        low, high = self.ranges[index, 0].clamp_max(0), self.ranges[index, 1].clamp_min(0)  # zero is always on the grid
        scale = ((high - low) / (_HIGH - _LOW)).clamp_min(1e-9)
        zero = torch.round(_LOW - low / scale).to(torch.int32)
        return torch.fake_quantize_per_tensor_affine(values.float(), scale, zero, _LOW, _HIGH)


def snap(network: LesionNetwork) -> None:
    """Put the weights of all convolutions on their grid, so that quantizing the network rounds nothing any more."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.copy_(on_grid(module.weight))


def _freeze(module: nn.Module, inputs: Any) -> None:
    module.eval()


def _points(network: LesionNetwork) -> list[nn.Module]:
    """Modules whose output is int8 on the phone, in order."""
    points: list[nn.Module] = []
    for name, module in network.backbone.named_modules():
        if isinstance(module, nn.Conv2d):
            known = type(module) in (nn.Conv2d, _Convolution)
        elif isinstance(module, nn.BatchNorm2d):
            known = isinstance(getattr(module, "act", None), _FUSED)
            points.append(module)
        else:
            known = bool(list(module.children())) or isinstance(module, (*_FUSED, nn.Dropout, nn.Flatten, nn.AdaptiveAvgPool2d))
            if getattr(module, "has_skip", False):
                points.append(module)
        if not known:
            raise DataError(
                f"backbone.{name} is a {type(module).__name__}: training with fake quantization knows convolutions with batch "
                "normalization and ReLU or ReLU6, and blocks that add up; take a backbone such as mobilenetv2_100"
            )
    return [*points, network.backbone.global_pool]
