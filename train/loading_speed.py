"""How fast training views come, with and without the store of decoded images: `python -m train data speed`."""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import torch
import typer
from rich.progress import Progress
from rich.table import Table

from mobile_runtime.console import err, out, print_json
from mobile_runtime.errors import DataError
from mobile_runtime.files import write_json
from mobile_runtime.options import JsonOption
from mobile_runtime.taxonomy import default_taxonomy
from train.cache import DecodedPixels, Pixels, open_cache
from train.datasets import Example, read_examples
from train.loading import LesionViews, train_loader
from train.options import DataOption, RecipeOption
from train.recipe import Recipe, load_recipe


def measure(
    recipe: Recipe, examples: Sequence[Example], pixels: Pixels, workers: int, epoch: int = 0
) -> tuple[float, float | None]:
    """Load one epoch of augmented views and throw them away.

    Time runs from the first batch, so that neither the start of the workers nor the first touch of the files counts.

    Returns:
        Images per second, and the most memory in MB that this process and its workers hold for themselves, without pages of
        files, which the system takes back when memory is short; None where it cannot be told.
    """
    views = LesionViews(examples, pixels, recipe, default_taxonomy())
    batches = iter(train_loader(views, workers, epoch=epoch))
    next(batches)
    begun, images, held = time.perf_counter(), 0, _held_mb()
    for batch in batches:
        images += len(batch[0])
        now = _held_mb()
        held = None if held is None or now is None else max(held, now)
    return images / (time.perf_counter() - begun), held


def _held_mb() -> float | None:
    """Memory of this process and its children that is no file's, in MB, what they share counted once (Linux only)."""
    try:
        own = os.getpid()
        children = [child for task in Path(f"/proc/{own}/task").iterdir() for child in (task / "children").read_text().split()]
        summaries = [Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8") for pid in (own, *children)]
    except OSError:
        return None
    return sum(int(kb) for text in summaries for kb in re.findall(r"^Pss_Anon:\s+(\d+) kB", text, re.MULTILINE)) / 1024


def compare(recipe: Recipe, examples: Sequence[Example], workers: Sequence[int], repeats: int) -> dict[str, Any]:
    """Speeds for each number of workers, with and without the store, in turns; the median of the repeats counts.

    Raises:
        DataError: fewer images than two batches.
    """
    if len(examples) < 2 * recipe.batch_size:
        raise DataError(f"{len(examples)} images are fewer than two batches of {recipe.batch_size}; give more data")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    sources: dict[str, Pixels] = {"store": open_cache(examples), "files": DecodedPixels(examples)}
    cells = [(source, count) for count in workers for source in sources]
    found: dict[tuple[str, int], list[tuple[float, float | None]]] = {cell: [] for cell in cells}
    with Progress(console=err, transient=True) as bars:
        task = bars.add_task("measure", total=repeats * len(cells))
        for repeat in range(repeats):
            for source, count in cells:
                found[source, count].append(measure(recipe, examples, sources[source], count, epoch=repeat))
                bars.advance(task)
    stored = sum(int(np.prod(sources["store"][example.key].shape)) for example in examples)
    return {
        "what": f"augmented {recipe.input_size} x {recipe.input_size} views of recipe {recipe.name}, "
        f"batches of {recipe.batch_size}, {len(examples)} images, median of {repeats}",
        "datasets": sorted({example.dataset for example in examples}),
        "store_mb": round(stored / 1e6, 1),
        "rows": [
            {
                "pixels_from": source,
                "workers": count,
                "images_per_second": round(statistics.median(speed for speed, _ in runs), 1),
                "memory_held_mb": _highest(held for _, held in runs),
            }
            for (source, count), runs in found.items()
        ],
        "environment": {
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "load_average_before": None if load is None else round(load, 2),
        },
    }


def _highest(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return round(max(known), 1) if known else None


def speed(
    data: DataOption,
    recipe: RecipeOption = "mobile",
    images: Annotated[int, typer.Option(min=2, help="Images drawn from the data.")] = 2000,
    workers: Annotated[Optional[list[int]], typer.Option(min=0, help="Loader processes; may be repeated; 1 and 2.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, in turns.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Decides which images are drawn.")] = 0,
    target: Annotated[Optional[Path], typer.Option("--out", help="JSON to write.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how many training views a second the loader makes, from the store of decoded images and from the files."""
    everything = read_examples(data)
    drawn = np.random.default_rng(seed).permutation(len(everything))[:images]
    document = compare(load_recipe(recipe), [everything[i] for i in sorted(drawn)], workers or [1, 2], repeats)
    if target is not None:
        write_json(target, document)
    if as_json:
        print_json(document)
        return
    table = Table("pixels from", "workers", "images/s", "memory held, MB")
    for row in document["rows"]:
        table.add_row(*(str(row[name]) for name in ("pixels_from", "workers", "images_per_second", "memory_held_mb")))
    out.print(table)
    out.print(f"{document['what']}; the store has {document['store_mb']} MB", highlight=False)
