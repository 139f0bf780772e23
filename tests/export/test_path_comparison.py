"""The verdict between two forms of a variant, on figures made up for it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

pytest.importorskip("litert_torch")

from export.graphs import Delegation, Graph
from export.path_comparison import FIRST, SECOND, Comparison, Errors, Pair, Side, alternate

SIDE = Side(
    Graph(1000, {"CONV_2D": 3}, transposes=0, pairs=0, delegation=Delegation(1, 3, {})),
    {"golden": Errors(10, 0.01, 0.001, 1.0)},
    p50_ms=2.0,
    minimum_ms=1.5,
)


def pair(ratio: float = 1.0, **second: Any) -> Pair:
    """The same on both sides but for what is given of the second; graph figures by their own names."""
    graph = {key: second.pop(key) for key in list(second) if key not in ("errors", "p50_ms")}
    other = dataclasses.replace(SIDE, graph=dataclasses.replace(SIDE.graph, **graph), **second)
    return Pair("static_wi8_ai8", {FIRST: SIDE, SECOND: other}, ratio)


def test_equal_forms_need_no_second_converter() -> None:
    path, reason = pair().verdict()
    assert path == FIRST
    assert "equal" in reason


@pytest.mark.parametrize(
    ("better", "worse", "criterion"),
    [
        ({"size_bytes": 900}, {"size_bytes": 1100}, "bytes"),
        (
            {"errors": {"golden": Errors(10, 0.01, 0.0005, 1.0)}},
            {"errors": {"golden": Errors(10, 0.01, 0.002, 1.0)}},
            "mean error",
        ),
    ],
)
def test_the_lower_figure_is_ahead(better: dict[str, Any], worse: dict[str, Any], criterion: str) -> None:
    assert pair(**better).verdict()[0] == SECOND
    path, reason = pair(**worse).verdict()
    assert path == FIRST
    assert reason.startswith(criterion)


def test_errors_that_are_no_numbers_are_over_the_limit() -> None:
    for errors in (Errors(10, 0.01, float("nan"), 1.0), Errors(10, float("nan"), 0.001, 1.0)):
        side = dataclasses.replace(SIDE, errors={"photographs": Errors(10, 0.01, 0.001, 1.0), "golden": errors})
        assert side.criteria("static_wi8_ai8")["errors over the limit"] == 1


def test_partitions_come_before_errors_and_size() -> None:
    path, reason = pair(delegation=Delegation(2, 3, {}), errors={"golden": Errors(10, 0.0, 0.0, 1.0)}, size_bytes=1).verdict()
    assert path == FIRST
    assert reason == "delegate partitions: 1 by litert-torch, 2 by onnx2tf"


def test_errors_over_the_limit_come_before_everything() -> None:
    broken = {"golden": Errors(10, 0.9, 0.3, 0.2)}
    path, reason = pair(errors=broken, delegation=Delegation(0, 0, {}), size_bytes=1).verdict()
    assert path == FIRST
    assert reason.startswith("errors over the limit")


@pytest.mark.parametrize(("ratio", "ahead"), [(0.5, SECOND), (0.9, "equal"), (1.2, "equal"), (2.0, FIRST)])
def test_only_clear_differences_of_latency_count(ratio: float, ahead: str) -> None:
    assert pair(ratio, p50_ms=2.0 * ratio).ahead()["p50 ms"] == ahead


def test_errors_are_those_of_the_probabilities() -> None:
    found = np.array([[0.5, 0.5], [0.25, 0.75]], np.float32)
    expected = np.array([[0.75, 0.25], [0.75, 0.25]], np.float32)
    # argmax takes the first of equals: row 0 agrees, row 1 does not.
    assert Errors.of(found, expected) == Errors(2, 0.5, 0.375, 0.5)


def test_the_default_variant_decides() -> None:
    other = dataclasses.replace(pair(size_bytes=1), variant="float32")
    result = Comparison("id", "static_wi8_ai8", "64 drawings", {}, None, (other, pair(size_bytes=2000)))
    assert other.verdict()[0] == SECOND
    assert result.verdict()[0] == FIRST
    assert result.to_dict()["ships"] == FIRST


def test_engines_take_turns() -> None:
    calls: list[str] = []

    class Probe:
        kernels, threads = "builtin", 1

        def __init__(self, name: str) -> None:
            self.name = name

        def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
            calls.append(self.name)
            return {}

    times = alternate({"a": Probe("a"), "b": Probe("b")}, np.zeros((1, 2, 2, 3), np.uint8))
    blocks = "".join(calls).replace("aaaaa", "A").replace("bbbbb", "B")
    assert blocks == "AB" * len(times["a"])
    assert times["a"].shape == times["b"].shape
    assert (times["a"] >= 0).all()
