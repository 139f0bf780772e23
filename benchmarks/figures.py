"""Small inline SVG figures. Colours and dashes come from the page's style sheet, classes s0, s1 ... by variant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from mobile_runtime.statistics import Gap

Points = Sequence[tuple[float, float]]
SERIES = 8
"""Number of distinct series styles in the style sheet."""


@dataclass(frozen=True)
class Frame:
    """A plot area that maps data to pixels; the y axis points up."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: int = 520
    height: int = 400
    left: int = 78
    right: int = 16
    top: int = 12
    bottom: int = 52

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom)

    def line(self, points: Points, style: str) -> str:
        """A polyline; points that fall on the same tenth of a pixel are drawn once."""
        places = dict.fromkeys(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        return f'<polyline class="{style}" points="{" ".join(places)}"/>'

    def segment(self, start: tuple[float, float], end: tuple[float, float], style: str) -> str:
        (x1, y1), (x2, y2) = start, end
        return (
            f'<line class="{style}" x1="{self.x(x1):.1f}" y1="{self.y(y1):.1f}" x2="{self.x(x2):.1f}" y2="{self.y(y2):.1f}"/>'
        )

    def x_ticks(self, ticks: Mapping[float, str], title: str) -> str:
        parts = [
            self.segment((at, self.y_range[0]), (at, self.y_range[1]), "grid")
            + _text(text, self.x(at), self.height - self.bottom + 19)
            for at, text in ticks.items()
        ]
        middle = (self.left + self.width - self.right) / 2
        return "".join(parts) + _text(title, middle, self.height - 9)

    def y_ticks(self, ticks: Mapping[float, str], title: str) -> str:
        parts = [
            self.segment((self.x_range[0], at), (self.x_range[1], at), "grid")
            + _text(text, self.left - 8, self.y(at) + 5, "end")
            for at, text in ticks.items()
        ]
        middle = (self.top + self.height - self.bottom) / 2
        return (
            "".join(parts)
            + f'<text transform="translate(18 {middle:.0f}) rotate(-90)" text-anchor="middle">{escape(title)}</text>'
        )

    def wrap(self, body: str, title: str) -> str:
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(title)}">'
            f"<title>{escape(title)}</title>{body}</svg>"
        )


def _text(text: str, x: float, y: float, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def series_style(index: int) -> str:
    """CSS class of the index-th variant."""
    return f"s{index % SERIES}"


def roc(curves: Mapping[str, Points], marks: Mapping[str, tuple[float, float]]) -> str:
    """ROC curves by variant, points (1 - specificity, sensitivity), and a mark at each one's operating point."""
    frame = Frame((0, 1), (0, 1), height=480)
    ticks = {tick / 5: f"{tick / 5:.1f}" for tick in range(6)}
    body = frame.x_ticks(ticks, "1 - specificity") + frame.y_ticks(ticks, "sensitivity")
    body += frame.segment((0, 0), (1, 1), "rule")
    for index, (name, points) in enumerate(curves.items()):
        body += frame.line(points, f"series {series_style(index)}")
        if name in marks:
            x, y = marks[name]
            body += f'<circle class="mark {series_style(index)}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="5"/>'
    return frame.wrap(body, "ROC curves for malignancy; circles mark the operating point")


def differences(gaps: Mapping[str, Gap], margin: float) -> str:
    """Paired AUC differences with intervals, against no difference and against the margin."""
    edges = [edge for gap in gaps.values() for edge in (gap.low, gap.high)]
    reach = 1.15 * max(margin, *map(abs, edges))
    frame = Frame((-reach, reach), (0, len(gaps)), height=90 + 44 * len(gaps), left=16, top=24)
    step = _nice_step(reach / 2)
    ticks = {k * step: f"{k * step:+.{_decimals(step)}f}" if k else "0" for k in range(-4, 5) if abs(k * step) <= reach}
    body = frame.x_ticks(ticks, "malignancy AUC minus reference")
    body += frame.segment((0, 0), (0, len(gaps)), "axis")
    body += frame.segment((-margin, 0), (-margin, len(gaps)), "limit")
    body += _text("margin", frame.x(-margin), 16)
    for row, (name, gap) in enumerate(gaps.items()):
        height = len(gaps) - row - 0.65
        style = series_style(row + 1)
        body += frame.segment((gap.low, height), (gap.high, height), f"bar {style}")
        for edge in (gap.low, gap.high):
            body += frame.segment((edge, height - 0.1), (edge, height + 0.1), f"bar {style}")
        body += f'<circle class="dot {style}" cx="{frame.x(gap.value):.1f}" cy="{frame.y(height):.1f}" r="6"/>'
        body += _text(name, frame.left + 4, frame.y(height + 0.33), "start")
    return frame.wrap(body, "Paired difference of the malignancy AUC with 95 % bootstrap intervals")


def movement(changes: Mapping[str, npt.NDArray[np.float64]]) -> str:
    """Share of images whose malignancy moved by more than x, against x on a logarithmic axis; changes are >= 0."""
    floor = -5.0
    frame = Frame((floor, 0), (0, 1))
    ticks = {exponent: _power(exponent) for exponent in range(-5, 1)}
    body = frame.x_ticks({float(k): text for k, text in ticks.items()}, "change of the malignancy score")
    body += frame.y_ticks({k / 4: f"{25 * k} %" for k in range(5)}, "images that moved more")
    for index, values in enumerate(changes.values()):
        shares = np.linspace(0, 1, 121)
        places = np.log10(np.maximum(np.quantile(values, shares), 10**floor))
        points = list(zip(places.tolist(), (1 - shares).tolist(), strict=True))
        body += frame.line([*points, (points[-1][0], 0.0)], f"series {series_style(index + 1)}")
    return frame.wrap(body, "How far malignancy scores moved against the reference")


def _power(exponent: int) -> str:
    return f"{10.0**exponent:.{max(0, -exponent)}f}"


def _nice_step(target: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(target))
    return next(magnitude * factor for factor in (5, 2, 1) if magnitude * factor <= target * 1.0001)


def _decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step)))
