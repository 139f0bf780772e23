"""A data set of one's own: a CSV of labels over image folders, described once in a `dataset.yaml` that every command reads.

    dataset: pad_ufes_20     # whose labels they are: a label map, or `taxonomy` for ids or names of the tree's nodes
    labels: labels.csv       # metadata.csv if left out
    images: [photos]         # the folder of this file if left out; sub-folders are searched, too
    image_column: file       # image_id if left out
    label_column: verdict    # dx if left out
    group_column: patient    # patient_id, lesion_id or group if left out and there, "" for each image its own

Paths are relative to the file. `python -m train fit --labels` writes one into its run folder, which other commands then take as
--data.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from mobile_runtime.files import write_atomically
from train.image_files import find_files
from train.tables import Columns, Example, group_column, make_examples, read_frame
from train.yaml_files import read_yaml

DESCRIPTION = "dataset.yaml"


class Description(BaseModel):
    """Where the labels and images of a data set are, and which column holds what; see the module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    labels: Path = Path("metadata.csv")
    images: tuple[Path, ...] = (Path(),)
    image_column: str = "image_id"
    label_column: str = "dx"
    group_column: str | None = None

    def examples(self, root: Path) -> list[Example]:
        """The labelled images; relative paths are below `root`.

        Raises:
            DataError: as `train.tables.read_table`.
            TaxonomyError: no such label map, or a label that it does not know.
        """
        table = root / self.labels
        group = group_column(table) if self.group_column is None else self.group_column
        columns = Columns(self.image_column, self.label_column, group or None)
        files = find_files([root / folder for folder in self.images], below=True)
        return make_examples(table, read_frame(table), files, self.dataset, columns)

    def save(self, folder: Path) -> None:
        """Write it into a folder as `dataset.yaml`."""
        stated = self.model_dump(mode="json", exclude_none=True)
        with write_atomically(folder / DESCRIPTION) as temporary:
            temporary.write_text(yaml.safe_dump(stated, sort_keys=False, allow_unicode=True), encoding="utf-8")


def read_described(root: Path) -> list[Example] | None:
    """What the `dataset.yaml` of a folder describes; None without one.

    Raises:
        DataError: the file is faulty, or as `Description.examples`.
        TaxonomyError: as `Description.examples`.
    """
    path = root / DESCRIPTION
    return read_yaml(path, Description).examples(root) if path.is_file() else None
