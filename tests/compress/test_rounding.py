"""Rounding by effect: on the grid, next to where the weight was, and better than the nearest step."""

from __future__ import annotations

import numpy as np
import pytest

from compress.flatbuffer import GraphError, constant, dequantized, operator_names, read, write
from compress.quantization import quantize
from compress.ranges import collect_ranges
from compress.rounding import graft_weights, round_weights
from tests.compress.conftest import SmallGraph
from tests.compress.graphs import output_of

CONVOLUTIONS = (4, 5, 6)  # of the float graph: CAST, SUB, MUL and PAD come first
DEPTHWISE = 5
HEAD = 8


@pytest.fixture(scope="module")
def rounded(small: SmallGraph) -> bytes:
    return round_weights(small.model, list(small.images), seed=1)


def kernels(model: bytes, operator: int) -> np.ndarray:
    """Weights of a convolution as [channels, taps]."""
    tree = read(model)
    weights = constant(tree, tree.subgraphs[0].operators[operator].inputs[1])
    return weights.reshape(-1, weights.shape[-1]).T if operator == DEPTHWISE else weights.reshape(len(weights), -1)


@pytest.mark.parametrize("operator", CONVOLUTIONS)
def test_weights_lie_on_the_grid_within_a_step_of_where_they_were(small: SmallGraph, rounded: bytes, operator: int) -> None:
    before, after = kernels(small.model, operator).astype(np.float64), kernels(rounded, operator).astype(np.float64)
    step = np.abs(before).max(axis=1, keepdims=True) / 127
    # float32 weights: 1e-4 of a step is their own rounding at 127 steps.
    np.testing.assert_allclose(after / step, np.rint(after / step), atol=1e-4)
    assert (np.abs(after - before) < step * (1 + 1e-4)).all()
    np.testing.assert_allclose(np.abs(after).max(axis=1, keepdims=True), step * 127, rtol=1e-5)


def test_quantizing_rounded_weights_loses_nothing(small: SmallGraph, rounded: bytes) -> None:
    model = quantize(rounded, "static_wi8_ai8", collect_ranges(rounded, small.images))
    tree = read(model)
    layers = [
        op for op, name in zip(tree.subgraphs[0].operators, operator_names(model), strict=True) if name.endswith("CONV_2D")
    ]
    for op, operator in zip(layers, CONVOLUTIONS, strict=True):
        stored = dequantized(tree, op.inputs[1])
        stored = stored.reshape(-1, stored.shape[-1]).T if operator == DEPTHWISE else stored.reshape(len(stored), -1)
        # The quantizer finds the same step from the largest weight: float32 rounding of one division and one product.
        np.testing.assert_allclose(stored, kernels(rounded, operator), rtol=1e-5, atol=1e-7)


def test_it_beats_rounding_to_the_nearest_step(small: SmallGraph, rounded: bytes) -> None:
    nearest = graft_weights(small.model, quantize(small.model, "static_wi8_ai8", small.ranges))
    logits = output_of(small.model, HEAD, small.images)
    off = {name: output_of(model, HEAD, small.images) - logits for name, model in (("nearest", nearest), ("rounded", rounded))}
    spread = {name: float(np.sqrt((error**2).mean())) for name, error in off.items()}
    assert 0 < spread["rounded"] < spread["nearest"]


def test_the_mean_of_the_first_layer_is_kept(small: SmallGraph, rounded: bytes) -> None:
    # Before its ReLU6 the correction is exact on the sampled rows; clipping and sampling leave a part of it.
    plain = graft_weights(small.model, quantize(small.model, "static_wi8_ai8", small.ranges))
    reference = output_of(small.model, 4, small.images).mean((0, 1, 2))
    shifts = [np.abs(output_of(m, 4, small.images).mean((0, 1, 2)) - reference).max() for m in (rounded, plain)]
    assert shifts[0] < shifts[1]


def test_the_seed_decides_and_rounded_weights_stay(small: SmallGraph, rounded: bytes) -> None:
    assert round_weights(small.model, list(small.images), seed=1) == rounded
    again = round_weights(rounded, list(small.images), seed=2)
    for operator in CONVOLUTIONS:
        np.testing.assert_allclose(kernels(again, operator), kernels(rounded, operator), rtol=1e-5, atol=1e-7)


def test_grafting_gives_the_float_graph_the_int8_weights(small: SmallGraph) -> None:
    int8 = quantize(small.model, "static_wi8_ai8", small.ranges)
    grafted = graft_weights(small.model, int8)
    assert operator_names(grafted) == operator_names(small.model)
    tree = read(int8)
    layers = [
        op for op, name in zip(tree.subgraphs[0].operators, operator_names(int8), strict=True) if name.endswith("CONV_2D")
    ]
    own = read(grafted)
    for op, operator in zip(layers, CONVOLUTIONS, strict=True):
        mine = own.subgraphs[0].operators[operator]
        for position in (1, 2):
            np.testing.assert_array_equal(constant(own, mine.inputs[position]), dequantized(tree, op.inputs[position]))


def test_grafting_between_networks_is_refused(small: SmallGraph) -> None:
    int8 = quantize(small.model, "static_wi8_ai8", small.ranges)
    tree = read(small.model)
    graph = tree.subgraphs[0]
    graph.operators = [op for index, op in enumerate(graph.operators) if index != DEPTHWISE]
    with pytest.raises(GraphError, match="not of one network"):
        graft_weights(write(tree), int8)
    with pytest.raises(GraphError, match="is not a quantized constant"):
        graft_weights(small.model, small.model)
