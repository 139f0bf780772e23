"""`python -m compress`: quantize."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer
from rich.progress import track

from compress.calibration_set import MIN_IMAGES
from compress.flatbuffer import GraphError, read
from compress.quantization import RECIPES
from compress.quantization import quantize as quantize_model
from compress.ranges import collect_ranges
from mobile_runtime.capture import prepare
from mobile_runtime.console import err, out, print_json
from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256, write_atomically, write_json
from train.datasets import EXTENSIONS

app = typer.Typer(no_args_is_help=True, help="Make networks smaller.")


@app.callback()
def _group() -> None:
    """Make networks smaller."""


@app.command(epilog="Example: python -m compress quantize float32.tflite int8.tflite --recipe static_wi8_ai8 --images DIR")
def quantize(
    model: Annotated[Path, typer.Argument(help="float32 .tflite of a bundle.")],
    target: Annotated[Path, typer.Argument(help="Quantized .tflite to write.")],
    recipe: Annotated[str, typer.Option(help=", ".join(RECIPES))] = "static_wi8_ai8",
    images: Annotated[Optional[Path], typer.Option(help="Folder of training images for static recipes.")] = None,
    limit: Annotated[int, typer.Option(min=MIN_IMAGES, help="How many images to use.")] = 256,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, nothing else.")] = False,
) -> None:
    """Quantize a float32 graph after training; the ids of the calibration images are written beside the result."""
    if recipe not in RECIPES:
        raise DataError(f"no quantization recipe {recipe!r}; there are {', '.join(RECIPES)}")
    if not model.is_file():
        raise DataError(f"{model}: no such model")
    source = model.read_bytes()
    try:
        read(source)
    except GraphError as error:
        raise DataError(f"{model}: {error}") from error
    ranges, ids = None, []
    if recipe.startswith("static"):
        files = sorted(p for p in images.rglob("*") if p.suffix.lower() in EXTENSIONS) if images else []
        if len(files) < MIN_IMAGES:
            raise DataError(f"{recipe} needs --images with at least {MIN_IMAGES} training images, found {len(files)}")
        chosen = [files[i] for i in sorted(np.random.default_rng(seed).permutation(len(files))[:limit])]
        ids = [path.stem for path in chosen]
        size = _input_size(source)
        shown = track(chosen, "calibrate", console=err, transient=True)
        ranges = collect_ranges(source, (prepare(path, size) for path in shown))
    with write_atomically(target) as temporary:
        temporary.write_bytes(quantize_model(source, recipe, ranges))
    if ids:
        write_json(target.with_suffix(".calibration.json"), {"recipe": recipe, "seed": seed, "ids": ids})
    before, after = model.stat().st_size, target.stat().st_size
    if as_json:
        print_json({"recipe": recipe, "bytes_before": before, "bytes_after": after, "sha256": sha256(target)})
    else:
        out.print(f"wrote {target}: {before / 1024:.0f} KiB -> {after / 1024:.0f} KiB ({recipe})")


def _input_size(model: bytes) -> int:
    from ai_edge_litert.interpreter import Interpreter

    shape = Interpreter(model_content=model).get_input_details()[0]["shape"]
    if len(shape) != 4 or shape[3] != 3:
        raise DataError(f"the model's input is {list(shape)}, not [1, S, S, 3]")
    return int(shape[1])
