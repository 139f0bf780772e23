"""Training classes from a tree of diseases: the disease-partitioning algorithm of Esteva et al. 2017.

The published algorithm (Extended Data Table 1) walks down from the root: a node becomes a training class with all that hangs
from it if it holds fewer than `max_class_size` images, else its children are visited. Taken literally it loses the images of a
leaf that is too large, and those attached to an inner node that is split. Both need a policy:

- `oversized`: `keep` makes such a leaf a class of its own, whatever its size (the default); `drop` is the literal reading,
  under which every class stays below the limit.
- `inner`: `marginal` gives the images of a split node no class of their own; they train the sum of the classes below it (the
  default, `train.objective.marginal_loss`). `class` makes them a class beside their descendants, so that every image is in
  exactly one class. `drop` is the literal reading.

Nodes without images become no class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from mobile_runtime.errors import DataError
from mobile_runtime.taxonomy import Taxonomy
from train.datasets import Example

Oversized = Literal["keep", "drop"]
Inner = Literal["marginal", "class", "drop"]


@dataclass(frozen=True)
class TrainingClass:
    """One training class.

    Attributes:
        node: the taxonomy node.
        size: its images.
        own: it holds the images labelled with the node itself and not those of its descendants.
    """

    node: str
    size: int
    own: bool = False


@dataclass(frozen=True)
class Partition:
    """What became of all images.

    Attributes:
        classes: the training classes, depth first in the order of the tree.
        partial: split node -> its own images, which train the sum of the classes below it.
        dropped: node -> its own images, which are in no class.
    """

    classes: tuple[TrainingClass, ...]
    partial: Mapping[str, int]
    dropped: Mapping[str, int]


def partition(
    tree: Taxonomy,
    counts: Mapping[str, int],
    max_class_size: int = 1000,
    oversized: Oversized = "keep",
    inner: Inner = "marginal",
) -> Partition:
    """Cut a tree of diseases into training classes.

    Args:
        tree: the taxonomy.
        counts: node -> images labelled with the node itself, leaves and inner nodes alike.
        max_class_size: a class holds fewer images than this.
        oversized: what becomes of a leaf that is not smaller, see above.
        inner: what becomes of the images of a node that is split, see above.

    Raises:
        DataError: a negative count, or no images at all.
        TaxonomyError: a node is unknown.
    """
    if negative := sorted(node for node, count in counts.items() if count < 0):
        raise DataError(f"{negative[0]} has {counts[negative[0]]} images; counts start at 0")
    totals: Counter[str] = Counter()
    for node, count in counts.items():
        for ancestor in tree.ancestors(node):
            totals[ancestor] += count
    if not totals[tree.root]:
        raise DataError("there are no images to partition")
    classes: list[TrainingClass] = []
    partial: dict[str, int] = {}
    dropped: dict[str, int] = {}

    def place(node: str, size: int, own: bool) -> None:
        if size < max_class_size or oversized == "keep":
            classes.append(TrainingClass(node, size, own))
        else:
            dropped[node] = size

    def visit(node: str) -> None:
        below = [child for child in tree.children(node) if totals[child]]
        if totals[node] < max_class_size or not below:
            place(node, totals[node], own=False)
            return
        found = len(classes)
        size = counts.get(node, 0)
        if size and inner == "class":
            place(node, size, own=True)
        for child in below:
            visit(child)
        if size and inner != "class":
            # Where every descendant was dropped there is no sum to train.
            (partial if inner == "marginal" and len(classes) > found else dropped)[node] = size

    visit(tree.root)
    return Partition(tuple(classes), partial, dropped)


def node_of(nodes: Iterable[str], tree: Taxonomy) -> str:
    """The node that a label is attached to: the lowest one that holds all that the label may mean."""
    first, *others = nodes
    return next(a for a in tree.ancestors(first) if all(tree.covers(a, other) for other in others))


def node_counts(examples: Iterable[Example], tree: Taxonomy) -> Counter[str]:
    """Images per node."""
    labels = Counter(example.nodes for example in examples)
    counts: Counter[str] = Counter()
    for nodes, count in labels.items():
        counts[node_of(nodes, tree)] += count
    return counts
