"""`python -m train evaluate` and `explain`: what a trained network is worth, and what it looks at."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import torch
import typer
from rich.table import Table

from mobile_runtime.capture import prepare
from mobile_runtime.console import out, print_json, print_warning
from mobile_runtime.errors import DataError
from mobile_runtime.files import write_atomically, write_json
from mobile_runtime.options import JsonOption
from mobile_runtime.taxonomy import default_taxonomy
from train.cache import open_cache
from train.charts import scatter_chart
from train.checkpoint import load_checkpoint, logits_of, refuse_other_split
from train.datasets import Example, read_examples
from train.evaluation import TASKS
from train.evaluation import evaluate as judge
from train.evaluation_page import LEVEL_TITLES, render, with_interval
from train.evaluation_results import Evaluation, Point
from train.explanation import embedding_map, grad_cam, saliency
from train.explanation_picture import panels
from train.inference import outputs
from train.notes import say, say_next
from train.options import DataOption
from train.splits import RUN_FILE, load_split, refuse_seen, seen_keys, split_beside

RunArgument = Annotated[Path, typer.Argument(help="Run folder of `train fit`, or a model.safetensors.")]


def checkpoint_of(run: Path) -> Path:
    """The checkpoint of a run folder, or the file itself."""
    return run / RUN_FILE if run.is_dir() else run


def read_readers(options: list[str]) -> dict[str, list[Point]]:
    """Points (1 - specificity, sensitivity) by task, from options `TASK=FILE` with columns sensitivity and specificity.

    Raises:
        DataError: an unknown task, no such file or columns, or a value outside 0..1.
    """
    readers: dict[str, list[Point]] = {}
    for option in options:
        task, _, name = option.partition("=")
        if task not in TASKS or not name:
            raise DataError(f"--readers {option!r}: give TASK=FILE with one of the tasks {', '.join(TASKS)}")
        try:
            with Path(name).open(newline="", encoding="utf-8-sig") as stream:
                points = [(1 - float(row["specificity"]), float(row["sensitivity"])) for row in csv.DictReader(stream)]
        except OSError as error:
            raise DataError(f"{name}: not a readable file ({error.strerror})") from error
        except (KeyError, ValueError, TypeError, csv.Error) as error:
            raise DataError(f"{name}: needs columns sensitivity and specificity with numbers 0..1 ({error})") from error
        if not points:
            raise DataError(f"{name}: has no rows; leave --readers out where there are no readers")
        if not all(0 <= x <= 1 and 0 <= y <= 1 for x, y in points):
            raise DataError(f"{name}: sensitivity and specificity are shares, 0..1")
        readers[task] = points
    return readers


def _chosen(run: Path, data: Path, part: str, split: Path | None) -> list[Example]:
    examples = read_examples(data)
    checkpoint = checkpoint_of(run)
    if part == "all":
        if seen := seen_keys(checkpoint, examples):
            print_warning(f"{len(seen)} of the images trained this network, or others of their lesions did: figures flatter it")
        return examples
    parts = load_split(split or split_beside(checkpoint), examples)
    if split is None:
        refuse_other_split(checkpoint, parts)
    chosen = parts[part]
    refuse_seen(checkpoint, {part: chosen})
    return chosen


def _print(report: Evaluation) -> None:
    table = Table("task", "images", "figure", "95 % interval")
    for name, level in report.levels.items():
        said = with_interval(level.balanced_accuracy) if level.balanced_accuracy else "absent: fewer than two of its classes"
        table.add_row(f"{LEVEL_TITLES[name]} of {len(level.nodes)}", str(level.images), "balanced accuracy", said)
    table.add_row("malignancy", str(report.calibration.images), "AUC", with_interval(report.auc_malignancy))
    for task in report.tasks.values():
        said = f"absent: {task.absent}" if task.absent else with_interval(task.auc)
        table.add_row(task.title, f"{task.positives} / {task.negatives}", "AUC", said)
        if task.readers and task.readers.under_curve:
            table.add_row("", str(len(task.readers.points)), "readers under the curve", with_interval(task.readers.under_curve))
    out.print(table)


def evaluate(
    run: RunArgument,
    data: DataOption,
    part: Annotated[Literal["train", "val", "test", "all"], typer.Option(help="Part of the run's split.")] = "test",
    split: Annotated[Optional[Path], typer.Option(help="A splits.csv; the run's own if left out.")] = None,
    readers: Annotated[
        Optional[list[str]], typer.Option(help="TASK=FILE: CSV with sensitivity and specificity of people; may be repeated.")
    ] = None,
    floor: Annotated[int, typer.Option(min=4, help="Subgroups with fewer images get no figure.")] = 20,
    folder: Annotated[Optional[Path], typer.Option("--out", help="Folder to write; RUN/evaluation if left out.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a network as Esteva et al. 2017 did, and write evaluation.json and evaluation.html.

    Three-way and nine-way balanced accuracy through the tree of diseases, the binary tasks with ROC curves and readers,
    confusion matrices, calibration and subgroups. A task whose classes are not in the data is said to be absent.
    """
    people = read_readers(readers or [])
    network, recipe = load_checkpoint(checkpoint_of(run))
    examples = _chosen(run, data, part, split)
    taxonomy = default_taxonomy()
    probabilities = outputs(network, recipe, examples, open_cache(examples))[1]
    report = judge(
        probabilities,
        examples,
        recipe.classes,
        taxonomy,
        run=recipe.name,
        part=part,
        readers=people,
        subgroup_floor=floor,
    )
    target = folder or (run if run.is_dir() else run.parent) / "evaluation"
    say(*report.notes)
    write_json(target / "evaluation.json", report.model_dump(mode="json"))
    with write_atomically(target / "evaluation.html") as temporary:
        temporary.write_text(render(report, taxonomy), encoding="utf-8")
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _print(report)
        out.print(f"wrote {target / 'evaluation.html'} and evaluation.json", highlight=False, soft_wrap=True, markup=False)
        say_next(("export", "bundle", run, "--data", data) if run.is_dir() else ("train", "explain", run, "--data", data))


def explain(
    run: RunArgument,
    images: Annotated[Optional[list[Path]], typer.Argument(help="Photographs.")] = None,
    folder: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("explanations"),
    node: Annotated[
        Optional[str], typer.Option(help="Explain this node of the tree; the most likely class if left out.")
    ] = None,
    cam: Annotated[bool, typer.Option(help="Grad-CAM beside the saliency map.")] = True,
    data: Annotated[Optional[Path], typer.Option(help="Also draw a map of the images of this data set.")] = None,
    part: Annotated[Literal["train", "val", "test", "all"], typer.Option(help="Part of the run's split for the map.")] = "test",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the map.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show what a network looks at: IMAGE.png with saliency and Grad-CAM, and with --data a t-SNE map of its last hidden layer.

    Saliency is the gradient of the log probability, the L1 norm over the colours. Each map is scaled to its own strongest
    places; of one that is zero everywhere it is said. In map.svg each point tells its image under the pointer.
    """
    if not images and data is None:
        raise DataError("nothing to explain: give images, or --data for a map")
    stems = Counter(path.stem for path in images or [])
    if doubled := [stem for stem, count in stems.items() if count > 1]:
        raise DataError(f"two images are called {doubled[0]}; their pictures would overwrite each other, rename one")
    network, recipe = load_checkpoint(checkpoint_of(run))
    taxonomy = default_taxonomy()
    mask = taxonomy.class_mask([node], recipe.classes) if node else None
    rows = []
    for path in images or []:
        pixels = prepare(path, recipe.input_size)
        probabilities = logits_of(network, torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]).softmax(1)[0].numpy()
        likely = recipe.classes[int(probabilities.argmax())]
        marked = taxonomy.class_mask([likely], recipe.classes) if mask is None else mask
        heats = {"saliency": saliency(network, pixels, marked)}
        if cam:
            heats["Grad-CAM"] = grad_cam(network, pixels, marked)
        asked = node or likely
        share = float(probabilities[marked > 0].sum())
        caption = f"{taxonomy.names[asked]}: probability {share:.3f}"
        target = folder / f"{path.stem}.png"
        with write_atomically(target) as temporary:
            panels(pixels, heats, caption).save(temporary, "PNG")
        shown = {c: round(float(p), 6) for c, p in zip(recipe.classes, probabilities, strict=True)}
        rows.append({"image": str(path), "picture": str(target), "explained": asked, "probabilities": shown})
    document: dict[str, Any] = {"images": rows}
    if data is not None:
        document["map"] = str(_map(run, data, part, folder / "map.svg", seed))
    write_json(folder / "explanations.json", document)
    if as_json:
        print_json(document)
        return
    for row in rows:
        out.print(f"{row['picture']}: {taxonomy.names[str(row['explained'])]}", highlight=False, soft_wrap=True)
    if "map" in document:
        out.print(f"{document['map']}: last hidden layer", highlight=False, soft_wrap=True)


def _map(run: Path, data: Path, part: str, target: Path, seed: int) -> Path:
    network, recipe = load_checkpoint(checkpoint_of(run))
    examples = _chosen(run, data, part, None)
    points = embedding_map(outputs(network, recipe, examples, open_cache(examples))[0], seed)
    labels = [default_taxonomy().names[example.nodes[0]] if len(example.nodes) == 1 else "open" for example in examples]
    hints = [f"{example.key}: {label}" for example, label in zip(examples, labels, strict=True)]
    with write_atomically(target) as temporary:
        temporary.write_text(scatter_chart(points, labels, sorted(set(labels)), hints), encoding="utf-8")
    return target
