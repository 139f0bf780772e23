"""The classifier: raw pixels in, class logits out, normalization inside."""

from __future__ import annotations

import os
import shutil
import sys
from difflib import get_close_matches
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from mobile_runtime.errors import DataError

PIXEL_MEAN = 128.0
PIXEL_STD = 127.5
"""(pixel - 128) / 127.5: the [-1, 1] scaling of the ImageNet weights, moved by half a step so that a uint8 tensor with scale
1 / 127.5 and zero point 128 holds it exactly, and an int8 graph needs no arithmetic before its first convolution."""
PIXEL_RANGE = (-PIXEL_MEAN / PIXEL_STD, (255 - PIXEL_MEAN) / PIXEL_STD)
"""Smallest and largest normalized pixel."""


def turned(pixels: torch.Tensor, orientations: int) -> torch.Tensor:
    """The pictures in several orientations of the square, one after the other: [N, C, S, S] to [K N, C, S, S].

    2: as it is and turned by 180 degrees; 4: both mirrored left to right, too; 8: all mirrored at the diagonal, too.
    """
    if orientations >= 2:
        pixels = torch.cat([pixels, pixels.flip((2, 3))])
    if orientations >= 4:
        pixels = torch.cat([pixels, pixels.flip(3)])
    if orientations >= 8:
        pixels = torch.cat([pixels, pixels.transpose(2, 3)])
    return pixels


def turned_back(maps: torch.Tensor, orientations: int) -> torch.Tensor:
    """Mean over the orientations of maps [K N, C, H, W] of turned pictures, each turned back: [N, C, H, W]."""
    upright = []
    for index, part in enumerate(maps.chunk(orientations)):
        part = part.transpose(2, 3) if index & 4 else part
        part = part.flip(3) if index & 2 else part
        upright.append(part.flip((2, 3)) if index & 1 else part)
    return torch.stack(upright).mean(0)


class LesionNetwork(nn.Module):
    """A timm backbone with one linear head.

    A lesion has no upright position, but a network trained on few images answers differently for each. In evaluation mode it
    looks at several orientations and takes the mean of their embeddings, hence of their logits (the head is linear).

    Args:
        backbone: a timm model name.
        classes: number of outputs C.
        drop_rate: dropout before the head.
        pretrained: fetch ImageNet weights from the hub.
        orientations: how many orientations of each picture are averaged in evaluation mode, 1, 2, 4 or 8.

    Attributes:
        pruned: layers are narrower than the backbone's name says.
    """

    def __init__(
        self, backbone: str, classes: int, drop_rate: float = 0.0, pretrained: bool = False, orientations: int = 1
    ) -> None:
        super().__init__()
        self.pruned = False
        self.orientations = orientations
        try:
            self.backbone = timm.create_model(backbone, pretrained=pretrained, num_classes=0)
        except (RuntimeError, OSError) as error:  # an unknown name, or a hub that is out of reach
            near = [] if timm.is_model(backbone) else get_close_matches(backbone, timm.list_models(), n=5)
            said = f"; near are {', '.join(near)}" if near else ""
            raise DataError(f"backbone {backbone!r}: {' '.join(str(error).split())}{said}") from error
        # As a module and not as a mean: the TFLite converter then needs no transposition around it.
        self._pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
        self.dropout = nn.Dropout(drop_rate)
        # Where a layer follows the pooling, as in MobileNetV3, the embedding is what it gives.
        width = getattr(self.backbone, "head_hidden_size", None) or self.backbone.num_features
        self.head = nn.Linear(width, classes)

    @property
    def width(self) -> int:
        """D, the size of an embedding."""
        return self.head.in_features

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels [N, 3, S, S] in 0..255, any dtype, to embeddings float32 [N, D]."""
        return self.averaged(self.backbone(self.views(pixels)))

    def embed_with_textures(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings as `embed` gives them, and textures [N, M]: spatial means of the stages at 1/8 and 1/16 resolution.

        Textures tell what kind of picture it is better than embeddings, which the classes have been trained into.
        """
        stages = [i for i, info in enumerate(self.backbone.feature_info) if info["reduction"] in (8, 16)]
        features, maps = self.backbone.forward_intermediates(self.views(pixels), indices=stages)
        textures = torch.cat([self._pool(m) for m in maps], dim=1)
        return self.averaged(self.backbone.forward_head(features)), self.averaged(textures)

    def views(self, pixels: torch.Tensor) -> torch.Tensor:
        """What the backbone is given for pixels [N, 3, S, S] in 0..255: [K N, 3, S, S], normalized."""
        if not self.training:
            pixels = turned(pixels, self.orientations)
        return (pixels.float() - PIXEL_MEAN) / PIXEL_STD

    def averaged(self, rows: torch.Tensor) -> torch.Tensor:
        """Mean over the orientations of what the backbone gave for `views`: [K N, D] to [N, D]."""
        if self.training or self.orientations == 1:
            return rows
        return rows.reshape(self.orientations, -1, rows.shape[1]).mean(0)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels [N, 3, S, S] in 0..255 to logits [N, C]."""
        return self.head(self.dropout(self.embed(pixels)))


def compile_backbone(network: LesionNetwork) -> None:
    """Compile what takes the time, in place (`torch.compile`): a minute or two when it is first used.

    Raises:
        DataError: there is no C++ compiler.
    """
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")  # what torch takes
    if shutil.which(compiler) is None:
        raise DataError(f"compiling needs a C++ compiler, and there is no {compiler!r}; set CXX, or leave --compile out")
    network.backbone.compile(dynamic=False)


def narrow(network: LesionNetwork, state: dict[str, torch.Tensor]) -> None:
    """Give the layers of a network the widths of the weights of a pruned one; the values still have to be loaded."""
    for name, module in network.named_modules():
        weight = state.get(f"{name}.weight")
        if weight is None or not isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
            continue
        for part in ("weight", "bias"):
            if getattr(module, part) is not None and f"{name}.{part}" in state:
                setattr(module, part, nn.Parameter(torch.empty_like(state[f"{name}.{part}"])))
        if isinstance(module, nn.Conv2d):
            depthwise = module.groups == module.in_channels
            module.out_channels = len(weight)
            module.groups = len(weight) if depthwise else 1
            module.in_channels = weight.shape[1] * module.groups
        elif isinstance(module, nn.BatchNorm2d):
            module.num_features = len(weight)
            module.running_mean, module.running_var = torch.zeros(len(weight)), torch.ones(len(weight))
        else:
            module.out_features, module.in_features = weight.shape
    network.backbone.num_features = network.backbone.head_hidden_size = network.head.in_features
    network.pruned = True


def initialize(network: LesionNetwork, path: Path, with_head: bool = True) -> int:
    """Load a backbone or a whole network from a safetensors file.

    Accepts timm's naming (an ImageNet backbone, its classifier ignored) and this project's own checkpoints.

    Args:
        network: changed in place.
        path: the file.
        with_head: take a head of this shape, too; only that of the same classes in the same order has a meaning here.

    Returns:
        How many tensors were taken.

    Raises:
        DataError: not a safetensors file, or it does not fit the backbone (the first misfits are named).
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a readable safetensors file ({error})") from error
    own = network.state_dict()
    if not any(name.startswith("backbone.") for name in state):
        state = {f"backbone.{name}": value for name, value in state.items()}
    wanted = {name for name in own if name.startswith("backbone.") and not name.endswith("num_batches_tracked")}
    taken = {name: value.float() for name, value in state.items() if name in own and own[name].shape == value.shape}
    if not with_head:
        taken = {name: value for name, value in taken.items() if not name.startswith("head.")}
    if missing := sorted(wanted - taken.keys()):
        raise DataError(f"{path}: does not fit this backbone, {len(missing)} tensors differ, first {missing[:3]}")
    network.load_state_dict(taken, strict=False)
    return len(taken)
