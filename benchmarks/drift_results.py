"""The shape of a stored result of `python -m benchmarks drift`."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from benchmarks.environment import Environment
from benchmarks.results import DatasetFacts, Part
from mobile_runtime.manifest import Estimate
from mobile_runtime.statistics import Gap, Outcome


class Differences(Part):
    """Paired differences to the reference; None where undefined."""

    auc_malignancy_delong: Gap | None
    auc_malignancy_bootstrap: Gap | None
    auc_macro_delong: Gap | None


class Decisions(Part):
    """Decisions at one locked operating point: abstain above the variant's limit, else refer when malignancy >= threshold.

    Attributes:
        sensitivity, specificity: of the score against the threshold, abstention aside; None without images of that kind.
        agreement: share of all images on which variant and reference decide alike: refer, low concern or abstain. In results
            made before `abstain_lost` was taken, of the score against the threshold alone.
        refer_lost: images that the reference refers and the variant gives low concern, of which `refer_lost_malignant` are
            malignant.
        refer_gained: images that the variant refers and the reference gives low concern.
        abstain_lost: images on which the reference alone abstains, `abstain_gained` the variant alone; None in results made
            before they were taken.
        mcnemar_p: exact two-sided McNemar test of `refer_lost` against `refer_gained`.
        stated: the sensitivity that the manifest states, and apps show, measured on `stated_on`; None in results made before
            they were taken.
    """

    threshold: float
    stated: Estimate | None = None
    stated_on: str | None = None
    sensitivity: Estimate | None
    specificity: Estimate | None
    agreement: Estimate
    refer_lost: int
    refer_lost_malignant: int
    refer_gained: int
    abstain_lost: int | None = None
    abstain_gained: int | None = None
    mcnemar_p: float


class Flip(Part):
    """An image that reference and variant decide differently; scores are malignancy, 0..1.

    Attributes:
        referred_by, abstained_by: which of the two does; None where neither. One that does neither gives low concern.
    """

    image: str
    label: str
    malignant: bool | None
    reference: float
    variant: float
    referred_by: Literal["reference", "variant"] | None
    abstained_by: Literal["reference", "variant"] | None = None

    @property
    def missed(self) -> bool:
        """Whether the variant reassures where a malignant lesion was referred: an abstention is no false reassurance."""
        return self.malignant is True and self.referred_by == "reference" and self.abstained_by is None

    @property
    def change(self) -> str:
        """What became of the reference's decision, in words."""
        if self.abstained_by is not None:
            other = "referred" if self.referred_by else "low concern"
            return f"{other}, now no verdict" if self.abstained_by == "variant" else f"no verdict, now {other}"
        return "newly referred" if self.referred_by == "variant" else "no longer referred"


class ConfidenceDrift(Part):
    """Absolute change against the reference, over all class probabilities and of malignancy, 0..1."""

    probability_mean: float
    probability_max: float
    malignancy_mean: float
    malignancy_max: float


class Verdict(Part):
    """Non-inferiority of the malignancy AUC: the bootstrap interval of the difference against -margin."""

    outcome: Outcome
    margin: float


class VariantDrift(Part):
    """Everything about one variant; `differences` and `verdict` are None for the reference itself.

    Attributes:
        accuracy, balanced_accuracy: over the images whose label is one class exactly; None where these are of fewer than two
            classes.
        ece_malignancy: calibration error of malignancy as shipped, that is after recalibration by `temperature`;
            `ece_malignancy_uncalibrated` is before, None where that cannot be told.
        ece_malignancy_interval: 95 % limits of `ece_malignancy`, from resampled groups; None in results made before it was
            taken.
        flips: at the report's operating point, worst first: malignant images that the variant reassures and the reference
            refers, then the others, each by how far the score moved.
    """

    runtime: str
    precision: str
    engine: str
    size_bytes: int
    auc_malignancy: Estimate | None
    auc_macro: Estimate | None
    auc_per_class: dict[str, Estimate | None]
    accuracy: Estimate | None
    balanced_accuracy: Estimate | None
    ece_malignancy: float | None
    ece_malignancy_interval: tuple[float, float] | None = None
    ece_malignancy_uncalibrated: float | None = None
    temperature: float | None = None
    differences: Differences | None
    verdict: Verdict | None
    confidence_drift: ConfidenceDrift
    operating_points: dict[str, Decisions]
    flips: list[Flip]


LEFT_OUT = "left out by --variants"


class DriftReport(Part):
    """Accuracy drift of every variant of a bundle against its float32 TFLite variant on a labelled folder.

    Attributes:
        default_variant, default_operating_point: what the bundle runs unless told otherwise; None in results from before they
            were stored.
        not_run: variant -> why it could not run on this machine, or `LEFT_OUT`.
        notes: what a reader must know: undefined figures, small classes, images left out.
    """

    schema_version: Literal[1] = 1
    kind: Literal["drift"] = "drift"
    command: str
    bundle: str
    default_variant: str | None = None
    default_operating_point: str | None = None
    reference: str
    operating_point: str
    margin: float
    resamples: int
    seed: int
    dataset: DatasetFacts
    variants: dict[str, VariantDrift]
    not_run: dict[str, str]
    notes: list[str]
    environment: Environment

    @model_validator(mode="after")
    def _whole(self) -> DriftReport:
        if self.reference not in self.variants:
            raise ValueError(f"the reference {self.reference!r} is not among the variants")
        if lacking := [name for name, drift in self.variants.items() if self.operating_point not in drift.operating_points]:
            raise ValueError(f"no operating point {self.operating_point!r} of {', '.join(lacking)}")
        return self
