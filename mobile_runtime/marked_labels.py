"""Tables of labels: publishers' columns, those that group images, those of zeros and ones, as of ISIC; what the labels mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from mobile_runtime.errors import DataError, TaxonomyError, name_few
from mobile_runtime.taxonomy import Taxonomy

GROUP_COLUMNS = ("patient_id", "lesion_id", "group")
"""Columns that say which images belong together, the widest first: images of one patient are not independent either. `group`
is what `python -m train data select` writes."""

NAMELESS = frozenset({"na", "n/a", "nan", "none", "null", "unknown", "?", "-"})
"""What tables write, in any case, where they know no lesion or patient."""

PUBLISHED_COLUMNS = {
    "ham10000": ("image_id", "dx"),
    "pad_ufes_20": ("img_id", "diagnostic"),
    "isic2018": ("image", "dx"),
    "isic2019": ("image", "dx"),
    "isic2020": ("image_name", "diagnosis"),
    "fitzpatrick17k": ("md5hash", "label"),
    "ddi": ("DDI_file", "disease"),
}
"""Of ids and labels, as publishers name them; ISIC 2018 and 2019 have a column for each label instead of one `dx`."""

_SHOWN = 5
_ONES, _ZEROS = ("1", "1.0"), ("0", "0.0")


@dataclass(frozen=True)
class MarkedColumns:
    """The columns of one data set.

    Attributes:
        labels: column -> the label that a one in it stands for.
        rest: label of rows without a one; None: there are none.
    """

    labels: Mapping[str, str]
    rest: str | None = None

    def label_of(self, row: Mapping[str, str], named: str) -> str:
        """The label that a row marks.

        Args:
            row: column -> cell, without spaces around it.
            named: table and image, for messages.

        Raises:
            DataError: it marks several, none where one must be, or a cell is no zero or one.
        """
        ones = [column for column in self.labels if row[column] in _ONES]
        zeros = [column for column in self.labels if row[column] in _ZEROS]
        if len(ones) + len(zeros) == len(self.labels):
            if len(ones) == 1:
                return self.labels[ones[0]]
            if not ones and self.rest:
                return self.rest
        which = "at most one" if self.rest else "one"
        raise DataError(
            f"{named} does not mark {which} of {', '.join(self.labels)} with 1 and the others with 0; "
            "mend that row, or name a column of labels with --label-column"
        )


_OWN = {"isic2017": MarkedColumns({"melanoma": "melanoma", "seborrheic_keratosis": "seborrheic keratosis"}, rest="nevus")}


def marks_of(dataset: str, taxonomy: Taxonomy) -> MarkedColumns:
    """The columns that a table has if it marks the labels of a data set."""
    return _OWN.get(dataset) or MarkedColumns({label: label for label in taxonomy.datasets.get(dataset, ())})


def marked_columns(dataset: str, header: Collection[str], taxonomy: Taxonomy) -> MarkedColumns | None:
    """The columns by which a table marks the labels of a data set; None where it has not all of them."""
    found = marks_of(dataset, taxonomy)
    return found if found.labels and set(found.labels) <= set(header) else None


_VERDICTS = {
    "isic2020": {
        "benign_malignant": {"benign": False, "malignant": True},
        "target": {"0": False, "0.0": False, "1": True, "1.0": True},
    }
}
"""Data set -> column that says which lesions are malignant, beside that of labels -> what its cells say."""


def refuse_contradiction(named: str, dataset: str, row: Mapping[str, object], malignant: bool | None) -> None:
    """Stop where another column of a row calls malignant what its label does not, or the reverse.

    Args:
        named: table and image, for the message.
        dataset: name of the label map.
        row: column -> cell.
        malignant: what the label says; None contradicts nothing.

    Raises:
        DataError: it does.
    """
    for column, meanings in _VERDICTS.get(dataset, {}).items():
        said = meanings.get(str(row.get(column)).strip())
        if malignant is not None and said is not None and said != malignant:
            kinds = ("benign", "malignant")
            raise DataError(
                f"{named}: {column} is {str(row[column]).strip()!r}, but its label means {kinds[malignant]}; mend that row"
            )


_NO_MELANOMA = re.compile(r"benign|n[ae]+v(us|i)|keratosis|normal|healthy|\b(no|not|other)\b|\bnon", re.IGNORECASE)


def refuse_other_marks(table: str, dataset: str, column: str) -> None:
    """Stop where a column of marks is named as that of labels: in ISIC 2017 a one means melanoma, and nothing else.

    Raises:
        DataError: by its name it is the column of another label.
    """
    if dataset in _OWN and _NO_MELANOMA.search(column.replace("_", " ")):
        raise DataError(
            f"{table}: column {column!r} does not say which lesions are melanomas; leave --label-column out, or name 'melanoma'"
        )


def meaning_of(table: str, labels: Iterable[str], dataset: str, taxonomy: Taxonomy) -> dict[str, tuple[str, ...]]:
    """Label -> the nodes that it stands for, of all labels of a column.

    Raises:
        TaxonomyError: no such label map, or labels that it does not know: how many rows, the first few, and what is near.
    """
    if dataset not in taxonomy.datasets:
        raise TaxonomyError(f"{table}: no label map for data set {dataset!r}; there are {', '.join(taxonomy.datasets)}")
    counts = Counter(labels)
    strange: Counter[str] = Counter()
    rows = 0
    for label, count in counts.items():
        parts = taxonomy.unknown_parts(dataset, label)
        strange.update(dict.fromkeys(parts, count))
        rows += count if parts else 0
    if strange:
        named = name_few([f"{part!r} ({count})" for part, count in strange.most_common()], _SHOWN)
        shown = [part for part, _ in strange.most_common(_SHOWN)]
        near = dict.fromkeys(name for part in shown for name in taxonomy.near_labels(dataset, part))
        raise TaxonomyError(
            f"{table}: {rows} rows have labels that {dataset} does not know: {named}"
            + (f"; near are {', '.join(map(repr, near))}" if near else "")
            + f"; it knows {name_few(list(taxonomy.datasets[dataset]), 20)} (`python -m train taxonomy --dataset {dataset}`); "
            "mend them, or name their column and data set (--label-column, --dataset)"
        )
    return {label: taxonomy.nodes_of(dataset, label) for label in counts}
