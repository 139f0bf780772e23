"""One small graph through the real converter: seconds instead of half a minute, and made of the same parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from compress.ranges import Ranges, collect_ranges
from mobile_runtime.synthetic import LABELS, lesion

if TYPE_CHECKING:
    from compress.conversion import Forms
    from train.network import LesionNetwork

SIZE = 32


@dataclass(frozen=True)
class SmallGraph:
    """A convolutional classifier in PyTorch and as float32 TFLite.

    Attributes:
        network: uint8 [N, S, S, 3] to logits [N, 7].
        model: the flatbuffer: `probabilities` [1, 7] and `scores` [1, 2].
        images: uint8 [N, S, S, 3].
        ranges: of the activations over the images.
    """

    network: Any
    model: bytes
    images: np.ndarray
    ranges: Ranges


@pytest.fixture(scope="session")
def small() -> SmallGraph:
    return small_graph(3)


@pytest.fixture(scope="session")
def small_wide() -> SmallGraph:
    """With a 5x5 depthwise layer, as EfficientNet-Lite has."""
    return small_graph(5)


def small_graph(taps: int) -> SmallGraph:
    """The graph with a depthwise kernel of so many taps a side."""
    import torch

    from compress.conversion import convert
    from tests.compress.networks import Deployed, Logits

    torch.manual_seed(3)
    network = Logits(taps).eval()
    with torch.no_grad():
        network.head.weight *= 40  # logits of some spread, or every image would have the same probabilities
        for index, channel in enumerate(network.features[0].weight):
            channel *= 2.0 ** (index - 4)  # channels of unlike size, which one scale for all would flatten
    model = convert(Deployed(network), SIZE)
    images = np.stack([lesion(label, seed, SIZE) for seed in range(8) for label in LABELS])
    return SmallGraph(network, model, images, collect_ranges(model, images))


@dataclass(frozen=True)
class ShallowNetwork:
    """The first stages of a MobileNetV2 with its TFLite forms as releases make them.

    Attributes:
        network: in evaluation mode; copy it before changing it.
        forms: float32 and static int8.
        calibration: uint8 [M, S, S, 3].
        images: uint8 [N, S, S, 3], others.
    """

    network: LesionNetwork
    forms: Forms
    calibration: np.ndarray
    images: np.ndarray


@pytest.fixture(scope="session")
def shallow() -> ShallowNetwork:
    """Never trained, which takes long: only its batch statistics and the spread of its answers are those of real ones."""
    import torch

    from compress.conversion import make_forms
    from train.network import LesionNetwork

    drawn = np.stack([lesion(label, seed, SIZE) for seed in range(16) for label in LABELS])
    calibration, images = drawn[:56], drawn[56:]
    torch.manual_seed(4)
    network = LesionNetwork("mobilenetv2_035", len(LABELS))
    network.backbone.blocks = network.backbone.blocks[:2]
    width = network.backbone.blocks[-1][-1].conv_pwl.out_channels
    network.backbone.conv_head = torch.nn.Conv2d(width, network.backbone.num_features, 1, bias=False)
    pixels = torch.from_numpy(calibration).permute(0, 3, 1, 2)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # the mean over all batches
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
            elif isinstance(module, torch.nn.Conv2d):
                module.weight.flatten(1)[:, 0] *= 4  # one large weight a channel makes its grid coarse
        network.train()(pixels)
        embeddings = network.eval().embed(pixels)
        network.head.weight *= 2 / network.head(embeddings - embeddings.mean(0)).std()
        network.head.bias.copy_(-network.head.weight @ embeddings.mean(0))
    return ShallowNetwork(network, make_forms(network, SIZE, calibration), calibration, images)
