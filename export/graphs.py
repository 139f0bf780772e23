"""What a TFLite graph consists of, and how much of it XNNPACK takes over."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from compress.flatbuffer import code, operator_names, read

_OPS = schema.BuiltinOperator
_CONVERSIONS = (_OPS.QUANTIZE, _OPS.DEQUANTIZE)


@dataclass(frozen=True)
class Delegation:
    """What LiteRT hands to XNNPACK on this machine.

    Attributes:
        partitions: pieces of the graph that XNNPACK runs; each border between them is a call and a copy. One is best.
        delegated: operators in them.
        outside: operator -> how many LiteRT's own kernels run.
    """

    partitions: int
    delegated: int
    outside: dict[str, int]


@dataclass(frozen=True)
class Graph:
    """Figures of a graph as it is in the file.

    Attributes:
        size_bytes: of the file.
        operators: operator -> how many.
        transposes: TRANSPOSE operators; a graph for NHWC images needs none.
        pairs: QUANTIZE and DEQUANTIZE operators that take back what one just before did.
        delegation: None where the runtime does not tell.
    """

    size_bytes: int
    operators: dict[str, int]
    transposes: int
    pairs: int
    delegation: Delegation | None


def describe_graph(model: bytes) -> Graph:
    """Figures of a TFLite flatbuffer with one subgraph.

    Raises:
        GraphError: the bytes are no TFLite model.
    """
    operators = Counter(operator_names(model))
    return Graph(
        size_bytes=len(model),
        operators=dict(sorted(operators.items())),
        transposes=operators["TRANSPOSE"],
        pairs=_pairs(read(model)),
        delegation=delegation(model),
    )


def delegation(model: bytes) -> Delegation | None:
    """Ask the interpreter which operators XNNPACK took.

    After allocation its list of operators has, behind those of the file, one DELEGATE for every partition. An operator is in
    the partition that computes its outputs.

    Returns:
        None when the interpreter has no such list, as with other runtimes and future versions.
    """
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    try:
        listed: list[dict[str, Any]] = interpreter._get_ops_details()
    except AttributeError:
        return None
    count = len(operator_names(model))
    own, delegates = listed[:count], listed[count:]
    if len(own) != count or any(op["op_name"] != "DELEGATE" for op in delegates):
        return None
    makers = {int(tensor): number for number, op in enumerate(own) for tensor in op["outputs"]}
    taken: set[int] = set()
    for delegate in delegates:
        borders = set(map(int, delegate["inputs"]))
        waiting = [int(tensor) for tensor in delegate["outputs"]]
        while waiting:
            tensor = waiting.pop()
            if tensor in borders or (number := makers.get(tensor)) is None or number in taken:
                continue
            taken.add(number)
            waiting += [int(source) for source in own[number]["inputs"]]
    outside = Counter(op["op_name"] for number, op in enumerate(own) if number not in taken)
    return Delegation(len(delegates), len(taken), dict(sorted(outside.items())))


def _pairs(tree: Any) -> int:
    """A conversion of an activation whose input is itself the result of a conversion."""
    converted = {int(op.outputs[0]) for op in tree.subgraphs[0].operators if code(tree, op) in _CONVERSIONS}
    return sum(code(tree, op) in _CONVERSIONS and int(op.inputs[0]) in converted for op in tree.subgraphs[0].operators)
