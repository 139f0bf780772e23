"""Charts of the report as inline SVG, on the frame and palette of `figures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from benchmarks.figures import Frame, Points, series_style

Range = tuple[float, float]
_RIGHT = 30
"""Room for half of the last tick's text."""


@dataclass(frozen=True)
class Axis:
    """A range with a title; ticks are at multiples of `step`."""

    title: str
    low: float
    high: float
    step: float
    percent: bool = False

    def ticks(self) -> dict[float, str]:
        """Places and what stands there."""
        count = round((self.high - self.low) / self.step)
        places = [self.low + i * self.step for i in range(count + 1)]
        return {at: f"{100 * at:.0f} %" if self.percent else f"{at:.10g}" for at in places}


def lines(
    curves: Mapping[str, Points], x: Axis, y: Axis, title: str, bands: Mapping[str, Sequence[Range]] | None = None
) -> str:
    """Curves in the order of their styles.

    Args:
        curves: name -> points; those outside the y axis's range are left out.
        x: horizontal axis.
        y: vertical axis.
        title: for screen readers.
        bands: name -> low and high end at each of the curve's points, shaded.
    """
    frame = Frame((x.low, x.high), (y.low, y.high), height=340, right=_RIGHT)
    body = frame.x_ticks(x.ticks(), x.title) + frame.y_ticks(y.ticks(), y.title)

    def inside(value: float) -> float:
        return float(np.clip(value, y.low, y.high))

    for index, (name, points) in enumerate(curves.items()):
        style = series_style(index)
        kept = [place for place, (_, value) in enumerate(points) if y.low <= value <= y.high]
        if bands and name in bands:
            upper = [(points[place][0], inside(bands[name][place][1])) for place in kept]
            lower = [(points[place][0], inside(bands[name][place][0])) for place in reversed(kept)]
            places = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in [*upper, *lower])
            body += f'<polygon class="band {style}" points="{places}"/>'
        body += frame.line([points[place] for place in kept], f"series {style}")
    return frame.wrap(body, title)


def intervals(rows: Mapping[str, tuple[float, float, float]], x: Axis, title: str) -> str:
    """One value with its interval a row, its name above it."""
    frame = Frame((x.low, x.high), (0, len(rows)), height=70 + 40 * len(rows), left=16, right=_RIGHT)
    body = frame.x_ticks(x.ticks(), x.title)
    for row, (name, (value, low, high)) in enumerate(rows.items()):
        height = len(rows) - row - 0.68
        low, value, high = (float(np.clip(each, x.low, x.high)) for each in (low, value, high))
        body += frame.segment((low, height), (high, height), "bar s1")
        body += f'<circle class="dot s1" cx="{frame.x(value):.1f}" cy="{frame.y(height):.1f}" r="5"/>'
        body += f'<text x="{frame.left + 4}" y="{frame.y(height + 0.3):.1f}">{escape(name)}</text>'
    return frame.wrap(body, title)


def bars(rows: Mapping[str, float], x: Axis, title: str) -> str:
    """One bar from zero a row, its name above it."""
    frame = Frame((x.low, x.high), (0, len(rows)), height=70 + 40 * len(rows), left=16, right=_RIGHT)
    body = frame.x_ticks(x.ticks(), x.title)
    for row, (name, value) in enumerate(rows.items()):
        top, bottom = frame.y(len(rows) - row - 0.5), frame.y(len(rows) - row - 0.9)
        width = frame.x(min(value, x.high)) - frame.x(x.low)
        place = f'x="{frame.x(x.low):.1f}" y="{top:.1f}" width="{width:.1f}" height="{bottom - top:.1f}"'
        body += f'<rect class="dot s1" {place}/><text x="{frame.left + 4}" y="{top - 4:.1f}">{escape(name)}</text>'
    return frame.wrap(body, title)
