"""What a manifest and a model's file say of themselves, against what is so: names, sizes, whether it is quantized."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import onnx
from ai_edge_litert import schema_py_generated as schema

from compress.conversion import quiet
from compress.flatbuffer import code, read
from export.assembly import short_labels
from export.tflite_metadata import labels_inside
from mobile_runtime.bundle import Bundle
from mobile_runtime.manifest import Manifest, Runtime, Variant
from mobile_runtime.taxonomy import default_taxonomy

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


def missing_guards(manifest: Manifest) -> str | None:
    """What every bundle of `export bundle` has and this one lacks, so that a mistake would go unnoticed; None if nothing.

    Diseases must go by their own names: that of another under a score is a wrong diagnosis, however right the score.
    """
    taxonomy = default_taxonomy()
    labels = short_labels([spec.node for spec in manifest.classes if spec.node in taxonomy.names], taxonomy)
    for spec in manifest.classes:
        if (spec.label, spec.name) != (labels.get(spec.node), taxonomy.names.get(spec.node)):
            right = f"{labels.get(spec.node)!r}, {taxonomy.names.get(spec.node)!r}"
            return f"class {spec.node} is called {spec.label!r}, {spec.name!r} instead of {right}; rebuild the bundle"
    if manifest.variants[manifest.default_variant].abstention is None:
        return f"{manifest.default_variant}, the default, has no limit above which it abstains; rebuild the bundle"
    if manifest.provenance.datasets and not manifest.provenance.seen_images:
        return "the manifest does not name the images that made it, which could pass as test images; rebuild the bundle"
    return None


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
