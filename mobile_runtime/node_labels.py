"""Labels that are nodes of the tree themselves, however they are spelt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def plain(label: str) -> str:
    """A name in small letters, with single spaces for whatever parts its words."""
    return " ".join(label.lower().replace("_", " ").replace("-", " ").split())


class NodeLabels(Mapping[str, tuple[str, ...]]):
    """A label map for data sets without one: a label is a node's id or name, in any case, with spaces, hyphens or underscores.

    Args:
        names: node id -> name to show to people.
        others: further names -> nodes.
    """

    def __init__(self, names: Mapping[str, str], others: Mapping[str, tuple[str, ...]]) -> None:
        known = [(node, (node,)) for node in names] + [(name, (node,)) for node, name in names.items()] + [*others.items()]
        self._nodes = {plain(label): nodes for label, nodes in known}

    def __getitem__(self, label: str) -> tuple[str, ...]:
        return self._nodes[plain(label)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)
