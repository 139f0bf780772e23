"""Edits of TFLite graphs: each is compared with the graph before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import compress.quantization
from compress.conversion import convert
from compress.flatbuffer import (
    GraphError,
    operator_names,
    read,
    with_quantized_input,
    with_shifted_logits,
    with_temperature,
    write,
)
from compress.quantization import quantize
from compress.ranges import collect_ranges
from export.graphs import delegation
from mobile_runtime.errors import SkintriageError
from tests.compress.conftest import SmallGraph
from tests.compress.graphs import output_of, run, tensors_of
from tests.compress.networks import Turning

if TYPE_CHECKING:
    pass

HEAD = 8  # the fully connected layer before the softmax


@pytest.fixture(scope="module")
def float_chain(small: SmallGraph) -> bytes:
    """The static int8 graph as the quantizer leaves it: CAST, SUB, MUL, QUANTIZE in front."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compress.quantization, "with_quantized_input", lambda model: model)
        return quantize(small.model, "static_wi8_ai8", small.ranges)


def test_the_small_graph_is_made_like_the_real_one(small: SmallGraph) -> None:
    assert operator_names(small.model) == [
        *("CAST", "SUB", "MUL", "PAD", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"),
        *("MEAN", "FULLY_CONNECTED", "SOFTMAX", "FULLY_CONNECTED"),
    ]


def test_reading_and_writing_changes_nothing(small: SmallGraph, float_chain: bytes) -> None:
    for model in (small.model, float_chain):
        again = write(read(model))
        assert again[4:8] == b"TFL3"
        assert operator_names(again) == operator_names(model)
        before, after = run(model, small.images[:4]), run(again, small.images[:4])
        for name in ("probabilities", "scores"):
            np.testing.assert_array_equal(after[name], before[name])
        assert write(read(again)) == again


@pytest.mark.parametrize("temperature", [0.25, 1.0, 2.0])
def test_a_temperature_divides_the_logits(small: SmallGraph, temperature: float) -> None:
    # Dividing by a power of two changes the exponent of every weight and of every sum, and no digit: bit for bit.
    tempered = with_temperature(small.model, temperature)
    logits = output_of(small.model, HEAD, small.images)
    np.testing.assert_array_equal(output_of(tempered, HEAD, small.images), logits / np.float32(temperature))


def test_any_temperature_divides_weights_and_bias_exactly(small: SmallGraph) -> None:
    tempered = with_temperature(small.model, 1.37)

    def constants(model: bytes) -> list[np.ndarray]:
        tree = read(model)
        return [np.asarray(tree.buffers[t.buffer].data, np.uint8).view(np.float32) for t in tensors_of(model, HEAD)[0][1:]]

    before, after = constants(small.model), constants(tempered)
    assert [part.size for part in before] == [16 * 7, 7]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new, old / np.float32(1.37))
    logits = output_of(small.model, HEAD, small.images).astype(np.float64) / 1.37
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    outputs = run(tempered, small.images)
    # float32 softmax of logits up to about 20.
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=2e-6)
    np.testing.assert_allclose(
        outputs["scores"], np.stack([expected[:, [0, 1, 4]].sum(1), expected[:, [1, 4]].sum(1)], 1), atol=2e-6
    )
    np.testing.assert_array_equal(output_of(tempered, HEAD - 1, small.images), output_of(small.model, HEAD - 1, small.images))


def test_a_temperature_needs_a_float_head_and_one_softmax(small: SmallGraph) -> None:
    with pytest.raises(GraphError, match="is not a float constant; start from the float32 graph"):
        with_temperature(quantize(small.model, "float16"), 2.0)
    tree = read(small.model)
    graph = tree.subgraphs[0]
    weights = graph.tensors[graph.operators[HEAD].inputs[1]]
    weights.type = schema.TensorType.INT8
    weights.shape = [*weights.shape[:-1], weights.shape[-1] * 4]
    with pytest.raises(GraphError, match="is not a float constant"):
        with_temperature(write(tree), 2.0)

    tree = read(small.model)
    graph = tree.subgraphs[0]
    graph.operators = [op for i, op in enumerate(graph.operators) if i != 9]
    with pytest.raises(GraphError, match="0 softmax ops"):
        with_temperature(write(tree), 2.0)

    tree = read(small.model)
    graph = tree.subgraphs[0]
    graph.operators[9].inputs = [graph.operators[7].outputs[0]]
    with pytest.raises(GraphError, match="not fed by a fully connected layer"):
        with_temperature(write(tree), 2.0)


def test_a_shift_is_added_to_the_logits(small: SmallGraph) -> None:
    shift = np.linspace(-0.5, 1, 7).astype(np.float32)
    shifted = with_shifted_logits(small.model, shift)
    # float32: the bias is added within the sum or after it.
    np.testing.assert_allclose(
        output_of(shifted, HEAD, small.images), output_of(small.model, HEAD, small.images) + shift, atol=1e-5, rtol=1e-6
    )
    np.testing.assert_array_equal(output_of(shifted, HEAD - 1, small.images), output_of(small.model, HEAD - 1, small.images))


def test_a_shift_needs_a_bias(small: SmallGraph) -> None:
    tree = read(small.model)
    head = tree.subgraphs[0].operators[HEAD]
    head.inputs = [*head.inputs[:2], -1]
    with pytest.raises(GraphError, match="no bias"):
        with_shifted_logits(write(tree), np.zeros(7, np.float32))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_temperature_is_refused(small: SmallGraph, temperature: float) -> None:
    with pytest.raises(GraphError, match="temperature"):
        with_temperature(small.model, temperature)


def test_a_quantized_input_gives_the_int8_values_of_the_float_chain(small: SmallGraph, float_chain: bytes) -> None:
    edited = with_quantized_input(float_chain)
    assert operator_names(float_chain)[:4] == ["CAST", "SUB", "MUL", "QUANTIZE"]
    assert operator_names(edited) == operator_names(float_chain)[3:]
    # Every pixel value in every channel: bit for bit what CAST, SUB, MUL and QUANTIZE gave, which is the value less 128.
    every = np.arange(32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(1, 32, 32, 3)
    before, after = output_of(float_chain, 3, every), output_of(edited, 0, every)
    assert after.dtype == np.int8
    np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(after, (every.astype(np.int16) - 128).astype(np.int8))


@pytest.mark.parametrize("plain_kernels", [False, True])
def test_a_quantized_input_changes_no_output(small: SmallGraph, float_chain: bytes, plain_kernels: bool) -> None:
    edited = with_quantized_input(float_chain)
    before, after = run(float_chain, small.images, plain_kernels), run(edited, small.images, plain_kernels)
    assert before.keys() == after.keys() == {"probabilities", "scores"}
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)


@pytest.mark.parametrize("orientations", [2, 8])
def test_a_quantized_input_is_turned_after_it(small: SmallGraph, monkeypatch: pytest.MonkeyPatch, orientations: int) -> None:
    model = convert(Turning(small.network, orientations), small.images.shape[1])
    with monkeypatch.context() as patch:
        patch.setattr(compress.quantization, "with_quantized_input", lambda model: model)
        bytewise = quantize(model, "static_wi8_ai8", collect_ranges(model, small.images))
    edited = with_quantized_input(bytewise)

    names = operator_names(edited)
    assert names[0] == "QUANTIZE"
    assert set(names[1 : names.index("PAD")]) <= {"REVERSE_V2", "CONCATENATION", "TRANSPOSE"}
    assert names.count("CONCATENATION") == np.log2(orientations)
    for plain_kernels in (False, True):
        before, after = run(bytewise, small.images, plain_kernels), run(edited, small.images, plain_kernels)
        for name, values in before.items():
            np.testing.assert_array_equal(after[name], values)
    if orientations == 2:  # more views are stacked in several steps, with a reversal between
        found = delegation(edited)
        assert found is not None
        assert (found.partitions, found.outside) == (1, {"QUANTIZE": 1, "REVERSE_V2": 1})


def test_the_edit_sweeps_up_after_itself(float_chain: bytes) -> None:
    edited = with_quantized_input(float_chain)
    graph = read(edited).subgraphs[0]
    used = {int(i) for op in graph.operators for i in [*op.inputs, *op.outputs] if i >= 0}
    assert used == set(range(len(graph.tensors)))
    assert len(graph.tensors) < len(read(float_chain).subgraphs[0].tensors)
    assert len(edited) <= len(float_chain)
    with pytest.raises(GraphError, match="does not begin with CAST, SUB, MUL, QUANTIZE"):
        with_quantized_input(edited)


def test_another_beginning_is_refused(small: SmallGraph, float_chain: bytes) -> None:
    with pytest.raises(GraphError, match="does not begin"):
        with_quantized_input(small.model)
    tree = read(float_chain)
    graph = tree.subgraphs[0]
    first = graph.tensors[graph.operators[3].outputs[0]].quantization
    first.scale = [1 / 100]
    with pytest.raises(GraphError, match=r"scale 0\.0\d+ and zero point 0, not 1/127\.5 and 0"):
        with_quantized_input(write(tree))


@pytest.mark.parametrize("content", [b"", b"junk", b"junk" * 100, b"\x18\x00\x00\x00TFL3"])
def test_what_is_no_flatbuffer_is_refused_by_type(content: bytes) -> None:
    with pytest.raises(SkintriageError, match="not a readable TFLite model"):
        read(content)
