"""A data set of one's own: labels over image folders, described once in a `dataset.yaml` that every command reads.

    dataset: pad_ufes_20     # whose labels they are: a label map, or `taxonomy` for ids or names of the tree's nodes
    labels: labels.csv       # metadata.csv if left out; `folders` where each class has a folder of its name, without a table
    images: [photos]         # the folder of this file if left out; sub-folders are searched, too
    image_column: file       # image_id if left out
    label_column: verdict    # dx if left out
    group_column: patient    # patient_id, lesion_id or group if left out and there, "" for each image its own; or a list
    acquisition: photograph  # or dermoscopy, for subgroups; unknown if left out and no column `acquisition` says it
    name: north              # begins ids and groups; the folder's name if left out where several folders share a label map

Paths are relative to the file. `python -m train fit --labels` writes one into its run folder, which other commands then take as
--data.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mobile_runtime.errors import DataError
from mobile_runtime.files import write_atomically
from mobile_runtime.foreign import conversion
from train.image_files import ImageFiles, find_files
from train.tables import Columns, Example, group_column, make_examples, read_frame, require_columns
from train.yaml_files import read_yaml

DESCRIPTION = "dataset.yaml"
FOLDERS = Path("folders")
"""What stands for `labels` where each image's label is the name of its folder."""


class Description(BaseModel):
    """Where the labels and images of a data set are, and which column holds what; see the module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    labels: Path = Path("metadata.csv")
    images: tuple[Path, ...] = (Path(),)
    image_column: str = "image_id"
    label_column: str = "dx"
    group_column: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    acquisition: Literal["dermoscopy", "photograph"] | None = None
    name: str | None = Field(None, pattern=r"^[^/\\:]+$")

    @model_validator(mode="after")
    def _tableless(self) -> Description:
        columns = {name for name in self.model_fields_set if name.endswith("_column") and getattr(self, name)}
        if self.labels == FOLDERS and columns:
            raise ValueError(f"labels: folders has no columns, leave out {', '.join(sorted(columns))}")
        return self

    def examples(self, root: Path, name: str | None = None) -> list[Example]:
        """The labelled images; relative paths are below `root`, and ids and groups begin with the name, if there is one.

        Raises:
            DataError: as `train.tables.read_table`.
            TaxonomyError: no such label map, or a label that it does not know.
        """
        found = self._from_folders(root) if self.labels == FOLDERS else self._from_table(root / self.labels, root)
        before = f"{name}/" if name else ""
        kind = self.acquisition or "unknown"
        return [
            replace(
                example,
                image_id=f"{before}{example.image_id}",
                group=f"{self.dataset}:{before}{example.group.removeprefix(f'{self.dataset}:')}",
                attributes={"acquisition": kind, **example.attributes},
                folder=name or "",
            )
            for example in found
        ]

    def _files(self, root: Path) -> ImageFiles:
        return find_files([root / folder for folder in self.images], below=True)

    def _from_table(self, table: Path, root: Path) -> list[Example]:
        frame = read_frame(table)
        group = group_column(table) if self.group_column is None else self.group_column
        if isinstance(group, tuple):
            require_columns(table, frame, *group)
            # Where a part is not known, images that share the others need not belong together.
            joined = "/".join(group)
            frame[joined] = ["/".join(parts) if all(parts) else "" for parts in frame[list(group)].to_numpy().tolist()]
            group = joined
        columns = Columns(self.image_column, self.label_column, group or None)
        return make_examples(table, frame, self._files(root), self.dataset, columns)

    def _from_folders(self, root: Path) -> list[Example]:
        """A label is the name of an image's folder, an id its path below `images`, or below `root` where those are several."""
        rows: dict[str, Path] = {}
        files = self._files(root)
        for path in sorted({path for paths in files.values() for path in paths}):
            above, part = next((root / part, part) for part in self.images if path.is_relative_to(root / part))
            inside = path.relative_to(above)
            if any(part.startswith(".") for part in inside.parts):
                continue  # thumbnails and what a Mac leaves beside each file
            if not inside.parent.parts:
                raise DataError(f"{path}: is in no folder of a class, as labels: folders asks for; move it, or write a table")
            rows[(inside if len(self.images) == 1 else part / inside).as_posix()] = path
        if not rows:
            unread = sorted({path for paths in files.unread.values() for path in paths})
            there = f"; {conversion([path.suffix.lower() for path in unread])}" if unread else ""
            raise DataError(f"{root / DESCRIPTION}: no images in {', '.join(str(root / part) for part in self.images)}{there}")
        frame = pd.DataFrame({"image_id": [*rows], "dx": [path.parent.name for path in rows.values()]}, dtype=str)
        known = {f"./{image_id}": [path] for image_id, path in rows.items()}
        return make_examples(root / DESCRIPTION, frame, known, self.dataset, Columns(group=None))

    def save(self, folder: Path) -> None:
        """Write it into a folder as `dataset.yaml`."""
        stated = self.model_dump(mode="json", exclude_none=True)
        with write_atomically(folder / DESCRIPTION) as temporary:
            temporary.write_text(yaml.safe_dump(stated, sort_keys=False, allow_unicode=True), encoding="utf-8")


def read_description(root: Path) -> Description | None:
    """The `dataset.yaml` of a folder; None without one.

    Raises:
        DataError: the file is faulty.
    """
    path = root / DESCRIPTION
    if (other := path.with_suffix(".yml")).is_file():
        raise DataError(f"{other}: a description is called {DESCRIPTION}; rename it")
    return read_yaml(path, Description) if path.is_file() else None
