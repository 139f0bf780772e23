"""What the layouts of public releases share: folders in parts, tables in two files, columns of zeros and ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from mobile_runtime.errors import DataError
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


def one_hot(table: Path, image: str, labels: Iterable[str], rest: str | None = None) -> pd.DataFrame:
    """Image and `label` from a table with a column of zeros and ones for each label; `rest` is that of rows without a one."""
    frame = read_frame(table)
    labels = list(labels)
    require_columns(table, frame, image, *labels)
    marks = frame[labels].apply(pd.to_numeric, errors="coerce")
    if rest:
        marks[rest] = (marks == 0).all(axis=1).astype(int)
    if (wrong := ~(marks.isin([0, 1]).all(axis=1) & (marks.sum(axis=1) == 1))).any():
        first = frame[image][wrong].iloc[0]
        raise DataError(f"{table}: {int(wrong.sum())} rows do not mark one label of {', '.join(labels)}, first {first!r}")
    return pd.DataFrame({image: frame[image], "label": marks.idxmax(axis=1) if len(frame) else []}, dtype=str)
