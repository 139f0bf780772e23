"""A CSV of labels as rows of text, refused where it is not what it seems."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mobile_runtime.errors import DataError

OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_SHOWN = 5


def read_rows(labels: Path, columns: Sequence[str]) -> list[dict[str, str]]:
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
            if absent := [name for name in columns if name not in header]:
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
    if blank := sum(not row[columns[0]] for row in rows):
        raise DataError(f"{labels}: {blank} rows have nothing in column {columns[0]!r}; fill in or remove them")
    return rows


def name_few(names: Sequence[str]) -> str:
    """The first few names for a message."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
