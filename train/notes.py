"""What somebody should know of their data before relying on a figure, and what to do next: lines on standard error."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from mobile_runtime.console import err
from mobile_runtime.errors import name_few
from mobile_runtime.taxonomy import Taxonomy
from train.datasets import Example
from train.partition import node_of
from train.recipe import Recipe

_GROUP_NAME = re.compile("(id)?(patient|lesion|case|subject|group)s?(id|no|nr|num|number|name|code)?")


def say(*notes: str) -> None:
    """Write lines to standard error."""
    for note in notes:
        err.print(note, highlight=False, soft_wrap=True, markup=False)


def say_next(*commands: Sequence[object]) -> None:
    """Write one line with the commands that come next, as a shell takes them."""
    say("next: " + "; ".join(shlex.join(map(str, ("python", "-m", *words))) for words in commands))


def group_notes(examples: Sequence[Example]) -> list[str]:
    """A line for each data set, or folder of one, that names no lesions or patients, with the columns that might, and for one
    whose folders have names of them in common: images of one lesion may then be in two parts of a split."""
    notes = []
    for dataset in dict.fromkeys(example.dataset for example in examples):
        members = [example for example in examples if example.dataset == dataset]
        notes += _shared_groups(dataset, members)
        for folder in dict.fromkeys(example.folder for example in members):
            inside = [example for example in members if example.folder == folder]
            if any(example.group != example.key for example in inside):
                continue
            columns = dict.fromkeys(name for example in inside for name in example.attributes if _may_group(name))
            advice = f"; the table has columns {', '.join(columns)}: name one as group_column" if columns else ""
            named = f"{dataset}, {folder}" if folder and len(inside) < len(members) else dataset
            notes.append(f"{named}: no lesions or patients are named: each image counts as its own{advice}")
    return notes


def _shared_groups(dataset: str, members: Sequence[Example]) -> list[str]:
    homes: dict[str, set[str]] = {}
    for example in members:
        if example.folder and example.group != example.key:
            homes.setdefault(example.group.removeprefix(f"{dataset}:{example.folder}/"), set()).add(example.folder)
    shared = sorted(group for group, folders in homes.items() if len(folders) > 1)
    if not shared:
        return []
    folders = sorted(set().union(*(homes[group] for group in shared)))
    named = ", ".join(folders)
    return [
        f"{dataset}: {name_few(shared, 3)} are in {named} and count as different lesions or patients there; if they are the "
        f"same, describe these folders in one dataset.yaml (images: [{named}])"
    ]


def _may_group(column: str) -> bool:
    return bool(_GROUP_NAME.fullmatch(re.sub("[^a-z]", "", column.lower())))


def unnamed_classes(examples: Sequence[Example], recipe: Recipe, taxonomy: Taxonomy) -> list[str]:
    """The classes of a recipe that no label names exactly."""
    named = {taxonomy.exact_class(nodes, recipe.classes) for nodes in {example.nodes for example in examples}}
    return [node for index, node in enumerate(recipe.classes) if index not in named]


def class_note(examples: Sequence[Example], recipe: Recipe, taxonomy: Taxonomy) -> str | None:
    """Which classes of a recipe no label names exactly, and which classes the labels could teach; None where all are named."""
    never = unnamed_classes(examples, recipe, taxonomy)
    if not never:
        return None
    taught = [node for node in recipe.classes if node not in never]
    if any(taxonomy.class_mask(nodes, recipe.classes).sum() != 1 for nodes in {example.nodes for example in examples}):
        nodes = {node_of(example.nodes, taxonomy) for example in examples}
        highest = {n for n in nodes if not any(other != n and taxonomy.covers(other, n) for other in nodes)}
        taught = [node for node in taxonomy.parents if node in highest]
    # A disease partition finds its classes by itself.
    write = len(taught) > 1 and recipe.max_class_size is None
    advice = f"; for what the labels tell apart, write `classes: [{', '.join(taught)}]` into the recipe" if write else ""
    return f"no training image is labelled exactly as {name_few(never, 7)}: the network can only guess these classes{advice}"
