"""Labelled images behind one small interface, whatever layout they come in.

A layout reads a folder and yields `Example`s. `read_examples` finds the layout by itself: a public release (`train.layouts`), a
folder with a `dataset.yaml` (`train.described`), with a `metadata.csv` or tar shards whose columns are known, or a folder of
such folders; `read_table` takes any CSV.
"""

from __future__ import annotations

import filecmp
from collections import Counter
from pathlib import Path

from mobile_runtime.errors import DataError, name_few
from mobile_runtime.files import build_folder, is_replaceable
from mobile_runtime.synthetic import write_dataset
from train.described import DESCRIPTION, read_description
from train.image_files import EXTENSIONS, bare
from train.layouts import ISIC_ARCHIVE, read_layout
from train.tables import Columns, Example, count_labels, read_table

_SYNTHETIC = "SYNTHETIC.txt"
__all__ = ["EXTENSIONS", "Columns", "Example", "count_labels", "read_examples", "read_table", "write_synthetic"]


def read_examples(root: Path) -> list[Example]:
    """Read every data set found at `root` or in its direct sub-folders.

    Raises:
        DataError: nothing readable is there, or two sub-folders hold the same images.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such data folder")
    if (examples := read_layout(root)) is None:
        examples = _read_children(root)
    if not examples:
        _name_what_is_not_read(root)
        raise DataError(
            f"{root}: no public release, such as HAM10000_metadata.csv, nor {DESCRIPTION}, metadata.csv or *.tar is here "
            f"or one folder down; {_advice(root)}"
        )
    _refuse_overlap(root, examples)
    return examples


def _name_what_is_not_read(root: Path) -> None:
    """Raise a DataError where what is there is known, but not for splitting or not in the form that is read."""
    tables = [path for depth in ("", "*/", "*/*/") for path in sorted(root.glob(f"{depth}ISIC*Test*GroundTruth*.csv"))]
    if tables:
        raise DataError(
            f"{tables[0]}: an official test set, which is for judging and not for splitting: give it to `python -m benchmarks "
            "drift --labels`, with --images and --dataset (isic2017, isic2018)"
        )
    if books := [path for depth in ("", "*/") for path in sorted(root.glob(f"{depth}PH2_dataset.xlsx"))]:
        raise DataError(f"{books[0]}: PH2's table is read as PH2_dataset.txt, of the same release; put it beside the workbook")


def _read_children(root: Path) -> list[Example]:
    children = sorted(path for path in root.iterdir() if path.is_dir())
    own = {child: described for child in children if (described := read_description(child))}
    sharing = Counter(described.dataset for described in own.values())
    found: dict[Path, list[Example]] = {}
    homes: dict[tuple[str, str], Path] = {}
    for child in children:
        if (described := own.get(child)) is None:
            found[child] = read_layout(child) or []
            continue
        # Each hospital has a 1.jpg and a patient 1.
        name = described.name or (child.name if sharing[described.dataset] > 1 else None)
        if name and (other := homes.setdefault((described.dataset, name), child)) != child:
            raise DataError(f"{child / DESCRIPTION}: {other} has the name {name!r}, too; give each its own `name`")
        found[child] = described.examples(child, name)
    _refuse_copies([examples for child, examples in found.items() if child in own])
    return [example for examples in found.values() for example in examples]


def _advice(root: Path) -> str:
    """How to describe what is in a folder."""
    pictures = (path for depth in ("*/*", "*/*/*") for path in root.glob(depth) if path.suffix.lower() in EXTENSIONS)
    classes = sorted({path.parent.name for path in pictures})
    if len(classes) > 1 and not any(root.glob("*.[ct]sv")):
        return (
            f"if its folders {name_few(classes, 3)} are named after the diseases on their pictures, write three lines into "
            f"{root / DESCRIPTION}: `dataset: taxonomy`, `labels: folders` and `acquisition: photograph` (or dermoscopy)"
        )
    return "`python -m train data show --help` says how to describe a folder of your own"


def _refuse_copies(own: list[list[Example]]) -> None:
    """With names before their ids, the copies of an image in two folders of one's own would be two images."""
    seen: dict[tuple[str, int], list[tuple[int, Example]]] = {}
    for folder, examples in enumerate(own):
        for example in examples:
            same = seen.setdefault((example.path.name, example.path.stat().st_size), [])
            for other_folder, other in same:
                if other_folder != folder and filecmp.cmp(other.path, example.path, shallow=False):
                    raise DataError(f"{example.path}: is the same picture as {other.path}; give one of them")
            same.append((folder, example))


def _refuse_overlap(root: Path, examples: list[Example]) -> None:
    """An image that comes twice would be in two parts of a split, whatever its groups say."""
    seen: dict[str, str] = {}
    doubled, archived = [], False
    for example in examples:
        name = Path(bare(example.image_id)).name.removesuffix("_downsampled")
        # Photographs of one's own may have the labels of a release of the archive, and each folder its own 1.jpg.
        of_archive = example.dataset in ISIC_ARCHIVE and name.startswith("ISIC_")
        own = f"ISIC {name}" if of_archive else example.key
        if own in seen:
            doubled.append((seen[own], example.key))
            archived |= of_archive
        seen.setdefault(own, example.key)
    if doubled:
        first = sorted({key for pair in doubled[:3] for key in pair})
        advice = "(ISIC 2018 task 3 is HAM10000, and ISIC 2019 contains it)"
        if not archived:
            advice = f"or, if they are different pictures, a {DESCRIPTION} with a `name` to each"
        raise DataError(f"{root}: {len(doubled)} images are in two of its folders, first {first}; give one of them {advice}")


def write_synthetic(root: Path, images_per_class: int, seed: int = 0) -> list[Example]:
    """Draw synthetic lesions of the seven classes into `root`, in the layout of HAM10000's release, and read them back.

    Raises:
        DataError: there are other files in `root`; synthetic lesions of before are replaced.
    """
    if not is_replaceable(root, _SYNTHETIC):
        raise DataError(f"{root}: has other files in it; give a folder that is empty or not there yet")
    with build_folder(root) as temporary:
        write_dataset(temporary, images_per_class, seed)
        (temporary / _SYNTHETIC).write_text("Drawn by skintriage; never for claims.\n", encoding="utf-8")
    return read_examples(root)
