"""The structural check: real models pass, and whatever an attacker writes is refused or harmless, never an exception."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobile_runtime import Bundle, flatbuffer
from mobile_runtime.flatbuffer import check_structure
from mobile_runtime.flatbuffer_walk import StructureError, Walk


@pytest.fixture(scope="session")
def models(each_bundle: Path) -> dict[str, bytes]:
    """Every TFLite model of a bundle."""
    bundle = Bundle.load(each_bundle)
    return {
        name: (bundle.path / variant.path).read_bytes()
        for name, variant in bundle.variants.items()
        if variant.runtime == "litert"
    }


def test_real_models_pass(models: dict[str, bytes]) -> None:
    assert models
    for data in models.values():
        check_structure(data)


def test_truncation_is_refused(models: dict[str, bytes]) -> None:
    data = next(iter(models.values()))
    for length in (*range(64), 100, 1000, len(data) // 2, len(data) - 64):
        with pytest.raises(StructureError):
            check_structure(data[:length])


def test_nothing_may_follow_the_model_but_a_whole_archive(models: dict[str, bytes]) -> None:
    data = next(iter(models.values()))
    added = bytes(flatbuffer.PADDING + 1)
    for changed in (data + added, data + added + data[-22:], data[:-22] + added + data[-22:]):
        with pytest.raises(StructureError, match="follow the model"):
            check_structure(changed)


def test_damage_never_raises_anything_else(models: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Random bytes where the walk reads: offsets, counts, indices."""
    read: set[int] = set()
    inside = Walk.inside

    def recorded(self: Any, at: int, size: int) -> None:
        inside(self, at, size)
        read.update(range(at, at + min(size, 64)))

    rng = random.Random(0)
    for name, data in models.items():
        read.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Walk, "inside", recorded)
            check_structure(data)
        places = sorted(read)
        refused = 0
        for _ in range(100):
            changed = bytearray(data)
            for _ in range(rng.choice((1, 4))):
                changed[rng.choice(places)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            try:
                check_structure(bytes(changed))
            except StructureError:
                refused += 1
            except Exception as error:
                raise AssertionError(name) from error
        assert refused > 30, name


def test_noise_is_refused() -> None:
    rng = random.Random(1)
    for length in (0, 3, 8, 16, 200, 5000):
        for _ in range(50):
            data = rng.randbytes(length)
            with pytest.raises(StructureError):
                check_structure(data[:4] + b"TFL3" + data[8:] if length >= 8 else data)


def test_one_table_named_a_million_times_is_no_bomb() -> None:
    """A vector of operator codes, each entry an offset to the same table."""
    count = 200_000
    # root offset, identifier, model's vtable (version, codes), model table, vector, shared vtable and table at the end
    vtable = struct.pack("<HHHHHH", 8, 12, 4, 8, 0, 0)
    model_at = 8 + len(vtable)
    vector_at = model_at + 12
    shared_at = vector_at + 4 + 4 * count
    model = struct.pack("<iII", model_at - 8, 3, vector_at - (model_at + 8))
    offsets = b"".join(struct.pack("<I", shared_at + 4 - (vector_at + 4 + 4 * i)) for i in range(count))
    shared = struct.pack("<HHi", 4, 4, 4)
    data = struct.pack("<I", model_at) + b"TFL3" + vtable + model + struct.pack("<I", count) + offsets + shared
    with pytest.raises(StructureError, match="far more parts than a mobile model"):
        check_structure(data)


def _edit(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    def apply(model: bytes) -> bytes:
        tree = pytest.importorskip("compress.flatbuffer").read(model)
        change(tree)
        return bytes(pytest.importorskip("compress.flatbuffer").write(tree))

    return apply


def _set(obj: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(obj, name, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: _set(t, version=4), "schema version 4"),
        (lambda t: _set(t, buffers=[]), "no buffers"),
        (lambda t: _set(t, subgraphs=[]), "no subgraphs"),
        (lambda t: _set(t.subgraphs[0].tensors[3], buffer=10_000), "tensor 3: buffer is number 10000 of"),
        (lambda t: _set(t.subgraphs[0].tensors[0], shape=[1, -2]), "tensor 0 has shape"),
        (lambda t: _set(t.subgraphs[0].tensors[0], shape=[1 << 30, 1 << 30]), "tensor 0 has shape"),
        (lambda t: _set(t.subgraphs[0].tensors[0], type=5), "tensor 0 has type 5"),
        (lambda t: _set(t.subgraphs[0].operators[1], inputs=[10_000]), "operator 1: input is number 10000"),
        (lambda t: _set(t.subgraphs[0].operators[1], inputs=[-2]), "operator 1: input is number -2"),
        (lambda t: _set(t.subgraphs[0].operators[1], outputs=[-1]), "operator 1: output is number -1"),
        (lambda t: _set(t.subgraphs[0].operators[0], opcodeIndex=99), "operator 0: code is number 99"),
        (lambda t: _set(t.subgraphs[0], outputs=[100_000]), "input or output is number 100000"),
        (lambda t: _set(t.signatureDefs[0], subgraphIndex=7), "subgraph is number 7"),
        (lambda t: _set(t.signatureDefs[0].outputs[0], tensorIndex=70_000), "tensor is number 70000"),
    ],
)
def test_index_that_names_nothing(models: dict[str, bytes], change: Callable[[Any], None], message: str) -> None:
    data = _edit(change)(next(iter(models.values())))
    with pytest.raises(StructureError, match=re.escape(message)):
        check_structure(data)


def test_weights_of_the_wrong_length(models: dict[str, bytes]) -> None:
    def shorten(tree: Any) -> None:
        constant = next(t for t in tree.subgraphs[0].tensors if tree.buffers[t.buffer].data is not None)
        tree.buffers[constant.buffer].data = tree.buffers[constant.buffer].data[:-1]

    with pytest.raises(StructureError, match=r"needs \d+ bytes, its buffer has"):
        check_structure(_edit(shorten)(next(iter(models.values()))))


def test_options_with_vectors_are_all_known() -> None:
    """A new kind of options that holds a vector, string or table must be walked or refused here too."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    names = {number: name for name, number in vars(schema.BuiltinOptions).items() if isinstance(number, int) and number}
    # inspect.getsource would parse the whole module, of a megabyte, once for each class.
    sources = dict(part.split("(", 1) for part in Path(schema.__file__).read_text(encoding="utf-8").split("\nclass ")[1:])
    heavy = {
        number
        for number, name in names.items()
        if re.search(r"def \w+Length\(|_tab\.String\(|_tab\.Indirect\(|_tab\.Union\(", sources[name])
    }
    known = set(flatbuffer._VECTOR_OPTIONS) | flatbuffer._REFUSED_OPTIONS | {flatbuffer._FULLY_CONNECTED}
    assert heavy == known
