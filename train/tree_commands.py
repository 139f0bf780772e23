"""Commands about the tree of diseases: show it with the labels that map to it, and cut it into training classes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.table import Table
from rich.tree import Tree

from mobile_runtime.console import out, print_json
from mobile_runtime.errors import TaxonomyError
from mobile_runtime.options import JsonOption
from mobile_runtime.taxonomy import HAM10000_CLASSES, NODE_LABELS, Taxonomy, default_taxonomy
from train.datasets import count_labels, read_examples
from train.options import DataOption
from train.partition import Inner, Oversized, node_counts, partition

LabelCounts = dict[str, list[str]]


def _labels_by_node(tree: Taxonomy, datasets: list[str]) -> LabelCounts:
    """Node -> the labels that mean it, `DATASET: LABEL`."""
    found: LabelCounts = {}
    for dataset in datasets:
        for label, nodes in tree.datasets[dataset].items():
            for node in nodes:
                found.setdefault(node, []).append(f"{dataset}: {label}")
    return found


def _outside(tree: Taxonomy, dataset: str) -> list[str]:
    """Labels about which the seven classes of the shipped model say nothing."""
    outside = []
    for label, nodes in tree.datasets[dataset].items():
        try:
            tree.class_mask(nodes, HAM10000_CLASSES)
        except TaxonomyError:
            outside.append(label)
    return outside


def _draw(tree: Taxonomy, labels: LabelCounts, node: str, kept: set[str], branch: Tree) -> None:
    for child in tree.children(node):
        if child in kept:
            said = f"  [dim]{', '.join(labels[child])}[/]" if child in labels else ""
            _draw(tree, labels, child, kept, branch.add(f"{tree.names[child]} [cyan]{child}[/]{said}"))


def taxonomy(
    dataset: Annotated[Optional[str], typer.Option(help="Only what this data set's labels mean, and the labels.")] = None,
    labels: Annotated[Optional[Path], typer.Option(help="CSV of labels to look for ones that the map lacks.")] = None,
    label_column: Annotated[str, typer.Option(help="Its column of labels.")] = "dx",
    as_json: JsonOption = False,
) -> None:
    """Draw the tree of diseases, and list the labels that no node stands for.

    With --labels, labels of the file that the data set's map lacks are listed; in any case, how many of its labels lie outside
    the seven classes of the shipped model.
    """
    tree = default_taxonomy()
    if dataset is not None and dataset not in tree.datasets:
        raise TaxonomyError(f"no label map for data set {dataset!r}; there are {', '.join(tree.datasets)}")
    if labels is not None and dataset is None:
        raise TaxonomyError("--labels needs --dataset, the label map to compare with")
    # That each node may be its own label says nothing of the data sets.
    chosen = [dataset] if dataset else [name for name in tree.datasets if name != NODE_LABELS]
    by_node = _labels_by_node(tree, chosen)
    unmapped: Counter[str] = Counter()
    if labels is not None and dataset is not None:
        unmapped = Counter({n: c for n, c in count_labels(labels, label_column).items() if n not in tree.datasets[dataset]})
    outside = {name: _outside(tree, name) for name in chosen}
    kept = {a for node in by_node for a in tree.ancestors(node)} if dataset else set(tree.parents)
    if as_json:
        nodes = [
            {"id": node, "name": tree.names[node], "parent": tree.parents[node], "labels": by_node.get(node, [])}
            for node in tree.parents
            if node in kept
        ]
        print_json({"nodes": nodes, "unmapped": dict(unmapped), "outside_shipped_classes": outside})
        return
    root = Tree(f"{tree.names[tree.root]} [cyan]{tree.root}[/]")
    _draw(tree, by_node if dataset else {}, tree.root, kept, root)
    out.print(root, highlight=False)
    for name in chosen:
        count = len(tree.datasets[name])
        said = f"; the shipped model's classes say nothing about {len(outside[name])}" if outside[name] else ""
        out.print(f"{name}: {count} labels{said}", highlight=False)
    if labels is not None:
        lines = [f"{label!r} ({count} rows)" for label, count in unmapped.most_common()]
        out.print(f"not in the map of {dataset}: {', '.join(lines) or 'none'}", highlight=False)


def show_partition(
    data: DataOption,
    max_class_size: Annotated[int, typer.Option(min=1, help="A class holds fewer images than this.")] = 1000,
    oversized: Annotated[Oversized, typer.Option(help="What becomes of a leaf that is not smaller.")] = "keep",
    inner: Annotated[Inner, typer.Option(help="What becomes of the images of a node that is split.")] = "marginal",
    as_json: JsonOption = False,
) -> None:
    """Cut the tree into training classes as Esteva et al. 2017 did, by the images of a data set.

    Give the classes to a recipe under `classes`, or set `max_class_size` in it.
    """
    tree = default_taxonomy()
    made = partition(tree, node_counts(read_examples(data), tree), max_class_size, oversized, inner)
    if as_json:
        classes: list[dict[str, Any]] = [{"node": c.node, "images": c.size, "own": c.own} for c in made.classes]
        print_json({"classes": classes, "partial": dict(made.partial), "dropped": dict(made.dropped)})
        return
    table = Table("class", "node", "images", "")
    for c in made.classes:
        remark = "over the limit" if c.size >= max_class_size else ("not its descendants" if c.own else "")
        table.add_row(tree.names[c.node], c.node, str(c.size), remark)
    out.print(table)
    for node, size in made.partial.items():
        out.print(f"{size} images of {node} train the sum of the classes below it", highlight=False)
    for node, size in made.dropped.items():
        out.print(f"{size} images of {node} are in no class", highlight=False)
