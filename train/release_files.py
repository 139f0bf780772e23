"""What the layouts of public releases share: folders in parts, tables in two files, columns of zeros and ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mobile_runtime.marked_labels import marks_of
from mobile_runtime.taxonomy import default_taxonomy
from train.tables import read_frame, refuse_doubled, require_columns


def subfolders(root: Path, *names: str) -> list[Path]:
    """Those of the folders that are there; the folder itself where none is."""
    return [path for name in names if (path := root / name).is_dir()] or [root]


def joined(frame: pd.DataFrame, table: Path, other: Path, on: str) -> pd.DataFrame:
    """The rows of one table with the columns of another."""
    more = read_frame(other)
    require_columns(table, frame, on)
    require_columns(other, more, on)
    refuse_doubled(other, more[on])
    return frame.merge(more, on=on, how="left").fillna("")


def one_hot(table: Path, image: str, dataset: str) -> pd.DataFrame:
    """Image and `label` from a table with a column of zeros and ones for each label of a data set.

    Raises:
        DataError: a column is missing, or a row does not mark one label.
    """
    frame, marked = read_frame(table), marks_of(dataset, default_taxonomy())
    require_columns(table, frame, image, *marked.labels)
    labels = [marked.label_of(row, f"{table}: image {row[image]!r}") for row in frame.to_dict("records")]
    return pd.DataFrame({image: frame[image], "label": labels}, dtype=str)
