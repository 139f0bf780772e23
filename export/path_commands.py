"""`python -m export paths` and `mediapipe`: what others' tools make of a bundle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import numpy.typing as npt
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from export.check_images import golden_set
from export.errors import ExportError
from export.mediapipe import check_mediapipe
from export.path_comparison import FIRST, SECOND, Comparison, Pair, Side
from export.paths import compare_paths
from mobile_runtime.bundle import Bundle
from mobile_runtime.capture import prepare
from mobile_runtime.console import err, out, print_json
from mobile_runtime.errors import DataError
from mobile_runtime.files import write_json
from mobile_runtime.options import JsonOption
from train.image_files import list_images

BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle.")]
ImagesOption = Annotated[Optional[Path], typer.Option(help="Folder of JPEG, PNG, WebP or BMP photographs; sub-folders count.")]
LimitOption = Annotated[int, typer.Option(min=2, help="Most photographs to take, drawn at random.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of that draw.")]


def paths(
    folder: BundleArgument,
    target: Annotated[Path, typer.Argument(metavar="OUT", help="JSON file of the result.")],
    images: ImagesOption = None,
    limit: LimitOption = 256,
    keep: Annotated[Optional[Path], typer.Option(help="Folder for the other path's models; replaced.")] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Convert the bundle's ONNX file to TFLite a second time, by onnx2tf, and say which path ships and why.

    The converter lives in an environment of its own (2.3 GB), made in the cache on first use. Half of the photographs fix its
    int8 ranges, the other half measure the errors of both paths against ONNX float32; without any, drawings fix the ranges.
    """
    bundle = Bundle.read(folder)
    if target.is_dir():
        raise ExportError(f"{target}: a folder; give the name of a JSON file")
    with _progress() as progress:
        task = progress.add_task("prepare images")
        photographs = None if images is None else _photographs(images, bundle.manifest.input.size, limit, seed)
        result = compare_paths(bundle, photographs, keep, lambda step: progress.update(task, description=step))
    given = "" if images is None else f" --images DIR --limit {limit} --seed {seed}"
    document = result.to_dict() | {"command": f"python -m export paths BUNDLE OUT{given}"}
    write_json(target, document)
    if as_json:
        print_json(document)
        return
    for pair in result.pairs:
        out.print(_table(pair))
    _print_verdict(result)


def mediapipe(
    folder: BundleArgument,
    variant: Annotated[Optional[str], typer.Option(help="The bundle's default variant if left out.")] = None,
    images: ImagesOption = None,
    limit: LimitOption = 50,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Open a variant's file in MediaPipe's ImageClassifier and compare it with this runtime.

    TFLite files of a bundle carry metadata (labels, colours, ranges, description, author, licence), so that the classifier
    opens them as they are and gives three heads: probabilities, scores, outlier. It runs in an environment of its own (0.5 GB),
    made in the cache on first use, on the golden images and on --images.
    """
    bundle = Bundle.load(folder)
    chosen = bundle.variant(variant)
    with _progress() as progress:
        progress.add_task("classify by MediaPipe")
        sets = {"golden": golden_set(bundle).pixels}
        if images is not None:
            sets["photographs"] = _photographs(images, bundle.manifest.input.size, limit, seed)
        found = {name: check_mediapipe(bundle, pixels, chosen.name) for name, pixels in sets.items()}
    if as_json:
        agreement = {name: asdict(entry) for name, entry in found.items()}
        print_json(
            {"schema_version": 1, "kind": "mediapipe", "agreement": agreement, "bundle": bundle.id, "variant": chosen.name}
        )
        return
    for name, entry in found.items():
        text = f"MediaPipe {entry.mediapipe}, {chosen.name}, {name}: same class on {entry.same_class} of {entry.images}"
        out.print(f"{text}, largest difference {entry.largest:.2g}", highlight=False, soft_wrap=True)


def _progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True)


def _photographs(folder: Path, size: int, limit: int, seed: int) -> npt.NDArray[np.uint8]:
    files = list_images(folder)
    if len(files) < 2:
        raise DataError(f"{folder}: {len(files)} images; give a folder with two or more JPEG, PNG, WebP or BMP files")
    drawn = np.random.default_rng(seed).permutation(len(files))[:limit]
    return np.stack([prepare(files[index], size) for index in drawn])


def _table(pair: Pair) -> Table:
    better, reason = pair.verdict()
    table = Table(pair.variant, FIRST, SECOND, caption=f"{better}: {reason}", title_justify="left")
    sides = [pair.sides[path] for path in (FIRST, SECOND)]
    for name in sorted(set(sides[0].graph.operators) | set(sides[1].graph.operators)):
        table.add_row(name, *(str(side.graph.operators.get(name, 0)) for side in sides))
    table.add_section()
    table.add_row("delegate partitions", *(_partitions(side) for side in sides))
    table.add_row("stray transposes", *(str(side.graph.transposes) for side in sides))
    table.add_row("conversion pairs", *(str(side.graph.pairs) for side in sides))
    for name in sides[0].errors:
        cells = (f"{e.largest:.2g} / {e.mean:.2g}, same class {e.same_class:.1%}" for e in (s.errors[name] for s in sides))
        table.add_row(f"error, largest / mean, {sides[0].errors[name].images} {name}", *cells)
    table.add_row("p50 / minimum, ms, one core", *(f"{side.p50_ms:.2f} / {side.minimum_ms:.2f}" for side in sides))
    table.add_row("KiB", *(f"{side.graph.size_bytes / 1024:.0f}" for side in sides))
    return table


def _partitions(side: Side) -> str:
    if (found := side.graph.delegation) is None:
        return "not told"
    outside = ", ".join(f"{count} {name}" for name, count in found.outside.items()) or "nothing"
    return f"{found.partitions} of {found.delegated} operators; outside: {outside}"


def _print_verdict(result: Comparison) -> None:
    ships, reason = result.verdict()
    out.print(f"[bold]{ships} ships[/]: {reason}", soft_wrap=True)
    out.print(f"The second path's int8 ranges are from {result.calibration}.", soft_wrap=True)
    if result.load_average is not None and result.load_average > 0.5:
        out.print(f"The machine was busy (load average {result.load_average}): trust ratios, not times.", soft_wrap=True)
