"""The shape of a stored result of `python -m benchmarks gates`."""

from __future__ import annotations

from typing import Literal

from benchmarks.decision_results import CoveragePoint
from benchmarks.environment import Environment
from benchmarks.results import DatasetFacts, Part
from mobile_runtime.manifest import Estimate


class Flips(Part):
    """Share of images whose verdict changes with the view, among those with a verdict in both; None without any."""

    single_frame: Estimate | None
    single_frame_by_view: dict[str, Estimate | None]
    burst_of_five: Estimate | None


class GatesReport(Part):
    """What the quality gate and abstention do on labelled images and on pictures that are not skin.

    Attributes:
        default_variant, default_operating_point: as in `benchmarks.drift_results.DriftReport`.
        caught_by_severity: degradation -> share turned away as poor at severities 1 to 5.
        not_skin: kind of picture -> verdict -> pictures.
        not_skin_not_scored: share of all of those that get no score.
    """

    schema_version: Literal[1] = 1
    kind: Literal["gates"] = "gates"
    command: str
    bundle: str
    variant: str
    operating_point: str
    default_variant: str | None = None
    default_operating_point: str | None = None
    seed: int
    dataset: DatasetFacts
    false_retakes: Estimate | None
    retake_reasons: dict[str, int]
    caught_by_severity: dict[str, list[Estimate]]
    abstained_in_distribution: Estimate | None
    not_skin: dict[str, dict[str, int]]
    not_skin_not_scored: Estimate | None
    coverage_risk: list[CoveragePoint]
    flips: Flips
    notes: tuple[str, ...] = ()
    environment: Environment
