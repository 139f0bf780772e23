"""Splits by lesion or patient: stratified, seeded, saved as files."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256_bytes, write_atomically
from train.datasets import Example
from train.recipe import Recipe, SplitPlan

SPLITS = ("train", "val", "test")
_FEWER = "take a recipe with fewer, such as `split: {folds: 5}` in one of your own, or --recipe tiny"
Split = dict[str, list[Example]]
_KEY_AND_PART = ("dataset", "image_id", "split")
RUN_FILE, LAST_FILE = "model.safetensors", "last.ckpt"
SPLIT_FILE = "splits.csv"
TEACHERS_FILE = "distillation.json"
"""Notes in a run folder that teachers had a say in it, and which."""


def split_examples(examples: Sequence[Example], plan: SplitPlan, first: int = 0) -> Split:
    """Cut examples into train, val and test so that no group straddles and each label keeps its share.

    Args:
        examples: the images.
        plan: how many folds, and which share of them goes where.
        first: the fold with which the test part begins; the others follow it in a ring.

    Raises:
        DataError: fewer groups than folds, or every label has fewer images than folds.
    """
    groups = [example.group for example in examples]
    if len(set(groups)) < plan.folds:
        raise DataError(f"{len(set(groups))} lesions or patients cannot be cut into {plan.folds} folds; {_FEWER}")
    strata = [f"{example.dataset}:{example.label}" for example in examples]
    cutter = StratifiedGroupKFold(n_splits=plan.folds, shuffle=True, random_state=plan.seed)
    fold_of = np.zeros(len(examples), dtype=int)
    try:
        for fold, (_, members) in enumerate(cutter.split(np.zeros(len(examples)), strata, groups)):
            fold_of[members] = fold
    except ValueError as error:
        raise DataError(f"{len(examples)} images cannot be cut into {plan.folds} folds; {_FEWER}") from error
    names = np.full(plan.folds, "train", dtype=object)
    names[: plan.test_folds] = "test"
    names[plan.test_folds : plan.test_folds + plan.val_folds] = "val"
    names = np.roll(names, first)
    split: Split = {name: [] for name in SPLITS}
    for example, fold in zip(examples, fold_of, strict=True):
        split[names[fold]].append(example)
    check_split(split)
    return split


def check_split(split: Split) -> None:
    """Refuse a split with an empty part or a group in two parts.

    Raises:
        DataError: naming the groups that straddle, or the empty part.
    """
    homes: dict[str, set[str]] = defaultdict(set)
    for name, examples in split.items():
        if not examples:
            raise DataError(f"the {name} split is empty; give more data or other fold counts")
        for example in examples:
            homes[example.group].add(name)
    if straddling := sorted(group for group, names in homes.items() if len(names) > 1):
        raise DataError(f"{len(straddling)} lesions or patients are in two splits, first {straddling[:3]}; regroup them")


def trained_images(split: Split, recipe: Recipe) -> list[Example]:
    """The training part without the data sets that the recipe trains without: what the network has seen, in its order."""
    return [example for example in split["train"] if recipe.repeats.get(example.dataset, 1)]


def without_test(examples: Sequence[Example], path: Path) -> list[Example]:
    """The examples that are not in the test part of a saved split, in their order: to choose by, before the test part is used.

    Raises:
        DataError: as `load_split`.
    """
    tested = {example.key for example in load_split(path, examples)["test"]}
    return [example for example in examples if example.key not in tested]


def save_split(split: Split, path: Path) -> None:
    """Write a split as CSV: dataset, image_id, group, label, split."""
    with write_atomically(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["dataset", "image_id", "group", "label", "split"])
        for name, examples in split.items():
            writer.writerows([e.dataset, e.image_id, e.group, e.label, name] for e in examples)


def split_digest(split: Split) -> str:
    """SHA-256 over which image is in which part."""
    return _digest((example.key, part) for part, examples in split.items() for example in examples)


def saved_digest(path: Path) -> str:
    """`split_digest` of a saved split, whether its images are there or not.

    Raises:
        DataError: not a split file.
    """
    return _digest((f"{row['dataset']}:{row['image_id']}", row["split"]) for row in _read_rows(path, *_KEY_AND_PART))


def _digest(parts: Iterable[tuple[str, str]]) -> str:
    return sha256_bytes("\n".join(sorted(f"{key},{part}" for key, part in parts)).encode())


def own_split(checkpoint: Path) -> Path:
    """Where a network's split belongs: `splits.csv` beside a run's model.safetensors, NAME.splits.csv beside another NAME."""
    return checkpoint.with_name(SPLIT_FILE if checkpoint.name == RUN_FILE else f"{checkpoint.stem}.{SPLIT_FILE}")


def split_beside(checkpoint: Path) -> Path:
    """The file of the split that a network was trained by: its own, else the `splits.csv` of its folder, there or not."""
    own = own_split(checkpoint)
    return own if own.is_file() else checkpoint.with_name(SPLIT_FILE)


def carry_split(split: Path | None, target: Path) -> None:
    """Put a split beside a network made of another one, which has seen what that one had.

    Args:
        split: the split file; None for an unknown one, so that what an earlier `target` had seen is not said of this one.
        target: path of the new network.

    Raises:
        DataError: the target is a run's and its folder has another `splits.csv`, or the file is not readable.
    """
    kept = own_split(target)
    if split is None:
        if kept.name != SPLIT_FILE:
            kept.unlink(missing_ok=True)
        return
    try:
        content = split.read_bytes()
        if kept.name == SPLIT_FILE and kept.is_file() and kept.read_bytes() != content:
            raise DataError(f"{kept}: another split than {split}, which {target} comes from; give that network another name")
    except OSError as error:
        raise DataError(f"{split}: not a readable split file ({error})") from error
    with write_atomically(kept) as temporary:
        temporary.write_bytes(content)


def seen_keys(checkpoint: Path, examples: Sequence[Example]) -> list[str]:
    """Keys of the examples that a network was trained on, or on others of their lesions or patients.

    The split beside it says so; where none is (see `split_beside`), nothing is known.

    Raises:
        DataError: the file is no split file.
    """
    beside = split_beside(checkpoint)
    if not beside.is_file():
        return []
    rows = [row for row in _read_rows(beside, "dataset", "image_id", "group", "split") if row["split"] == "train"]
    groups = {row["group"] for row in rows}
    # Where one side names no lesions, the same image has another group.
    keys = {f"{row['dataset']}:{row['image_id']}" for row in rows}
    return [example.key for example in examples if example.group in groups or example.key in keys]


def refuse_seen(checkpoint: Path, split: Split) -> None:
    """Refuse a network that has seen images of the validation or test part, as far as these are given; see `seen_keys`.

    Raises:
        DataError: naming the first of them, or the file is no split file.
    """
    if seen := seen_keys(checkpoint, [e for name in ("val", "test") for e in split.get(name, ())]):
        raise DataError(
            f"{checkpoint}: was trained on lesions or patients of whom {len(seen)} images are for validation or test here, "
            f"first {seen[0]}; take the same split (--split)"
        )


def _read_rows(path: Path, *columns: str) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return [{name: row[name] for name in columns} for row in csv.DictReader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable split file ({error})") from error
    except KeyError as error:
        raise DataError(f"{path}: no column {error}; make the file with `python -m train data split`") from error


def relabelled(path: Path, examples: Sequence[Example]) -> list[str]:
    """Keys of examples that have another label than when the split was saved.

    Raises:
        DataError: not a split file.
    """
    before = {f"{row['dataset']}:{row['image_id']}": row["label"] for row in _read_rows(path, "dataset", "image_id", "label")}
    return [example.key for example in examples if before.get(example.key, example.label) != example.label]


def load_split(path: Path, examples: Sequence[Example]) -> Split:
    """Cut examples as a saved split says.

    Raises:
        DataError: no such file, not a split file, or it names images that are not there, or the other way round.
    """
    rows = _read_rows(path, *_KEY_AND_PART)
    homes = {f"{row['dataset']}:{row['image_id']}": row["split"] for row in rows}
    if unknown := sorted({name or "" for name in homes.values()} - set(SPLITS)):
        raise DataError(f"{path}: {unknown[0]!r} is not one of {', '.join(SPLITS)}")
    if len(homes) < len(rows):
        raise DataError(f"{path}: {len(rows) - len(homes)} images are listed twice; keep one row each")
    by_key = {example.key: example for example in examples}
    if by_key.keys() != homes.keys():
        only_file, only_data = sorted(homes.keys() - by_key.keys()), sorted(by_key.keys() - homes.keys())
        raise DataError(
            f"{path}: {len(only_file)} images of the split are not in the data (first {only_file[:3]}), "
            f"{len(only_data)} images of the data are not in the split (first {only_data[:3]})"
        )
    split: Split = {name: [] for name in SPLITS}
    for key, name in homes.items():
        split[name].append(by_key[key])
    check_split(split)
    return split
