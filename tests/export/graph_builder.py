"""Small TFLite graphs, written operator by operator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compress.flatbuffer import write

FLOAT, INT8, INT32 = schema.TensorType.FLOAT32, schema.TensorType.INT8, schema.TensorType.INT32


def chain(steps: Sequence[str]) -> bytes:
    """A graph float32 [1, 8] that applies operators one after another.

    Steps: ADD (to itself), QUANTIZE, DEQUANTIZE, TRANSPOSE (that changes nothing), GATHER (of all columns in order).
    """
    tree = schema.ModelT()
    tree.version, tree.description = 3, "test"
    tree.buffers, tree.operatorCodes, tree.metadata = [schema.BufferT()], [], []
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [], []
    tree.subgraphs = [graph]

    def tensor(kind: int, shape: list[int], values: np.ndarray | None = None) -> int:
        made = schema.TensorT()
        made.type, made.shape, made.buffer, made.name = kind, shape, 0, f"t{len(graph.tensors)}"
        if kind == INT8:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [0.5], [0]
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            made.buffer = len(tree.buffers)
            tree.buffers.append(buffer)
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    current = tensor(FLOAT, [1, 8])
    graph.inputs = [current]
    for step in steps:
        operator, entry = schema.OperatorT(), schema.OperatorCodeT()
        entry.builtinCode = getattr(schema.BuiltinOperator, step)
        entry.deprecatedBuiltinCode, entry.version = min(entry.builtinCode, 127), 1
        operator.opcodeIndex = len(tree.operatorCodes)
        tree.operatorCodes.append(entry)
        inputs = [current]
        if step == "ADD":
            inputs = [current, current]
            operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
        elif step == "TRANSPOSE":
            inputs.append(tensor(INT32, [2], np.array([0, 1], np.int32)))
        elif step == "GATHER":
            inputs.append(tensor(INT32, [8], np.arange(8, dtype=np.int32)))
            operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.GatherOptions, schema.GatherOptionsT()
            operator.builtinOptions.axis = 1
        current = tensor(INT8 if step == "QUANTIZE" else FLOAT, [1, 8])
        operator.inputs, operator.outputs = inputs, [current]
        graph.operators.append(operator)
    graph.outputs = [current]
    return write(tree)
