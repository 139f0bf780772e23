"""Fake quantization: training sees what the phone computes, gradients pass, and a snapped network has nothing left to round."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from compress.fake_quantization import FakeQuantization, on_grid, snap
from compress.rounding import convolution_weights
from mobile_runtime.errors import DataError
from tests.compress.conftest import ShallowNetwork
from tests.compress.graphs import run
from train.network import LesionNetwork


def probabilities(network: LesionNetwork, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return torch.softmax(network.eval()(torch.from_numpy(images).permute(0, 3, 1, 2)), 1).numpy()


@pytest.fixture
def faked(shallow: ShallowNetwork) -> tuple[LesionNetwork, FakeQuantization]:
    network = copy.deepcopy(shallow.network)
    return network, FakeQuantization(network, shallow.calibration)


def test_training_sees_what_the_phone_computes(shallow: ShallowNetwork, faked: tuple[LesionNetwork, FakeQuantization]) -> None:
    """Of what int8 does to this network's answers, fake quantization leaves no more unsaid than two int8 kernels do.

    Integer kernels round each layer's result by fixed-point multipliers, fake quantization in float: single values differ by
    one step, and the layers behind carry that on. XNNPACK and the plain kernels differ among themselves in the same way.
    """
    float32 = run(shallow.forms.float32, shallow.images)["probabilities"]
    np.testing.assert_allclose(probabilities(shallow.network, shallow.images), float32, atol=1e-4)  # the same float network
    simulated = probabilities(faked[0], shallow.images)
    for plain_kernels in (False, True):
        int8 = run(shallow.forms.int8, shallow.images, plain_kernels)["probabilities"]
        effect, unsaid = np.abs(int8 - float32), np.abs(simulated - int8)
        assert effect.mean() > 0.01, "int8 must do something, or nothing is compared"
        assert unsaid.mean() < 0.3 * effect.mean()
        assert unsaid.mean() < 0.01
        assert unsaid.max() < 0.1


def test_ranges_are_those_of_the_float_graph_with_rounded_weights(
    shallow: ShallowNetwork, faked: tuple[LesionNetwork, FakeQuantization]
) -> None:
    from compress.ranges import collect_ranges

    tflite = np.array(list(collect_ranges(shallow.forms.float32, shallow.calibration).values()))
    for low, high in faked[1].ranges.numpy():
        # Relative to the range: float32 rounding over some fifty layers.
        assert (np.abs(tflite - (low, high)).max(1) < 1e-3 * (high - low)).any(), (low, high)


def test_weights_keep_their_names_and_values(shallow: ShallowNetwork, faked: tuple[LesionNetwork, FakeQuantization]) -> None:
    before, after = shallow.network.state_dict(), faked[0].state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_gradients_reach_every_layer_and_batch_statistics_stay(faked: tuple[LesionNetwork, FakeQuantization]) -> None:
    network = faked[0].train()
    before = {name: value.clone() for name, value in network.state_dict().items() if "running" in name}
    pixels = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    torch.nn.functional.cross_entropy(network(pixels), torch.arange(4)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_grid_has_127_steps_up_to_the_largest_weight_of_a_channel() -> None:
    weight = torch.tensor([[1.27, 0.004, -0.006], [-254.0, 0.9, 1.1]], requires_grad=True)
    rounded = on_grid(weight)
    torch.testing.assert_close(rounded, torch.tensor([[1.27, 0.0, -0.01], [-254.0, 0.0, 2.0]]))
    torch.testing.assert_close(on_grid(rounded.detach()), rounded)
    (rounded * torch.tensor([[1.0, 2, 3], [4, 5, 6]])).sum().backward()
    torch.testing.assert_close(weight.grad, torch.tensor([[1.0, 2, 3], [4, 5, 6]]))  # straight through
    assert torch.equal(on_grid(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_a_release_rounds_nothing_of_a_snapped_network(shallow: ShallowNetwork) -> None:
    """Folding batch normalization scales a channel's grid with it; half precision, in which releases keep weights, too."""
    network = copy.deepcopy(shallow.network)
    snap(network)
    layers = [m for m in network.backbone.modules() if isinstance(m, torch.nn.Conv2d)]
    found = convolution_weights(shallow.forms.int8)
    assert len(found) == len(layers)
    for layer, (weights, _) in zip(layers, found, strict=True):
        steps = [
            w.reshape(len(w), -1) * (127 / np.abs(w.reshape(len(w), -1)).max(1, keepdims=True))
            for w in (weights, layer.weight.detach().half().float().numpy())
        ]
        # 2^-11 of half precision twice, on up to 127 steps: an eighth of a step. Signs are those of the folded gain.
        assert np.abs(np.abs(steps[0]) - np.abs(steps[1])).max() < 0.13


def test_calibration_follows_the_weights(shallow: ShallowNetwork, faked: tuple[LesionNetwork, FakeQuantization]) -> None:
    network, quantization = faked
    first = quantization.ranges.clone()
    with torch.no_grad():
        network.backbone.conv_stem.weight *= 0.1
    quantization.calibrate(network.train())
    assert network.training
    assert not torch.allclose(quantization.ranges, first)


def test_a_network_of_other_parts_is_refused_by_name(shallow: ShallowNetwork) -> None:
    with pytest.raises(DataError, match=r"backbone\.bn1 is a BatchNormAct2d.*mobilenetv2_100"):
        FakeQuantization(LesionNetwork("mobilenetv3_small_050", 7), shallow.calibration)
