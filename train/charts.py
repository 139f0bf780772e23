"""Charts as inline SVG, drawn by matplotlib without a display; the same input gives the same bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from html import escape

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from train.evaluation import height
from train.evaluation_results import Calibration, Level, Task

INK, BLUE, ORANGE, GREY = "#1a1a1a", "#0b5fa5", "#c2500a", "#8a8a8a"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "skintriage",
    "font.size": 9,
    "axes.edgecolor": GREY,
    "font.family": "sans-serif",
}


def new_figure(width: float = 4.2, height: float = 3.8) -> Figure:
    """An empty figure of so many inches that belongs to no window."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def as_svg(figure: Figure) -> str:
    """The figure as an SVG element without XML header, date or fixed size."""
    stream = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = stream.getvalue()
    return text[text.index("<svg") :]


def roc_chart(task: Task) -> str:
    """The ROC curve, with the readers as points: filled where the curve passes above them."""
    with mpl.rc_context(STYLE):
        figure = new_figure()
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        axes.plot(*np.array(task.curve).T, color=BLUE, linewidth=1.8, label="network")
        if task.readers:
            faces = [ORANGE if height(task.curve, x) > y else "none" for x, y in task.readers.points]
            x, y = np.array(task.readers.points).T
            axes.scatter(x, y, s=22, facecolors=faces, edgecolors=ORANGE, label="readers", zorder=3)
            axes.legend(loc="lower right", frameon=False)
        axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        return as_svg(figure)


def confusion_chart(level: Level, names: Sequence[str]) -> str:
    """Confusion matrix, each row as shares of its label's images; the numbers are images."""
    counts = np.array(level.confusion)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 3.0 + 0.42 * len(names)
    with mpl.rc_context(STYLE):
        figure = new_figure(side + 1.4, side)
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else INK
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
        ticks, wrapped = range(len(names)), [textwrap.fill(name, 30) for name in names]
        axes.set_xticks(ticks, wrapped, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
        axes.set_yticks(ticks, wrapped, fontsize=8)
        axes.set(xlabel="answer", ylabel="label")
        return as_svg(figure)


def reliability_chart(calibration: Calibration) -> str:
    """Observed against predicted frequency; the area of a point is its number of images."""
    with mpl.rc_context(STYLE):
        figure = new_figure()
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        sizes = np.array([b.n for b in calibration.bins], dtype=float)
        predicted, observed = [b.predicted for b in calibration.bins], [b.observed for b in calibration.bins]
        axes.plot(predicted, observed, color=BLUE, linewidth=1)
        axes.scatter(predicted, observed, s=8 + 120 * sizes / sizes.max(), color=BLUE, alpha=0.7)
        axes.set(xlabel="malignancy score", ylabel="share of malignant images", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        return as_svg(figure)


def scatter_chart(points: npt.NDArray[np.float64], labels: Sequence[str], names: Sequence[str], hints: Sequence[str]) -> str:
    """Points [N, 2] coloured by label; each carries its hint as the title that a browser shows under the pointer."""
    with mpl.rc_context(STYLE):
        figure = new_figure(7.2, 6.0)
        axes = figure.add_subplot()
        colours = mpl.colormaps["tab10"] if len(names) <= 10 else mpl.colormaps["tab20"]
        for number, name in enumerate(names):
            rows = [i for i, label in enumerate(labels) if label == name]
            for i in rows:
                (dot,) = axes.plot(*points[i], "o", markersize=4, color=colours(number % colours.N), alpha=0.8)
                dot.set_gid(f"point-{i}")
            axes.plot([], [], "o", color=colours(number % colours.N), label=f"{name} ({len(rows)})")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        text = as_svg(figure)
    return _with_titles(text, hints)


def _with_titles(svg: str, hints: Sequence[str]) -> str:
    for i, hint in enumerate(hints):
        svg = svg.replace(f'<g id="point-{i}">', f'<g id="point-{i}"><title>{escape(hint)}</title>', 1)
    return svg
