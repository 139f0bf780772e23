"""TFLite model metadata: what MediaPipe, ML Kit and Android Studio read from a .tflite file.

A flatbuffer of its own (`metadata_schema.fbs` of MediaPipe, identifier M001) is a buffer of the model, and the label files that
it names are a ZIP archive behind the model. Only the tables that an image classifier needs are written here; numbers of fields
are those of the schema.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compress.flatbuffer import read, write
from export.errors import ExportError
from mobile_runtime.files import sha256_bytes

FIELD = "TFLITE_METADATA"
IDENTIFIER = b"M001"
PARSER_VERSION = "1.0.0"
_IMAGE, _NORMALIZATION = np.uint8(2), np.uint8(1)
_RGB, _AXIS_LABELS = np.int8(1), np.int8(2)
_SCALARS = {np.int8: "Int8", np.uint8: "Uint8", np.int32: "Int32", np.uint32: "Uint32"}


@dataclass(frozen=True)
class Head:
    """One output tensor [1, N] as a head of a classifier.

    Attributes:
        output: name in the model's signature.
        name, description: for people.
        labels: N short names in the order of the tensor, which become `category_name`.
        names: N names for people, in English, which become `display_name`.
    """

    output: str
    name: str
    description: str
    labels: Sequence[str]
    names: Sequence[str]


@dataclass(frozen=True)
class About:
    """What is said of the model as a whole."""

    name: str
    version: str
    description: str
    author: str
    licence: str


def with_metadata(model: bytes, about: About, heads: Sequence[Head]) -> bytes:
    """Describe a classifier with one uint8 RGB input [1, S, S, 3] and its outputs.

    Args:
        model: TFLite flatbuffer with one signature.
        about: the whole.
        heads: outputs to keep, in this order, which is that of the classifier's heads. Names in the signature stay.

    Returns:
        The flatbuffer with metadata, and the label files as a ZIP archive behind it; the same bytes every time.

    Raises:
        GraphError: the bytes are no TFLite model.
        ExportError: the model has no such output, or another number of values than labels.
    """
    tree = read(model)
    graph = tree.subgraphs[0]
    signature = (tree.signatureDefs or [None])[0]
    places = {} if signature is None else {entry.name.decode(): entry for entry in signature.outputs}
    if len(graph.inputs) != 1 or graph.tensors[graph.inputs[0]].type != schema.TensorType.UINT8:
        raise ExportError("the model's one input is not a uint8 image; metadata is for the variants of a bundle")
    for head in heads:
        if head.output not in places:
            raise ExportError(f"the model has no output {head.output!r}; there are {', '.join(sorted(places)) or 'none'}")
        shape = [int(side) for side in graph.tensors[places[head.output].tensorIndex].shape]
        if shape != [1, len(head.labels)] or len(head.names) != len(head.labels):
            raise ExportError(f"output {head.output!r} is {shape}, but it has {len(head.labels)} labels")
    graph.outputs = [places[head.output].tensorIndex for head in heads]
    signature.outputs = [places[head.output] for head in heads]
    side = int(graph.tensors[graph.inputs[0]].shape[1])
    tree.metadata = tree.metadata or []
    entry = next((entry for entry in tree.metadata if entry.name.decode() == FIELD), None)
    if entry is None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = FIELD, len(tree.buffers)
        tree.metadata.append(entry)
        tree.buffers.append(schema.BufferT())
    tree.buffers[entry.buffer].data = np.frombuffer(_document(about, heads, side), np.uint8)
    return write(tree) + _archive(heads)


def labels_inside(model: bytes, output: str) -> list[str] | None:
    """The labels that a model's file has for an output, as MediaPipe reads them; None where it has none that can be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            return archive.read(f"{output}_labels.txt").decode().splitlines()
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError):
        return None


def fingerprint(model: bytes) -> str:
    """SHA-256 of what a model computes with, the same whether it is described or not.

    Raises:
        GraphError: the bytes are no TFLite model.
    """
    tree = read(model)
    kept = [entry for entry in tree.metadata or [] if entry.name.decode() != FIELD]
    if len(kept) != len(tree.metadata or []):
        tree.buffers.pop()  # `with_metadata` put it last
    tree.metadata = kept
    tree.subgraphs[0].outputs = sorted(tree.subgraphs[0].outputs)
    for signature in tree.signatureDefs or []:
        signature.outputs.sort(key=lambda entry: entry.name)
    return sha256_bytes(write(tree))


def _archive(heads: Sequence[Head]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for head in heads:
            for name, lines in zip(_file_names(head), (head.labels, head.names), strict=True):
                # A ZipInfo of its own has 1980 as date, so that the bytes do not depend on the day.
                archive.writestr(zipfile.ZipInfo(name), "\n".join(lines) + "\n")
    return stream.getvalue()


def _file_names(head: Head) -> tuple[str, str]:
    return f"{head.output}_labels.txt", f"{head.output}_labels_en.txt"


def _document(about: About, heads: Sequence[Head], side: int) -> bytes:
    size = {0: np.uint32(side), 1: np.uint32(side)}
    pixels = {
        0: "image",
        1: "Square RGB image in sRGB, raw 0..255; scaling is inside the model.",
        3: {0: _IMAGE, 1: {0: _RGB, 1: size}},
        4: [{0: _NORMALIZATION, 1: {0: [0.0], 1: [1.0]}}],
        5: {0: [255.0], 1: [0.0]},
    }
    outputs = []
    for head in heads:
        plain, english = _file_names(head)
        files = [{0: plain, 2: _AXIS_LABELS}, {0: english, 2: _AXIS_LABELS, 3: "en"}]
        outputs.append({0: head.name, 1: head.description, 6: files})
    root = {
        0: about.name,
        1: about.description,
        2: about.version,
        3: [{2: [pixels], 3: outputs}],
        4: about.author,
        5: about.licence,
        7: PARSER_VERSION,
    }
    builder = flatbuffers.Builder(4096)
    builder.Finish(_offset(builder, root), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _offset(builder: Any, value: Any) -> int:
    """Write a string, a vector of floats or tables, or a table given as number of field -> value."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, list) and isinstance(value[0], float):
        return int(builder.CreateNumpyVector(np.array(value, np.float32)))
    if isinstance(value, list):
        offsets = [_offset(builder, item) for item in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())
    # What a table refers to must be finished before the table is begun.
    fields = {slot: item if type(item) in _SCALARS else _offset(builder, item) for slot, item in value.items()}
    builder.StartObject(max(fields) + 1)
    for slot, item in fields.items():
        if type(item) in _SCALARS:
            getattr(builder, f"Prepend{_SCALARS[type(item)]}Slot")(slot, int(item), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, item, 0)
    return int(builder.EndObject())
