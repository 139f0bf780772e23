"""The ONNX form of a tiny bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")


@pytest.mark.slow
def test_integers_are_unsigned_because_x86_processors_saturate_signed_ones(tiny_bundle: Path) -> None:
    model = onnx.load(tiny_bundle / "models" / "static_wi8_ai8.onnx")
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    assert onnx.TensorProto.INT8 not in {tensor.data_type for tensor in constants.values()}
    weights = [
        node for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in constants
        and constants[node.input[0]].data_type == onnx.TensorProto.UINT8
    ]  # fmt: skip
    assert weights
    for node in weights:
        assert set(onnx.numpy_helper.to_array(constants[node.input[2]]).ravel().tolist()) == {128}
