"""What a report says about each kind of result: words, tables and charts, without their looks."""

from __future__ import annotations

import math
from collections.abc import Callable

from benchmarks import charts, device_rows, wording
from benchmarks.accuracy_sections import decisions_section, drift_section
from benchmarks.charts import Axis
from benchmarks.decision_results import DecisionsReport
from benchmarks.device_results import DevicesReport
from benchmarks.drift_results import DriftReport
from benchmarks.gates_results import GatesReport
from benchmarks.latency_results import LatencyReport, LatencyRun
from benchmarks.peers.results import PeerRun, PeersReport
from benchmarks.report_parts import (
    Cell,
    Chart,
    Section,
    Table,
    change_cell,
    data_line,
    machine_line,
    share_cell,
    value_cell,
)
from benchmarks.robustness_results import Condition, RobustnessReport
from benchmarks.stored import Result
from mobile_runtime.manifest import Estimate


def section_of(result: Result) -> Section:
    """The section of any stored result."""
    makers: dict[type, Callable[..., Section]] = {
        DriftReport: drift_section,
        DecisionsReport: decisions_section,
        RobustnessReport: _robustness,
        GatesReport: _gates,
        LatencyReport: _latency,
        PeersReport: _peers,
        DevicesReport: _devices,
    }
    return makers[type(result)](result)


def _robustness(report: RobustnessReport) -> Section:
    def cells(each: Condition) -> list[Cell]:
        n = each.auc_malignancy.n if each.auc_malignancy else None
        return [
            value_cell(each.auc_malignancy),
            change_cell(each.change, n),
            *map(share_cell, (each.flips, each.lost, each.reassured, each.turned_away)),
        ]

    columns = ["malignancy AUC", "change", "flips", "malignant lost", "reassured", "turned away"]
    damage = [("undamaged", cells(report.undamaged))]
    for name, corrupted in report.corruptions.items():
        damage += [
            (f"{name.replace('_', ' ')} {severity} (strength {strength:g})", cells(each))
            for severity, (strength, each) in enumerate(zip(corrupted.strengths, corrupted.severities, strict=True), 1)
        ]
    faults = []
    for name, faulted in report.faults.items():
        golden = faulted.golden
        seen = "no golden vectors" if golden is None else f"caught at {golden.stage}" if golden.caught else "not caught"
        about = "" if golden is None else ", ".join(golden.cases)
        faults.append((f"{name.replace('_', ' ')}: {faulted.about}", [*cells(faulted.condition), (seen, about)]))
    names = list(report.corruptions)
    pictures = []
    for start in range(0, len(names), 5):
        curves = {
            name.replace("_", " "): [
                (severity, each.auc_malignancy.value)
                for severity, each in enumerate(report.corruptions[name].severities, 1)
                if each.auc_malignancy
            ]
            for name in names[start : start + 5]
        }
        if all(curves.values()):
            low = math.floor(10 * min(value for points in curves.values() for _, value in points)) / 10
            y = Axis("malignancy AUC", min(low, 0.9), 1, 0.1)
            svg = charts.lines(curves, Axis("severity", 1, 5, 1), y, "AUC by severity")
            pictures.append(
                Chart(svg, f"Malignancy AUC by severity, n={report.dataset.images}; the table has intervals.", list(curves))
            )
    return Section(
        f"Robustness on {report.dataset.name}",
        f"{report.bundle}, {report.variant} at {report.operating_point}. {data_line(report.dataset)}. Damage: severity 1 to 5.",
        [Table("Mistakes in the capture pipeline", [*columns, "golden vectors"], faults), Table("Damage", columns, damage)],
        report.command,
        machine_line(report),
        pictures,
        report.notes,
    )


def _gates(report: GatesReport) -> Section:
    rows = [
        ("clean images turned away as poor", [share_cell(report.false_retakes)]),
        ("clean images abstained on", [share_cell(report.abstained_in_distribution)]),
        ("pictures that are not skin, given no score", [share_cell(report.not_skin_not_scored)]),
        ("verdict flips between views, single frame", [share_cell(report.flips.single_frame)]),
        ("verdict flips between views, burst of five", [share_cell(report.flips.burst_of_five)]),
    ]
    caught = [(name, [share_cell(rate) for rate in rates]) for name, rates in report.caught_by_severity.items()]
    curves = {
        name: [(severity, rate.value) for severity, rate in enumerate(rates, 1)]
        for name, rates in report.caught_by_severity.items()
    }
    y = Axis("turned away", 0, 1, 0.2, percent=True)
    picture = Chart(
        charts.lines(curves, Axis("severity", 1, 5, 1), y, "Turned away by severity"),
        f"Share turned away as poor by severity, n={report.dataset.images}; the table has intervals.",
        list(curves),
    )
    return Section(
        f"Gates on {report.dataset.name}",
        f"{report.bundle}, {report.variant} at {report.operating_point}. {data_line(report.dataset)}.",
        [Table("Gates", ["share"], rows), Table("Turned away at severity", [str(s) for s in range(1, 6)], caught)],
        report.command,
        machine_line(report),
        [picture],
    )


def _latency(report: LatencyReport) -> Section:
    def cells(run: LatencyRun) -> list[Cell]:
        times, whole, cold = run.inference, run.assess, run.cold_start
        return [
            (f"{times.p50:.2f}", f"p90 {times.p90:.2f}, p99 {times.p99:.2f}, n={times.samples}"),
            (f"{whole.p50:.2f}", f"p90 {whole.p90:.2f}, n={whole.samples}"),
            (f"{cold.load_ms + cold.first_invoke_ms:.0f}", f"median of {cold.repeats}"),
            (f"{cold.peak_memory_bytes / 1e6:.0f}", f"median of {cold.repeats}"),
        ]

    names = [f"{run.variant}, {run.threads} thread{'s' if run.threads > 1 else ''}" for run in report.runs]
    rows = [(name, cells(run)) for name, run in zip(names, report.runs, strict=True)]
    columns = ["inference p50, ms", "assess() p50, ms", "cold start, ms", "peak memory, MB"]
    longest = max(run.inference.p50 for run in report.runs)
    step = 10 ** math.floor(math.log10(longest))
    x = Axis("median inference, ms", 0, math.ceil(longest / step) * step, step)
    medians = {name: run.inference.p50 for name, run in zip(names, report.runs, strict=True)}
    image = report.image
    made = "synthetic " if image.synthetic else ""
    return Section(
        "Latency",
        f"{report.bundle}, in alternation on {report.environment.cpu}, {report.environment.cores} cores; assess() of a "
        f"{image.width}x{image.height} {made}image. {'A quick look.' if report.sampling.quick else 'A full run.'}",
        [Table("Runs; percentiles over n timed calls", columns, rows)],
        report.command,
        machine_line(report),
        [Chart(charts.bars(medians, x, "Median inference"), "Median inference time; the table has percentiles and n.")],
        [*report.notes, *(f"{name}: {reason}" for name, reason in report.not_run.items())],
    )


def _peers(report: PeersReport) -> Section:
    def time(found: Estimate | None) -> Cell:
        return wording.time(found), "" if found is None else f"{wording.time_interval(found)}, n={found.n}"

    def cells(run: PeerRun) -> list[Cell]:
        versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
        size = "" if run.model_bytes is None else wording.megabytes(run.model_bytes)
        difference = wording.NONE if run.largest_difference is None else f"{run.largest_difference:.1e}"
        return [(run.task, ""), time(run.p50_ms), time(run.p90_ms), time(run.ratio), (difference, ""), (versions, size)]

    columns = ["task", "p50, ms", "p90, ms", "times the reference", "largest difference of a score", "versions"]
    references = ", ".join(f"{name} for {task}" for task, name in report.references.items())
    return Section(
        "The same network in other runtimes",
        f"{report.bundle}, in alternation on one core of {report.environment.cpu}; {report.rounds} rounds of {report.block}, "
        f"{report.pictures} synthetic pictures. References: {references}. {'A quick look.' if report.quick else 'A full run.'}",
        [Table("Runtimes; intervals over rounds", columns, [(name, cells(run)) for name, run in report.runs.items()])],
        report.command,
        machine_line(report),
        notes=[*report.notes, *(f"{name}: {reason}" for name, reason in report.not_run.items())],
    )


def _devices(report: DevicesReport) -> Section:
    rows = [(what, [(found, small)]) for what, found, small in device_rows.rows(report)]
    failures = [f"Out of tolerance: {failure}" for failure in report.golden.failures]
    not_run = [f"{name}: {reason}" for name, reason in report.golden.not_run.items()]
    versions = ", ".join(f"{name} {version}" for name, version in report.software.items())
    return Section(
        f"Devices: {report.target}",
        f"{report.bundle}; evidence: {report.evidence}. {report.device}{f' ({versions})' if versions else ''}.",
        [Table("Found there", ["found"], rows)],
        report.command,
        machine_line(report),
        notes=[*report.notes, *failures, *not_run],
    )
