"""An ONNX file as a PyTorch graph: what PyTorch eager runs and ExecuTorch is exported from.

Runs in an environment of its own, and so imports nothing of this project. It knows the operators that a convolutional
classifier with its preprocessing in the graph is made of; another one is an error that names it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import fx
from torch.nn import functional

Inputs = list[Any]
Attributes = dict[str, Any]
Build = Callable[[fx.Graph, Inputs, Attributes], fx.Node]


class UnknownUseError(ValueError):
    """An operator of the ONNX standard, or a use of one, that no exporter here writes and that is not translated."""


def load_network(path: Path, first: str) -> fx.GraphModule:
    """The network of an ONNX file.

    Args:
        path: a file with one input, its weights inside.
        first: name of the output to give before the others.

    Returns:
        A module in evaluation mode that takes the same input and gives the same outputs, as a tuple.

    Raises:
        UnknownUseError: the file has an operator, or a use of one, that is not known here.
    """
    model = onnx.load(path)
    root = torch.nn.Module()
    graph = fx.Graph()
    constants = {tensor.name: np.array(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}
    values: dict[str, fx.Node] = {}
    attached: dict[str, fx.Node] = {}

    def operand(name: str) -> Any:
        """A computed value, or a constant: floats as weights of the module, whole numbers as they are."""
        if name in values:
            return values[name]
        if not name:
            return None
        constant = constants[name]
        if not np.issubdtype(constant.dtype, np.floating):
            return constant
        if name not in attached:
            key = f"weight_{len(attached)}"
            root.register_buffer(key, torch.from_numpy(constant))
            attached[name] = graph.get_attr(key)
        return attached[name]

    for value in model.graph.input:
        if value.name not in constants:
            values[value.name] = graph.placeholder("pixels")
    for node in model.graph.node:
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type == "Constant":
            constants[node.output[0]] = np.array(numpy_helper.to_array(attributes["value"]))
            continue
        if node.op_type not in BUILD or (len(node.output) != 1 and node.op_type != "Split"):
            raise UnknownUseError(f"{path.name}: operator {node.op_type} with {len(node.output)} outputs is not known")
        if node.op_type == "Clip":
            bounds = [float(constants[name]) if name else None for name in [*node.input[1:], "", ""][:2]]
            inputs: Inputs = [values[node.input[0]], *bounds]
        else:
            inputs = [operand(name) for name in node.input]
        built = BUILD[node.op_type](graph, inputs, attributes)
        for number, name in enumerate(node.output):
            part = node.op_type == "Split"
            values[name] = graph.call_function(operator.getitem, (built, number)) if part else built
    names = sorted((value.name for value in model.graph.output), key=lambda name: name != first)
    graph.output(tuple(values[name] for name in names))
    return fx.GraphModule(root, graph).eval()


def with_floats_first(network: fx.GraphModule) -> fx.GraphModule:
    """The same network, changed in place, with its bytes turned to floats before anything else.

    Where views of a picture are stacked, a quantizer would observe the stacked bytes, which PyTorch cannot count.
    """
    pixels = next(node for node in network.graph.nodes if node.op == "placeholder")
    with network.graph.inserting_after(pixels):
        floats = network.graph.call_method("float", (pixels,))
    pixels.replace_all_uses_with(floats, delete_user_cb=lambda user: user is not floats)
    network.recompile()
    return network


def _plain(function: Callable[..., Any]) -> Build:
    return lambda graph, inputs, _: graph.call_function(function, tuple(inputs))


def _conv(graph: fx.Graph, inputs: Inputs, attributes: Attributes) -> fx.Node:
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise UnknownUseError(f"Conv with auto_pad {attributes['auto_pad']!r} is not known")
    data, weight, bias = [*inputs, None][:3]
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    padding = [top, left]
    if (top, left) != (bottom, right):
        data = graph.call_function(functional.pad, (data, [left, right, top, bottom]))
        padding = [0, 0]
    strides, dilations = list(attributes.get("strides", (1, 1))), list(attributes.get("dilations", (1, 1)))
    return graph.call_function(functional.conv2d, (data, weight, bias, strides, padding, dilations, attributes.get("group", 1)))


def _clip(graph: fx.Graph, inputs: Inputs, _: Attributes) -> fx.Node:
    data, low, high = inputs
    if low is not None and high is not None:  # ExecuTorch fuses this one with the convolution before it
        return graph.call_function(functional.hardtanh, (data, low, high))
    return graph.call_function(torch.clamp, (data, low, high))


def _gemm(graph: fx.Graph, inputs: Inputs, attributes: Attributes) -> fx.Node:
    scales = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    if scales != (1.0, 1.0) or attributes.get("transA", 0) or not attributes.get("transB", 0):
        raise UnknownUseError("Gemm other than data @ weight.T + bias is not known")
    return graph.call_function(functional.linear, tuple(inputs))


def _mean(graph: fx.Graph, inputs: Inputs, attributes: Attributes) -> fx.Node:
    axes = attributes["axes"] if "axes" in attributes else inputs[1].tolist()
    return graph.call_function(torch.mean, (inputs[0], list(axes), bool(attributes.get("keepdims", 1))))


def _gather(graph: fx.Graph, inputs: Inputs, attributes: Attributes) -> fx.Node:
    data, index = inputs
    axis = attributes.get("axis", 0)
    if index.ndim == 0:
        return graph.call_function(torch.select, (data, axis, int(index)))
    # Exporters write a view as a gather of everything in order, and a reversal as one of everything backwards.
    order, forwards = index.ravel(), np.arange(index.size)
    if not np.array_equal(order, forwards) and not np.array_equal(order, forwards[::-1]):
        raise UnknownUseError("Gather of other than one place, or of the first places in order, is not known")
    first = graph.call_function(torch.narrow, (data, axis, 0, index.size))
    if index.size > 1 and order[0]:
        first = graph.call_function(torch.flip, (first, [axis]))
    return graph.call_function(torch.unflatten, (first, axis, list(index.shape)))


def _slice(graph: fx.Graph, inputs: Inputs, _: Attributes) -> fx.Node:
    data, starts, ends = inputs[:3]
    axes = inputs[3] if len(inputs) > 3 and inputs[3] is not None else np.arange(len(starts))
    steps = inputs[4] if len(inputs) > 4 and inputs[4] is not None else np.ones(len(starts), np.int64)
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), axes.tolist(), steps.tolist(), strict=True):
        if step > 0:
            index = (slice(None),) * axis + (slice(start, end, step),)
            data = graph.call_function(operator.getitem, (data, index))
        elif step == -1 and start in (-1, 2**63 - 1, 2**31 - 1) and end < -(2**30):
            data = graph.call_function(torch.flip, (data, [axis]))
        else:
            raise UnknownUseError(f"Slice from {start} to {end} by {step} is not known")
    return data


def _split(graph: fx.Graph, inputs: Inputs, attributes: Attributes) -> fx.Node:
    data, sizes = [*inputs, None][:2]
    axis = attributes.get("axis", 0)
    if sizes is None:
        return graph.call_function(torch.chunk, (data, attributes["num_outputs"], axis))
    return graph.call_function(torch.split, (data, sizes.tolist(), axis))


_TYPES = {onnx.TensorProto.FLOAT: torch.float32, onnx.TensorProto.UINT8: torch.uint8}

BUILD: dict[str, Build] = {
    "Add": _plain(torch.add),
    "Sub": _plain(torch.sub),
    "Mul": _plain(torch.mul),
    "Div": _plain(torch.div),
    "MatMul": _plain(torch.matmul),
    "Relu": _plain(functional.relu),
    "Identity": lambda graph, inputs, _: inputs[0],
    "Conv": _conv,
    "Clip": _clip,
    "Gemm": _gemm,
    "ReduceMean": _mean,
    "GlobalAveragePool": lambda graph, inputs, _: graph.call_function(torch.mean, (inputs[0], [2, 3], True)),
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Flatten": lambda graph, inputs, a: graph.call_function(torch.flatten, (inputs[0], a.get("axis", 1))),
    "Reshape": lambda graph, inputs, _: graph.call_function(torch.reshape, (inputs[0], inputs[1].tolist())),
    "Transpose": lambda graph, inputs, a: graph.call_function(torch.permute, (inputs[0], list(a["perm"]))),
    "Cast": lambda graph, inputs, a: graph.call_method("to", (inputs[0], _TYPES[a["to"]])),
    "Concat": lambda graph, inputs, a: graph.call_function(torch.cat, (inputs, a["axis"])),
    "Softmax": lambda graph, inputs, a: graph.call_function(torch.softmax, (inputs[0], a.get("axis", -1))),
    "Unsqueeze": lambda graph, inputs, _: graph.call_function(torch.unsqueeze, (inputs[0], int(inputs[1].item()))),
    "Squeeze": lambda graph, inputs, _: graph.call_function(torch.squeeze, (inputs[0], int(inputs[1].item()))),
}
