"""Inline figures: well-formed, inside their frame, faithful to the data."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import figures
from benchmarks.figures import Frame
from mobile_runtime.statistics import Gap


def coordinates(svg: str) -> list[tuple[float, float]]:
    pairs = re.findall(r"([-\d.]+),([-\d.]+)", " ".join(re.findall(r'points="([^"]*)"', svg)))
    return [(float(x), float(y)) for x, y in pairs]


def test_a_frame_maps_corners_to_corners() -> None:
    frame = Frame((0, 10), (-1, 1), width=200, height=100, left=20, right=10, top=5, bottom=15)
    assert (frame.x(0), frame.x(10)) == (20, 190)
    assert (frame.y(-1), frame.y(1)) == (85, 5)


def test_roc_draws_every_curve_and_mark() -> None:
    svg = figures.roc({"<a>": [(0, 0), (0.2, 0.9), (1, 1)], "b": [(0, 0), (1, 1)]}, {"<a>": (0.2, 0.9)})
    root = ElementTree.fromstring(svg)
    assert len(root.findall("polyline")) == 2 and len(root.findall("circle")) == 1
    assert all(0 <= x <= 520 and 0 <= y <= 480 for x, y in coordinates(svg))


@given(st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3), st.floats(0.0001, 0.1))
def test_differences_stay_in_their_frame(edges: list[float], margin: float) -> None:
    low, value, high = sorted(edges)
    svg = figures.differences({"<int8>": Gap(value=value, low=low, high=high)}, margin)
    root = ElementTree.fromstring(svg)
    places = [float(line.get(name, "nan")) for line in root.findall("line") for name in ("x1", "x2")]
    assert all(16 <= place <= 504 for place in places)
    assert "&lt;int8&gt;" in svg
    labels = [text.text for text in root.findall("text")]
    assert "margin" in labels and "0" in labels


def test_movement_is_the_share_above() -> None:
    svg = figures.movement({"int8": np.array([0.0, 1e-3, 1e-2, 1e-1])})
    ElementTree.fromstring(svg)
    frame = Frame((-5, 0), (0, 1))
    places = coordinates(svg)
    assert places[0] == pytest.approx((frame.x(-5), frame.y(1)), abs=0.1)
    assert places[-1] == pytest.approx((frame.x(-1), frame.y(0)), abs=0.1)
    assert [y for _, y in places] == sorted(y for _, y in places)
