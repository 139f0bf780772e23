"""Labelled images behind one small interface, whatever layout they come in.

A layout reads a folder and yields `Example`s. `read_examples` finds the layout by itself: a public release (`train.layouts`), a
folder with a `dataset.yaml` (`train.described`), with a `metadata.csv` or tar shards whose columns are known, or a folder of
such folders; `read_table` takes any CSV.
"""

from __future__ import annotations

from pathlib import Path

from mobile_runtime.errors import DataError
from mobile_runtime.synthetic import write_dataset
from train.described import DESCRIPTION
from train.image_files import EXTENSIONS, bare
from train.layouts import ISIC_ARCHIVE, read_layout
from train.tables import Columns, Example, count_labels, read_table

__all__ = ["EXTENSIONS", "Columns", "Example", "count_labels", "read_examples", "read_table", "write_synthetic"]


def read_examples(root: Path) -> list[Example]:
    """Read every data set found at `root` or in its direct sub-folders.

    Raises:
        DataError: nothing readable is there, or two sub-folders hold the same images.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such data folder")
    if (examples := read_layout(root)) is None:
        children = sorted(path for path in root.iterdir() if path.is_dir())
        examples = [example for child in children for example in read_layout(child) or []]
    if not examples:
        raise DataError(
            f"{root}: no public release, such as HAM10000_metadata.csv, nor {DESCRIPTION}, metadata.csv or *.tar is here "
            "or one folder down; `python -m train data show --help` says how to describe a folder of your own"
        )
    _refuse_overlap(root, examples)
    return examples


def _refuse_overlap(root: Path, examples: list[Example]) -> None:
    """An image that comes twice would be in two parts of a split, whatever its groups say."""
    seen: dict[str, str] = {}
    doubled = []
    for example in examples:
        name = Path(bare(example.image_id)).name.removesuffix("_downsampled")
        # Photographs of one's own may have the labels of a release of the archive, and each folder its own 1.jpg.
        own = f"ISIC {name}" if example.dataset in ISIC_ARCHIVE and name.startswith("ISIC_") else example.key
        if own in seen:
            doubled.append((seen[own], example.key))
        seen.setdefault(own, example.key)
    if doubled:
        first = sorted({key for pair in doubled[:3] for key in pair})
        raise DataError(
            f"{root}: {len(doubled)} images are in two of its folders, first {first}; give one of them "
            "(ISIC 2018 task 3 is HAM10000, and ISIC 2019 contains it)"
        )


def write_synthetic(root: Path, images_per_class: int, seed: int = 0) -> list[Example]:
    """Draw synthetic lesions of the seven classes into `root`, in the layout of HAM10000's release, and read them back."""
    write_dataset(root, images_per_class, seed)
    return read_examples(root)
