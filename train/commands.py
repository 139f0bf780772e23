"""`python -m train`: fit, weights, and the commands of the other nouns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.table import Table

from mobile_runtime.console import out, print_json
from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256
from mobile_runtime.options import JsonOption
from train.averaging import average as average_runs
from train.comparison import compare as run_choices
from train.crossvalidation import crossvalidate as run_folds
from train.data_commands import data_app
from train.datasets import Example, read_examples
from train.described import Description
from train.fitting import fit as run_fit
from train.notes import group_notes, say, say_next
from train.options import CompileOption, DataOption, EpochsOption, FreshOption, RecipeOption, RecipeSeedOption
from train.processes import is_first, plan_processes
from train.recipe import load_recipe, overridden
from train.report_commands import evaluate, explain
from train.splits import load_split, without_test
from train.tree_commands import show_partition, taxonomy
from train.weights import convert_weights

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Read data sets, split them, fit classifiers and judge them."
)
app.add_typer(data_app, name="data")
app.command(epilog="Example: python -m train taxonomy --dataset ham10000")(taxonomy)
app.command("partition", epilog="Example: python -m train partition --data DIR --max-class-size 1000")(show_partition)
app.command(epilog="Example: python -m train evaluate runs/mobile --data DIR --part test")(evaluate)
app.command(epilog="Example: python -m train explain runs/mobile photo.jpg --out explanations")(explain)


def _fold_examples(data: Path, split: Path | None) -> list[Example]:
    examples = read_examples(data)
    return without_test(examples, split) if split else examples


FoldsOption = Annotated[int, typer.Option(min=3, help="Into how many folds the data are cut.")]
HeldOutOption = Annotated[
    Optional[Path], typer.Option("--split", help="A splits.csv made before; its test part is in none of the folds.")
]
JudgedOption = Annotated[Optional[int], typer.Option(min=2, help="Train for the first so many of them only.")]
InitOption = Annotated[str, typer.Option(help="scratch, hub, or a safetensors file.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Loader processes.")]


@app.command(epilog="Example: python -m train crossvalidate --folds 9 --recipe esteva2017 --data DIR --init hub")
def crossvalidate(
    data: DataOption,
    recipe: RecipeOption = "mobile",
    folds: FoldsOption = 9,
    judged: JudgedOption = None,
    split: HeldOutOption = None,
    folder: Annotated[Optional[Path], typer.Option("--out", help="Folder of the folds; runs/RECIPE-folds if left out.")] = None,
    init: InitOption = "scratch",
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Train and judge one network per fold, and give each figure's mean and standard deviation.

    Killed and started again, it goes on in the fold where it was.
    """
    plan = load_recipe(recipe)
    target = folder or Path("runs") / f"{plan.name}-folds"
    document = run_folds(plan, _fold_examples(data, split), target, folds=folds, judged=judged, init=init, workers=workers)
    if as_json:
        print_json(document)
        return
    table = Table("figure", "mean", "standard deviation", "folds")
    for name, row in document["summary"].items():
        table.add_row(name, f"{row['mean']:.3f}", "-" if row["sd"] is None else f"{row['sd']:.3f}", str(row["folds"]))
    out.print(table)
    out.print(f"wrote {target / 'crossvalidation.json'}", highlight=False, soft_wrap=True, markup=False)


@app.command(
    epilog="Example: python -m train compare --recipe mobile --choice logit_adjustment=0 --choice max_class_size=99 --data DIR"
)
def compare(
    data: DataOption,
    choice: Annotated[list[str], typer.Option(help="KEY=VALUE[,KEY=VALUE] put into the recipe; may be repeated.")],
    recipe: RecipeOption = "mobile",
    folds: FoldsOption = 9,
    judged: JudgedOption = None,
    split: HeldOutOption = None,
    folder: Annotated[
        Optional[Path], typer.Option("--out", help="Folder of the folds; runs/RECIPE-choices if left out.")
    ] = None,
    init: InitOption = "scratch",
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe as it is and with each choice, on the same folds, and give the differences with 95 % intervals.

    For choices such as how rare classes are weighed or whether the paper's training classes are used. Killed and started again,
    it goes on where it was.
    """
    plan = load_recipe(recipe)
    target = folder or Path("runs") / f"{plan.name}-choices"
    examples = _fold_examples(data, split)
    document = run_choices(plan, choice, examples, target, folds=folds, judged=judged, init=init, workers=workers)
    if as_json:
        print_json(document)
        return
    for name, figures in document["choices"].items():
        table = Table("figure", "mean", "difference, 95 % interval", title=f"{plan.name}: {name}", title_justify="left")
        for figure, row in figures.items():
            apart = row["difference"]
            said = f"{apart['mean']:+.3f} ({apart['low']:+.3f} to {apart['high']:+.3f})" if apart else ""
            table.add_row(figure, f"{row['mean']:.3f}", said)
        out.print(table)
    out.print(
        f"wrote {target / 'comparison.json'}; {document['judged']} folds of {document['of_folds']}",
        soft_wrap=True,
        markup=False,
    )


@app.command(epilog="Example: python -m train fit --recipe mobile --data DIR --init mobilenetv2_100.imagenet.safetensors")
def fit(
    data: DataOption,
    recipe: RecipeOption = "mobile",
    folder: Annotated[Optional[Path], typer.Option("--out", help="Run folder; runs/RECIPE if left out.")] = None,
    init: InitOption = "scratch",
    split: Annotated[Optional[Path], typer.Option(help="A splits.csv made before.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Loader processes, of each process.")] = 1,
    devices: Annotated[
        Optional[int], typer.Option(min=1, help="Processes on each machine, one per GPU; 1, or what torchrun or SLURM started.")
    ] = None,
    nodes: Annotated[Optional[int], typer.Option(min=1, help="Machines, all running this command.")] = None,
    fresh: FreshOption = False,
    compiled: CompileOption = False,
    seed: RecipeSeedOption = None,
    epochs: EpochsOption = None,
    labels: Annotated[Optional[Path], typer.Option(help="CSV of labels, for a folder of your own.")] = None,
    images: Annotated[Optional[list[Path]], typer.Option(help="Image folder of --labels; may be repeated.")] = None,
    image_column: str = "image_id",
    label_column: str = "dx",
    group_column: Annotated[
        Optional[str],
        typer.Option(
            help='Lesion or patient; patient_id, lesion_id or group if left out and there, "" for each image its own.'
        ),
    ] = None,
    dataset: Annotated[str, typer.Option(help="Label map, or taxonomy where labels are names of its nodes.")] = "ham10000",
    as_json: JsonOption = False,
) -> None:
    """Train a classifier; killed and started again, it goes on where it was, with the same losses.

    Writes splits.csv, logs, last.ckpt, metrics.json and model.safetensors into the run folder.

    The recipe's batch size is that of all processes together. On several machines, start it by torchrun or srun, which say how
    many there are, or give each machine --devices, --nodes and the environment variables MASTER_ADDR, MASTER_PORT, NODE_RANK.
    Losses are those of one process but for rounding (1e-4); not so on CPUs with batch normalization, which there is over each
    process's share of a batch alone.

    With --labels, a dataset.yaml is written into the run folder, too: other commands then take that folder as --data. A
    dataset.yaml of your own in the data folder does without --labels and its columns (`python -m train data show --help`).
    """
    plan = overridden(load_recipe(recipe), seed, epochs)
    own = None
    given: dict[str, object] = {"--images": images, "--group-column": group_column}
    given |= {"--image-column": image_column != "image_id", "--label-column": label_column != "dx"}
    if labels is None and (idle := [name for name, value in given.items() if value]):
        raise DataError(f"{', '.join(idle)} without --labels say nothing; give the CSV, or a dataset.yaml in the data folder")
    if labels is not None:
        own = Description(
            dataset=dataset,
            labels=labels.absolute(),
            images=tuple(folder.absolute() for folder in images or [data]),
            image_column=image_column,
            label_column=label_column,
            group_column=group_column,
        )
    examples = own.examples(Path()) if own else read_examples(data)
    if is_first():
        say(*group_notes(examples))
    parts = load_split(split, examples) if split else None
    run = folder or Path("runs") / plan.name
    processes = plan_processes(devices, nodes)
    checkpoint = run_fit(
        plan, examples, run, init=init, split=parts, workers=workers, resume=not fresh, compiled=compiled, processes=processes
    )
    if not is_first():
        return
    if own:
        own.save(run)
    if as_json:
        print_json({"checkpoint": str(checkpoint), "sha256": sha256(checkpoint), "epochs": plan.epochs})
    else:
        out.print(f"wrote {checkpoint}; figures in {run / 'metrics.json'}", markup=False)
        if own:
            out.print(f"other commands read these images and labels as --data {run}", soft_wrap=True)
        described = run if own else data
        say_next(("train", "evaluate", run, "--data", described), ("export", "bundle", run, "--data", described))


@app.command(epilog="Example: python -m train average runs/student runs/student_again --out runs/averaged")
def average(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of one start, two or more; one given twice counts twice.")],
    folder: Annotated[Path, typer.Option("--out", help="Run folder to write.")],
    as_json: JsonOption = False,
) -> None:
    """Write a run whose weights are the mean of others' weights."""
    checkpoint = average_runs(runs, folder)
    if as_json:
        print_json({"checkpoint": str(checkpoint), "sha256": sha256(checkpoint)})
    else:
        out.print(f"wrote {checkpoint}: mean of {len(runs)} runs", soft_wrap=True, markup=False)


@app.command(epilog="Example: python -m train weights lite2.pth lite2.safetensors --backbone efficientnet_lite2")
def weights(
    source: Annotated[Path, typer.Argument(help="PyTorch state dict of another implementation.")],
    target: Annotated[Path, typer.Argument(help="safetensors file to write.")],
    backbone: Annotated[str, typer.Option(help="timm model whose naming it takes.")],
    as_json: JsonOption = False,
) -> None:
    """Bring weights of the same network into timm's naming, for `fit --init`."""
    count = convert_weights(source, backbone, target)
    if as_json:
        print_json({"path": str(target), "sha256": sha256(target), "tensors": count})
    else:
        out.print(f"wrote {target}: {count} tensors", soft_wrap=True, markup=False)
