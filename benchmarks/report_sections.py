"""What a report says about each kind of result: words, tables and charts, without their looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks import charts, device_rows, figures, wording
from benchmarks.charts import Axis
from benchmarks.decision_results import DecisionsReport, NumberNeeded
from benchmarks.device_results import DevicesReport
from benchmarks.gates_results import GatesReport
from benchmarks.peers.results import PeerRun, PeersReport
from benchmarks.results import DatasetFacts, DriftReport, LatencyReport, LatencyRun
from benchmarks.robustness_results import Condition, RobustnessReport
from benchmarks.statistics import Gap
from benchmarks.stored import Result
from benchmarks.subgroups import cut_names
from mobile_runtime.manifest import Estimate

Cell = tuple[str, str]
SHARES = Axis("", 0, 1, 0.2, percent=True)


@dataclass(frozen=True)
class Table:
    """A table; a cell is what it says and, smaller below, its interval and n."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True)
class Chart:
    """Inline SVG with what it shows; `series` names its lines in the order of their styles."""

    svg: str
    caption: str
    series: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """One result."""

    title: str
    lead: str
    tables: list[Table]
    command: str
    machine: str
    charts: list[Chart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def section_of(result: Result) -> Section:
    """The section of any stored result."""
    makers: dict[type, Callable[..., Section]] = {
        DriftReport: _drift,
        DecisionsReport: _decisions,
        RobustnessReport: _robustness,
        GatesReport: _gates,
        LatencyReport: _latency,
        PeersReport: _peers,
        DevicesReport: _devices,
    }
    return makers[type(result)](result)


def _on(data: DatasetFacts) -> str:
    groups = f"{data.groups} groups ({data.group_column})" if data.group_column else "each its own group"
    return (
        f"{data.name}, {data.labels}: {data.images} images, {groups}, {data.malignant} malignant, {data.benign} benign, "
        f"{data.undecided} undecided by label"
    )


def _machine(result: Result) -> str:
    machine = result.environment
    return f"{machine.evidence.capitalize()}: {machine.cpu}, {machine.cores} cores, {machine.system}, {machine.python}"


def _share(found: Estimate | None) -> Cell:
    return wording.percent(found), "" if found is None else f"{wording.percent_interval(found)}, n={found.n}"


def _value(found: Estimate | None) -> Cell:
    return wording.value(found), "" if found is None else f"{wording.interval(found)}, n={found.n}"


def _change(found: Gap | None, n: int | None = None) -> Cell:
    return wording.change(found), "" if found is None else wording.change_interval(found) + (f", n={n}" if n else "")


def _count(found: Estimate | NumberNeeded | None) -> Cell:
    if found is None:
        return wording.NONE, ""
    first, _, rest = wording.count(found).partition(" ")
    return first, f"{rest}, n={found.n}"


def _drift(report: DriftReport) -> Section:
    rows = []
    # Stored JSON has sorted keys: what has an order gets it back here.
    for name, drift in sorted(report.variants.items(), key=lambda item: item[0] != report.reference):
        point, n = drift.operating_points[report.operating_point], drift.auc_malignancy.n if drift.auc_malignancy else None
        gap = drift.differences.auc_malignancy_bootstrap if drift.differences else None
        verdict = wording.outcome(drift.verdict.outcome) if drift.verdict else "reference"
        before = wording.share(drift.ece_malignancy_uncalibrated, 3)
        cells = [
            _value(drift.auc_malignancy),
            _change(gap, n) if drift.differences else ("reference", ""),
            _share(point.sensitivity),
            _share(point.specificity),
            (f"{len(drift.flips)} of {point.agreement.n}", f"{point.refer_lost_malignant} malignant no longer referred"),
            (
                wording.share(drift.ece_malignancy, 3),
                f"{wording.bounds(drift.ece_malignancy_interval)}, before: {before}, n={n}",
            ),
            (verdict, f"margin {report.margin}" if drift.verdict else ""),
        ]
        rows.append((f"{name}, {wording.megabytes(drift.size_bytes)}", cells))
    columns = ["malignancy AUC", "difference", "sensitivity", "specificity", "flips", "ECE", "verdict"]
    gaps = {
        name: drift.differences.auc_malignancy_bootstrap
        for name, drift in report.variants.items()
        if drift.differences and drift.differences.auc_malignancy_bootstrap
    }
    pictures = []
    if gaps:
        caption = f"Malignancy AUC less that of {report.reference}, {report.resamples} resamples of groups; dashed: the margin."
        pictures.append(Chart(figures.differences(gaps, report.margin), caption))
    return Section(
        f"Accuracy drift on {report.dataset.name}",
        f"{report.bundle}; every variant against {report.reference}; decisions at {report.operating_point}. "
        f"{_on(report.dataset)}.",
        [Table("Variants", columns, rows)],
        report.command,
        _machine(report),
        pictures,
        report.notes,
    )


def _decisions(report: DecisionsReport) -> Section:
    titles = {
        "missed_per_1000": "missed cancers per 1,000 patients",
        "over_referred_per_1000": "referred without cancer per 1,000",
        "referred_per_1000": "referred per 1,000",
        "unanswered_per_1000": "without a verdict per 1,000",
        "number_needed_to_refer": "referrals per cancer found",
        "ppv": "PPV",
        "npv": "NPV",
    }
    tables, pictures = [], []
    if report.outcomes:
        ordered = [report.outcomes["set_aside"], report.outcomes["referred"]]
        rows = [
            (title, [(_share if name in ("ppv", "npv") else _count)(getattr(each, name)) for each in ordered])
            for name, title in titles.items()
        ]
        policies = ["no verdict: set aside", "no verdict: referred"]
        tables.append(Table(f"1,000 patients of whom {1000 * report.prevalence:g} have cancer", policies, rows))
        pictures.append(_net_benefit(report))
    kinds = {True: "malignant", False: "benign", None: "open"}
    diagnoses = dict(sorted(report.diagnoses.items(), key=lambda item: item[1].malignant is not True))
    rows = [
        (f"{label} ({kinds[each.malignant]})", [_share(each.referred), _share(each.low_concern), (str(each.unanswered), "")])
        for label, each in diagnoses.items()
    ]
    tables.append(Table("Diagnoses", ["referred", "low concern", "no verdict"], rows))
    named = {f"{label} ({each.images})": each.referred for label, each in diagnoses.items()}
    pictures.append(_forest(named, "referred", "Share of each diagnosis that is referred, with 95 % intervals."))
    for column, grouping in report.subgroups.items():
        named_first = [name for name in cut_names(grouping.edges) if name in grouping.groups] if grouping.edges else []
        rows = [
            (f"{name} ({group.images})", [_share(group.sensitivity), _share(group.specificity), _value(group.auc_malignancy)])
            for name, group in [(name, grouping.groups[name]) for name in dict.fromkeys([*named_first, *grouping.groups])]
        ]
        gaps = [grouping.gaps[name] for name in ("sensitivity", "specificity", "auc_malignancy")]
        cells = [_change(gap.difference) if gap else (wording.NONE, "") for gap in gaps]
        worst = [
            (value, f"{small}; worst: {gap.worst}" if gap else small) for (value, small), gap in zip(cells, gaps, strict=True)
        ]
        rows.append(("best less worst", worst))
        tables.append(Table(f"By {column}", ["sensitivity", "specificity", "malignancy AUC"], rows))
    for name, points in sorted(report.coverage.items(), reverse=True):
        rows = [
            (f"{point.coverage:.0%}", [_share(point.missed), _share(point.wrong), _value(point.auc_malignancy)])
            for point in points
        ]
        tables.append(Table(f"Images kept, by {name}", ["malignant, not referred", "decided wrongly", "malignancy AUC"], rows))
    if report.coverage:
        pictures.append(_coverage(report))
    return Section(
        f"Decisions on {report.dataset.name}",
        f"{report.bundle}, {report.variant} at {report.operating_point} (refer from {report.threshold:.4f}). "
        f"{_on(report.dataset)}.",
        tables,
        report.command,
        _machine(report),
        pictures,
        report.notes,
    )


def _net_benefit(report: DecisionsReport) -> Chart:
    curve = report.decision_curve
    top = max(0.01, max(point.locked.high for point in curve), report.prevalence)
    step = 10 ** math.floor(math.log10(top))
    y = Axis("net benefit per patient", -step, math.ceil(top / step) * step, step)
    lines = {
        "refer all": [(point.threshold, point.refer_all) for point in curve],
        f"verdict at {report.operating_point}": [(point.threshold, point.locked.value) for point in curve],
        "score": [(point.threshold, point.score.value) for point in curve],
        "refer none": [(point.threshold, 0.0) for point in curve],
    }
    bands = {f"verdict at {report.operating_point}": [(point.locked.low, point.locked.high) for point in curve]}
    svg = charts.lines(lines, Axis("threshold probability", 0, 0.5, 0.1, percent=True), y, "Decision curve", bands)
    n = report.dataset.malignant + report.dataset.benign
    said = f"Decision curve at a prevalence of {report.prevalence:.1%}, n={n}; band: 95 %."
    return Chart(svg, said, list(lines))


def _coverage(report: DecisionsReport) -> Chart:
    missed = {
        f"by {name}": [(point.coverage, point.missed.value) for point in reversed(points) if point.missed]
        for name, points in sorted(report.coverage.items(), reverse=True)
    }
    top = max([0.05, *(value for points in missed.values() for _, value in points)])
    y = Axis("malignant and not referred", 0, math.ceil(top * 20) / 20, 0.05 if top <= 0.25 else 0.25, percent=True)
    svg = charts.lines(missed, Axis("images kept", 0.5, 1, 0.1, percent=True), y, "Coverage and risk")
    said = f"Missed share of malignant images among those kept when the least sure are refused, n={report.dataset.malignant}."
    return Chart(svg, said, list(missed))


def _forest(named: Mapping[str, Estimate | None], title: str, caption: str) -> Chart:
    rows = {name: (each.value, each.low, each.high) for name, each in named.items() if each}
    return Chart(charts.intervals(rows, Axis(title, 0, 1, 0.2, percent=True), title), caption)


def _robustness(report: RobustnessReport) -> Section:
    def cells(each: Condition) -> list[Cell]:
        n = each.auc_malignancy.n if each.auc_malignancy else None
        return [_value(each.auc_malignancy), _change(each.change, n), *map(_share, (each.flips, each.lost, each.turned_away))]

    columns = ["malignancy AUC", "change", "flips", "malignant lost", "turned away"]
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
        f"{report.bundle}, {report.variant} at {report.operating_point}. {_on(report.dataset)}. Damage: severity 1 to 5.",
        [Table("Mistakes in the capture pipeline", [*columns, "golden vectors"], faults), Table("Damage", columns, damage)],
        report.command,
        _machine(report),
        pictures,
        report.notes,
    )


def _gates(report: GatesReport) -> Section:
    rows = [
        ("clean images turned away as poor", [_share(report.false_retakes)]),
        ("clean images abstained on", [_share(report.abstained_in_distribution)]),
        ("pictures that are not skin, given no score", [_share(report.not_skin_not_scored)]),
        ("verdict flips between views, single frame", [_share(report.flips.single_frame)]),
        ("verdict flips between views, burst of five", [_share(report.flips.burst_of_five)]),
    ]
    caught = [(name, [_share(rate) for rate in rates]) for name, rates in report.caught_by_severity.items()]
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
        f"{report.bundle}, {report.variant} at {report.operating_point}. {_on(report.dataset)}.",
        [Table("Gates", ["share"], rows), Table("Turned away at severity", [str(s) for s in range(1, 6)], caught)],
        report.command,
        _machine(report),
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
        _machine(report),
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
        _machine(report),
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
        _machine(report),
        notes=[*report.notes, *failures, *not_run],
    )
