"""Rounding by effect: on the grid, next to where the weight was, and better than the nearest step."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from compress.flatbuffer import GraphError, constant, dequantized, operator_names, read, set_constant, swept, write
from compress.quantization import quantize
from compress.ranges import collect_ranges
from compress.rounding import graft_weights, round_weights
from tests.compress.conftest import ShallowNetwork, SmallGraph
from tests.compress.graphs import output_of

CONVOLUTIONS = (4, 5, 6)  # of the float graph: CAST, SUB, MUL and PAD come first
DEPTHWISE = 5
HEAD = 8


@pytest.fixture(scope="module")
def rounded(small: SmallGraph) -> bytes:
    return round_weights(small.model, list(small.images), seed=1)


@pytest.fixture(scope="module")
def rounded_wide(small_wide: SmallGraph) -> bytes:
    return round_weights(small_wide.model, list(small_wide.images), seed=1)


def kernels(model: bytes, operator: int) -> np.ndarray:
    """Weights of a convolution as [channels, taps]."""
    tree = read(model)
    weights = constant(tree, tree.subgraphs[0].operators[operator].inputs[1])
    return weights.reshape(-1, weights.shape[-1]).T if operator == DEPTHWISE else weights.reshape(len(weights), -1)


@pytest.mark.parametrize("operator", CONVOLUTIONS)
@pytest.mark.parametrize(("graph", "result"), [("small", "rounded"), ("small_wide", "rounded_wide")])
def test_weights_lie_on_the_grid_within_a_step_of_where_they_were(
    graph: str, result: str, operator: int, request: pytest.FixtureRequest
) -> None:
    model, rounded = request.getfixturevalue(graph).model, request.getfixturevalue(result)
    before, after = kernels(model, operator).astype(np.float64), kernels(rounded, operator).astype(np.float64)
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


@pytest.mark.parametrize(("graph", "result"), [("small", "rounded"), ("small_wide", "rounded_wide")])
def test_it_beats_rounding_to_the_nearest_step(graph: str, result: str, request: pytest.FixtureRequest) -> None:
    small, rounded = request.getfixturevalue(graph), request.getfixturevalue(result)
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


def test_wide_depthwise_kernels_err_less_than_at_the_nearest_step(small_wide: SmallGraph, rounded_wide: bytes) -> None:
    nearest = graft_weights(small_wide.model, quantize(small_wide.model, "static_wi8_ai8", small_wide.ranges))
    # Both with the float graph's own first layer, so that only the depthwise layer's own error is seen.
    errors = {}
    for name, model in (("nearest", nearest), ("rounded", rounded_wide)):
        tree, own = read(small_wide.model), read(model)
        for index in (1, 2):
            op, source = (t.subgraphs[0].operators[DEPTHWISE] for t in (tree, own))
            set_constant(tree, op.inputs[index], constant(own, source.inputs[index]))
        answers = [output_of(m, DEPTHWISE, small_wide.images) for m in (write(swept(tree)), small_wide.model)]
        errors[name] = (answers[0] - answers[1]).std(axis=(0, 1, 2))
    alive = errors["nearest"] > 0
    ratio = errors["rounded"][alive] / errors["nearest"][alive]
    assert (ratio < 1.02).all()  # never worse, but for the images' share that was not drawn
    assert ratio.mean() < 0.9


def test_little_memory_takes_longer_and_gives_the_same(shallow: ShallowNetwork) -> None:
    model, images = shallow.forms.float32, list(shallow.images)

    def peak(memory: int) -> tuple[bytes, int]:
        tracemalloc.start()
        try:
            return round_weights(model, images, memory=memory), tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    (whole, most), (parts, least) = peak(2**30), peak(1)
    assert parts == whole
    assert least < 0.8 * most
