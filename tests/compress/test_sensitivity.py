"""Sensitivity: a layer that quantization ruins is found, and is what the mixed recipe leaves in float."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from compress.flatbuffer import constant, operator_names, read, set_constant, swept, write
from compress.quantization import quantize
from compress.ranges import Ranges, collect_ranges
from compress.sensitivity import (
    STATIC,
    Layer,
    LayerCost,
    Workbench,
    calibration_spread,
    layers_of,
    malignancy,
    malignancy_auc,
    mixed,
    noise,
    sensitivity,
)
from mobile_runtime.errors import DataError
from tests.compress.conftest import SmallGraph


@pytest.fixture(scope="module")
def truth(small: SmallGraph) -> np.ndarray:
    """What the float graph says, hence its AUC is 1 and any loss is quantization's."""
    scores = malignancy(small.model, small.images)
    return scores > np.median(scores)


@pytest.fixture(scope="module")
def spoilt(small: SmallGraph) -> tuple[bytes, Ranges]:
    """The small graph with one huge weight in each kernel of its last layer, for a channel that is always nought.

    Nothing changes in float; in int8 the huge weight leaves no steps for the others.
    """
    tree = read(small.model)
    convolutions = [op for op in tree.subgraphs[0].operators if op.inputs is not None and len(op.inputs) == 3]
    dense = next(op for op in convolutions if tuple(tree.subgraphs[0].tensors[op.inputs[1]].shape) == (16, 1, 1, 8))
    depthwise = next(op for op in convolutions if tuple(tree.subgraphs[0].tensors[op.inputs[1]].shape) == (1, 3, 3, 8))
    kernel, bias = constant(tree, depthwise.inputs[1]).copy(), constant(tree, depthwise.inputs[2]).copy()
    kernel[..., 0], bias[0] = 0, -1  # ReLU6 makes it nought
    set_constant(tree, depthwise.inputs[1], kernel)
    set_constant(tree, depthwise.inputs[2], bias)
    weights = constant(tree, dense.inputs[1]).copy()
    weights[..., 0] = 1000 * np.abs(weights).max()
    set_constant(tree, dense.inputs[1], weights)
    model = write(swept(tree))
    return model, collect_ranges(model, small.images)


def test_layers_are_the_convolutions_in_order(small: SmallGraph) -> None:
    assert [layer.op for layer in layers_of(small.model)] == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"]


def test_a_layer_left_in_float_is_float_and_the_others_are_not(small: SmallGraph) -> None:
    layer = layers_of(small.model)[2]
    kept = quantize(small.model, STATIC, small.ranges, [layer.tensor])
    whole = quantize(small.model, STATIC, small.ranges)
    before, after = (noise(small.model, graph, small.images[:8]) for graph in (whole, kept))
    assert operator_names(kept).count("DEQUANTIZE") >= operator_names(whole).count("DEQUANTIZE")
    assert after[0] == before[0]
    assert after[2] > before[2] + 1  # only the error that comes in is left


def test_the_spoilt_layer_comes_first(spoilt: tuple[bytes, Ranges], small: SmallGraph) -> None:
    model, ranges = spoilt
    scores = malignancy(model, small.images)
    malignant = scores > np.median(scores)
    costs = sensitivity(model, ranges, small.images, malignant)
    assert costs[0].layer == layers_of(model)[2]
    assert costs[0].auc_gain > 0.05
    assert min(costs, key=lambda cost: cost.signal_to_noise_db).layer == costs[0].layer
    graph, kept = mixed(model, ranges, small.images, malignant, costs, bound=0.03)
    assert kept == [costs[0].layer]
    assert malignancy_auc(graph, small.images, malignant) >= 1 - 0.03


def test_nothing_stays_in_float_where_nothing_is_lost(small: SmallGraph, truth: np.ndarray) -> None:
    costs = sensitivity(small.model, small.ranges, small.images, truth)
    graph, kept = mixed(small.model, small.ranges, small.images, truth, costs, bound=0.1)
    assert kept == []
    assert graph == quantize(small.model, STATIC, small.ranges)


@pytest.mark.parametrize(("seed", "order"), [(38, (2, 0, 1)), (41, (0, 2, 1)), (47, (2, 0, 1))])
def test_no_other_single_layer_can_be_spared(small: SmallGraph, seed: int, order: tuple[int, ...]) -> None:
    # Labels by lot, by which the AUC rises and falls as layers join: the last one to join is spared once an earlier one is.
    malignant = np.random.default_rng(seed).random(len(small.images)) < 0.5
    costs = [LayerCost(layers_of(small.model)[index], 0.0, 0.0) for index in order]

    def loss(kept: Sequence[Layer]) -> float:
        graph = quantize(small.model, STATIC, small.ranges, [layer.tensor for layer in kept])
        return malignancy_auc(small.model, small.images, malignant) - malignancy_auc(graph, small.images, malignant)

    _, kept = mixed(small.model, small.ranges, small.images, malignant, costs, bound=0.0)
    assert loss(kept) <= 0
    assert all(loss([other for other in kept if other is not layer]) > 0 for layer in kept)


def test_one_kind_of_image_is_refused(small: SmallGraph) -> None:
    with pytest.raises(DataError, match="both"):
        malignancy_auc(small.model, small.images[:4], np.ones(4, bool))


def test_the_spread_is_that_of_the_two_halves(small: SmallGraph) -> None:
    def spread(calibration: np.ndarray, second: np.ndarray) -> tuple[float, float]:
        malignant, groups = np.arange(7) < 3, np.arange(7)
        return calibration_spread(small.model, Workbench(calibration, second, small.images[:7], malignant, groups))

    twice = np.concatenate([small.images[7:21], small.images[7:21]])
    assert spread(twice, np.arange(28) >= 14) == (0, 0)
    dark = small.images[7:21] // 8
    mean, largest = spread(np.concatenate([small.images[7:21], dark]), np.arange(28) >= 14)
    assert 0 < mean < largest
    one, two = (malignancy(quantize(small.model, STATIC, collect_ranges(small.model, images)), small.images[:7])
                for images in (small.images[7:21], dark))  # fmt: skip
    assert largest == pytest.approx(np.abs(one - two).max(), abs=1e-12)
    with pytest.raises(DataError, match="all of one lesion or patient"):
        spread(twice, np.zeros(28, bool))
