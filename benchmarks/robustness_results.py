"""The shape of a stored result of `python -m benchmarks robustness`."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from benchmarks.environment import Environment
from benchmarks.results import DatasetFacts, Part
from mobile_runtime.manifest import Estimate
from mobile_runtime.statistics import Gap


class Condition(Part):
    """The same images under one condition, against the undamaged ones.

    Attributes:
        change: paired difference of the malignancy AUC, damaged less undamaged; None with one class only.
        flips: share of images whose score changes sides of the locked threshold, the gates aside.
        lost: share of the malignant images referred undamaged whose score falls below the threshold.
        reassured: share of the malignant images that get `refer` undamaged and `low_concern` damaged, the gates at work.
        turned_away: share of images that the quality gate or abstention keeps from a verdict.
    """

    auc_malignancy: Estimate | None
    change: Gap | None
    flips: Estimate
    lost: Estimate | None
    reassured: Estimate | None = None
    turned_away: Estimate


class Corrupted(Part):
    """One kind of damage at severities 1 to 5."""

    about: str
    strengths: list[float]
    severities: list[Condition]

    @model_validator(mode="after")
    def _one_strength_each(self) -> Corrupted:
        if not self.strengths or len(self.strengths) != len(self.severities):
            raise ValueError(f"{len(self.strengths)} strengths for {len(self.severities)} severities")
        return self


class GoldenCheck(Part):
    """What replaying the bundle's golden vectors through the faulty port shows.

    Attributes:
        caught: whether a comparison fails that passes without the fault.
        stage: the first stage to fail; None when nothing does.
        cases: cases that fail at any stage.
    """

    caught: bool
    stage: str | None
    cases: list[str]


class Faulted(Part):
    """One mistake in the capture pipeline; `golden` is None for a bundle without golden vectors."""

    about: str
    condition: Condition
    golden: GoldenCheck | None


class RobustnessReport(Part):
    """How a variant bears damaged photographs and faulty capture pipelines.

    Attributes:
        default_variant, default_operating_point: as in `benchmarks.drift_results.DriftReport`.
    """

    schema_version: Literal[1] = 1
    kind: Literal["robustness"] = "robustness"
    command: str
    bundle: str
    variant: str
    operating_point: str
    default_variant: str | None = None
    default_operating_point: str | None = None
    threshold: float
    seed: int
    dataset: DatasetFacts
    undamaged: Condition
    corruptions: dict[str, Corrupted]
    faults: dict[str, Faulted]
    notes: list[str]
    environment: Environment
