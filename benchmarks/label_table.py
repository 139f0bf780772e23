"""A CSV of labels as rows of text, refused where it is not what it seems."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mobile_runtime.errors import DataError, name_columns
from mobile_runtime.foreign import refuse_foreign_table
from mobile_runtime.marked_labels import PUBLISHED_COLUMNS, marked_columns, refuse_other_marks
from mobile_runtime.taxonomy import Taxonomy

DEFAULT_COLUMNS = ("image_id", "dx")
"""Of ids and labels: HAM10000's."""
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


def _either(wanted: str, published: tuple[str, str]) -> str:
    """A column's name, and the publisher's where that would do, too."""
    other = dict(zip(DEFAULT_COLUMNS, published, strict=True)).get(wanted, wanted)
    return repr(wanted) if other == wanted else f"{wanted!r} or {other!r}"


def read_rows(
    labels: Path, image_column: str, label_column: str, more: Sequence[str], dataset: str, taxonomy: Taxonomy
) -> list[dict[str, str]]:
    """The rows of a table, with the cells of its columns stripped.

    Args:
        labels: CSV with a header, UTF-8.
        image_column: column of ids, filled in every row. Of the default ones, those that are absent are the publisher's.
        label_column: column of labels. Where it is absent and there are `marked_columns` of the data set, what they mark is.
        more: further columns that there must be.
        dataset: label map in the taxonomy.
        taxonomy: where that is.

    Raises:
        DataError: there is no such file or column, it is no CSV in UTF-8, or a row is cut short, without an id or marks no one
            label.
    """
    if not labels.is_file():
        raise DataError(f"{labels}: no such label file; check --labels")
    refuse_foreign_table(labels)
    try:
        with labels.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restkey=None, restval=None)
            found = list(reader.fieldnames or [])
            if doubled := sorted(name for name, count in Counter(found).items() if name and count > 1):
                raise DataError(f"{labels}: columns have the same name: {', '.join(doubled)}; rename them")
            if len(found) <= 2 and found and found[0].startswith("sep="):
                raise DataError(f"{labels}: its first line is {found[0]!r}, Excel's, and not the header; delete that line")
            if len(found) == 1 and (between := [name for mark, name in OTHER_SEPARATORS.items() if mark in found[0]]):
                raise DataError(f"{labels}: {between[0]}, not commas, separate its cells; save it as a CSV with commas")
            published = PUBLISHED_COLUMNS.get(dataset, DEFAULT_COLUMNS)
            marked = None if label_column in found else marked_columns(dataset, found, taxonomy)
            theirs = {
                default: name
                for default, name in zip(DEFAULT_COLUMNS, published, strict=True)
                if default in (image_column, label_column) and default not in found and name in found
            }
            header = [*found, *theirs]
            needed = [image_column, *([] if marked else [label_column]), *more]
            if absent := [_either(name, published) for name in needed if name not in header]:
                raise DataError(
                    f"{labels}: no column {', '.join(absent)}; it has {name_columns(found) or 'no header'}; name yours with "
                    "--image-column, --label-column, --group-column or --subgroup, and with --dataset whose labels they are if "
                    f"they are not those of {dataset}"
                )
            rows = []
            for row in reader:
                cells = {name: value for name, value in row.items() if name != ""}  # as an index or a trailing comma has
                if None in cells or (None in row.values() and any(value and value.strip() for value in cells.values())):
                    raise DataError(f"{labels}: line {reader.line_num} has not {len(found)} fields; mend the CSV")
                if None not in row.values():
                    named = {name: value.strip() for name, value in cells.items()}
                    rows.append(named | {default: named[name] for default, name in theirs.items()})
    except csv.Error as error:
        raise DataError(f"{labels}: not a readable CSV ({error}); export it again") from error
    if not rows:
        raise DataError(f"{labels}: no rows below the header; nothing to measure")
    if blank := sum(not row[image_column] for row in rows):
        raise DataError(f"{labels}: {blank} rows have nothing in column {image_column!r}; fill in or remove them")
    if marked is None:
        refuse_other_marks(str(labels), dataset, label_column)
        return rows
    return [{**row, label_column: marked.label_of(row, f"{labels}: image {row[image_column]!r}")} for row in rows]
