"""How far each route of the same scene into capture ends from the others: `python -m benchmarks.capture_routes`."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.capture_scenes import MEAN_LIMIT, SIZE, Route, routes
from benchmarks.environment import environment
from mobile_runtime.capture import prepare
from mobile_runtime.files import write_atomically

RESULT = Path(__file__).parent / "results" / "capture_routes.json"


def difference(route: Route) -> tuple[int, float]:
    """Largest and mean absolute difference at S x S, in levels of 255, between a route and its scene as an array."""
    levels = np.abs(prepare(route.image, SIZE).astype(np.int16) - prepare(route.scene, SIZE))
    return int(levels.max()), float(levels.mean())


def main() -> None:
    """Measure all routes, print the table, write the JSON."""
    table = Table("group", "route", "largest", "mean", "limit", title=f"capture routes at {SIZE}x{SIZE}, levels of 255")
    rows = []
    for route in routes():
        largest, mean = difference(route)
        style = None if largest <= route.limit and mean <= MEAN_LIMIT else "red"
        table.add_row(route.group, route.name, str(largest), f"{mean:.3f}", str(route.limit), style=style)
        rows.append(
            {
                "group": route.group,
                "route": route.name,
                "largest_difference": largest,
                "mean_difference": round(mean, 4),
                "limit": route.limit,
            }
        )
    Console().print(table)
    heic = version("pillow-heif") if find_spec("pillow_heif") else None
    described = {"pillow_heif": heic, "environment": environment().model_dump()}
    result = {"size": SIZE, "mean_limit": MEAN_LIMIT, **described, "routes": rows}
    with write_atomically(RESULT) as path:
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
