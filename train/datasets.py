"""Labelled images behind one small interface, whatever layout they come in.

A layout reads a folder and yields `Example`s. `read_examples` finds the layout by itself: the public release of HAM10000, a
folder with a `metadata.csv` whose columns are known, a folder plus any CSV through `read_table`, or a folder of such folders.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from mobile_runtime.errors import DataError
from mobile_runtime.synthetic import write_dataset
from mobile_runtime.taxonomy import Taxonomy, default_taxonomy

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp")


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
    """

    image_id: str
    path: Path
    dataset: str
    label: str
    nodes: tuple[str, ...]
    group: str
    attributes: dict[str, str] = field(default_factory=dict)

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


# Column names by which the metadata of a public release is known.
KNOWN_COLUMNS = {
    "ham10000": Columns("image_id", "dx", "lesion_id"),
    "isic2017": Columns("image_id", "melanoma", None),
    "pad_ufes_20": Columns("img_id", "diagnostic", "patient_id"),
    "isic2020": Columns("image_name", "diagnosis", "patient_id"),
    "fitzpatrick17k": Columns("md5hash", "label", None),
    "ddi": Columns("DDI_file", "disease", None),
}


def read_table(
    table: Path, images: Iterable[Path], dataset: str, columns: Columns, taxonomy: Taxonomy | None = None
) -> list[Example]:
    """Read a CSV of labels over one or several image folders.

    Args:
        table: CSV with a header.
        images: folders that hold the files; an id may be a file name or a name without extension.
        dataset: name of the label map in the taxonomy.
        columns: which column holds what.
        taxonomy: None takes the default.

    Raises:
        DataError: no such file or column, a duplicated id, or images that are missing (the first few are named).
        TaxonomyError: a label the taxonomy does not know.
    """
    taxonomy = taxonomy or default_taxonomy()
    frame = _read_csv(table)
    needed = [columns.image, columns.label, *([columns.group] if columns.group else [])]
    if absent := [name for name in needed if name not in frame.columns]:
        raise DataError(f"{table}: no column {', '.join(absent)}; it has {', '.join(frame.columns)}")
    ids = frame[columns.image]
    if (doubled := ids[ids.duplicated()]).size:
        raise DataError(f"{table}: {doubled.size} ids occur twice, first {doubled.iloc[0]!r}; keep one row each")
    files = _find_files(images)
    # An id with a dot may be a file name or a stem; the file name, being the more exact, wins.
    found = {i: files.get(Path(i).name) or files.get(Path(i).stem) or [] for i in ids}
    if missing := [i for i, paths in found.items() if not paths]:
        raise DataError(f"{table}: {len(missing)} of {len(ids)} images are not in the folder, first {missing[:3]}")
    if unclear := [i for i, paths in found.items() if len(paths) > 1]:
        first = ", ".join(map(str, found[unclear[0]]))
        raise DataError(f"{table}: {len(unclear)} ids fit several files, first {unclear[0]!r}: {first}; keep one of them")
    examples = []
    for row in frame.to_dict("records"):
        image_id, label = row.pop(columns.image), row.pop(columns.label)
        group = row.pop(columns.group) if columns.group else image_id
        nodes = taxonomy.nodes_of(dataset, label)
        attributes = {name: value for name, value in row.items() if value}
        examples.append(Example(image_id, found[image_id][0], dataset, label, nodes, f"{dataset}:{group}", attributes))
    if not examples:
        raise DataError(f"{table}: no rows")
    return examples


def count_labels(table: Path, column: str) -> Counter[str]:
    """How often each label occurs in a column of a CSV.

    Raises:
        DataError: no such file or column.
    """
    frame = _read_csv(table)
    if column not in frame.columns:
        raise DataError(f"{table}: no column {column}; it has {', '.join(frame.columns)}")
    return Counter(frame[column])


def _read_csv(table: Path, rows: int | None = None) -> pd.DataFrame:
    if not table.is_file():
        raise DataError(f"{table}: no such label file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)  # says that what follows a trailing comma is dropped
            # Short rows come as NaN even so, hence fillna; without index_col=False a trailing comma shifts every column.
            return pd.read_csv(table, dtype=str, keep_default_na=False, index_col=False, nrows=rows).fillna("")
    except (ValueError, OSError) as error:
        raise DataError(f"{table}: not a readable CSV ({error})") from error


def _find_files(folders: Iterable[Path]) -> dict[str, list[Path]]:
    """Image files by their name and by their name without extension."""
    files: dict[str, list[Path]] = {}
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such image folder")
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in EXTENSIONS:
                files.setdefault(path.name, []).append(path)
                files.setdefault(path.stem, []).append(path)
    return files


def _read_ham10000_release(root: Path) -> list[Example] | None:
    tables = [root / name for name in ("HAM10000_metadata.csv", "HAM10000_metadata")]
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        return None
    parts = [path for path in (root / "HAM10000_images_part_1", root / "HAM10000_images_part_2") if path.is_dir()]
    return read_table(table, parts or [root], "ham10000", KNOWN_COLUMNS["ham10000"])


def _read_metadata_folder(root: Path) -> list[Example] | None:
    table = root / "metadata.csv"
    if not table.is_file():
        return None
    header = set(_read_csv(table, rows=0).columns)
    for dataset, columns in KNOWN_COLUMNS.items():
        if {columns.image, columns.label, *([columns.group] if columns.group else [])} <= header:
            # One source of pixels only: a second, sharper copy of some lesions would teach that sharpness means something.
            folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name.startswith("images"))
            return read_table(table, folders[:1] or [root], dataset, columns)
    raise DataError(f"{table}: columns of no known data set; name them with --image-column, --label-column and --dataset")


def read_examples(root: Path) -> list[Example]:
    """Read every data set found at `root` or in its direct sub-folders.

    Raises:
        DataError: nothing readable is there, or two sub-folders hold the same images.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such data folder")
    if (found := _read_layout(root)) is not None:
        return found
    children = sorted(path for path in root.iterdir() if path.is_dir())
    examples = [example for child in children for example in _read_layout(child) or []]
    if not examples:
        raise DataError(f"{root}: neither HAM10000_metadata.csv nor metadata.csv is here or one folder down")
    if doubled := [key for key, count in Counter(example.key for example in examples).items() if count > 1]:
        raise DataError(f"{root}: {len(doubled)} images are in two of its folders, first {doubled[:3]}; give one of them")
    return examples


def _read_layout(folder: Path) -> list[Example] | None:
    found = _read_ham10000_release(folder)
    return found if found is not None else _read_metadata_folder(folder)


def write_synthetic(root: Path, images_per_class: int, seed: int = 0) -> list[Example]:
    """Draw synthetic lesions of the seven classes into `root`, in the layout of HAM10000's release, and read them back."""
    write_dataset(root, images_per_class, seed)
    return read_examples(root)
