"""Small edits of TFLite flatbuffers that the converters do not offer."""

from __future__ import annotations

import copy
import math
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from mobile_runtime.errors import SkintriageError
from mobile_runtime.flatbuffer import check_structure
from mobile_runtime.flatbuffer_walk import StructureError

_OPS = schema.BuiltinOperator
_MOVES = (_OPS.REVERSE_V2, _OPS.CONCATENATION, _OPS.TRANSPOSE)
"""What may happen to the input's bytes before arithmetic."""


class GraphError(SkintriageError):
    """A graph does not have the shape that an edit expects."""


def read(model: bytes) -> Any:
    """Parse a flatbuffer into the schema's object tree; weights stored behind the flatbuffer are moved into it.

    Raises:
        GraphError: the bytes are no TFLite model, or a damaged one.
    """
    try:
        check_structure(model)
    except StructureError as error:
        raise GraphError(f"not a readable TFLite model ({error})") from error
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(model), 0))
    for buffer in tree.buffers:
        if buffer.size > 1:
            buffer.data = np.frombuffer(model, np.uint8, count=buffer.size, offset=buffer.offset)
        buffer.offset = buffer.size = 0
    return tree


def write(tree: Any) -> bytes:
    """Serialize an object tree."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(tree.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def code(tree: Any, op: Any) -> int:
    """Builtin operator number of an operator."""
    entry = tree.operatorCodes[op.opcodeIndex]
    return max(entry.builtinCode, entry.deprecatedBuiltinCode)


def constant(tree: Any, index: int) -> npt.NDArray[np.float32]:
    """A float constant of the graph."""
    tensor = tree.subgraphs[0].tensors[index]
    data = tree.buffers[tensor.buffer].data
    if tensor.type != schema.TensorType.FLOAT32 or data is None:
        raise GraphError(f"{tensor.name!r} is not a float constant; start from the float32 graph")
    return np.asarray(data, np.uint8).view(np.float32).reshape(tensor.shape)


def dequantized(tree: Any, index: int) -> npt.NDArray[np.float32]:
    """An int8 or int32 constant as the real numbers that it stands for."""
    tensor = tree.subgraphs[0].tensors[index]
    types = {schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}
    if tensor.type not in types or tensor.quantization is None or tensor.quantization.scale is None:
        raise GraphError(f"{tensor.name!r} is not a quantized constant")
    data = np.asarray(tree.buffers[tensor.buffer].data, np.uint8)
    values = data.view(types[tensor.type]).reshape(tensor.shape).astype(np.float32)
    shape = np.ones(values.ndim, int)
    shape[tensor.quantization.quantizedDimension] = -1
    return values * np.asarray(tensor.quantization.scale, np.float32).reshape(shape)


def set_constant(tree: Any, index: int, values: npt.NDArray[np.float32]) -> None:
    """Replace a float constant by values of the same shape, in a buffer of its own."""
    tensor = tree.subgraphs[0].tensors[index]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values, np.float32).tobytes(), np.uint8)
    tree.buffers.append(buffer)
    tensor.buffer = len(tree.buffers) - 1


def with_temperature(model: bytes, temperature: float) -> bytes:
    """Divide the logits of a float graph by a temperature: the layer before the softmax is rescaled.

    Raises:
        GraphError: the softmax is not fed by a float fully connected layer, or the temperature is not a positive number.
    """
    if not (temperature > 0 and math.isfinite(temperature)):
        raise GraphError(f"temperature {temperature} is not a positive number")
    tree = read(model)
    for index in _head(tree).inputs[1:]:
        if index < 0:
            continue
        set_constant(tree, index, constant(tree, index) / np.float32(temperature))
    return write(swept(tree))


def with_shifted_logits(model: bytes, shift: npt.NDArray[np.float32]) -> bytes:
    """Add a constant to each logit of a float graph, float32 [C]: it goes into the bias of the layer before the softmax.

    Raises:
        GraphError: the softmax is not fed by a float fully connected layer with a bias.
    """
    tree = read(model)
    inputs = _head(tree).inputs
    if len(inputs) < 3 or inputs[2] < 0:
        raise GraphError("the layer before the softmax has no bias")
    set_constant(tree, inputs[2], constant(tree, inputs[2]) + shift.astype(np.float32))
    return write(swept(tree))


def _head(tree: Any) -> Any:
    """The layer whose outputs are the logits."""
    graph = tree.subgraphs[0]
    softmax = [op for op in graph.operators if code(tree, op) == _OPS.SOFTMAX]
    if len(softmax) != 1:
        raise GraphError(f"the graph has {len(softmax)} softmax ops, where exactly one is needed")
    layer = next((op for op in graph.operators if softmax[0].inputs[0] in list(op.outputs)), None)
    if layer is None or code(tree, layer) != _OPS.FULLY_CONNECTED:
        raise GraphError("the softmax is not fed by a fully connected layer")
    return layer


def with_quantized_input(model: bytes) -> bytes:
    """Let a static int8 graph read its uint8 input as a quantized tensor, without cast and float arithmetic.

    The graph as converted runs CAST, SUB 128, MUL 1/127.5, QUANTIZE, where several orientations of the picture are averaged
    after mirroring and stacking its bytes. A uint8 tensor of scale 1/127.5 and zero point 128 means just those values, so one
    QUANTIZE from uint8 to int8 takes their place, bit for bit. It comes before the mirroring, so that all that XNNPACK can run
    lies in one piece.

    Raises:
        GraphError: the graph does not begin in that way.
    """
    tree = read(model)
    graph = tree.subgraphs[0]
    types = schema.TensorType
    first = next((i for i, op in enumerate(graph.operators) if code(tree, op) not in _MOVES), len(graph.operators))
    moves, chain = graph.operators[:first], list(graph.operators[first : first + 4])
    expected = [_OPS.CAST, _OPS.SUB, _OPS.MUL, _OPS.QUANTIZE]
    pixels = [graph.inputs[0], *(index for op in moves for index in op.outputs)]
    if [code(tree, op) for op in chain] != expected or {graph.tensors[i].type for i in pixels} != {types.UINT8}:
        raise GraphError("the graph does not begin with CAST, SUB, MUL, QUANTIZE of a uint8 input")
    entry = graph.tensors[chain[3].outputs[0]].quantization
    scale = float(entry.scale[0])
    if abs(scale * 127.5 - 1) > 1e-5 or int(entry.zeroPoint[0]) != 0:
        raise GraphError(f"the first activation has scale {scale} and zero point {entry.zeroPoint[0]}, not 1/127.5 and 0")
    parameters = schema.QuantizationParametersT()
    parameters.scale, parameters.zeroPoint = [scale], [128]
    graph.tensors[pixels[0]].quantization = parameters
    quantize = chain[3]
    if moves:
        _quantize_first(graph, moves, quantize)
    quantize.inputs = [pixels[0]]
    graph.operators = [quantize, *moves, *graph.operators[first + 4 :]]
    return write(swept(tree))


def _quantize_first(graph: Any, moves: list[Any], quantize: Any) -> None:
    """Let a QUANTIZE that comes after `moves` of the input's bytes come before them."""
    source = int(graph.inputs[0])
    ahead = len(graph.tensors)
    graph.tensors.append(copy.deepcopy(graph.tensors[source]))
    graph.tensors[ahead].name = b"pixels_int8"
    moved = int(quantize.outputs[0])
    for index in [ahead, *(int(index) for op in moves for index in op.outputs)]:
        graph.tensors[index].type = graph.tensors[moved].type
        graph.tensors[index].quantization = copy.deepcopy(graph.tensors[moved].quantization)
    renamed = {source: ahead, int(moves[-1].outputs[0]): moved}
    for op in moves:
        op.inputs = [renamed.get(int(index), int(index)) for index in op.inputs]
        op.outputs = [renamed.get(int(index), int(index)) for index in op.outputs]
    quantize.outputs = [ahead]


def swept(tree: Any) -> Any:
    """Empty the tensors and buffers that no operator uses any more."""
    graph = tree.subgraphs[0]
    used = {int(i) for op in graph.operators for i in [*op.inputs, *op.outputs]} | set(map(int, graph.inputs))
    keep = [i for i in range(len(graph.tensors)) if i in used]
    position = {old: new for new, old in enumerate(keep)} | {-1: -1}
    graph.tensors = [graph.tensors[i] for i in keep]
    for op in graph.operators:
        op.inputs = [position[int(i)] for i in op.inputs]
        op.outputs = [position[int(i)] for i in op.outputs]
    graph.inputs = [position[int(i)] for i in graph.inputs]
    graph.outputs = [position[int(i)] for i in graph.outputs]
    for signature in tree.signatureDefs or []:
        for entry in [*signature.inputs, *signature.outputs]:
            entry.tensorIndex = position[entry.tensorIndex]
    live = {tensor.buffer for tensor in graph.tensors} | {entry.buffer for entry in tree.metadata or []}
    for index, buffer in enumerate(tree.buffers):
        if index not in live:
            buffer.data = None
    return tree


def operator_names(model: bytes) -> list[str]:
    """Names of the graph's operators in order."""
    names = {value: name for name, value in vars(_OPS).items() if isinstance(value, int)}
    tree = read(model)
    return [names[code(tree, op)] for op in tree.subgraphs[0].operators]


def is_float32(model: bytes) -> bool:
    """Whether nothing in the graph is quantized or in half precision; bytes without a scale, as of the input, do not count."""
    types = schema.TensorType
    for tensor in read(model).subgraphs[0].tensors:
        scaled = tensor.quantization is not None and tensor.quantization.scale is not None and len(tensor.quantization.scale)
        if tensor.type in (types.INT4, types.INT8, types.INT16, types.FLOAT16) or (tensor.type == types.UINT8 and scaled):
            return False
    return True
