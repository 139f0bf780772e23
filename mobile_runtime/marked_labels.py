"""Columns of tables of labels: publishers' names, those that group images, and those of zeros and ones, as of ISIC."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mobile_runtime.errors import DataError
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


def marked_columns(dataset: str, header: Collection[str], taxonomy: Taxonomy) -> MarkedColumns | None:
    """The columns by which a table marks the labels of a data set; None where it has not all of them."""
    found = _OWN.get(dataset) or MarkedColumns({label: label for label in taxonomy.datasets.get(dataset, ())})
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
