"""Quantization recipes: what the numbers of a graph are, and how far its answers move."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from compress.flatbuffer import GraphError, is_float32, operator_names, read
from compress.quantization import RECIPES, quantize
from compress.ranges import collect_ranges
from mobile_runtime.errors import DataError
from tests.compress.conftest import SmallGraph
from tests.compress.graphs import output_of, run, tensors_of

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


@pytest.fixture(scope="module")
def quantized(small: SmallGraph) -> dict[str, bytes]:
    return {recipe: quantize(small.model, recipe, small.ranges) for recipe in RECIPES}


def convolutions(model: bytes) -> list[int]:
    return [index for index, name in enumerate(operator_names(model)) if name in CONVOLUTIONS]


@pytest.mark.parametrize("recipe", RECIPES)
def test_inputs_and_outputs_stay_as_they_are(small: SmallGraph, quantized: dict[str, bytes], recipe: str) -> None:
    graph = read(quantized[recipe]).subgraphs[0]
    (source,) = (graph.tensors[i] for i in graph.inputs)
    assert (source.type, list(source.shape)) == (TensorType.UINT8, [1, 32, 32, 3])
    assert {graph.tensors[i].type for i in graph.outputs} == {TensorType.FLOAT32}
    outputs = run(quantized[recipe], small.images[:2])
    assert {name: value.shape for name, value in outputs.items()} == {"probabilities": (2, 7), "scores": (2, 2)}
    np.testing.assert_allclose(outputs["probabilities"].sum(1), 1, atol=1e-5)  # a float32 softmax, whatever came before


# Limits on the small graph, about three times what was seen: float16 rounds weights to 11 bits, dynamic int8 to 8, static int8
# the activations too. A wrong scale or offset does more than the spread of the answers, which is above 0.3.
LIMITS = {
    "float16": 0.002,
    "dynamic_wi8_afp32": 0.025,
    "static_wi8_ai8": 0.03,
    "static_wi8_ai16": 0.025,
    "weight_only_wi8_afp32": 0.025,
    "weight_only_wi4_afp32": 0.3,
}


@pytest.mark.parametrize(("recipe", "limit"), LIMITS.items())
@pytest.mark.parametrize("plain_kernels", [False, True])
def test_probabilities_stay_near_the_float_ones(
    small: SmallGraph, quantized: dict[str, bytes], recipe: str, limit: float, plain_kernels: bool
) -> None:
    reference = run(small.model, small.images)["probabilities"]
    assert np.ptp(reference, axis=0).max() > 0.3, "the images must differ, or nothing is compared"
    found = run(quantized[recipe], small.images, plain_kernels)["probabilities"]
    assert 0 < np.abs(found - reference).max() < limit


def test_float16_stores_weights_in_half_precision(small: SmallGraph, quantized: dict[str, bytes]) -> None:
    tree = read(quantized["float16"])
    assert TensorType.FLOAT16 in {tensor.type for tensor in tree.subgraphs[0].tensors}
    assert set(operator_names(quantized["float16"])) - {"DEQUANTIZE"} == set(operator_names(small.model))


def test_dynamic_weights_are_int8_and_activations_float(quantized: dict[str, bytes]) -> None:
    model = quantized["dynamic_wi8_afp32"]
    assert len(convolutions(model)) == 3
    for index in convolutions(model):
        (activation, weights, *_), (result,) = tensors_of(model, index)
        assert (activation.type, weights.type, result.type) == (TensorType.FLOAT32, TensorType.INT8, TensorType.FLOAT32)
    assert "QUANTIZE" not in operator_names(model)


def test_static_takes_uint8_and_begins_with_one_quantize(quantized: dict[str, bytes]) -> None:
    model = quantized["static_wi8_ai8"]
    names = operator_names(model)
    assert names[0] == "QUANTIZE"
    assert names.count("QUANTIZE") == 1
    (source,), (first,) = tensors_of(model, 0)
    assert (source.type, first.type) == (TensorType.UINT8, TensorType.INT8)
    assert source.quantization.scale[0] == pytest.approx(1 / 127.5)
    assert list(source.quantization.zeroPoint) == [128]


def test_static_has_no_float_between_the_input_and_the_head(quantized: dict[str, bytes]) -> None:
    model = quantized["static_wi8_ai8"]
    names = operator_names(model)
    end = names.index("DEQUANTIZE")
    assert end > convolutions(model)[-1]
    for index in range(end):
        inputs, outputs = tensors_of(model, index)
        types = {tensor.type for tensor in (*inputs, *outputs)}
        assert types <= {TensorType.INT8, TensorType.UINT8, TensorType.INT32}, names[index]
    assert names[end + 1 :] == ["FULLY_CONNECTED", "SOFTMAX", "FULLY_CONNECTED"]
    for index in range(end + 1, len(names)):
        inputs, outputs = tensors_of(model, index)
        assert {tensor.type for tensor in (*inputs, *outputs)} == {TensorType.FLOAT32}, "the head keeps small probabilities"


def test_static_weights_have_a_scale_per_channel(quantized: dict[str, bytes]) -> None:
    model = quantized["static_wi8_ai8"]
    for index, channels in zip(convolutions(model), (8, 8, 16), strict=True):
        (_, weights, *_), (result,) = tensors_of(model, index)
        assert weights.type == TensorType.INT8
        assert len(weights.quantization.scale) == channels
        assert len(set(weights.quantization.scale)) > 1
        assert not np.any(weights.quantization.zeroPoint)
        assert len(result.quantization.scale) == 1
    first = tensors_of(model, convolutions(model)[0])[0][1].quantization.scale
    # The fixture made channel 7 of the first layer 128 times channel 0, up to its random weights: one scale would flatten it.
    assert 20 < first[7] / first[0] < 500


def test_dark_calibration_images_do_not_clip_bright_pixels(small: SmallGraph) -> None:
    ranges = collect_ranges(small.model, small.images // 4)
    model = quantize(small.model, "static_wi8_ai8", ranges)
    bright = np.full((1, 32, 32, 3), 255, np.uint8)
    assert set(output_of(model, 0, bright).ravel()) == {127}


def test_ranges_are_given_to_the_graph_as_they_are(small: SmallGraph, quantized: dict[str, bytes]) -> None:
    model = quantized["static_wi8_ai8"]
    for index, original in zip(convolutions(model), (4, 5, 6), strict=True):
        (result,) = tensors_of(model, index)[1]
        (name,) = (tensor.name.decode() for tensor in tensors_of(small.model, original)[1])
        low, high = small.ranges[name]
        span = float(result.quantization.scale[0]) * 255
        assert span == pytest.approx(max(high, 0) - min(low, 0), rel=1e-3)


def test_what_cannot_be_quantized_is_refused(small: SmallGraph, quantized: dict[str, bytes]) -> None:
    with pytest.raises(DataError, match=r"no quantization recipe 'int4'; there are float16, dynamic_wi8_afp32, static_wi8_ai8"):
        quantize(small.model, "int4")
    for nothing in (None, {}):
        with pytest.raises(DataError, match="static_wi8_ai8 needs activation ranges"):
            quantize(small.model, "static_wi8_ai8", nothing)
    for model in quantized.values():
        for recipe in RECIPES:
            with pytest.raises(GraphError, match="quantized already; start from the float32 graph"):
                quantize(model, recipe, small.ranges)
    with pytest.raises(GraphError, match="not a readable TFLite model"):
        quantize(small.model[:1000], "float16")


def test_a_float_graph_is_known_from_a_quantized_one(small: SmallGraph, quantized: dict[str, bytes]) -> None:
    assert is_float32(small.model)
    assert not any(is_float32(model) for model in quantized.values())


def test_the_same_graph_gives_the_same_bytes(small: SmallGraph, quantized: dict[str, bytes]) -> None:
    for recipe, model in quantized.items():
        assert quantize(small.model, recipe, small.ranges) == model
