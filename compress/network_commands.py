"""`python -m compress prune`, `qat` and `pareto`: smaller networks, trained with fake quantization, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import torch
import typer
from rich.table import Table

from compress.calibration_set import MIN_IMAGES
from compress.conversion import make_forms
from compress.drift import Drift, ask, probability_error
from compress.pareto import BLOCK, Candidate, compare
from compress.pareto_chart import FORMATS, write_chart
from compress.pruning import cost
from compress.pruning import prune as prune_network
from compress.qat import QatRecipe, finetune
from compress.recipe import RECIPES
from compress.sensitivity import draw_workbench
from mobile_runtime.console import err, out, print_json, print_warning
from mobile_runtime.errors import DataError
from mobile_runtime.files import check_place, refuse_own_source, write_json
from mobile_runtime.manifest import Estimate
from mobile_runtime.options import JsonOption
from mobile_runtime.statistics import Gap, paired_difference
from train.cache import open_cache
from train.checkpoint import load_checkpoint, save_checkpoint, split_of
from train.datasets import Example, read_examples
from train.loading import prepared_images
from train.options import DataOption, EpochsOption, FreshOption, RecipeSeedOption
from train.recipe import Recipe, overridden, read_recipe
from train.splits import (
    RUN_FILE,
    Split,
    carry_split,
    load_split,
    saved_digest,
    split_beside,
    split_digest,
    split_examples,
)

PartOption = Annotated[str, typer.Option(help="Images to measure: val, or test once per release.")]
SplitOption = Annotated[Optional[Path], typer.Option(help="A splits.csv; that beside the network, else its recipe cuts one.")]
DatasetOption = Annotated[str, typer.Option(help="Whose images are measured.")]


def prune(
    checkpoint: Annotated[Path, typer.Argument(help="model.safetensors of a training run.")],
    target: Annotated[Path, typer.Argument(help="Pruned checkpoint to write.")],
    share: Annotated[float, typer.Option(help="Multiply-adds to be left, 0.05 to 0.95.")] = 0.5,
    data: Annotated[
        Optional[Path],
        typer.Option(help="Labelled data; its training images say which channels matter. Without, the weights alone do."),
    ] = None,
    split: SplitOption = None,
    limit: Annotated[int, typer.Option(min=MIN_IMAGES, help="How many training images to ask.")] = 512,
    input_size: Annotated[
        Optional[int],
        typer.Option(min=32, max=1024, help="Pixels a side that the pruned network looks at; as before if left out."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the draws.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Take the least important channels off a fitted network; distil the result, it has lost accuracy.

    With `--input-size`, the network looks at smaller pictures, which saves work too, and loses fewer channels. The split that
    the network was trained by goes along: half.splits.csv beside half.safetensors.
    """
    refuse_own_source(target, checkpoint, "checkpoint")
    network, theirs = load_checkpoint(checkpoint)
    homes = _own_split(checkpoint, split)
    recipe = theirs.model_copy(update={"input_size": input_size or theirs.input_size})
    before, resized = (cost(network, one.input_size) for one in (theirs, recipe))
    left = resized.multiply_adds / before.multiply_adds
    if input_size and share > 0.95 * left:
        raise DataError(
            f"at {input_size} pixels the whole network does {left:.0%} of its work at {theirs.input_size}; give a share of at "
            f"most {0.95 * left:.2f}"
        )
    views = None
    if data:
        examples = read_examples(data)
        parts = _parts(checkpoint, homes, examples, recipe)
        if homes is None:
            _refuse_other_cut(checkpoint, parts)
        train = parts["train"]
        if len(train) < MIN_IMAGES:
            raise DataError(f"{len(train)} training images are too few to judge channels by; give at least {MIN_IMAGES}")
        chosen = [train[i] for i in np.random.default_rng(seed).permutation(len(train))[:limit]]
        views = torch.from_numpy(prepared_images(chosen, open_cache(chosen), recipe.input_size)).permute(0, 3, 1, 2)
    with err.status("ask which channels matter"):
        small = prune_network(network, recipe.input_size, share / left, views, seed)
    carry_split(homes, target)
    save_checkpoint(small, recipe, target, split_sha256=split_of(checkpoint))
    after = cost(small, recipe.input_size)
    if as_json:
        print_json({"checkpoint": str(target), "before": asdict(before), "after": asdict(after)})
        return
    out.print(
        f"wrote {target}: {before.multiply_adds / 1e6:.1f} -> {after.multiply_adds / 1e6:.1f} million multiply-adds, "
        f"{before.parameters / 1e6:.2f} -> {after.parameters / 1e6:.2f} million weights",
        soft_wrap=True,
    )


def qat(
    checkpoint: Annotated[Path, typer.Argument(help="model.safetensors of a finished run, whole or pruned.")],
    data: DataOption,
    recipe: Annotated[str, typer.Option(help="Name in compress/recipes, or the path of a .yaml file.")] = "qat",
    teacher: Annotated[
        Optional[list[Path]],
        typer.Option(help="Checkpoint of a teacher; several make an ensemble, none the network itself."),
    ] = None,
    folder: Annotated[Optional[Path], typer.Option("--out", help="Run folder; runs/RECIPE if left out.")] = None,
    split: SplitOption = None,
    part: PartOption = "val",
    dataset: DatasetOption = "ham10000",
    limit: Annotated[Optional[int], typer.Option(min=20, help="How many images to measure; all if left out.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Loader processes.")] = 1,
    fresh: FreshOption = False,
    seed: RecipeSeedOption = None,
    epochs: EpochsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a finished network with fake quantization, and show what that gains over quantizing it as it is.

    Both networks are converted, rounded and quantized as releases are, and measured by the integer graphs. The result is an
    ordinary float checkpoint for `python -m export bundle`.
    """
    plan = overridden(read_recipe(recipe, QatRecipe, RECIPES), seed, epochs)
    target = folder or Path("runs") / plan.name
    for source in (checkpoint, *(teacher or ())):
        refuse_own_source(target / RUN_FILE, source, "checkpoint")
    examples = read_examples(data)
    before, theirs = load_checkpoint(checkpoint)
    parts = _parts(checkpoint, split, examples, theirs)
    bench = draw_workbench(parts, part, dataset, theirs.input_size, limit, plan.seed)  # errors of it before hours of work
    made = finetune(
        plan, examples, target, checkpoint, teacher or [], split=parts, workers=workers, resume=not fresh
    )  # fmt: skip
    answers = []
    for name, network in (("before", before), ("after", load_checkpoint(made)[0])):
        with err.status(f"convert, quantize and measure the network {name}"):
            answers.append(ask(make_forms(network, theirs.input_size, bench.calibration, plan.seed), bench, theirs.classes))
    gain = paired_difference(answers[1].measure_int8, answers[0].measure_int8, bench.groups)
    pair = [answer.drift() for answer in answers]
    apart = [dict(zip(("largest", "mean"), probability_error(a.int8, answers[0].float32), strict=True)) for a in answers]
    document: dict[str, Any] = {
        "checkpoint": str(made),
        "part": part,
        "dataset": dataset,
        "before": {**pair[0].model_dump(), "from_first_float32": apart[0]},
        "after": {**pair[1].model_dump(), "from_first_float32": apart[1]},
        "int8_gain": gain.model_dump(),
    }
    write_json(target / "qat.json", document)
    if as_json:
        print_json(document)
        return
    table = Table("figure", "quantized as it was", "after training", title=f"{len(bench.images)} {part} images of {dataset}")
    for title, cells in _qat_lines(pair, apart):
        table.add_row(title, *cells)
    out.print(table)
    out.print(f"int8 after training minus int8 before, malignancy AUC: {_gap(gain)}", highlight=False, soft_wrap=True)
    out.print(f"wrote {made}; figures in {target / 'qat.json'}", highlight=False, soft_wrap=True, markup=False)


def pareto(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, each with model.safetensors and splits.csv.")],
    data: DataOption,
    part: PartOption = "val",
    dataset: DatasetOption = "ham10000",
    limit: Annotated[Optional[int], typer.Option(min=20, help="How many images to measure; all if left out.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help=f"Blocks of {BLOCK} inferences to time for each graph, in turns.")] = 40,
    target: Annotated[Optional[Path], typer.Option("--out", help="JSON file to write.")] = None,
    chart: Annotated[Optional[Path], typer.Option(help="Picture to write, .svg or .png.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the draws.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare networks of several sizes: work, file sizes, malignancy AUC and time, float32 beside int8."""
    if chart and chart.suffix.lower() not in FORMATS:
        raise DataError(f"{chart}: a picture is {' or '.join(FORMATS)}")
    for place in (target, chart):
        if place:
            check_place(place)
    status = err.status("")

    def show(step: str) -> None:
        status.update(step)
        status.start()  # no sooner: reading the images has a bar of its own

    try:
        rows = compare(
            runs, read_examples(data), part=part, dataset=dataset, limit=limit, rounds=rounds, seed=seed, progress=show
        )
    finally:
        status.stop()
    document = {"part": part, "dataset": dataset, "seed": seed, "networks": [row.model_dump() for row in rows]}
    what = f"{rows[0].drift.images} {'validation' if part == 'val' else part} images of {dataset}, 95 % intervals"
    if target:
        write_json(target, document)
    if chart:
        write_chart(rows, chart, what)
    if as_json:
        print_json(document)
        return
    table = Table("figure", *(row.run for row in rows), title=what)
    for line in zip(*(_pareto_column(row) for row in rows), strict=True):
        table.add_row(line[0][0], *(cell for _, cell in line))
    out.print(table)
    out.print("time: one thread on one core of this machine, graphs in turns", highlight=False, soft_wrap=True)
    for path in filter(None, (target, chart)):
        out.print(f"wrote {path}", highlight=False, soft_wrap=True, markup=False)


def _own_split(checkpoint: Path, split: Path | None) -> Path | None:
    """The file of the split that a network was trained by: the one given, else that beside it, None where there is none.

    Raises:
        DataError: it is known to be another than the network was trained by.
    """
    beside = split_beside(checkpoint)
    own = beside if beside.is_file() else None
    used = split or own
    noted = split_of(checkpoint) or (saved_digest(own) if own else None)
    if used and noted not in (None, saved_digest(used)):
        raise DataError(
            f"{used}: another split than {checkpoint} was trained by, so that its training part may have what the network is "
            "to be tested on; give its own (--split)"
        )
    return used


def _refuse_other_cut(checkpoint: Path, parts: Split) -> None:
    if split_of(checkpoint) not in (None, split_digest(parts)):
        raise DataError(
            f"{checkpoint}: no split beside it, and its recipe cuts these images otherwise than those it was trained on; give "
            "its own split (--split)"
        )


def _parts(checkpoint: Path, split: Path | None, examples: list[Example], recipe: Recipe) -> Split:
    """The split given, else that beside the checkpoint, else one cut by its recipe, which is said on standard error."""
    homes = split or split_beside(checkpoint)
    if split or homes.is_file():
        return load_split(homes, examples)
    said = f"no split beside {checkpoint}; its recipe cuts one, which may judge by what was trained on; give its own (--split)"
    print_warning(said)
    return split_examples(examples, recipe.split)


def _qat_lines(pair: Sequence[Drift], apart: Sequence[dict[str, float]]) -> list[tuple[str, list[str]]]:
    return [
        ("malignancy AUC, float32", [_estimate(drift.auc_float32) for drift in pair]),
        ("malignancy AUC, int8", [_estimate(drift.auc_int8) for drift in pair]),
        ("int8 minus float32", [_gap(drift.int8_minus_float32) for drift in pair]),
        ("probability, int8 from own float32: largest / mean", [f"{d.largest:.3f} / {d.mean:.4f}" for d in pair]),
        ("probability, int8 from first float32: largest / mean", [f"{d['largest']:.3f} / {d['mean']:.4f}" for d in apart]),
    ]


def _pareto_column(row: Candidate) -> list[tuple[str, str]]:
    return [
        ("pixels a side", str(row.input_size)),
        ("million multiply-adds", f"{row.multiply_adds / 1e6:.1f}"),
        ("million parameters", f"{row.parameters / 1e6:.2f}"),
        ("MB, float32 / int8", f"{row.float32_bytes / 1e6:.2f} / {row.int8_bytes / 1e6:.2f}"),
        ("malignancy AUC, float32", _estimate(row.drift.auc_float32)),
        ("malignancy AUC, int8", _estimate(row.drift.auc_int8)),
        ("int8 minus float32", _gap(row.drift.int8_minus_float32)),
        ("int8 minus that of the largest", _gap(row.int8_minus_dearest)),
        ("ms p50 / p90, float32", f"{row.float32.p50_ms:.2f} / {row.float32.p90_ms:.2f}"),
        ("ms p50 / p90, int8", f"{row.int8.p50_ms:.2f} / {row.int8.p90_ms:.2f}"),
        ("not dominated", "yes" if row.efficient else "no"),
    ]


def _estimate(figure: Estimate) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _gap(gap: Gap) -> str:
    return f"{gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})"
