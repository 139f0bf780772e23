"""What the labels of a table mean, and which of them nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mobile_runtime.errors import TaxonomyError, name_few
from mobile_runtime.taxonomy import Taxonomy

_SHOWN = 5


def meaning_of(table: str, labels: Iterable[str], dataset: str, taxonomy: Taxonomy) -> dict[str, tuple[str, ...]]:
    """Label -> the nodes that it stands for, of all labels of a column; a label `A | B` says "A or B".

    Raises:
        TaxonomyError: no such label map, or labels that it does not know: how many rows, the first few, and what is near.
    """
    if dataset not in taxonomy.datasets:
        raise TaxonomyError(f"{table}: no label map for data set {dataset!r}; there are {', '.join(taxonomy.datasets)}")
    known = taxonomy.datasets[dataset]
    counts = Counter(labels)
    parts = {label: label.split(" | ") for label in counts}
    if unknown := Counter({label: n for label, n in counts.items() if any(part not in known for part in parts[label])}):
        named = name_few([f"{label!r} ({n})" for label, n in unknown.most_common()], _SHOWN)
        strange = [part for label, _ in unknown.most_common(_SHOWN) for part in parts[label] if part not in known]
        near = dict.fromkeys(name for part in strange for name in taxonomy.near_labels(dataset, part))
        raise TaxonomyError(
            f"{table}: {unknown.total()} rows have labels that {dataset} does not know: {named}"
            + (f"; near are {', '.join(map(repr, near))}" if near else "")
            + f"; it knows {name_few(list(known), 20)} (`python -m train taxonomy --dataset {dataset}`); "
            "mend them, or name their column and data set"
        )
    return {label: tuple(dict.fromkeys(node for part in parts[label] for node in known[part])) for label in counts}
