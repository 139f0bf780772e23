"""Metadata of the shipped model, read back by a reader that knows the schema from its field numbers alone."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from typing import Any

import flatbuffers
import numpy as np
import pytest

pytest.importorskip("ai_edge_quantizer")

from compress.flatbuffer import read, write
from export.errors import ExportError
from export.mediapipe import about, heads
from export.tflite_metadata import FIELD, IDENTIFIER, fingerprint, with_metadata
from mobile_runtime import Bundle
from mobile_runtime.engines import LiteRTEngine
from mobile_runtime.flatbuffer import check_structure
from tests.export.graph_builder import chain


class Table:
    """A flatbuffer table."""

    def __init__(self, data: bytes, at: int) -> None:
        self.table = flatbuffers.table.Table(bytearray(data), at)

    def at(self, field: int) -> int:
        offset = self.table.Offset(4 + 2 * field)
        assert offset, f"field {field} is missing"
        return int(self.table.Pos + offset)

    def scalar(self, field: int, kind: Any) -> int:
        return int(self.table.Get(kind, self.at(field)))

    def string(self, field: int) -> str:
        return str(self.table.String(self.at(field)).decode())

    def child(self, field: int) -> Table:
        return Table(self.table.Bytes, self.table.Indirect(self.at(field)))

    def children(self, field: int) -> list[Table]:
        start, length = self._vector(field)
        return [Table(self.table.Bytes, self.table.Indirect(start + 4 * i)) for i in range(length)]

    def floats(self, field: int) -> list[float]:
        start, length = self._vector(field)
        return np.frombuffer(self.table.Bytes, np.float32, length, start).tolist()

    def _vector(self, field: int) -> tuple[int, int]:
        offset = self.at(field) - self.table.Pos
        return int(self.table.Vector(offset)), int(self.table.VectorLen(offset))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load()


@pytest.fixture(scope="module")
def shipped(bundle: Bundle) -> bytes:
    return bundle.model_bytes(bundle.variant())


@pytest.fixture(scope="module")
def plain(shipped: bytes) -> bytes:
    """The shipped model without what is said of it."""
    tree = read(shipped)
    tree.metadata = [entry for entry in tree.metadata if entry.name.decode() != FIELD]
    tree.buffers.pop()
    return write(tree)


@pytest.fixture(scope="module")
def described(bundle: Bundle, plain: bytes) -> bytes:
    return with_metadata(plain, about(bundle.manifest, bundle.variant()), heads(bundle.manifest, bundle.variant()))


def metadata(model: bytes) -> Table:
    tree = read(model)
    buffers = [tree.buffers[entry.buffer] for entry in tree.metadata if entry.name.decode() == FIELD]
    assert len(buffers) == 1
    data = bytes(buffers[0].data)
    assert data[4:8] == IDENTIFIER
    return Table(data, int.from_bytes(data[:4], "little"))


def test_the_model_as_a_whole_is_described(bundle: Bundle, described: bytes) -> None:
    root = metadata(described)
    assert root.string(0) == bundle.manifest.name
    assert "Not a medical device" in root.string(1)
    assert root.string(2).startswith(bundle.manifest.version)
    assert root.string(4) and root.string(5) == bundle.manifest.licence


def test_the_input_is_an_rgb_image_of_raw_pixels(bundle: Bundle, described: bytes) -> None:
    (graph,) = metadata(described).children(3)
    (image,) = graph.children(2)
    properties = image.child(3).child(1)
    size = properties.child(1)
    number = flatbuffers.number_types
    assert image.child(3).scalar(0, number.Uint8Flags) == 2  # ImageProperties
    assert properties.scalar(0, number.Int8Flags) == 1  # RGB
    assert [size.scalar(i, number.Uint32Flags) for i in (0, 1)] == [bundle.manifest.input.size] * 2
    (unit,) = image.children(4)
    assert unit.scalar(0, number.Uint8Flags) == 1  # NormalizationOptions
    assert (unit.child(1).floats(0), unit.child(1).floats(1)) == ([0.0], [1.0])
    assert (image.child(5).floats(0), image.child(5).floats(1)) == ([255.0], [0.0])


def test_every_head_names_the_files_of_its_labels(bundle: Bundle, described: bytes) -> None:
    (graph,) = metadata(described).children(3)
    outputs = graph.children(3)
    assert [output.string(0) for output in outputs][:2] == ["probabilities", "scores"]
    archive = zipfile.ZipFile(io.BytesIO(described))
    found = []
    for output in outputs:
        plain, english = output.children(6)
        assert {file.scalar(2, flatbuffers.number_types.Int8Flags) for file in (plain, english)} == {2}  # TENSOR_AXIS_LABELS
        assert english.string(3) == "en"
        found.append([archive.read(file.string(0)).decode().splitlines() for file in (plain, english)])
    classes = bundle.manifest.classes
    assert found[0] == [[entry.label for entry in classes], [entry.name for entry in classes]]
    assert found[1][0] == [score.name for score in bundle.manifest.scores]


def test_the_runtime_reads_the_model_as_before(bundle: Bundle, plain: bytes, described: bytes) -> None:
    check_structure(described)
    size = bundle.manifest.input.size
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    before, after = (LiteRTEngine(model, bundle.variant()).run(images) for model in (plain, described))
    assert before.keys() == after.keys()
    for role, values in before.items():
        np.testing.assert_array_equal(after[role], values)


def test_the_shipped_file_is_described(shipped: bytes, described: bytes) -> None:
    assert shipped == described


def test_the_fingerprint_is_that_of_the_arithmetic(plain: bytes, described: bytes) -> None:
    assert plain != described
    assert fingerprint(plain) == fingerprint(described)
    tree = read(plain)
    weights = max(tree.buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data))
    weights.data = weights.data.copy()
    weights.data[0] ^= 1
    assert fingerprint(write(tree)) != fingerprint(plain)


def test_writing_again_gives_the_same_bytes(bundle: Bundle, described: bytes) -> None:
    again = with_metadata(described, about(bundle.manifest, bundle.variant()), heads(bundle.manifest, bundle.variant()))
    assert again == described


def test_labels_must_fit_the_output(bundle: Bundle, plain: bytes) -> None:
    head = heads(bundle.manifest, bundle.variant())[0]
    text = about(bundle.manifest, bundle.variant())
    with pytest.raises(ExportError, match="labels"):
        with_metadata(plain, text, [dataclasses.replace(head, labels=["one"], names=["One"])])
    with pytest.raises(ExportError, match="no output 'nothing'"):
        with_metadata(plain, text, [dataclasses.replace(head, output="nothing")])


def test_a_model_that_takes_no_image_is_refused(bundle: Bundle) -> None:
    with pytest.raises(ExportError, match="uint8"):
        with_metadata(chain(["ADD"]), about(bundle.manifest, bundle.variant()), ())
