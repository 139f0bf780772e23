"""`python -m train data`: fetch data sets, look at them, split them, draw synthetic ones."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer
from rich.table import Column, Table

from mobile_runtime.console import out, print_json, track
from mobile_runtime.errors import DataError
from mobile_runtime.files import refuse_own_source, write_atomically
from mobile_runtime.marked_labels import GROUP_COLUMNS
from mobile_runtime.options import JsonOption
from mobile_runtime.taxonomy import default_taxonomy
from train.cache import open_cache
from train.datasets import read_examples, write_synthetic
from train.download_commands import download, sources
from train.duplicates import (
    MAX_DISTANCE,
    MIN_SIMILARITY,
    Pair,
    audit,
    merge,
    perceptual_hash,
    repair,
    same_embedding,
    same_hash,
)
from train.inference import embed
from train.loading_speed import speed
from train.medmnist import extract
from train.notes import group_notes, say, say_next
from train.options import DataOption, RecipeOption
from train.recipe import load_recipe
from train.splits import SPLITS, load_split, save_split, split_examples
from train.subgroups import COLUMNS, other_values, subgroup_values
from train.tables import short_ids

data_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Fetch data sets, look at them, split them, draw synthetic ones."
)
data_app.command(epilog="Example: python -m train data sources")(sources)
data_app.command(epilog="Example: python -m train data download ham10000 data/ham10000 --accept-licence")(download)
data_app.command(epilog="Example: python -m train data speed --data DIR --workers 1 --workers 2 --out speed.json")(speed)


@data_app.command("show", epilog="Example: python -m train data show --data DIR")
def show(data: DataOption, as_json: JsonOption = False) -> None:
    """Count images, lesions and labels, and show which taxonomy node each label means.

    A folder of your own needs a `dataset.yaml`, which every command understands, with the keys `dataset` (a label map, or
    taxonomy where labels are names of its nodes: see `python -m train taxonomy`), `labels` (a CSV, metadata.csv if left out, or
    folders where each class has a folder of its name), `images` (a list of folders, its own if left out), `image_column`
    (image_id if left out), `label_column` (dx), `group_column` (lesion or patient: patient_id, lesion_id or group if left out
    and there, "" for each image its own, or a list), `acquisition` (photograph or dermoscopy) and `name` (what ids and groups
    begin with; if left out, the folder's where several folders share a label map). Paths are relative to the file.
    """
    examples = read_examples(data)
    say(*group_notes(examples))
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
    examples = read_examples(data)
    say(*group_notes(examples))
    parts = split_examples(examples, load_recipe(recipe).split)
    save_split(parts, folder)
    counts = {name: len(parts[name]) for name in SPLITS}
    if as_json:
        print_json(counts)
    else:
        out.print(f"wrote {folder}: " + ", ".join(f"{count} {name}" for name, count in counts.items()), markup=False)


@data_app.command("select", epilog="Example: python -m train data select --data DIR --dataset ham10000 --out test.csv")
def select(
    data: DataOption,
    folder: Annotated[Path, typer.Option("--out", help="CSV to write: image_id, label, group, and the other columns.")],
    dataset: Annotated[Optional[str], typer.Option(help="Which data set's images; needed where there are several.")] = None,
    part: Annotated[str, typer.Option(help="train, val, test or all.")] = "test",
    split: Annotated[Optional[Path], typer.Option(help="A splits.csv; cut by the recipe if left out.")] = None,
    recipe: RecipeOption = "mobile",
    as_json: JsonOption = False,
) -> None:
    """Write the labels of one part of a split, as `python -m benchmarks drift --labels` reads them.

    `--part all` writes those of every image, for data that no part of the training has seen.
    """
    if part == "all" and split:
        raise DataError("--part all takes every image, whatever the split; leave --split out, or name a part of it")
    if split:
        refuse_own_source(folder, split, "split")
    examples = read_examples(data)
    if part == "all":
        parts = {part: examples}
    else:
        parts = load_split(split, examples) if split else split_examples(examples, load_recipe(recipe).split)
    if part not in parts:
        raise DataError(f"no part {part!r}; there are {', '.join(parts)} and all")
    datasets = sorted({e.dataset for e in parts[part]})
    if dataset is None and len(datasets) > 1:
        raise DataError(f"there are several data sets, {', '.join(datasets)}; name one with --dataset")
    dataset = dataset or datasets[0]
    chosen = [e for e in parts[part] if e.dataset == dataset]
    if not chosen:
        raise DataError(f"part {part} has no images of {dataset!r}; there are {datasets}")
    members = [e for e in examples if e.dataset == dataset]
    root, ids = short_ids(members)
    columns = {"image_id": [ids[e.key] for e in chosen], "label": [e.label for e in chosen], "group": [e.group for e in chosen]}
    columns |= {name: values for name, values in subgroup_values(chosen).items() if name in COLUMNS}
    # `group` alone says what belongs together: `benchmarks` would take a lesion_id beside it for that, unasked.
    columns |= {name: values for name, values in other_values(chosen).items() if name not in {*columns, *GROUP_COLUMNS}}
    with write_atomically(folder) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    if as_json:
        print_json({"labels": str(folder), "images": len(chosen), "dataset": dataset, "part": part})
        return
    out.print(f"wrote {folder}: {len(chosen)} images of {dataset}, part {part}", markup=False)
    if root.is_dir():  # and no archive
        named = ("--label-column", "label", "--group-column", "group", "--dataset", dataset)
        say_next(("benchmarks", "drift", "--images", root, "--labels", folder, *named))


@data_app.command("extract", epilog="Example: python -m train data extract dermamnist_corrected_224.npz dermamnist --part test")
def extract_arrays(
    archive: Annotated[Path, typer.Argument(help="An .npz of DermaMNIST, DermaMNIST-C or DermaMNIST-E.", show_default=False)],
    folder: Annotated[Path, typer.Argument(help="Folder to write, not there yet.", show_default=False)],
    part: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    as_json: JsonOption = False,
) -> None:
    """Write a part of DermaMNIST as PNG files with their labels, which every command then reads.

    Sizes below 150 pixels are too coarse for the shipped bundles, which turn them away.
    """
    count = extract(archive, folder, part)
    if as_json:
        print_json({"folder": str(folder), "part": part, "images": count})
    else:
        out.print(f"wrote {folder}: {count} images, part {part}", markup=False, soft_wrap=True)
    say(
        "these are images of HAM10000 under other names, and whether they made a bundle cannot be told from them: the shipped "
        "ones have seen those of the corrected training and validation parts, of the test part of the uncorrected ones, too"
    )
    say_next(("benchmarks", "drift", "--images", folder / "images", "--labels", folder / "labels.csv"))


@data_app.command("synthetic", epilog="Example: python -m train data synthetic --out synthetic --per-class 40")
def synthetic(
    folder: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    per_class: Annotated[int, typer.Option(min=1, help="Images of each of the seven classes.")] = 40,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Another seed draws other lesions.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw synthetic lesions in the layout of HAM10000's release: for trying things out, never for claims."""
    examples = write_synthetic(folder, per_class, seed)
    if as_json:
        print_json({"folder": str(folder), "images": len(examples), "seed": seed})
        return
    out.print(f"wrote {len(examples)} synthetic images into {folder}", markup=False)


@data_app.command("audit", epilog="Example: python -m train data audit --data DIR --recipe mobile --repair splits.csv")
def audit_data(
    data: DataOption,
    split: Annotated[Optional[Path], typer.Option(help="A splits.csv; cut by the recipe if left out.")] = None,
    recipe: RecipeOption = "mobile",
    checkpoint: Annotated[Optional[Path], typer.Option(help="model.safetensors: compare embeddings too.")] = None,
    max_distance: Annotated[int, typer.Option(min=0, max=100, help="Differing bits of 255 in a hash.")] = MAX_DISTANCE,
    min_similarity: Annotated[float, typer.Option(min=-1, max=1, help="Cosine of two embeddings.")] = MIN_SIMILARITY,
    repaired: Annotated[Optional[Path], typer.Option("--repair", help="Write a split that no duplicate straddles.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find pictures of different lesions or patients that look the same, and those of them that straddle a split.

    Copies are found turned, mirrored, resized, compressed or of other brightness; cropped ones are not, but by --checkpoint.

    Exit status 1 where a pair straddles the split and no repaired one was asked for.
    """
    examples = read_examples(data)
    parts = load_split(split, examples) if split else split_examples(examples, load_recipe(recipe).split)
    pixels = open_cache(examples)
    hashes = np.stack([perceptual_hash(pixels[e.key]) for e in track(examples, "hash")])
    pairs = same_hash(hashes, max_distance)
    if checkpoint is not None:
        pairs = merge(pairs, same_embedding(embed(checkpoint, examples, pixels), min_similarity))
    found = audit(examples, parts, pairs)
    if repaired is not None:
        save_split(repair(examples, parts, found.components), repaired)
    part_of = {example.key: name for name, members in parts.items() for example in members}

    def row(pair: Pair) -> dict[str, Any]:
        first, second = examples[pair.first], examples[pair.second]
        return {
            "first": first.key,
            "second": second.key,
            "labels": [first.label, second.label],
            "parts": [part_of[first.key], part_of[second.key]],
            "distance": pair.distance,
            "similarity": pair.similarity,
        }

    if as_json:
        print_json(
            {
                "images": len(examples),
                "components": int(found.components.max()) + 1,
                "pairs": [row(pair) for pair in found.pairs],
                "leaks": len(found.leaks),
                "contradictions": len(found.contradictions),
            }
        )
    else:
        keys = (Column(name, overflow="fold") for name in ("first", "second"))
        table = Table(*keys, "labels", "parts", "bits", "cosine")
        for pair in found.leaks:
            shown = row(pair)
            bits = "" if pair.distance is None else str(pair.distance)
            cosine = "" if pair.similarity is None else f"{pair.similarity:.3f}"
            labels, homes = ", ".join(shown["labels"]), ", ".join(shown["parts"])
            table.add_row(shown["first"], shown["second"], labels, homes, bits, cosine)
        if found.leaks:
            out.print(table)
        out.print(
            f"{len(found.pairs)} pairs of different lesions or patients look the same, {len(found.leaks)} of them straddle the "
            f"split, {len(found.contradictions)} have labels of different meaning",
            highlight=False,
            soft_wrap=True,
        )
        if repaired is not None:
            out.print(f"wrote {repaired}", highlight=False, markup=False)
    if found.leaks and repaired is None:
        raise typer.Exit(1)
