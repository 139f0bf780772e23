"""Figures of graphs whose operators are known."""

from __future__ import annotations

import pytest

pytest.importorskip("ai_edge_quantizer")

from compress.flatbuffer import GraphError
from export.graphs import delegation, describe_graph
from mobile_runtime import Bundle
from tests.export.graph_builder import chain


def test_stray_operators_are_counted() -> None:
    model = chain(["ADD", "TRANSPOSE", "QUANTIZE", "DEQUANTIZE", "ADD"])
    graph = describe_graph(model)
    assert graph.operators == {"ADD": 2, "DEQUANTIZE": 1, "QUANTIZE": 1, "TRANSPOSE": 1}
    assert graph.size_bytes == len(model)
    assert (graph.transposes, graph.pairs) == (1, 1)


def test_conversions_that_are_not_taken_back_are_no_pair() -> None:
    assert describe_graph(chain(["QUANTIZE", "DEQUANTIZE"])).pairs == 1
    assert describe_graph(chain(["ADD", "QUANTIZE"])).pairs == 0


def test_an_operator_that_xnnpack_lacks_splits_the_graph() -> None:
    whole, split = delegation(chain(["ADD", "ADD"])), delegation(chain(["ADD", "GATHER", "ADD"]))
    assert whole is not None and split is not None
    assert (whole.partitions, whole.delegated, whole.outside) == (1, 2, {})
    assert (split.partitions, split.delegated, split.outside) == (2, 2, {"GATHER": 1})


def test_every_operator_of_the_shipped_graph_is_inside_or_outside() -> None:
    bundle = Bundle.load()
    graph = describe_graph(bundle.model_bytes(bundle.variant()))
    assert graph.delegation is not None
    assert graph.delegation.partitions >= 1
    assert graph.delegation.delegated + sum(graph.delegation.outside.values()) == sum(graph.operators.values())
    assert graph.pairs == 0


def test_other_bytes_are_refused() -> None:
    with pytest.raises(GraphError):
        describe_graph(b"no model")
