"""The shape of what `python -m train evaluate` stores, which its page and its charts show."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from mobile_runtime.manifest import Estimate

Point = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Level(_Part):
    """A task of several classes.

    Attributes:
        nodes: the classes, by their node.
        absent_in_data: classes without an image.
        absent_in_model: classes below which the model has no training class; it never answers with one of them.
        left_out: images whose label leaves the class open.
        balanced_accuracy: over the classes present; None with fewer than two.
        confusion: rows are labels, columns answers, both in the order of `nodes`.
    """

    nodes: list[str]
    absent_in_data: list[str]
    absent_in_model: list[str]
    images: int
    left_out: int
    balanced_accuracy: Estimate | None
    accuracy: Estimate | None
    confusion: list[list[int]]


class Readers(_Part):
    """Readers beside a curve, as points (1 - specificity, sensitivity), and the share of them that lie under it."""

    points: list[Point]
    under_curve: Estimate | None


class Task(_Part):
    """A task of two classes, scored by the malignancy; `absent` says what is missing where there is no curve."""

    title: str
    positives: int
    negatives: int
    absent: str | None
    auc: Estimate | None
    curve: list[Point]
    readers: Readers | None


class Bin(_Part):
    """One bar of a reliability diagram."""

    predicted: float
    observed: float
    n: int


class Calibration(_Part):
    """How far the malignancy score can be read as a frequency."""

    images: int
    ece: float | None
    bins: list[Bin]


class Subgroup(_Part):
    """Malignancy AUC of the images with one value of an attribute; `remark` says why there is none."""

    attribute: str
    value: str
    images: int
    malignant: int
    auc: Estimate | None
    remark: str | None


class Evaluation(_Part):
    """All figures of one network on one part of the data; `notes` say what the intervals cannot account for."""

    run: str
    part: str
    images: int
    groups: int
    datasets: dict[str, int]
    auc_malignancy: Estimate | None
    levels: dict[str, Level]
    tasks: dict[str, Task]
    calibration: Calibration
    subgroups: list[Subgroup]
    subgroup_floor: int
    notes: list[str] = []
