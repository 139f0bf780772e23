"""What the labels of a table mean, and which of them nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mobile_runtime.errors import TaxonomyError, name_few
from mobile_runtime.taxonomy import Taxonomy

_SHOWN = 5


def meaning_of(table: str, labels: Iterable[str], dataset: str, taxonomy: Taxonomy) -> dict[str, tuple[str, ...]]:
    """Label -> the nodes that it stands for, of all labels of a column.

    Raises:
        TaxonomyError: no such label map, or labels that it does not know: how many rows, the first few, and what is near.
    """
    if dataset not in taxonomy.datasets:
        raise TaxonomyError(f"{table}: no label map for data set {dataset!r}; there are {', '.join(taxonomy.datasets)}")
    counts = Counter(labels)
    strange = {label: taxonomy.unknown_parts(dataset, label) for label in counts}
    if unknown := Counter({label: n for label, n in counts.items() if strange[label]}):
        named = name_few([f"{label!r} ({n})" for label, n in unknown.most_common()], _SHOWN)
        shown = [part for label, _ in unknown.most_common(_SHOWN) for part in strange[label]]
        near = dict.fromkeys(name for part in shown for name in taxonomy.near_labels(dataset, part))
        raise TaxonomyError(
            f"{table}: {unknown.total()} rows have labels that {dataset} does not know: {named}"
            + (f"; near are {', '.join(map(repr, near))}" if near else "")
            + f"; it knows {name_few(list(taxonomy.datasets[dataset]), 20)} (`python -m train taxonomy --dataset {dataset}`); "
            "mend them, or name their column and data set"
        )
    return {label: taxonomy.nodes_of(dataset, label) for label in counts}
