"""The shape of a stored result of `python -m benchmarks decisions`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from benchmarks.environment import Environment
from benchmarks.results import DatasetFacts, Part
from mobile_runtime.manifest import Estimate
from mobile_runtime.statistics import Gap


class NumberNeeded(Part):
    """Patients referred for each malignant lesion among them; `high` is None where the data do not bound it."""

    value: float
    low: float
    high: float | None
    n: int


class Outcomes(Part):
    """What 1,000 patients meet at the stated prevalence; None where undefined.

    Attributes:
        missed_per_1000: patients with a malignant or premalignant lesion (malignant, for short) who get low_concern: false
            reassurance.
        over_referred_per_1000: patients with a benign lesion who are referred.
        referred_per_1000: all who are referred.
        unanswered_per_1000: all whose picture gives no verdict and who are not counted as referred.
        ppv: share of the referred whose lesion is malignant.
        npv: share of those with low_concern whose lesion is benign.
    """

    missed_per_1000: Estimate
    over_referred_per_1000: Estimate
    referred_per_1000: Estimate
    unanswered_per_1000: Estimate
    number_needed_to_refer: NumberNeeded | None
    ppv: Estimate | None
    npv: Estimate | None


class NetBenefit(Part):
    """Net benefit per patient at one threshold probability; referring nobody has 0.

    Attributes:
        locked: of the verdict at the locked operating point.
        score: of referring whoever's rescaled score reaches the threshold probability.
        refer_all: of referring everybody.
    """

    threshold: float
    locked: Estimate
    score: Estimate
    refer_all: float


class CoveragePoint(Part):
    """What is left when the least sure images are refused.

    Attributes:
        coverage: share of images kept.
        limit: largest value of the ordering that is kept.
        missed: share of the malignant images kept that are not referred.
        wrong: share of the images kept that are decided wrongly.
    """

    coverage: float
    limit: float
    missed: Estimate | None
    wrong: Estimate | None
    auc_malignancy: Estimate | None


class Diagnosis(Part):
    """Verdicts on the images of one label; for a malignant one, `referred` is the sensitivity."""

    malignant: bool | None
    images: int
    referred: Estimate
    low_concern: Estimate
    unanswered: int


class Group(Part):
    """One subgroup; a figure is None where fewer images than the floor bear on it.

    Attributes:
        sensitivity: share of malignant images referred.
        specificity: share of benign images that get low_concern.
    """

    images: int
    malignant: int
    benign: int
    sensitivity: Estimate | None
    specificity: Estimate | None
    auc_malignancy: Estimate | None


class GroupGap(Part):
    """Best less worst group of one figure. The two are picked for being extreme: some gap is there by chance alone."""

    best: str
    worst: str
    difference: Gap


class Subgrouping(Part):
    """Groups by one column of the labels; `withheld` are those below the floor, with their number of images."""

    edges: list[float] | None
    groups: dict[str, Group]
    withheld: dict[str, int]
    gaps: dict[str, GroupGap | None]


class DecisionsReport(Part):
    """What a variant's verdicts mean for patients.

    Attributes:
        default_variant, default_operating_point: as in `benchmarks.drift_results.DriftReport`.
        verdicts: truth (malignant, benign, undecided) -> verdict -> images.
        malignant_unanswered: share of the malignant images that get no verdict (retake or abstain); None without any, and in
            results made before it was taken.
        outcomes: policy for pictures without a verdict -> outcomes. `set_aside`: retake and abstain neither reassure nor
            refer; `referred`: whoever gets no verdict is sent to a clinician.
        coverage: ordering -> points. `outlier`: the graph's outlier score, the shipped rule; `margin`: minus the distance of
            the score from the threshold, in logits.
    """

    schema_version: Literal[1] = 1
    kind: Literal["decisions"] = "decisions"
    command: str
    bundle: str
    variant: str
    operating_point: str
    default_variant: str | None = None
    default_operating_point: str | None = None
    threshold: float
    prevalence: float = Field(gt=0, lt=1)
    floor: int
    dataset: DatasetFacts
    verdicts: dict[str, dict[str, int]]
    malignant_unanswered: Estimate | None = None
    outcomes: dict[Literal["set_aside", "referred"], Outcomes] | None
    decision_curve: list[NetBenefit]
    coverage: dict[str, list[CoveragePoint]]
    diagnoses: dict[str, Diagnosis] = Field(min_length=1)
    subgroups: dict[str, Subgrouping]
    notes: list[str]
    environment: Environment

    @model_validator(mode="after")
    def _whole(self) -> DecisionsReport:
        if self.outcomes is not None and not self.decision_curve:
            raise ValueError("outcomes without a decision curve")
        return self
