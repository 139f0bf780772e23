"""A CSV of labels as rows of text, refused where it is not what it seems."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mobile_runtime.errors import DataError

OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


def read_rows(
    labels: Path, image_column: str, label_column: str, more: Sequence[str] = (), known: Sequence[str] = ()
) -> list[dict[str, str]]:
    """The rows of a table, with the cells of its columns stripped.

    Args:
        labels: CSV with a header, UTF-8.
        image_column: column of ids, filled in every row.
        label_column: column of labels. Where it is absent and there is a column for each of `known`, as ISIC publishes its
            ground truth, the one that a row marks with 1, among zeros, is its label.
        more: further columns that there must be.
        known: labels of the data set.

    Raises:
        DataError: there is no such file or column, it is no CSV, or a row is cut short, without an id or marks no one label.
    """
    if not labels.is_file():
        raise DataError(f"{labels}: no such label file; check --labels")
    try:
        with labels.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restkey=None, restval=None)
            header = list(reader.fieldnames or [])
            if doubled := sorted(name for name, count in Counter(header).items() if name and count > 1):
                raise DataError(f"{labels}: columns have the same name: {', '.join(doubled)}; rename them")
            if len(header) == 1 and (between := [name for mark, name in OTHER_SEPARATORS.items() if mark in header[0]]):
                raise DataError(f"{labels}: {between[0]}, not commas, separate its cells; save it as a CSV with commas")
            marked = label_column not in header and bool(known) and set(known) <= set(header)
            needed = [image_column, *([] if marked else [label_column]), *more]
            if absent := [name for name in needed if name not in header]:
                raise DataError(
                    f"{labels}: no column {', '.join(map(repr, absent))}; it has {', '.join(header) or 'no header'}; "
                    "name yours with --image-column, --label-column, --group-column or --subgroup"
                )
            rows = []
            for row in reader:
                cells = {name: value for name, value in row.items() if name != ""}  # as an index or a trailing comma has
                if None in cells or (None in row.values() and any(value and value.strip() for value in cells.values())):
                    raise DataError(f"{labels}: line {reader.line_num} has not {len(header)} fields; mend the CSV")
                if None not in row.values():
                    rows.append({name: value.strip() for name, value in cells.items()})
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{labels}: not a readable CSV in UTF-8 ({error}); export it again") from error
    if not rows:
        raise DataError(f"{labels}: no rows below the header; nothing to measure")
    if blank := sum(not row[image_column] for row in rows):
        raise DataError(f"{labels}: {blank} rows have nothing in column {image_column!r}; fill in or remove them")
    if not marked:
        return rows
    return [{**row, label_column: _marked(labels, row, image_column, known)} for row in rows]


def _marked(labels: Path, row: dict[str, str], image_column: str, known: Sequence[str]) -> str:
    ones, zeros = ([name for name in known if row[name] in digits] for digits in (("1", "1.0"), ("0", "0.0")))
    if len(ones) != 1 or len(ones) + len(zeros) != len(known):
        raise DataError(
            f"{labels}: image {row[image_column]!r} does not mark one of {', '.join(known)} with 1 and the others with 0; "
            "mend that row, or name a column of labels with --label-column"
        )
    return ones[0]
