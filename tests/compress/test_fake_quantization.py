"""Fake quantization: training sees what the phone computes, gradients pass, and snapped weights stay where they are."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from compress.fake_quantization import FakeQuantization, on_grid, snap
from compress.flatbuffer import operator_names
from compress.quantization import quantize
from compress.ranges import Ranges, collect_ranges
from compress.rounding import convolution_weights, graft_weights
from compress.sensitivity import STATIC
from mobile_runtime.errors import DataError
from tests.compress.conftest import ShallowNetwork
from tests.compress.graphs import output_of, run, tensors_of
from train.network import LesionNetwork


@dataclass(frozen=True)
class Rounded:
    """The same network with weights rounded to the nearest step, as TFLite.

    Attributes:
        int8: the static int8 graph.
        ranges: of the activations of the float graph with these weights, by which it was quantized.
    """

    int8: bytes
    ranges: Ranges


@pytest.fixture(scope="module")
def rounded(shallow: ShallowNetwork) -> Rounded:
    base = shallow.forms.float32
    nearest = quantize(base, STATIC, collect_ranges(base, shallow.calibration))
    grafted = graft_weights(base, nearest)
    ranges = collect_ranges(grafted, shallow.calibration)
    return Rounded(quantize(grafted, STATIC, ranges), ranges)


@pytest.fixture
def faked(shallow: ShallowNetwork) -> tuple[LesionNetwork, FakeQuantization]:
    network = copy.deepcopy(shallow.network)
    return network, FakeQuantization(network, shallow.calibration)


def probabilities(network: LesionNetwork, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return torch.softmax(network.eval()(torch.from_numpy(images).permute(0, 3, 1, 2)), 1).numpy()


def test_training_sees_what_the_phone_computes(
    shallow: ShallowNetwork, rounded: Rounded, faked: tuple[LesionNetwork, FakeQuantization]
) -> None:
    """Fake quantization is as near to the integer graph as XNNPACK's and the plain integer kernels are to each other.

    Kernels round each result by fixed-point multipliers, fake quantization in float: now and then a value is one step off,
    and the layers behind carry that on. On this network the two kernels differ by 0.004 in probability on average and 0.06 at
    most.
    """
    float32 = run(shallow.forms.float32, shallow.images)["probabilities"]
    np.testing.assert_allclose(probabilities(shallow.network, shallow.images), float32, atol=1e-4)  # the same float network
    assert np.ptp(float32, axis=0).max() > 0.5, "the images must differ, or nothing is compared"
    simulated = probabilities(faked[0], shallow.images)
    for plain_kernels in (False, True):
        int8 = run(rounded.int8, shallow.images, plain_kernels)["probabilities"]
        effect, unsaid = np.abs(int8 - float32), np.abs(simulated - int8)
        assert unsaid.mean() < 0.007
        assert unsaid.max() < 0.1
        assert effect.mean() > 1.5 * unsaid.mean()


@pytest.mark.parametrize(("layer", "mean_limit"), [(0, 0.002), (1, 0.01), (2, 0.02)])
def test_the_first_layers_are_the_same_integers(
    shallow: ShallowNetwork, rounded: Rounded, faked: tuple[LesionNetwork, FakeQuantization], layer: int, mean_limit: float
) -> None:
    """In steps of int8; later layers carry on what was rounded to the other side here."""
    seen: list[np.ndarray] = []
    module = [m for m in faked[0].modules() if isinstance(m, torch.nn.BatchNorm2d)][layer]
    module.register_forward_hook(lambda m, i, output: seen.append(output.permute(0, 2, 3, 1).numpy()))
    probabilities(faked[0], shallow.images)
    operator = [i for i, name in enumerate(operator_names(rounded.int8)) if name.endswith("CONV_2D")][layer]
    found = output_of(rounded.int8, operator, shallow.images).astype(np.float32)
    output = tensors_of(rounded.int8, operator)[1][0].quantization
    apart = np.abs(seen[0] / output.scale[0] + output.zeroPoint[0] - found)
    assert apart.mean() < mean_limit


def test_weights_and_ranges_are_those_of_the_integer_graph(
    rounded: Rounded, faked: tuple[LesionNetwork, FakeQuantization]
) -> None:
    network, quantization = faked
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    for layer, norm, (weights, _) in zip(layers, norms, convolution_weights(rounded.int8), strict=True):
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        folded = (on_grid(layer.weight) * gain.reshape(-1, 1, 1, 1)).detach().numpy()
        np.testing.assert_allclose(folded, weights, rtol=0, atol=1e-4 * np.abs(weights).max())  # an 80th of a step
    tflite = np.array(list(rounded.ranges.values()))
    for low, high in quantization.ranges.numpy():
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


def test_snapped_weights_stay_on_their_grid_in_half_precision(shallow: ShallowNetwork) -> None:
    """Releases keep weights in float16; an error of 2^-11 each on 127 steps, twice, is an eighth of a step at most."""
    network = copy.deepcopy(shallow.network)
    snap(network)
    for layer in [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]:
        exact, half = layer.weight.detach().flatten(1), layer.weight.detach().half().float().flatten(1)
        steps = [w / (w.abs().amax(1, keepdim=True) / 127) for w in (exact, half)]
        torch.testing.assert_close(steps[0], steps[0].round(), rtol=0, atol=1e-4)
        assert torch.equal(steps[1].round(), steps[0].round())
        assert (steps[1] - steps[0]).abs().max() < 0.13


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
