"""A folder of images and a CSV of labels, checked: nothing is guessed and nothing silently dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.image_files import find_image, index_by_id, list_images, unread_kinds
from benchmarks.label_table import read_rows
from mobile_runtime.errors import DataError, name_few
from mobile_runtime.files import sha256, sha256_bytes
from mobile_runtime.foreign import conversion
from mobile_runtime.marked_labels import GROUP_COLUMNS, NAMELESS, meaning_of, refuse_contradiction
from mobile_runtime.taxonomy import HAM10000_CLASSES, Taxonomy, default_taxonomy


@dataclass(frozen=True)
class LabelledImage:
    """One image and what its label says.

    Attributes:
        image_id: as in the CSV.
        path: the image file.
        label: the data set's own label.
        nodes: the taxonomy nodes that the label stands for.
        malignant: whether the label is malignant or premalignant; None where it leaves that open.
        class_index: the one class of the model that the label means; None where it means several or none.
        group: lesion or patient; the image id where the CSV has no such column or value.
        values: further columns of the CSV that were asked for.
    """

    image_id: str
    path: Path
    label: str
    nodes: tuple[str, ...]
    malignant: bool | None
    class_index: int | None
    group: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelledSet:
    """The labelled images of a folder.

    Attributes:
        images: in the order of the CSV.
        dataset: name of the label map.
        group_column: column that the groups are from; None when every image is its own group.
        missing: ids of rows without an image file, when they were allowed.
        unlabelled: files without a row, relative to the folder; they take no part.
        drawn_from: `fingerprint` of the larger set that these were drawn from; None where they are all.
    """

    images: tuple[LabelledImage, ...]
    dataset: str
    group_column: str | None = None
    missing: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    drawn_from: str | None = None

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Truth:
    """What the labels say, as arrays over the N images.

    Attributes:
        decided: bool [N], the label says whether the lesion is malignant.
        malignant: bool [N], False where not decided.
        exact: bool [N], the label is exactly one class.
        classes: int [N], that class; -1 elsewhere.
        groups: int [N], number 0..G-1 of the lesion or patient.
    """

    decided: npt.NDArray[np.bool_]
    malignant: npt.NDArray[np.bool_]
    exact: npt.NDArray[np.bool_]
    classes: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]

    @classmethod
    def of(cls, labelled: LabelledSet) -> Truth:
        """Collect the labels of a set."""
        images = labelled.images
        classes = np.array([-1 if i.class_index is None else i.class_index for i in images], dtype=np.int64)
        _, groups = np.unique([image.group for image in images], return_inverse=True)
        return cls(
            decided=np.array([image.malignant is not None for image in images]),
            malignant=np.array([image.malignant is True for image in images]),
            exact=classes >= 0,
            classes=classes,
            groups=groups.astype(np.int64),
        )

    def groups_of_kinds(self) -> tuple[int, int]:
        """How many groups have malignant, and how many benign images: those of one lesion tell nothing of others."""
        malignant, groups = self.malignant[self.decided], self.groups[self.decided]
        return len(np.unique(groups[malignant])), len(np.unique(groups[~malignant]))


def read_labelled(
    images: Path,
    labels: Path,
    image_column: str = "image_id",
    label_column: str = "dx",
    dataset: str = "ham10000",
    group_column: str | None = None,
    *,
    columns: Sequence[str] = (),
    classes: Sequence[str] = HAM10000_CLASSES,
    allow_missing: bool = False,
) -> LabelledSet:
    """Match a CSV of labels with the JPEG, PNG, WebP, HEIC and BMP files below a folder.

    Args:
        images: folder; sub-folders are searched too.
        labels: CSV with a header, UTF-8.
        image_column: column of ids: a file name, with or without extension, or a path relative to `images`. This and the next,
            left out, may also be named as the data set's publisher names them.
        label_column: column of labels; `A | B` says "A or B". A table with a column of zeros and ones for each label of the
            data set, as ISIC's, needs none.
        dataset: label map in the taxonomy.
        group_column: column of lesion or patient ids; None takes patient_id, lesion_id or group, row by row, if there. Cells
            such as NA say nothing. Files that are the same are of one group.
        columns: further columns to keep, as `LabelledImage.values`.
        classes: the model's C classes, as taxonomy nodes.
        allow_missing: let rows without an image pass; they are listed in `missing`.

    Raises:
        DataError: a file, folder or column is missing, an id is doubled or fits several files, a row has no image, or
            there is nothing to read; or two files are the same picture with other labels, or a row says both benign and
            malignant.
        TaxonomyError: the data set or labels are unknown to the taxonomy.
    """
    taxonomy = default_taxonomy()
    more = [*([group_column] if group_column else []), *columns]
    rows = read_rows(labels, image_column, label_column, more, dataset, taxonomy)
    # A column without anything in it, or not in this row, says nothing of lesions that the other one may know.
    by = [group_column] if group_column else [name for name in GROUP_COLUMNS if any(_named(row.get(name)) for row in rows)]
    ids = [row[image_column] for row in rows]
    _refuse_doubled(labels, ids, "ids occur more than once")
    nodes = meaning_of(str(labels), [row[label_column] for row in rows], dataset, taxonomy)

    files = list_images(images)
    index = index_by_id(images, files)
    paths = {image_id: find_image(images, index, image_id) for image_id in ids}
    found = [image_id for image_id in ids if paths[image_id] is not None]
    _refuse_doubled(labels, [str(paths[image_id]) for image_id in found], "images are named by two ids")
    missing = [image_id for image_id in ids if paths[image_id] is None]
    used = set(paths.values())
    unlabelled = [path.relative_to(images).as_posix() for path in files if path not in used]
    if missing and not (allow_missing and found):
        both = f"; {len(unlabelled)} images without a row: {name_few(unlabelled)}" if unlabelled else ""
        remedy = "pass --allow-missing to leave those rows out" if found else "check --images and --image-column"
        if kinds := unread_kinds(images, missing):
            convert = conversion(kinds)
            remedy = convert if len(kinds) == len(missing) else f"{convert}; for the others, {remedy}"
        raise DataError(
            f"{labels}: {len(missing)} of {len(ids)} rows without an image in {images}: {name_few(missing)}{both}; {remedy}"
        )

    facts = {label: _facts(nodes[label], classes, taxonomy) for label in nodes}
    examples = []
    for row in rows:
        image_id, label = row[image_column], row[label_column]
        if (path := paths[image_id]) is None:
            continue
        malignant, class_index = facts[label]
        refuse_contradiction(f"{labels}: image {image_id!r}", dataset, row, malignant)
        # A lesion and a patient of one number are not the same.
        group = next(
            (row[name] if name == by[0] else f"{name} {row[name]}" for name in by if _named(row[name])), f"image {image_id}"
        )
        values = {name: row[name] for name in columns}
        examples.append(LabelledImage(image_id, path, label, nodes[label], malignant, class_index, group, values))
    return LabelledSet(_copies_together(labels, examples), dataset, by[0] if by else None, tuple(missing), tuple(unlabelled))


def draw(labelled: LabelledSet, limit: int, rng: np.random.Generator) -> LabelledSet:
    """At most `limit` images of a set, drawn without replacement, in the set's order."""
    chosen = rng.permutation(len(labelled))[:limit]
    drawn_from = fingerprint(labelled) if limit < len(labelled) else None
    return replace(labelled, images=tuple(labelled.images[i] for i in sorted(chosen)), drawn_from=drawn_from)


def fingerprint(labelled: LabelledSet) -> str:
    """SHA-256 over the labels and file bytes of a set, whatever the order or the names."""
    lines = sorted(f"{image.label}\t{sha256(image.path)}" for image in labelled.images)
    return sha256_bytes("\n".join(lines).encode())


def _facts(nodes: Sequence[str], classes: Sequence[str], taxonomy: Taxonomy) -> tuple[bool | None, int | None]:
    return taxonomy.truth("malignancy", nodes), taxonomy.exact_class(nodes, classes)


def _refuse_doubled(labels: Path, values: Sequence[str], what: str) -> None:
    if doubled := [value for value, count in Counter(values).items() if count > 1]:
        names = name_few([Path(value).name for value in doubled])
        raise DataError(f"{labels}: {len(doubled)} {what}: {names}; keep one row each")


def _named(group: str | None) -> bool:
    """Whether a cell names a lesion or patient: those that others write NA for are not all one."""
    return bool(group) and str(group).casefold() not in NAMELESS


def _copies_together(labels: Path, images: Sequence[LabelledImage]) -> tuple[LabelledImage, ...]:
    """The images, those that are the same file under another name in the group of the first: they tell nothing more."""
    sizes = Counter(image.path.stat().st_size for image in images)
    first: dict[str, LabelledImage] = {}
    together = []
    for image in images:
        if sizes[image.path.stat().st_size] > 1:
            other = first.setdefault(sha256(image.path), image)
            if other.label != image.label:
                raise DataError(
                    f"{labels}: {other.image_id} and {image.image_id} are one picture, labelled {other.label!r} and "
                    f"{image.label!r}; take one row out"
                )
            image = replace(image, group=other.group)
        together.append(image)
    return tuple(together)


def notes_of_gaps(labelled: LabelledSet) -> list[str]:
    """Rows without an image, images without a row and a table without lesions or patients, for a stored result."""
    notes = []
    if labelled.group_column is None:
        notes.append(
            "No column names lesions or patients (--group-column): each image counts as its own, which intervals rest on."
        )
    if labelled.missing:
        notes.append(f"{len(labelled.missing)} label rows have no image and were left out: {name_few(labelled.missing)}.")
    if labelled.unlabelled:
        notes.append(f"{len(labelled.unlabelled)} images have no label row and took no part: {name_few(labelled.unlabelled)}.")
    return notes
