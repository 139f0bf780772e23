"""The images that variants are compared on: a bundle's golden ones, and a labelled folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from export.comparison import Outputs, Truth, broken
from mobile_runtime.bundle import Bundle
from mobile_runtime.capture import prepare
from mobile_runtime.errors import BundleError
from mobile_runtime.golden import GoldenVectors, load_vectors, read_array
from mobile_runtime.marked_labels import PUBLISHED_COLUMNS
from mobile_runtime.taxonomy import default_taxonomy
from train.datasets import Columns, read_table
from train.metrics import truths
from train.tables import group_column, group_numbers, read_frame

REFERENCES = ("float32", "float32_onnx")
"""Variants that others are compared with, the first that works."""


@dataclass(frozen=True)
class ImageSet:
    """Prepared images.

    Attributes:
        name: what the report calls them.
        pixels: uint8 [N, S, S, 3].
        truth: None without labels.
        recorded: variant -> its outputs when the bundle was made.
        vectors: the golden vectors that the images are of, if they are.
        own: ids of those that trained the bundle's network or chose its thresholds, as far as names tell.
    """

    name: str
    pixels: npt.NDArray[np.uint8]
    truth: Truth | None = None
    recorded: dict[str, Outputs] = field(default_factory=dict)
    vectors: GoldenVectors | None = None
    own: tuple[str, ...] = ()


def golden_set(bundle: Bundle) -> ImageSet:
    """The synthetic images of a bundle's golden vectors.

    Raises:
        BundleError: there are none, or they are malformed.
    """
    vectors = load_vectors(bundle)
    listed = {entry.path for entry in bundle.manifest.files}
    size = bundle.manifest.input.size
    prepared = []
    for case in vectors.cases:
        image = read_array(bundle.path, case.prepared, listed)
        if image.dtype != np.uint8 or image.shape != (size, size, 3):
            raise BundleError(f"{bundle.path / case.prepared}: {image.dtype} {list(image.shape)}; get the bundle again")
        prepared.append(image)
    recorded = {}
    for name in REFERENCES:
        recordings = vectors.variants[name].recordings if name in bundle.variants and name in vectors.variants else []
        if recordings and recordings[0].variant == name:
            paths = recordings[0].outputs
            recorded[name] = {role: read_array(bundle.path, path, listed, len(vectors.cases)) for role, path in paths.items()}
            if why := broken(bundle.manifest, bundle.variant(name), recorded[name], len(vectors.cases)):
                raise BundleError(f"{bundle.path}: golden outputs of {name}: {why}; get the bundle again")
    return ImageSet("golden", np.stack(prepared), recorded=recorded, vectors=vectors)


def labelled_set(bundle: Bundle, images: Path, labels: Path, columns: Columns, dataset: str) -> ImageSet:
    """A folder of images, sub-folders included, and a CSV of labels. Without a group column, that of `group_column` counts.

    Raises:
        DataError: a column, file or image is missing, or an image is named twice; see `train.datasets.read_table`. Or an image
            calibrated the bundle.
        TaxonomyError: an unknown data set or label.
        CaptureError: an image cannot be read.
    """
    folders = [images, *sorted(path for path in images.rglob("*") if path.is_dir())]
    if columns.group is None:
        columns = replace(columns, group=group_column(labels))
    header, published = read_frame(labels, rows=0).columns, Columns(*PUBLISHED_COLUMNS.get(dataset, ("image_id", "dx")))
    for what in ("image", "label"):  # those of the publisher stand in for default ones
        default, theirs = getattr(Columns(), what), getattr(published, what)
        if getattr(columns, what) == default and default not in header and theirs in header:
            columns = replace(columns, **{what: theirs})
    examples = read_table(labels, folders, dataset, columns)
    names, provenance = [example.image_id for example in examples], bundle.manifest.provenance
    provenance.refuse_calibration_images(dataset, names)
    pixels = np.stack([prepare(example.path, bundle.manifest.input.size) for example in examples])
    truth = Truth(truths(examples, "malignancy", default_taxonomy()), group_numbers(examples))
    return ImageSet(dataset, pixels, truth, own=tuple(provenance.seen(dataset, names) or ()))
