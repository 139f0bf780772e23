"""`python -m compress`: distill, prune, quantize, sensitivity, qat, pareto."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer
from rich.table import Table

from compress.calibration_set import MIN_IMAGES
from compress.distillation import distil, validation_figures
from compress.flatbuffer import GraphError, read
from compress.interpreter import open_interpreter
from compress.network_commands import pareto, prune, qat
from compress.quantization import RECIPES
from compress.quantization import quantize as quantize_model
from compress.ranges import collect_ranges
from compress.recipe import RECIPES as STUDENT_RECIPES
from compress.recipe import StudentRecipe
from compress.rounding import round_weights
from compress.sensitivity import STATIC, calibration_spread, draw_workbench, malignancy_auc, mixed, sensitivity
from mobile_runtime.bundle import Bundle
from mobile_runtime.capture import prepare
from mobile_runtime.console import err, out, print_json, print_warning, track
from mobile_runtime.errors import BundleError, DataError
from mobile_runtime.files import check_place, refuse_own_source, sha256, write_atomically, write_json
from mobile_runtime.options import JsonOption
from train.datasets import read_examples
from train.image_files import list_images
from train.options import CompileOption, DataOption, EpochsOption, FreshOption, RecipeSeedOption
from train.recipe import overridden, read_recipe
from train.splits import RUN_FILE, Split, load_split, split_digest

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Make networks smaller.")
app.command(
    epilog="Example: python -m compress prune runs/student/model.safetensors runs/half.safetensors --data DIR --share 0.5"
)(prune)
app.command(epilog="Example: python -m compress qat runs/student/model.safetensors --data DIR --out runs/student-qat")(qat)
app.command(epilog="Example: python -m compress pareto runs/student runs/half --data DIR --chart pareto.svg --out pareto.json")(
    pareto
)


@app.command(
    epilog="Example: python -m compress distill --data DIR --student runs/mobile/model.safetensors "
    "--teacher runs/teacher/model.safetensors --teacher runs/mobile/model.safetensors"
)
def distill(
    data: DataOption,
    teacher: Annotated[list[Path], typer.Option(help="Checkpoint of a teacher; several make an ensemble.")],
    recipe: Annotated[str, typer.Option(help="Name in compress/recipes, or the path of a .yaml file.")] = "student",
    student: Annotated[Optional[Path], typer.Option(help="Checkpoint to start from, whole or pruned.")] = None,
    init: Annotated[str, typer.Option(help="Without --student: scratch, hub, or a safetensors file.")] = "scratch",
    folder: Annotated[Optional[Path], typer.Option("--out", help="Run folder; runs/RECIPE if left out.")] = None,
    control: Annotated[bool, typer.Option(help="Train the same start with the same budget without a teacher, too.")] = True,
    split: Annotated[Optional[Path], typer.Option(help="A splits.csv made before.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Loader processes.")] = 1,
    fresh: FreshOption = False,
    compiled: CompileOption = False,
    seed: RecipeSeedOption = None,
    epochs: EpochsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Teach a small network what one or several larger ones say of the same views; a control without teacher runs beside it."""
    plan = overridden(read_recipe(recipe, StudentRecipe, STUDENT_RECIPES), seed, epochs)
    target = folder or Path("runs") / plan.name
    for source, what in ((student, "student"), *((path, "teacher") for path in teacher)):
        if source:
            refuse_own_source(target / RUN_FILE, source, what)
    examples = read_examples(data)
    made = distil(
        plan,
        examples,
        target,
        teacher,
        student=student,
        init=init,
        split=load_split(split, examples) if split else None,
        control=control,
        workers=workers,
        resume=not fresh,
        compiled=compiled,
    )
    figures = {name: validation_figures(checkpoint.parent) for name, checkpoint in made.items()}
    if as_json:
        print_json({name: {"checkpoint": str(path), "validation": figures[name]} for name, path in made.items()})
        return
    table = Table("network", "malignancy AUC", "macro AUC", "balanced accuracy", title="validation")
    for name, row in figures.items():
        values = (row.get(f"val_{figure}") for figure in ("auc_malignancy", "auc_macro", "balanced_accuracy"))
        table.add_row(name, *("-" if value is None else f"{value:.3f}" for value in values))
    out.print(table)
    out.print(f"wrote {made['student']}", markup=False)


@app.command(epilog="Example: python -m compress quantize float32.tflite int8.tflite --recipe static_wi8_ai8 --images DIR")
def quantize(
    model: Annotated[Path, typer.Argument(help="float32 .tflite of a bundle.")],
    target: Annotated[Path, typer.Argument(help="Quantized .tflite to write.")],
    recipe: Annotated[str, typer.Option(help=", ".join(RECIPES))] = "static_wi8_ai8",
    images: Annotated[Optional[Path], typer.Option(help="Folder of training images for static recipes.")] = None,
    limit: Annotated[int, typer.Option(min=MIN_IMAGES, help="How many images to use.")] = 256,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the draw.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Quantize a float32 graph after training; the ids of the calibration images are written beside the result."""
    if recipe not in RECIPES:
        raise DataError(f"no quantization recipe {recipe!r}; there are {', '.join(RECIPES)}")
    refuse_own_source(target, model, "float32 model")
    check_place(target)
    source = _model_bytes(model)
    ranges, ids = None, []
    if recipe.startswith("static"):
        chosen = _different(list_images(images), limit, seed) if images else []
        if len(chosen) < MIN_IMAGES:
            raise DataError(
                f"{recipe} needs --images with at least {MIN_IMAGES} training images of several kinds, found {len(chosen)} "
                "different ones"
            )
        assert images is not None  # else there were none to choose from
        ids = [path.relative_to(images).with_suffix("").as_posix() for path in chosen]  # names recur from folder to folder
        size = _input_size(source)
        shown = track(chosen, "calibrate")
        ranges = collect_ranges(source, (prepare(path, size) for path in shown))
    quantized = quantize_model(source, recipe, ranges)
    note = target.with_suffix(".calibration.json")
    note.unlink(missing_ok=True)  # of the model that is going to be replaced
    with write_atomically(target) as temporary:
        temporary.write_bytes(quantized)
    if ids:
        write_json(note, {"recipe": recipe, "seed": seed, "sha256": sha256(target), "ids": ids})
    before, after = model.stat().st_size, target.stat().st_size
    if as_json:
        print_json({"recipe": recipe, "bytes_before": before, "bytes_after": after, "sha256": sha256(target)})
    else:
        out.print(f"wrote {target}: {before / 1024:.0f} KiB -> {after / 1024:.0f} KiB ({recipe})", markup=False)


@app.command(
    "sensitivity",
    epilog="Example: python -m compress sensitivity dist/bundle/models/float32.tflite --data DIR "
    "--split runs/mobile/splits.csv --mixed mixed.tflite",
)
def show_sensitivity(
    model: Annotated[Path, typer.Argument(help="float32 .tflite of a bundle.")],
    data: DataOption,
    split: Annotated[Path, typer.Option(help="The splits.csv of the training run: train calibrates, --part is measured.")],
    part: Annotated[str, typer.Option(help="val or test.")] = "val",
    dataset: Annotated[str, typer.Option(help="Whose images are measured.")] = "ham10000",
    limit: Annotated[int, typer.Option(min=20, help="How many images to measure.")] = 500,
    rounding: Annotated[bool, typer.Option(help="Round weights by their effect first, as releases do.")] = True,
    target: Annotated[Optional[Path], typer.Option("--mixed", help="Write the graph with the fewest layers in float.")] = None,
    bound: Annotated[float, typer.Option(min=0, help="Loss of malignancy AUC that --mixed may have.")] = 0.002,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the draws.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show what quantizing each layer to int8 costs, and how far two disjoint calibration sets are apart."""
    if target:
        refuse_own_source(target, model, "float32 model")
        refuse_own_source(target, split, "split")
        check_place(target)
    source = _model_bytes(model)
    parts = load_split(split, read_examples(data))
    checked = _is_own_split(model, split, parts)
    if not checked:
        print_warning(
            f"{model}: in no bundle that names its split, so that nobody checked whether {split} is what it was trained by"
        )
    bench = draw_workbench(parts, part, dataset, _input_size(source), limit, seed)
    original = source
    if rounding:
        with err.status("round weights"):
            source = round_weights(source, list(bench.calibration), seed)
    shown = partial(track, what="layers")
    ranges = collect_ranges(source, bench.calibration)
    apart = calibration_spread(source, bench)
    costs = sensitivity(source, ranges, bench.images, bench.malignant, shown)
    full, int8 = (
        malignancy_auc(graph, bench.images, bench.malignant) for graph in (original, quantize_model(source, STATIC, ranges))
    )
    document: dict[str, Any] = {
        "images": len(bench.images),
        "calibration_images": len(bench.calibration),
        "split_checked": checked,
        "auc_float32": full,
        "auc_int8": int8,
        "layers": [
            {"layer": c.layer.name, "op": c.layer.op, "snr_db": c.signal_to_noise_db, "auc_gain": c.auc_gain} for c in costs
        ],
        "calibration_halves": {"mean_difference": apart[0], "largest_difference": apart[1]},
    }
    if target:
        graph, kept = mixed(source, ranges, bench.images, bench.malignant, costs, bound, original)
        with write_atomically(target) as temporary:
            temporary.write_bytes(graph)
        reached = malignancy_auc(graph, bench.images, bench.malignant)
        names = [layer.name for layer in kept]
        document["mixed"] = {"path": str(target), "bytes": len(graph), "auc": reached, "float_layers": names}
    if as_json:
        print_json(document)
        return
    table = Table(
        "layer", "op", "signal to noise, dB", "AUC gained in float", title=f"{len(bench.images)} {part} images of {dataset}"
    )
    for row in costs:
        table.add_row(row.layer.name, row.layer.op, f"{row.signal_to_noise_db:.1f}", f"{row.auc_gain:+.4f}")
    out.print(table)
    some = f", mixed {document['mixed']['auc']:.4f}" if target else ""
    out.print(f"malignancy AUC: float32 {full:.4f}, all layers int8 {int8:.4f}{some}", soft_wrap=True)
    out.print(
        f"two disjoint calibration halves: malignancy differs by {apart[0]:.4f} on average, {apart[1]:.4f} at most",
        soft_wrap=True,
    )
    if target:
        listed = ", ".join(document["mixed"]["float_layers"]) or "none"
        out.print(f"wrote {target}: layers in float for a loss of at most {bound:g}: {listed}", soft_wrap=True, markup=False)


def _different(files: Sequence[Path], limit: int, seed: int) -> list[Path]:
    """At most so many of the files, drawn, in their order: one of those that are the same picture, as copies widen no range."""
    drawn: dict[str, int] = {}
    for index in np.random.default_rng(seed).permutation(len(files)).tolist():
        if len(drawn) == limit:
            break
        drawn.setdefault(sha256(files[index]), index)
    return [files[index] for index in sorted(drawn.values())]


def _is_own_split(model: Path, path: Path, split: Split) -> bool:
    """Whether a split is known to be that of the bundle in whose `models` folder a model lies; False where none says.

    Raises:
        DataError: the bundle was made by another.
    """
    folder = model.absolute().parent.parent
    try:
        noted = Bundle.read(folder).manifest.provenance.split_sha256
    except BundleError:  # none there, or a manifest of something else
        return False
    if noted and noted != split_digest(split):
        raise DataError(
            f"{path}: another split than the bundle {folder} was made by, so that the model may have been trained on what is "
            "to be measured; give the splits.csv of its run"
        )
    return bool(noted)


def _model_bytes(model: Path) -> bytes:
    if not model.is_file():
        raise DataError(f"{model}: no such model")
    source = model.read_bytes()
    try:
        read(source)
    except GraphError as error:
        raise DataError(f"{model}: {error}") from error
    return source


def _input_size(model: bytes) -> int:
    shape = open_interpreter(model).get_input_details()[0]["shape"]
    if len(shape) != 4 or shape[3] != 3:
        raise DataError(f"the model's input is {list(shape)}, not [1, S, S, 3]")
    return int(shape[1])
