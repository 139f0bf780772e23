"""Structure of a TFLite flatbuffer, checked before an interpreter sees it.

FlatBuffers have no bounds checks of their own and the interpreter follows every offset. So `flatbuffer_walk` follows the same
offsets first, and a file is refused in which one leads outside, or in which an index names a tensor, buffer or operator that
is not there. As much of TFLite's schema is known here as mobile vision models need, and the rest is refused (sparse tensors,
external buffers, StableHLO). Field order: TFLite's schema.fbs.
"""

from __future__ import annotations

import struct
from math import prod
from typing import Any

from mobile_runtime.flatbuffer_walk import Fields, Many, StructureError, Walk

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
MAX_TENSOR_BYTES = 256 * 1024 * 1024
"""Largest tensor: a shape of a few bytes may ask for all memory there is."""
PADDING = 64
"""Most bytes between the last part that is read and the end of a file: alignment, and options that are not looked into."""
_ARCHIVE_ENTRY, _ARCHIVE_END = b"PK\x03\x04", b"PK\x05\x06"

# Bits of each of schema.fbs's tensor types, by number; strings, resources and variants are not for image models.
_BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 8: 64, 9: 8, 10: 64, 12: 64, 15: 32, 16: 16, 17: 4, 18: 16}

_SHAPE_OPTIONS: Fields = {"numbers": (0, Many("i"))}
_QUANTIZATION: Fields = {
    "min": (0, Many("f")),
    "max": (1, Many("f")),
    "scale": (2, Many("f")),
    "zero_point": (3, Many("q")),
    "details_type": (4, "B"),
    "dimension": (6, "i"),
}
_TENSOR: Fields = {
    "shape": (0, Many("i")),
    "type": (1, "b"),
    "buffer": (2, "I"),
    "name": (3, "string"),
    "quantization": (4, _QUANTIZATION),
    "is_variable": (5, "b"),
    "sparsity": (6, "opaque"),
    "shape_signature": (7, Many("i")),
    "has_rank": (8, "b"),
    "variant_tensors": (9, "opaque"),
    "external_buffer": (10, "I"),
}
_OPERATOR: Fields = {
    "opcode": (0, "I"),
    "inputs": (1, Many("i")),
    "outputs": (2, Many("i")),
    "options_type": (3, "B"),
    "options": (4, "opaque"),
    "custom_options": (5, Many("B")),
    "mutating": (7, Many("b")),
    "intermediates": (8, Many("i")),
    "large_offset": (9, "Q"),
    "large_size": (10, "Q"),
    "options2_type": (11, "B"),
    "options2": (12, "opaque"),
}
_SUBGRAPH: Fields = {
    "tensors": (0, Many(_TENSOR)),
    "inputs": (1, Many("i")),
    "outputs": (2, Many("i")),
    "operators": (3, Many(_OPERATOR)),
    "name": (4, "string"),
}
_BUFFER: Fields = {"data": (0, Many("B")), "offset": (1, "Q"), "size": (2, "Q")}
_TENSOR_MAP: Fields = {"name": (0, "string"), "tensor": (1, "I")}
_SIGNATURE: Fields = {
    "inputs": (0, Many(_TENSOR_MAP)),
    "outputs": (1, Many(_TENSOR_MAP)),
    "key": (2, "string"),
    "subgraph": (4, "I"),
}
_MODEL: Fields = {
    "version": (0, "I"),
    "operator_codes": (1, Many({"old_code": (0, "b"), "custom_code": (1, "string"), "version": (2, "i"), "code": (3, "i")})),
    "subgraphs": (2, Many(_SUBGRAPH)),
    "description": (3, "string"),
    "buffers": (4, Many(_BUFFER)),
    "metadata_buffer": (5, Many("i")),
    "metadata": (6, Many({"name": (0, "string"), "buffer": (1, "I")})),
    "signatures": (7, Many(_SIGNATURE)),
    "external_groups": (8, "opaque"),
    "external_buffers": (9, "opaque"),
}
# Options that hold a vector: those of Reshape and Squeeze are walked, ConcatEmbeddings, VarHandle and Bucketize refused.
_VECTOR_OPTIONS: dict[int, Fields] = {17: _SHAPE_OPTIONS, 30: _SHAPE_OPTIONS}
_REFUSED_OPTIONS = {3, 111, 115}
_FULLY_CONNECTED, _QUANT_SPEC = 8, 5


def check_structure(data: bytes) -> None:
    """Accept the bytes of a .tflite file.

    Raises:
        StructureError: an offset leads outside the file, an index names nothing, or a part of the schema is used that this
            runtime does not read; the message says what and where.
    """
    walk = Walk(data)
    if data[4:8] != IDENTIFIER:
        raise StructureError(f"the identifier is not {IDENTIFIER.decode()}: not a TFLite flatbuffer")
    model = walk.table(walk.follow(0), _MODEL)
    if model["version"] != SCHEMA_VERSION:
        raise StructureError(f"schema version {model['version']}, only {SCHEMA_VERSION} is known")
    if model["external_groups"] or model["external_buffers"]:
        raise StructureError("weights are kept in other files")
    for name in ("operator_codes", "subgraphs", "buffers"):
        if not model[name]:
            raise StructureError(f"there are no {name}")
    sizes = [_buffer_bytes(walk, buffer) for buffer in model["buffers"]]
    for index in [*(model["metadata_buffer"] or ()), *(entry["buffer"] for entry in model["metadata"] or ())]:
        _in_range("metadata buffer", index, len(sizes))
    for number, graph in enumerate(model["subgraphs"]):
        _check_graph(walk, graph, f"subgraph {number}", sizes, len(model["operator_codes"]))
    for signature in model["signatures"] or ():
        _in_range("signature's subgraph", signature["subgraph"], len(model["subgraphs"]))
        tensors = len(model["subgraphs"][signature["subgraph"]]["tensors"])
        for entry in [*(signature["inputs"] or ()), *(signature["outputs"] or ())]:
            _in_range("signature's tensor", entry["tensor"], tensors)
    _check_tail(data, walk.end)


def _check_tail(data: bytes, end: int) -> None:
    """Nothing follows the flatbuffer but padding and, whole, the archive of label files that TFLite metadata puts there."""
    rest = len(data) - end
    if rest <= PADDING:
        return
    if rest >= 22 and data[-22:-18] == _ARCHIVE_END:
        directory, start = struct.unpack_from("<II", data, len(data) - 10)
        archive = len(data) - 22 - directory - start
        if end <= archive <= end + PADDING and data[archive : archive + 4] == _ARCHIVE_ENTRY:
            return
    raise StructureError(f"{rest} bytes follow the model that are no whole archive of label files: cut short or added to")


def _buffer_bytes(walk: Walk, buffer: dict[str, Any]) -> int:
    # Offsets 0 and 1 mean that the data is inside the flatbuffer, or that there is none.
    if buffer["offset"] > 1:
        walk.inside(buffer["offset"], buffer["size"])
        return int(buffer["size"])
    return len(buffer["data"] or ())


def _check_graph(walk: Walk, graph: dict[str, Any], name: str, sizes: list[int], codes: int) -> None:
    tensors = graph["tensors"]
    if not tensors or graph["operators"] is None:
        raise StructureError(f"{name} has no tensors or no operators")
    for number, tensor in enumerate(tensors):
        _check_tensor(tensor, f"{name}, tensor {number}", sizes)
    for index in [*(graph["inputs"] or ()), *(graph["outputs"] or ())]:
        _in_range(f"{name}: input or output", index, len(tensors))
    for number, operator in enumerate(graph["operators"]):
        where = f"{name}, operator {number}"
        _in_range(f"{where}: code", operator["opcode"], codes)
        for index in operator["inputs"] or ():
            _in_range(f"{where}: input", index, len(tensors), lowest=-1)
        for index in [*(operator["outputs"] or ()), *(operator["intermediates"] or ())]:
            _in_range(f"{where}: output", index, len(tensors))
        if operator["large_offset"] > 1:
            walk.inside(operator["large_offset"], operator["large_size"])
        _check_options(walk, operator, where)


def _check_tensor(tensor: dict[str, Any], where: str, sizes: list[int]) -> None:
    _in_range(f"{where}: buffer", tensor["buffer"], len(sizes))
    if tensor["sparsity"] or tensor["variant_tensors"] or tensor["external_buffer"]:
        raise StructureError(f"{where} is sparse, a variant or external")
    if tensor["type"] not in _BITS:
        raise StructureError(f"{where} has type {tensor['type']}, which is not for images")
    if tensor["quantization"] and tensor["quantization"]["details_type"]:
        raise StructureError(f"{where} is quantized in a way that is not known here")
    shape = tensor["shape"] or ()
    needed = (prod(max(side, 0) for side in shape) * _BITS[tensor["type"]] + 7) // 8
    if len(shape) > 8 or any(side < -1 for side in shape) or needed > MAX_TENSOR_BYTES:
        raise StructureError(f"{where} has shape {list(shape)[:9]}")
    if sizes[tensor["buffer"]] not in (0, needed):
        raise StructureError(f"{where} needs {needed} bytes, its buffer has {sizes[tensor['buffer']]}")


def _check_options(walk: Walk, operator: dict[str, Any], where: str) -> None:
    kind, at = operator["options_type"], operator["options"]
    if operator["options2_type"] or operator["options2"] or kind in _REFUSED_OPTIONS:
        raise StructureError(f"{where} has options that are not known here")
    if at is None:
        return
    if kind in _VECTOR_OPTIONS:
        walk.table(at, _VECTOR_OPTIONS[kind])
        return
    slots = walk.slots(at)
    if kind == _FULLY_CONNECTED and len(slots) > _QUANT_SPEC and slots[_QUANT_SPEC]:
        raise StructureError(f"{where} has options that are not known here")
    for slot in filter(None, slots):
        # The widest scalar of any options table; the walk does not know which of them are narrower.
        walk.inside(slot, 4)


def _in_range(what: str, index: int, count: int, lowest: int = 0) -> None:
    if not lowest <= index < count:
        raise StructureError(f"{what} is number {index} of {count}")
