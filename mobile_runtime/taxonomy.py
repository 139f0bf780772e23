"""The tree of diseases: nodes, label maps of public data sets, and sums over descendants.

The tree follows Esteva et al. 2017 (Nature 542:115, Methods, "Taxonomy" and "Inference algorithm"): the probability of
a node is the sum of the probabilities of the training classes below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mobile_runtime.errors import TaxonomyError
from mobile_runtime.node_labels import NodeLabels, plain
from mobile_runtime.yaml_text import load_yaml

TAXONOMY_PATH = Path(__file__).parent / "data" / "taxonomy.yaml"
LABEL_MAPS_PATH = TAXONOMY_PATH.with_name("label_maps.yaml")
NODE_LABELS = "taxonomy"
"""The data set whose labels are the nodes themselves; see `NodeLabels`."""
_OR = " | "
HAM10000_CLASSES = (
    "premalignant_epidermal",
    "basal_cell_carcinoma",
    "benign_keratosis",
    "dermatofibroma",
    "melanoma",
    "melanocytic_nevus",
    "vascular_lesion",
)
"""The seven training classes, in HAM10000's alphabetical order (akiec bcc bkl df mel nv vasc)."""


@dataclass(frozen=True)
class Taxonomy:
    """A tree of diseases.

    Attributes:
        parents: node id -> parent id; the one root has the parent None.
        names: node id -> name to show to people.
        aggregates: score name -> (nodes summed, nodes left out of the sum).
        datasets: data set name -> label -> nodes; several nodes mean "one of these".
    """

    parents: Mapping[str, str | None]
    names: Mapping[str, str]
    aggregates: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    datasets: Mapping[str, Mapping[str, tuple[str, ...]]]

    def __post_init__(self) -> None:
        roots = [node for node, parent in self.parents.items() if parent is None]
        if len(roots) != 1:
            raise TaxonomyError(f"a taxonomy has exactly one root, this one has {len(roots)}: {roots}")
        for node, parent in self.parents.items():
            if parent is not None and parent not in self.parents:
                raise TaxonomyError(f"node {node!r} names an unknown parent {parent!r}")
        for node in self.parents:
            self._walk_up(node)
        for nodes, left_out in self.aggregates.values():
            self._require(*nodes, *left_out)
        for labels in self.datasets.values():
            for nodes in labels.values():
                self._require(*nodes)

    def _walk_up(self, node: str) -> tuple[str, ...]:
        path = [node]
        while (parent := self.parents[path[-1]]) is not None:
            if parent in path:
                raise TaxonomyError(f"the taxonomy has a cycle through {parent!r}")
            path.append(parent)
        return tuple(path)

    def _require(self, *nodes: str) -> None:
        unknown = [node for node in nodes if node not in self.parents]
        if unknown:
            raise TaxonomyError(f"not in the taxonomy: {', '.join(unknown)}")

    @cached_property
    def root(self) -> str:
        return next(node for node, parent in self.parents.items() if parent is None)

    def ancestors(self, node: str) -> tuple[str, ...]:
        """The node itself, its parent, and so on up to the root.

        Raises:
            TaxonomyError: the node is unknown.
        """
        self._require(node)
        return self._walk_up(node)

    def children(self, node: str) -> tuple[str, ...]:
        """Direct children in the order of the file."""
        self._require(node)
        return tuple(child for child, parent in self.parents.items() if parent == node)

    def covers(self, node: str, descendant: str) -> bool:
        """Whether `descendant` is `node` or lies below it."""
        return node in self.ancestors(descendant)

    def class_mask(self, nodes: Sequence[str], classes: Sequence[str]) -> npt.NDArray[np.float32]:
        """Which training classes a label of these nodes may be.

        A class counts if it lies below a node, or holds it. A node that no class covers (a leaf that the classes do not
        model) climbs to its nearest ancestor with classes below it: "squamous cell carcinoma" becomes "any of the
        malignant epidermal classes".

        Returns:
            float32 [C] of zeros and ones, at least one of them one.

        Raises:
            TaxonomyError: a node is unknown, or nothing but the root would cover it.
        """
        mask = np.zeros(len(classes), dtype=np.float32)
        for node in nodes:
            for ancestor in self.ancestors(node):
                hits = [self.covers(ancestor, c) or (ancestor == node and self.covers(c, node)) for c in classes]
                if any(hits):
                    if ancestor == self.root and node != self.root:
                        raise TaxonomyError(f"no class of this model says anything about {node!r}")
                    mask[np.flatnonzero(hits)] = 1.0
                    break
            else:
                raise TaxonomyError(f"no class of this model says anything about {node!r}")
        return mask

    def exact_class(self, nodes: Sequence[str], classes: Sequence[str]) -> int | None:
        """Index of the one training class that a label of these nodes is, or belongs to; None where it may be several, or
        only climbs to one: a carcinoma is no melanoma though that may be the one malignant class."""
        homes = [index for index, name in enumerate(classes) if all(self.covers(name, node) for node in nodes)]
        return homes[0] if len(homes) == 1 else None

    def aggregate_vector(self, aggregate: str, classes: Sequence[str]) -> npt.NDArray[np.float32]:
        """The 0/1 weights [C], float32, whose product with class probabilities is the aggregate score.

        Raises:
            TaxonomyError: no such aggregate, or a class mixes what is to be summed with what is to be left out.
        """
        if aggregate not in self.aggregates:
            raise TaxonomyError(f"no aggregate {aggregate!r}; there are {', '.join(self.aggregates)}")
        summed, left_out = self.aggregates[aggregate]
        for name in classes:
            mixed = [n for n in left_out if n != name and self.covers(name, n)]
            if mixed and any(self.covers(n, name) for n in summed):
                raise TaxonomyError(f"class {name!r} holds {', '.join(mixed)}, which {aggregate} leaves out")
            if parts := [n for n in summed if n != name and self.covers(name, n)]:
                raise TaxonomyError(f"class {name!r} holds {', '.join(parts)} and others: {aggregate} cannot be told by it")
        vector = [any(self.covers(n, c) for n in summed) and not any(self.covers(n, c) for n in left_out) for c in classes]
        return np.asarray(vector, dtype=np.float32)

    def nodes_of(self, dataset: str, label: str) -> tuple[str, ...]:
        """The nodes that a data set's label stands for; `A | B`, as `train data select` writes it, says "A or B".

        Raises:
            TaxonomyError: the data set or the label is unknown.
        """
        if dataset not in self.datasets:
            raise TaxonomyError(f"no label map for data set {dataset!r}; there are {', '.join(self.datasets)}")
        labels = self.datasets[dataset]
        for part in self.unknown_parts(dataset, label):
            raise TaxonomyError(f"label {part!r} is not one of {dataset}'s: {', '.join(labels)}")
        return tuple(dict.fromkeys(node for part in label.split(_OR) for node in labels[part]))

    def unknown_parts(self, dataset: str, label: str) -> list[str]:
        """What the map of a known data set does not have of a label, which may be `A | B`."""
        return [part for part in label.split(_OR) if part not in self.datasets[dataset]]

    def near_labels(self, dataset: str, label: str) -> list[str]:
        """The labels of a known data set that are spelt nearly as this one, at most three, the nearest first."""
        spelt = {plain(known): known for known in self.datasets[dataset]}
        return [spelt[name] for name in get_close_matches(plain(label), spelt, cutoff=0.75)]

    def truth(self, aggregate: str, nodes: Sequence[str]) -> bool | None:
        """Whether a label of these nodes belongs to an aggregate; None when the label leaves it open."""
        summed, left_out = self.aggregates[aggregate]
        verdicts: set[bool | None] = set()
        for node in nodes:
            path = self.ancestors(node)
            if any(n in path for n in left_out):
                verdicts.add(False)
            elif any(self.covers(node, n) and node != n for n in (*summed, *left_out)):
                verdicts.add(None)
            else:
                verdicts.add(any(n in path for n in summed))
        return verdicts.pop() if len(verdicts) == 1 else None


def descendant_sum(probabilities: npt.NDArray[np.float32], mask: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sum class probabilities [..., C] over the classes marked in mask [C], in class order and in float32.

    The order is fixed so that a port in another language gets the same bits (Esteva et al. 2017, "Inference algorithm").
    """
    total = np.zeros(probabilities.shape[:-1], dtype=np.float32)
    for index in np.flatnonzero(mask):
        total = total + probabilities[..., index]
    return total


def parse_taxonomy(document: Mapping[str, Any]) -> Taxonomy:
    """Build a taxonomy from the mapping of a taxonomy file.

    Raises:
        TaxonomyError: a part is missing, a parent unknown, or the tree has a cycle.
    """

    def as_tuple(value: str | Iterable[str]) -> tuple[str, ...]:
        return (value,) if isinstance(value, str) else tuple(value)

    try:
        nodes = document["nodes"]
        return Taxonomy(
            parents={node: parent for node, (parent, _) in nodes.items()},
            names={node: name for node, (_, name) in nodes.items()},
            aggregates={
                name: (as_tuple(parts["sum"]), as_tuple(parts["except"])) for name, parts in document["aggregates"].items()
            },
            datasets={
                name: {str(label): as_tuple(value) for label, value in labels.items()}
                for name, labels in document["datasets"].items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TaxonomyError(f"malformed taxonomy: {type(error).__name__}: {error}") from error


@lru_cache(maxsize=1)
def default_taxonomy() -> Taxonomy:
    """The taxonomy that ships with the runtime."""
    document, more = (load_yaml(path.read_text(encoding="utf-8")) for path in (TAXONOMY_PATH, LABEL_MAPS_PATH))
    parsed = parse_taxonomy({**document, "datasets": {**document["datasets"], **more}})
    by_node = NodeLabels(parsed.names, parsed.datasets[NODE_LABELS])
    return replace(parsed, datasets={**parsed.datasets, NODE_LABELS: by_node})
