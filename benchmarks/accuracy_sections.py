"""What a report says about accuracy: drift between variants, and decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping

from benchmarks import charts, figures, wording
from benchmarks.charts import Axis
from benchmarks.decision_results import DecisionsReport
from benchmarks.drift_results import DriftReport
from benchmarks.report_parts import (
    Chart,
    Section,
    Table,
    change_cell,
    count_cell,
    data_line,
    machine_line,
    share_cell,
    value_cell,
)
from benchmarks.subgroups import cut_names
from mobile_runtime.manifest import Estimate


def drift_section(report: DriftReport) -> Section:
    rows = []
    # Stored JSON has sorted keys: what has an order gets it back here.
    for name, drift in sorted(report.variants.items(), key=lambda item: item[0] != report.reference):
        point, n = drift.operating_points[report.operating_point], drift.auc_malignancy.n if drift.auc_malignancy else None
        gap = drift.differences.auc_malignancy_bootstrap if drift.differences else None
        verdict = wording.outcome(drift.verdict.outcome) if drift.verdict else "reference"
        before = wording.share(drift.ece_malignancy_uncalibrated, 3)
        cells = [
            value_cell(drift.auc_malignancy),
            change_cell(gap, n) if drift.differences else ("reference", ""),
            share_cell(point.sensitivity),
            share_cell(point.specificity),
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
        f"{data_line(report.dataset)}.",
        [Table("Variants", columns, rows)],
        report.command,
        machine_line(report),
        pictures,
        report.notes,
    )


def decisions_section(report: DecisionsReport) -> Section:
    titles = {
        "missed_per_1000": "malignant and reassured per 1,000 patients",
        "over_referred_per_1000": "benign and referred per 1,000",
        "referred_per_1000": "referred per 1,000",
        "unanswered_per_1000": "without a verdict per 1,000",
        "number_needed_to_refer": "referrals per malignant lesion found",
        "ppv": "PPV",
        "npv": "NPV",
    }
    tables, pictures = [], []
    if report.outcomes:
        ordered = [report.outcomes["set_aside"], report.outcomes["referred"]]
        rows = [
            (title, [(share_cell if name in ("ppv", "npv") else count_cell)(getattr(each, name)) for each in ordered])
            for name, title in titles.items()
        ]
        policies = ["no verdict: set aside", "no verdict: referred"]
        tables.append(Table(f"1,000 patients of whom {1000 * report.prevalence:g} have {wording.MALIGNANT}", policies, rows))
        pictures.append(_net_benefit(report))
    diagnoses = dict(sorted(report.diagnoses.items(), key=lambda item: item[1].malignant is not True))
    rows = [
        (
            f"{label} ({wording.KINDS[each.malignant]})",
            [share_cell(each.referred), share_cell(each.low_concern), (str(each.unanswered), "")],
        )
        for label, each in diagnoses.items()
    ]
    tables.append(Table("Diagnoses", ["referred", "low concern", "no verdict"], rows))
    named = {f"{label} ({each.images})": each.referred for label, each in diagnoses.items()}
    pictures.append(_forest(named, "referred", "Share of each diagnosis that is referred, with 95 % intervals."))
    for column, grouping in report.subgroups.items():
        named_first = [name for name in cut_names(grouping.edges) if name in grouping.groups] if grouping.edges else []
        rows = [
            (
                f"{name} ({group.images})",
                [share_cell(group.sensitivity), share_cell(group.specificity), value_cell(group.auc_malignancy)],
            )
            for name, group in [(name, grouping.groups[name]) for name in dict.fromkeys([*named_first, *grouping.groups])]
        ]
        gaps = [grouping.gaps.get(name) for name in ("sensitivity", "specificity", "auc_malignancy")]
        cells = [change_cell(gap.difference) if gap else (wording.NONE, "") for gap in gaps]
        worst = [
            (value, f"{small}; worst: {gap.worst}" if gap else small) for (value, small), gap in zip(cells, gaps, strict=True)
        ]
        rows.append(("best less worst", worst))
        tables.append(Table(f"By {column}", ["sensitivity", "specificity", "malignancy AUC"], rows))
    for name, points in sorted(report.coverage.items(), reverse=True):
        rows = [
            (f"{point.coverage:.0%}", [share_cell(point.missed), share_cell(point.wrong), value_cell(point.auc_malignancy)])
            for point in points
        ]
        tables.append(Table(f"Images kept, by {name}", ["malignant, not referred", "decided wrongly", "malignancy AUC"], rows))
    if report.coverage:
        pictures.append(_coverage(report))
    return Section(
        f"Decisions on {report.dataset.name}",
        f"{report.bundle}, {report.variant} at {report.operating_point} (refer from {report.threshold:.4f}). "
        f"{data_line(report.dataset)}.",
        tables,
        report.command,
        machine_line(report),
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
