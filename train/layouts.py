"""The layouts of the public releases, by the names that their publishers gave to files and columns.

Each release is known by its table. Official test sets are not read: they are for judging, not for splitting.

| release | table, groups | images |
|---|---|---|
| HAM10000 (Tschandl et al. 2018, doi:10.7910/DVN/DBW86T) | `HAM10000_metadata`, lesion | `HAM10000_images_part_1`, `_2` |
| ISIC 2017, part 3, training | `ISIC-2017_Training_Part3_GroundTruth.csv`, none | `ISIC-2017_Training_Data` |
| ISIC 2018, task 3, training | `ISIC2018_Task3_Training_GroundTruth.csv`, lesion | `ISIC2018_Task3_Training_Input` |
| ISIC 2019, training | `ISIC_2019_Training_GroundTruth.csv`, lesion where known | `ISIC_2019_Training_Input` |
| ISIC 2020, training (doi:10.34970/2020-ds01) | `ISIC_2020_Training_GroundTruth(_v2).csv`, patient | `train` |
| PAD-UFES-20 (Pacheco et al. 2020, doi:10.17632/zr7vgbcyr2.1) | `metadata.csv`, patient | `imgs_part_1` to `_3` |
| Fitzpatrick17k (Groh et al. 2021, arXiv:2104.09957) | `fitzpatrick17k.csv`, none | any folder, `<md5hash>.jpg` |
| DDI (Daneshjou et al. 2022, doi:10.1126/sciadv.abq6147) | `ddi_metadata.csv`, none | any folder |
| SCIN (Ward et al. 2024, arXiv:2402.18545) | `scin_cases.csv` and `scin_labels.csv`, case | `images` |
| Derm7pt (Kawahara et al. 2019, doi:10.1109/JBHI.2018.2824327) | `meta/meta.csv`, case | `images` |
| PH2 (Mendonca et al. 2013, doi:10.1109/EMBC.2013.6610779) | `PH2_dataset.txt`, none | any folder, `<name>.bmp` |

Besides: any folder with a `dataset.yaml` (`train.described`); with a `metadata.csv` or tar archives (`train.shards`) whose
columns are those of a release here.
Without groups each image is its own; `python -m train data audit` looks for pictures of one lesion among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mobile_runtime.console import err
from mobile_runtime.errors import DataError
from mobile_runtime.marked_labels import PUBLISHED_COLUMNS
from mobile_runtime.taxonomy import default_taxonomy
from train.described import DESCRIPTION, read_description
from train.image_files import find_files
from train.release_files import joined, one_hot, subfolders
from train.scin import read_scin
from train.shards import read_shards
from train.tables import Columns, Example, make_examples, read_frame, read_table, refuse_doubled, require_columns

ISIC_ARCHIVE = frozenset({"ham10000", "isic2017", "isic2018", "isic2019", "isic2020"})
"""Data sets whose image ids are those of the ISIC archive: the same id is the same picture."""

# Column names by which a `metadata.csv` is known.
KNOWN_COLUMNS = {"isic2017": Columns("image_id", "melanoma", None)} | {
    name: Columns(*PUBLISHED_COLUMNS[name], group)
    for name, group in (
        ("ham10000", "lesion_id"),
        ("pad_ufes_20", "patient_id"),
        ("isic2020", "patient_id"),
        ("fitzpatrick17k", None),
        ("ddi", None),
    )
}


@dataclass(frozen=True)
class Layout:
    """A public release.

    Attributes:
        tables: where its table may lie below the folder; the first that is there is read.
        read: (folder, table) -> examples.
    """

    tables: tuple[str, ...]
    read: Callable[[Path, Path], list[Example]]


def _ham10000(root: Path, table: Path) -> list[Example]:
    folders = subfolders(root, "HAM10000_images_part_1", "HAM10000_images_part_2")
    return read_table(table, folders, "ham10000", KNOWN_COLUMNS["ham10000"])


def _isic2017(root: Path, table: Path) -> list[Example]:
    frame = one_hot(table, "image_id", "isic2017")
    folders = subfolders(root, "ISIC-2017_Training_Data")
    if more := [path for folder in (*folders, root) if (path := folder / "ISIC-2017_Training_Data_metadata.csv").is_file()]:
        frame = joined(frame, table, more[0], on="image_id")
    return make_examples(table, frame, find_files(folders, below=True), "isic2017", Columns("image_id", "label", None))


def _isic2018(root: Path, table: Path) -> list[Example]:
    frame = joined(one_hot(table, "image", "isic2018"), table, root / "ISIC2018_Task3_Training_LesionGroupings.csv", on="image")
    files = find_files(subfolders(root, "ISIC2018_Task3_Training_Input"), below=True)
    return make_examples(table, frame, files, "isic2018", Columns("image", "label", "lesion_id"))


def _isic2019(root: Path, table: Path) -> list[Example]:
    frame = joined(one_hot(table, "image", "isic2019"), table, root / "ISIC_2019_Training_Metadata.csv", on="image")
    files = find_files(subfolders(root, "ISIC_2019_Training_Input"), below=True)
    return make_examples(table, frame, files, "isic2019", Columns("image", "label", "lesion_id"))


def _isic2020(root: Path, table: Path) -> list[Example]:
    frame, columns = read_frame(table), KNOWN_COLUMNS["isic2020"]
    require_columns(table, frame, columns.image)
    if (duplicates := root / "ISIC_2020_Training_Duplicates.csv").is_file():
        pairs = read_frame(duplicates)
        require_columns(duplicates, pairs, "image_name_2")
        copies = frame[columns.image].isin(pairs["image_name_2"])
        frame = frame[~copies]
        err.print(f"isic2020: {int(copies.sum())} copies that {duplicates.name} names are left out", soft_wrap=True)
    files = find_files(subfolders(root, "train", "ISIC_2020_Training_JPEG", "jpeg/train"), below=True)
    return make_examples(table, frame, files, "isic2020", columns)


def _fitzpatrick17k(root: Path, table: Path) -> list[Example]:
    return make_examples(
        table, read_frame(table), find_files([root], below=True), "fitzpatrick17k", KNOWN_COLUMNS["fitzpatrick17k"]
    )


def _ddi(root: Path, table: Path) -> list[Example]:
    # The first column, without a name, numbers the rows.
    frame = read_frame(table).drop(columns="Unnamed: 0", errors="ignore")
    return make_examples(table, frame, find_files([root], below=True), "ddi", KNOWN_COLUMNS["ddi"])


def _derm7pt(root: Path, table: Path) -> list[Example]:
    """Two examples for each case, the dermoscopic image and the clinical photograph, in one group."""
    frame = read_frame(table)
    require_columns(table, frame, "case_num", "diagnosis", "derm", "clinic")
    refuse_doubled(table, frame["case_num"])
    kinds = {"derm": "dermoscopy", "clinic": "photograph"}
    parts = [
        frame.drop(columns=list(kinds)).assign(image=frame[column], acquisition=kind)[lambda part: part["image"] != ""]
        for column, kind in kinds.items()
    ]
    # Names recur from folder to folder: a missing file must not be taken from another one.
    everywhere = find_files([table.parent.parent / "images"], below=True)
    files = {name: paths for name, paths in everywhere.items() if name.startswith("./")}
    return make_examples(table, pd.concat(parts), files, "derm7pt", Columns("image", "diagnosis", "case_num"))


def _ph2(root: Path, table: Path) -> list[Example]:
    """A table with `||` around its cells and a legend below, which says what its numbers are."""
    names = {"0": "common nevus", "1": "atypical nevus", "2": "melanoma"}
    lines = [line.strip() for line in table.read_text(encoding="utf-8", errors="replace").splitlines()]
    rows = [
        (number, [cell.strip() for cell in line.removeprefix("||").removesuffix("||").split("||")])
        for number, line in enumerate(lines, 1)
        if "||" in line
    ]
    header = rows[0][1] if rows else []
    if short := [number for number, cells in rows if len(cells) != len(header)]:
        raise DataError(f"{table}: line {short[0]} has not {len(header)} cells between `||`; mend the table")
    frame = pd.DataFrame([cells for _, cells in rows[1:]], columns=header, dtype=str)
    require_columns(table, frame, "Name", "Clinical Diagnosis")
    frame["Clinical Diagnosis"] = frame["Clinical Diagnosis"].replace(names)
    # Besides each picture lie outlines of the lesion and of its colours, by names of their own.
    return make_examples(table, frame, find_files([root], below=True), "ph2", Columns("Name", "Clinical Diagnosis", None))


LAYOUTS = (
    Layout(("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab"), _ham10000),
    Layout(("ISIC-2017_Training_Part3_GroundTruth.csv",), _isic2017),
    Layout(
        (
            "ISIC2018_Task3_Training_GroundTruth.csv",
            "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv",
        ),
        _isic2018,
    ),
    Layout(("ISIC_2019_Training_GroundTruth.csv",), _isic2019),
    Layout(("ISIC_2020_Training_GroundTruth_v2.csv", "ISIC_2020_Training_GroundTruth.csv"), _isic2020),
    Layout(("fitzpatrick17k.csv",), _fitzpatrick17k),
    Layout(("ddi_metadata.csv",), _ddi),
    Layout(("scin_cases.csv", "dataset/scin_cases.csv"), read_scin),
    Layout(("meta/meta.csv", "release_v0/meta/meta.csv"), _derm7pt),
    Layout(("PH2_dataset.txt",), _ph2),
)


def _known(table: Path, header: Iterable[str], remedy: str) -> tuple[str, Columns]:
    """The data set that has these columns; without one, a DataError that ends with the remedy."""
    for dataset, columns in KNOWN_COLUMNS.items():
        if {columns.image, columns.label, *([columns.group] if columns.group else [])} <= set(header):
            return dataset, columns
    raise DataError(f"{table}: columns of no known data set; {remedy}")


def _metadata_folder(root: Path, table: Path) -> list[Example]:
    """A `metadata.csv` whose columns are known: PAD-UFES-20 as released, or any release brought into this shape."""
    dataset, columns = _known(
        table,
        read_frame(table, rows=0).columns,
        f"write a {DESCRIPTION} beside it that names them: dataset (one of {', '.join(default_taxonomy().datasets)}), "
        "image_column, label_column and, for lesions or patients, group_column",
    )
    if parts := sorted(path for path in [*root.glob("imgs_part_*"), *root.glob("images/imgs_part_*")] if path.is_dir()):
        return make_examples(table, read_frame(table), find_files(parts, below=True), dataset, columns)
    # One source of pixels only: a second, sharper copy of some lesions would teach that sharpness means something.
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name.startswith("images"))
    return read_table(table, folders[:1] or [root], dataset, columns)


def read_layout(root: Path) -> list[Example] | None:
    """What the `dataset.yaml` of a folder describes, else every release whose table lies in it, else what its `metadata.csv` or
    its tar archives say; None without any.

    Raises:
        DataError: a file, column or image of the release is missing, or an id is doubled.
        TaxonomyError: a label the taxonomy does not know.
    """
    if (description := read_description(root)) is not None:
        return description.examples(root, description.name)
    releases = [(layout, next((root / name for name in layout.tables if (root / name).is_file()), None)) for layout in LAYOUTS]
    if found := [example for layout, table in releases if table is not None for example in layout.read(root, table)]:
        return found
    if (table := root / "metadata.csv").is_file():
        return _metadata_folder(root, table)
    if (shards := read_shards(root)) is None:
        return None
    frame, files = shards
    return make_examples(root, frame, files, *_known(root, frame.columns, "make the shards with those of a release"))
