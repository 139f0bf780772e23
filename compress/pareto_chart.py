"""The picture of `python -m compress pareto`: malignancy AUC over cost, float32 and int8, drawn without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from compress.pareto import Candidate
from mobile_runtime.errors import DataError
from mobile_runtime.files import write_atomically
from train.charts import BLUE, GREY, ORANGE, STYLE, as_svg, new_figure

FORMATS = (".svg", ".png")


def write_chart(rows: Sequence[Candidate], path: Path, title: str) -> None:
    """Draw two panels, over multiply-adds and over the time of one inference, as .svg or .png.

    Float32 and int8 differ in colour (a pair that colour-blind people tell apart) and in the shape of their points; bars are
    95 % intervals.

    Raises:
        DataError: another kind of file.
    """
    if path.suffix.lower() not in FORMATS:
        raise DataError(f"{path}: a picture is one of {', '.join(FORMATS)}")
    with mpl.rc_context(STYLE):
        figure = new_figure(9.0, 4.0)
        work, speed = figure.subplots(1, 2, sharey=True)
        _panel(work, rows, [(r.multiply_adds / 1e6, r.multiply_adds / 1e6) for r in rows], "million multiply-adds")
        _panel(speed, rows, [(r.float32.p50_ms, r.int8.p50_ms) for r in rows], "ms an inference on one core of this machine")
        work.set_ylabel("malignancy AUC")
        figure.legend(*work.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        figure.suptitle(title, fontsize=10)
        with write_atomically(path) as temporary:
            if path.suffix.lower() == ".svg":
                temporary.write_text(as_svg(figure), encoding="utf-8")
            else:
                figure.savefig(temporary, format="png", dpi=160)


def _panel(axes: Any, rows: Sequence[Candidate], places: Sequence[tuple[float, float]], label: str) -> None:
    looks = (("float32", BLUE, "o", -1), ("int8", ORANGE, "s", 1))
    spread = max(max(pair) for pair in places)
    for number, (name, colour, marker, side) in enumerate(looks):
        figures = [(row.drift.auc_float32, row.drift.auc_int8)[number] for row in rows]
        # Intervals of one network would hide each other: they stand a hundredth of the axis apart.
        x = [pair[number] + 0.005 * spread * side for pair in places]
        y = [figure.value for figure in figures]
        bars = [[f.value - f.low for f in figures], [f.high - f.value for f in figures]]
        axes.errorbar(x, y, yerr=bars, fmt=marker, color=colour, capsize=3, markersize=6, linewidth=1, label=name)
    kept = [(pair[1], row.drift.auc_int8.value) for pair, row in zip(places, rows, strict=True) if row.efficient]
    front = [(x + 0.005 * spread, y) for x, y in sorted(kept)]
    axes.plot(*zip(*front, strict=True), color=GREY, linewidth=0.8, linestyle="--", zorder=0, label="not dominated, int8")
    for pair, row in zip(places, rows, strict=True):
        axes.annotate(row.run, (pair[1], row.drift.auc_int8.value), xytext=(6, 5), textcoords="offset points", fontsize=8)
    axes.set_xlim(0, 1.2 * spread)
    axes.set_xlabel(label)
