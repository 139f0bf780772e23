"""Every result as a flat list of named figures: what a report lists and what limits are set on.

Names are `kind.data set.subject.figure`, for example `drift.ham10000.static_wi8_ai8.auc_difference`; times have no data set,
and devices have their target in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from benchmarks.decision_results import DecisionsReport
from benchmarks.device_results import DevicesReport
from benchmarks.drift_results import DriftReport
from benchmarks.gates_results import GatesReport
from benchmarks.latency_results import LatencyReport
from benchmarks.peers.results import PeersReport
from benchmarks.results import Part
from benchmarks.robustness_results import Condition, RobustnessReport
from benchmarks.stored import Result
from mobile_runtime.intervals import wilson
from mobile_runtime.manifest import Estimate


class Figure(Part):
    """One number.

    Attributes:
        low, high: its 95 % interval; None where it has none or where that end is open.
        n: what it rests on: images, or timed runs; None for a size.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


class _Interval(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float | None: ...


def figures_of(result: Result) -> dict[str, Figure]:
    """All figures of a result that are defined, by name."""
    if isinstance(result, LatencyReport):
        return dict(_latency(result))
    if isinstance(result, PeersReport):
        return dict(_peers(result))
    if isinstance(result, DevicesReport):
        return dict(_devices(result))
    match result:
        case DriftReport():
            pairs = _drift(result)
        case DecisionsReport():
            pairs = _decisions(result)
        case RobustnessReport():
            pairs = _robustness(result)
        case GatesReport():
            pairs = _gates(result)
    return {f"{result.kind}.{result.dataset.name}.{name}": figure for name, figure in pairs}


def _some(name: str, found: _Interval | None, n: int | None = None) -> Iterator[tuple[str, Figure]]:
    if found is not None:
        count = getattr(found, "n", n)
        yield name, Figure(value=found.value, low=found.low, high=found.high, n=count)


def _drift(report: DriftReport) -> Iterator[tuple[str, Figure]]:
    for name, drift in report.variants.items():
        point = drift.operating_points[report.operating_point]
        yield from _some(f"{name}.auc_malignancy", drift.auc_malignancy)
        yield from _some(f"{name}.auc_macro", drift.auc_macro)
        yield from _some(f"{name}.accuracy", drift.accuracy)
        yield from _some(f"{name}.balanced_accuracy", drift.balanced_accuracy)
        yield from _some(f"{name}.sensitivity", point.sensitivity)
        yield from _some(f"{name}.specificity", point.specificity)
        # A floor on what an operating point finds holds whichever one the comparison was made at.
        for other, decisions in drift.operating_points.items():
            yield from _some(f"{name}.sensitivity_at_{other}", decisions.sensitivity)
        if drift.ece_malignancy is not None:
            images = report.dataset.malignant + report.dataset.benign
            low, high = drift.ece_malignancy_interval or (None, None)
            yield f"{name}.ece_malignancy", Figure(value=drift.ece_malignancy, low=low, high=high, n=images)
        yield f"{name}.size_mb", Figure(value=drift.size_bytes / 1e6)
        if drift.differences is not None:
            n = drift.auc_malignancy.n if drift.auc_malignancy else None
            yield from _some(f"{name}.auc_difference", drift.differences.auc_malignancy_bootstrap, n)
            yield from _some(f"{name}.agreement", point.agreement)
            yield f"{name}.malignant_no_longer_referred", Figure(value=point.refer_lost_malignant, n=report.dataset.malignant)


def _decisions(report: DecisionsReport) -> Iterator[tuple[str, Figure]]:
    for policy, outcomes in (report.outcomes or {}).items():
        for name in type(outcomes).model_fields:
            yield from _some(f"{report.variant}.{policy}.{name}", getattr(outcomes, name))
        if outcomes.npv is not None:
            yield f"{report.variant}.{policy}.risk_against_chance", _against_chance(outcomes.npv, report.prevalence)
    yield from _some(f"{report.variant}.malignant_unanswered", report.malignant_unanswered or _counted_unanswered(report))
    for label, diagnosis in report.diagnoses.items():
        yield from _some(f"{report.variant}.diagnosis.{label}.referred", diagnosis.referred)
    for column, grouping in report.subgroups.items():
        for group, found in grouping.groups.items():
            for name in ("sensitivity", "specificity", "auc_malignancy"):
                yield from _some(f"{report.variant}.{column}.{group}.{name}", getattr(found, name))
        for name, gap in grouping.gaps.items():
            if gap is not None:
                n = sum(group.images for group in grouping.groups.values())
                yield from _some(f"{report.variant}.{column}.gap.{name}", gap.difference, n)


def _against_chance(npv: Estimate, prevalence: float) -> Figure:
    """Risk of the reassured over that of everybody: 1 where verdicts say nothing, whatever the prevalence makes of the NPV."""
    value, low, high = ((1 - each) / prevalence for each in (npv.value, npv.high, npv.low))
    return Figure(value=value, low=low, high=high, n=npv.n)


def _counted_unanswered(report: DecisionsReport) -> Estimate | None:
    """Of a result from before it stated the share: that of its counts, each image taken as a lesion of its own."""
    counts = report.verdicts.get("malignant", {})
    return wilson(counts.get("retake", 0) + counts.get("abstain", 0), sum(counts.values()))


def _robustness(report: RobustnessReport) -> Iterator[tuple[str, Figure]]:
    for name, corrupted in report.corruptions.items():
        for severity, condition in enumerate(corrupted.severities, 1):
            yield from _condition(f"{report.variant}.{name}.{severity}", condition)
    for name, faulted in report.faults.items():
        yield from _condition(f"{report.variant}.{name}", faulted.condition)
        if faulted.golden is not None:
            yield f"{report.variant}.{name}.caught_by_golden", Figure(value=float(faulted.golden.caught))


def _condition(name: str, condition: Condition) -> Iterator[tuple[str, Figure]]:
    yield from _some(f"{name}.auc_malignancy", condition.auc_malignancy)
    yield from _some(f"{name}.auc_change", condition.change, condition.auc_malignancy.n if condition.auc_malignancy else None)
    yield from _some(f"{name}.flips", condition.flips)
    yield from _some(f"{name}.lost", condition.lost)
    yield from _some(f"{name}.reassured", condition.reassured)
    yield from _some(f"{name}.turned_away", condition.turned_away)


def _gates(report: GatesReport) -> Iterator[tuple[str, Figure]]:
    variant = report.variant
    yield from _some(f"{variant}.false_retakes", report.false_retakes)
    yield from _some(f"{variant}.abstained", report.abstained_in_distribution)
    yield from _some(f"{variant}.not_skin_not_scored", report.not_skin_not_scored)
    yield from _some(f"{variant}.flips_single_frame", report.flips.single_frame)
    yield from _some(f"{variant}.flips_burst_of_five", report.flips.burst_of_five)
    for name, rates in report.caught_by_severity.items():
        for severity, rate in enumerate(rates, 1):
            yield from _some(f"{variant}.{name.replace(' ', '_')}.{severity}.turned_away", rate)


def _latency(report: LatencyReport) -> Iterator[tuple[str, Figure]]:
    for run in report.runs:
        name, times = f"latency.{run.variant}.threads_{run.threads}", run.inference
        for part in ("p50", "p90", "p99"):
            yield f"{name}.inference_{part}_ms", Figure(value=getattr(times, part), n=times.samples)
        yield f"{name}.assess_p50_ms", Figure(value=run.assess.p50, n=run.assess.samples)
        cold = run.cold_start
        yield f"{name}.cold_start_ms", Figure(value=cold.load_ms + cold.first_invoke_ms, n=cold.repeats)
        yield f"{name}.peak_memory_mb", Figure(value=cold.peak_memory_bytes / 1e6, n=cold.repeats)


def _peers(report: PeersReport) -> Iterator[tuple[str, Figure]]:
    for name, run in report.runs.items():
        yield from _some(f"peers.{name}.p50_ms", run.p50_ms)
        yield from _some(f"peers.{name}.p90_ms", run.p90_ms)
        yield from _some(f"peers.{name}.ratio", run.ratio)
        if run.largest_difference is not None:
            yield f"peers.{name}.largest_difference", Figure(value=run.largest_difference, n=report.pictures)


def _devices(report: DevicesReport) -> Iterator[tuple[str, Figure]]:
    target = f"devices.{report.target}"
    stages = report.golden.stages.values()
    checks = sum(stage.checks for stage in stages)
    yield f"{target}.golden_met", Figure(value=sum(stage.met for stage in stages) / checks, n=checks)
    for bits in report.bits:
        name = f"{target}.{bits.variant}.{bits.kernels}"
        yield f"{name}.bit_equal_values", Figure(value=bits.bit_equal_values / bits.values, n=bits.values)
        for role, value in bits.largest_differences.items():
            yield f"{name}.{role}_difference", Figure(value=value, n=bits.images)
    for count in report.instructions:
        yield f"{target}.{count.variant}.{count.kernels}.instructions", Figure(value=count.per_inference, n=count.images)
    for part in report.times:
        name = f"{target}.{part.variant}.{part.what.replace(' ', '_').replace('()', '')}"
        for end in ("p50", "p90"):
            yield f"{name}_{end}_ms", Figure(value=getattr(part.times, end), n=part.times.samples)
    for run in report.native:
        name = f"{target}.{run.variant}.{run.kernels}.threads_{run.threads}"
        yield f"{name}.inference_mean_ms", Figure(value=run.mean_ms, n=run.runs)
    if report.page is not None:
        yield f"{target}.same_decision", Figure(value=report.page.same_decision / report.page.pictures, n=report.page.pictures)
        yield f"{target}.score_difference", Figure(value=report.page.largest_score_difference, n=report.page.scored)
    if report.weight is not None:
        yield f"{target}.page_size_mb", Figure(value=report.weight.size_bytes / 1e6)
        yield f"{target}.page_gzip_size_mb", Figure(value=report.weight.gzip_bytes / 1e6)
