"""`python -m train`: data, fit, weights."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.table import Table

from mobile_runtime.console import out, print_json
from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256, write_atomically
from mobile_runtime.taxonomy import default_taxonomy
from train.datasets import Columns, Example, read_examples, read_table, write_synthetic
from train.fitting import fit as run_fit
from train.recipe import load_recipe
from train.splits import SPLITS, load_split, save_split, split_examples
from train.weights import convert_weights

app = typer.Typer(no_args_is_help=True, help="Read data sets, split them, and fit classifiers.")
data_app = typer.Typer(no_args_is_help=True, help="Look at data sets, split them, draw synthetic ones.")
app.add_typer(data_app, name="data")

JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output, nothing else.")]
DataOption = Annotated[Path, typer.Option("--data", help="A data set's folder, or a folder of such folders.")]
RecipeOption = Annotated[str, typer.Option(help="Name in train/recipes, or the path of a .yaml file.")]


def _examples(
    data: Path, labels: Path | None, images: list[Path] | None, image: str, label: str, group: str | None, dataset: str
) -> list[Example]:
    if labels is None:
        return read_examples(data)
    return read_table(labels, images or [data], dataset, Columns(image, label, group or None))


@app.command(epilog="Example: python -m train fit --recipe mobile --data DIR --init mobilenetv2_100.imagenet.safetensors")
def fit(
    data: DataOption,
    recipe: RecipeOption = "mobile",
    folder: Annotated[Optional[Path], typer.Option("--out", help="Run folder; runs/RECIPE if left out.")] = None,
    init: Annotated[str, typer.Option(help="scratch, hub, or a safetensors file.")] = "scratch",
    split: Annotated[Optional[Path], typer.Option(help="A splits.csv made before.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Loader processes.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of going on from the last checkpoint.")] = False,
    seed: Annotated[Optional[int], typer.Option(min=0, max=2**32 - 1, help="Overrides the recipe's seed.")] = None,
    epochs: Annotated[Optional[int], typer.Option(min=1, help="Overrides the recipe's epochs.")] = None,
    labels: Annotated[Optional[Path], typer.Option(help="CSV of labels, for a folder of your own.")] = None,
    images: Annotated[Optional[list[Path]], typer.Option(help="Image folder of --labels; may be repeated.")] = None,
    image_column: str = "image_id",
    label_column: str = "dx",
    group_column: Annotated[Optional[str], typer.Option(help="Lesion or patient; each image its own if left out.")] = None,
    dataset: Annotated[str, typer.Option(help="Label map of the taxonomy.")] = "ham10000",
    as_json: JsonOption = False,
) -> None:
    """Train a classifier; killed and started again, it goes on where it was, with the same losses.

    Writes splits.csv, logs, last.ckpt, metrics.json and model.safetensors into the run folder.
    """
    plan = load_recipe(recipe)
    changes = {name: value for name, value in (("seed", seed), ("epochs", epochs)) if value is not None}
    plan = plan.model_copy(update=changes)
    examples = _examples(data, labels, images, image_column, label_column, group_column, dataset)
    parts = load_split(split, examples) if split else None
    run = folder or Path("runs") / plan.name
    checkpoint = run_fit(plan, examples, run, init=init, split=parts, workers=workers, resume=not fresh)
    if as_json:
        print_json({"checkpoint": str(checkpoint), "sha256": sha256(checkpoint), "epochs": plan.epochs})
    else:
        out.print(f"wrote {checkpoint}; figures in {run / 'metrics.json'}")


@app.command(
    epilog="Example: python -m train weights lite2.pth lite2.safetensors --backbone efficientnet_lite2"
)
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
        out.print(f"wrote {target}: {count} tensors", soft_wrap=True)


@data_app.command("show", epilog="Example: python -m train data show --data DIR")
def show(data: DataOption, as_json: JsonOption = False) -> None:
    """Count images, lesions and labels, and show which taxonomy node each label means."""
    examples = read_examples(data)
    counts = Counter((e.dataset, e.label, e.nodes) for e in examples)
    groups = {dataset: len({e.group for e in examples if e.dataset == dataset}) for dataset in {e.dataset for e in examples}}
    if as_json:
        rows = [{"dataset": d, "label": label, "nodes": list(n), "images": c} for (d, label, n), c in counts.items()]
        print_json({"groups": groups, "labels": rows})
        return
    names = default_taxonomy().names
    table = Table("data set", "label", "images", "means")
    for (dataset, label, nodes), count in sorted(counts.items()):
        table.add_row(dataset, label, str(count), " or ".join(names[node] for node in nodes))
    out.print(table)
    for dataset, number in sorted(groups.items()):
        out.print(f"{dataset}: {number} lesions or patients")


@data_app.command("split", epilog="Example: python -m train data split --data DIR --recipe mobile --out splits.csv")
def split_data(
    data: DataOption,
    folder: Annotated[Path, typer.Option("--out", help="CSV to write.")],
    recipe: RecipeOption = "mobile",
    as_json: JsonOption = False,
) -> None:
    """Cut a data set into train, val and test by lesion or patient, stratified by label, and save it."""
    parts = split_examples(read_examples(data), load_recipe(recipe).split)
    save_split(parts, folder)
    counts = {name: len(parts[name]) for name in SPLITS}
    if as_json:
        print_json(counts)
    else:
        out.print(f"wrote {folder}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))


@data_app.command("select", epilog="Example: python -m train data select --data DIR --dataset ham10000 --out test.csv")
def select(
    data: DataOption,
    folder: Annotated[Path, typer.Option("--out", help="CSV to write: image_id, label, group.")],
    dataset: Annotated[str, typer.Option(help="Which data set's images.")],
    part: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    split: Annotated[Optional[Path], typer.Option(help="A splits.csv; cut by the recipe if left out.")] = None,
    recipe: RecipeOption = "mobile",
) -> None:
    """Write the labels of one part of a split, as `python -m benchmarks drift --labels` reads them."""
    examples = read_examples(data)
    parts = load_split(split, examples) if split else split_examples(examples, load_recipe(recipe).split)
    if part not in parts:
        raise DataError(f"no part {part!r}; there are {', '.join(parts)}")
    chosen = [e for e in parts[part] if e.dataset == dataset]
    if not chosen:
        raise DataError(f"the {part} split has no images of {dataset!r}; there are {sorted({e.dataset for e in parts[part]})}")
    with write_atomically(folder) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image_id", "label", "group"])
        writer.writerows([e.path.stem, e.label, e.group] for e in chosen)
    out.print(f"wrote {folder}: {len(chosen)} {part} images of {dataset}")


@data_app.command("synthetic", epilog="Example: python -m train data synthetic --out synthetic --per-class 40")
def synthetic(
    folder: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    per_class: Annotated[int, typer.Option(min=1, help="Images of each of the seven classes.")] = 40,
    seed: int = 0,
) -> None:
    """Draw synthetic lesions in the layout of HAM10000's release: for trying things out, never for claims."""
    examples = write_synthetic(folder, per_class, seed)
    out.print(f"wrote {len(examples)} synthetic images into {folder}")
