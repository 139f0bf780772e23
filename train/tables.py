"""Tables of labels over folders of images: what is missing, doubled or unknown is an error that names it."""

from __future__ import annotations

import csv
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mobile_runtime.errors import DataError, name_columns
from mobile_runtime.foreign import refuse_foreign_table
from mobile_runtime.marked_labels import (
    GROUP_COLUMNS,
    NAMELESS,
    marked_columns,
    meaning_of,
    refuse_contradiction,
    refuse_other_marks,
)
from mobile_runtime.taxonomy import default_taxonomy
from train.image_files import find_files, locate

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True)
class Example:
    """One labelled image.

    Attributes:
        image_id: unique within its data set.
        path: the image file.
        dataset: name of the label map in the taxonomy.
        label: the data set's own label.
        nodes: the taxonomy nodes that the label stands for.
        group: what must not straddle splits: a lesion or a patient; unique over all data sets.
        attributes: the other columns (age, sex, site ...), as strings.
        folder: of images of one's own, the name that begins id and group, "" for none; None of a public release.
    """

    image_id: str
    path: Path
    dataset: str
    label: str
    nodes: tuple[str, ...]
    group: str
    attributes: dict[str, str] = field(default_factory=dict)
    folder: str | None = None

    @property
    def key(self) -> str:
        """Unique over all data sets."""
        return f"{self.dataset}:{self.image_id}"


@dataclass(frozen=True)
class Columns:
    """Which columns of a CSV hold what; `group` None makes every image its own group."""

    image: str = "image_id"
    label: str = "dx"
    group: str | None = "lesion_id"


def read_table(table: Path, images: Iterable[Path], dataset: str, columns: Columns) -> list[Example]:
    """Read a CSV of labels over one or several image folders.

    Args:
        table: CSV with a header.
        images: folders that hold the files; an id may be a file name or a name without extension.
        dataset: name of the label map in the taxonomy.
        columns: which column holds what; a table with a column of zeros and ones for each label needs none of labels.

    Raises:
        DataError: no such file or column, a duplicated id, or images that are missing (the first few are named).
        TaxonomyError: no such label map, or labels that it does not know (counted, the first few named).
    """
    frame = read_frame(table)
    marked = None if columns.label in frame else marked_columns(dataset, frame.columns, default_taxonomy())
    if marked and columns.image in frame:
        rows = frame.to_dict("records")
        frame[columns.label] = [marked.label_of(row, f"{table}: image {row[columns.image]!r}") for row in rows]
    return make_examples(table, frame, find_files(images), dataset, columns)


def make_examples(
    table: Path, frame: pd.DataFrame, files: Mapping[str, list[Path]], dataset: str, columns: Columns
) -> list[Example]:
    """Examples from the rows of a table; what `read_table` raises.

    Args:
        table: where the rows are from, for messages.
        frame: the rows, all cells strings. A label `A | B` says "A or B". An empty group, or one such as NA, makes the image
            its own.
        files: image files by what an id may call them.
        dataset: name of the label map in the taxonomy.
        columns: which column holds what.
    """
    require_columns(table, frame, columns.image, columns.label, *([columns.group] if columns.group else []))
    refuse_other_marks(str(table), dataset, columns.label)
    ids = frame[columns.image]
    refuse_doubled(table, ids)
    found = locate(table, list(ids), files)
    taxonomy = default_taxonomy()
    meaning = meaning_of(str(table), frame[columns.label], dataset, taxonomy)
    malignant = {label: taxonomy.truth("malignancy", nodes) for label, nodes in meaning.items()}
    examples = []
    for row in frame.to_dict("records"):
        image_id, label = row[columns.image], row[columns.label]
        refuse_contradiction(f"{table}: image {image_id!r}", dataset, row, malignant[label])
        # Without this, all lesions that have no number would be one.
        group = row[columns.group] if columns.group else ""
        group = image_id if group.casefold() in ("", *NAMELESS) else group
        attributes = {name: value for name, value in row.items() if value and name not in vars(columns).values()}
        examples.append(Example(image_id, found[image_id], dataset, label, meaning[label], f"{dataset}:{group}", attributes))
    if not examples:
        raise DataError(f"{table}: no rows")
    return examples


def group_numbers(examples: Sequence[Example]) -> npt.NDArray[np.int64]:
    """The lesion or patient of each example as a number, int64 [N]."""
    return np.unique([example.group for example in examples], return_inverse=True)[1].astype(np.int64)


def require_columns(table: Path, frame: pd.DataFrame, *names: str) -> None:
    """Raise a DataError where a table lacks a column."""
    if absent := [name for name in names if name not in frame.columns]:
        raise DataError(f"{table}: no column {', '.join(absent)}; it has {name_columns(frame.columns)}")


def refuse_doubled(table: Path, ids: pd.Series[str]) -> None:
    """Raise a DataError where an id occurs twice."""
    if (doubled := ids[ids.duplicated()]).size:
        raise DataError(f"{table}: {doubled.size} ids occur twice, first {doubled.iloc[0]!r}; keep one row each")


def count_labels(table: Path, column: str) -> Counter[str]:
    """How often each label occurs in a column of a CSV.

    Raises:
        DataError: no such file or column.
    """
    frame = read_frame(table)
    require_columns(table, frame, column)
    return Counter(frame[column])


def group_column(table: Path) -> str | None:
    """The first of `GROUP_COLUMNS` that a CSV has with anything in it.

    Raises:
        DataError: as `read_frame`, or it is blank in places and another might know.
    """
    frame = read_frame(table)
    known = [name for name in GROUP_COLUMNS if name in frame and frame[name].any()]
    if known[1:] and (blank := int((frame[known[0]] == "").sum())):
        raise DataError(
            f"{table}: {blank} rows have no {known[0]}, and there is {known[1]}, too; name the one to go by (--group-column)"
        )
    return next(iter(known), None)


def read_frame(table: Path, rows: int | None = None) -> pd.DataFrame:
    """A CSV, or a TSV where its name ends in `.tab` or `.tsv`, with every cell a string, without spaces around it.

    Raises:
        DataError: no such file, not a table, other separators, a row that is too short, or two columns of one name.
    """
    if not table.is_file():
        raise DataError(f"{table}: no such label file")
    try:
        refuse_foreign_table(table)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)  # says that what follows a trailing comma is dropped
            separator = "\t" if table.suffix in (".tab", ".tsv") else ","
            _refuse_short(table, separator)
            names = pd.read_csv(table, sep=separator, dtype=str, keep_default_na=False, header=None, nrows=1).iloc[0]
            if len(names) == 1 and (other := next((c for c in ";\t," if c in names[0]), None)):
                raise DataError(
                    f"{table}: its cells are separated by {_SEPARATORS[other]}, not by {_SEPARATORS[separator]}; "
                    "export it as .csv with commas"
                )
            if (doubled := names[names.duplicated() & (names != "")]).any():  # pandas would take the first
                raise DataError(f"{table}: columns have the same name: {', '.join(doubled)}; rename them")
            # Without index_col=False a trailing comma shifts every column.
            frame = pd.read_csv(table, sep=separator, dtype=str, keep_default_na=False, index_col=False, nrows=rows).fillna("")
            return frame.apply(lambda column: column.str.strip())
    except (ValueError, OSError, csv.Error) as error:
        raise DataError(f"{table}: not a readable CSV ({error})") from error


def _refuse_short(table: Path, separator: str) -> None:
    """Raise a DataError where a row ends before its last cell: a lesion whose number was cut off would be one of its own."""
    with table.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream, delimiter=separator)
        width = len(next(reader, []))
        for row in reader:
            if 0 < len(row) < width:
                raise DataError(
                    f"{table}: the row that ends on line {reader.line_num} has {len(row)} of {width} cells; complete it"
                )


def short_ids(examples: Sequence[Example]) -> tuple[Path, dict[str, str]]:
    """The folder that all images are below, and key -> what names an image: its file's stem, or its path if stems recur."""
    places = {example.key: Path(os.path.abspath(example.path)) for example in examples}
    root = Path(os.path.commonpath([place.parent for place in places.values()]))
    stems = Counter(place.stem for place in places.values())
    return root, {key: at.stem if stems[at.stem] == 1 else at.relative_to(root).as_posix() for key, at in places.items()}
