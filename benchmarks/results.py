"""What the shapes of stored results share. Stable: a change that a reader could notice raises the schema version.

`python -m benchmarks schema drift` prints the JSON Schema; `stored` has all kinds. Images are named as in the CSV; of a
path only the last part is kept.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A frozen part of a stored result; unknown fields and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Unreadable(Part):
    """An image that could not be prepared, and why."""

    image: str
    reason: str


class DatasetFacts(Part):
    """What was measured on.

    Attributes:
        labels_sha256: of the label file, so that two reports can be told to rest on the same labels.
        images_sha256: over the measured images' labels and bytes, whatever the order; None in results made before it was taken.
        drawn_from_sha256: the same of the set that these images were drawn from; None where they are all, and in results made
            before it was taken.
        images: images measured, of which `malignant`, `benign` and `undecided` by label.
        exact_class: images whose label is exactly one class of the model; class figures rest on these.
        groups: lesions or patients that the images come from.
        missing: ids of rows without an image, left out because the caller allowed it.
        calibration: ids of measured images that calibrated the bundle's quantized variants, whose figures they flatter; empty
            in results made before it was taken.
        seen: ids of measured images that trained the bundle's network, calibrated it or chose its thresholds, as far as its
            manifest tells; None where it does not, and in results made before it was taken.
        unlabelled: number of files without a row; the first few are named in the notes.
    """

    name: str
    labels: str
    labels_sha256: str
    images_sha256: str | None = None
    drawn_from_sha256: str | None = None
    images: int
    groups: int
    group_column: str | None
    malignant: int
    benign: int
    undecided: int
    exact_class: int
    per_label: dict[str, int]
    missing: list[str]
    calibration: list[str] = Field(default_factory=list)
    seen: list[str] | None = None
    unlabelled: int
    unreadable: list[Unreadable]
