"""What a model's file says of itself, against what the manifest says of it: labels, sizes, and whether it is quantized."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import onnx
from ai_edge_litert import schema_py_generated as schema

from compress.conversion import quiet
from compress.flatbuffer import code, read
from export.tflite_metadata import labels_inside
from mobile_runtime.bundle import Bundle
from mobile_runtime.manifest import Runtime, Variant

_CONVOLUTIONS = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D)


def contradictions(bundle: Bundle, variant: Variant) -> Iterator[str]:
    """Whatever a variant's file says otherwise than the manifest; its bytes must have been checked before."""
    entries = [e for e in bundle.manifest.files if e.path == variant.path or e.path.startswith(f"{variant.path}/")]
    size = sum((bundle.path / entry.path).stat().st_size for entry in entries)
    if size != variant.size_bytes:
        yield f"{size} bytes, the manifest says {variant.size_bytes}; rebuild the bundle"
    labels, quantized = _READERS[variant.runtime](bundle, variant)
    wanted = {
        "probabilities": [entry.label for entry in bundle.manifest.classes],
        "scores": [entry.name for entry in bundle.manifest.scores],
    }
    for role, found in labels.items():
        if found != wanted[role]:
            yield f"{role} are {', '.join(found)} in its file, {', '.join(wanted[role])} in the manifest; rebuild the bundle"
    if "ai8" in variant.name and not quantized:
        yield "its graph quantizes no activations, which its name promises; rebuild the bundle"
    if quantized and "ai8" not in variant.name:
        yield "its graph quantizes activations, of which its name says nothing; rebuild the bundle"


Found = tuple[dict[str, list[str]], bool]
"""Role -> labels, as far as the file states them, and whether activations are quantized."""


def _litert(bundle: Bundle, variant: Variant) -> Found:
    model = bundle.model_bytes(variant)
    inside = {role: labels_inside(model, variant.outputs[role]) for role in ("probabilities", "scores")}
    tree = read(model)
    graph = tree.subgraphs[0]
    inputs = [graph.tensors[op.inputs[0]] for op in graph.operators if code(tree, op) in _CONVOLUTIONS]
    labels = {role: found for role, found in inside.items() if found is not None}
    return labels, any(tensor.type == schema.TensorType.INT8 for tensor in inputs)


def _onnx(bundle: Bundle, variant: Variant) -> Found:
    nodes = onnx.load_from_string(bundle.model_bytes(variant)).graph.node
    return {}, any(node.op_type == "QuantizeLinear" for node in nodes)  # weights are stored as integers


def _coreml(bundle: Bundle, variant: Variant) -> Found:
    with quiet():
        from coremltools.models import MLModel

        package = MLModel(str(bundle.model_folder(variant)), skip_model_load=True)
        blocks = package.get_spec().mlProgram.functions["main"].block_specializations.values()
    stated = package.user_defined_metadata.get("classes")
    try:
        labels = {} if stated is None else {"probabilities": [str(label) for label in json.loads(stated)]}
    except ValueError:
        labels = {"probabilities": [str(stated)]}
    return labels, any(op.type == "quantize" for block in blocks for op in block.operations)


_READERS: dict[Runtime, Callable[[Bundle, Variant], Found]] = {"litert": _litert, "onnx": _onnx, "coreml": _coreml}
