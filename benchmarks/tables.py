"""Results on images as tables for people: two lines a cell, so that intervals fit a terminal of 110 columns."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from benchmarks import wording
from benchmarks.decision_results import DecisionsReport
from benchmarks.drift_results import DriftReport
from benchmarks.gates_results import GatesReport
from benchmarks.robustness_results import RobustnessReport
from mobile_runtime.manifest import Estimate


def drift_table(report: DriftReport, narrow: bool = False) -> Table:
    """One row per variant: verdict, AUC, difference, decisions at the operating point; `narrow` leaves out what 80 columns
    cannot hold."""
    data = report.dataset
    table = Table(
        box=SIMPLE,
        title=f"{report.bundle} on {data.name}: {data.images} images, {data.groups} groups, {data.malignant} malignant",
        caption=f"[95 % intervals]; decisions at {report.operating_point}; margin {report.margin}; "
        f"{report.resamples} paired resamples of groups, seed {report.seed}"
        + ("; a wider terminal shows sensitivity, specificity and ECE" if narrow else ""),
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("variant", overflow="fold", min_width=19)
    table.add_column("verdict, agreement" if narrow else "verdict", overflow="fold")
    more = () if narrow else ("agreement", "sensitivity", "specificity", "ECE")
    for heading in ("AUC malignant", "difference", *more):
        table.add_column(heading, justify="right", overflow="fold")
    for name, drift in report.variants.items():
        point = drift.operating_points[report.operating_point]
        gap = drift.differences.auc_malignancy_bootstrap if drift.differences else None
        agreement = f"{wording.percent(point.agreement)}\n{len(drift.flips)} flips" if drift.differences else ""
        verdict = wording.outcome(drift.verdict.outcome) if drift.verdict else "reference"
        decisions = (
            agreement,
            _two(wording.percent(point.sensitivity), wording.percent_interval(point.sensitivity)),
            _two(wording.percent(point.specificity), wording.percent_interval(point.specificity)),
            wording.share(drift.ece_malignancy, 3),
        )
        table.add_row(
            f"{escape(name)}\n[dim]{drift.runtime}, {wording.megabytes(drift.size_bytes)}[/]",
            f"{verdict}\n{agreement.replace(chr(10), ', ')}" if narrow else verdict,
            _two(wording.value(drift.auc_malignancy), wording.interval(drift.auc_malignancy)),
            _two(wording.change(gap), wording.change_interval(gap)) if drift.differences else "",
            *(() if narrow else decisions),
        )
    return table


def outcomes_table(report: DecisionsReport) -> Table:
    """Outcomes of 1,000 patients, one column for each policy."""
    data = report.dataset
    table = Table(
        box=SIMPLE,
        title=f"{report.bundle}, {report.variant} at {report.operating_point} on {data.name}: {data.images} images, "
        f"{data.groups} groups, {data.malignant} malignant",
        caption=f"1,000 patients of whom {1000 * report.prevalence:g} have {wording.MALIGNANT}; [95 % intervals]",
        pad_edge=False,
    )
    table.add_column("outcome", overflow="fold")
    for heading in ("no verdict: set aside", "no verdict: referred"):
        table.add_column(heading, justify="right")
    if report.outcomes is None:
        table.add_row("undefined: one class only", wording.NONE, wording.NONE)
        return table
    rows = {
        "malignant, given low concern (false reassurance)": "missed_per_1000",
        "benign, referred": "over_referred_per_1000",
        "referred": "referred_per_1000",
        "without a verdict": "unanswered_per_1000",
        "referrals per malignant lesion found": "number_needed_to_refer",
        "PPV": "ppv",
        "NPV": "npv",
    }
    for title, name in rows.items():
        write = wording.with_interval if name in ("ppv", "npv") else wording.count
        table.add_row(title, *(escape(write(getattr(outcome, name))) for outcome in report.outcomes.values()))
    return table


def diagnoses_table(report: DecisionsReport) -> Table:
    """Share of each diagnosis that is referred."""
    table = Table(box=SIMPLE, pad_edge=False)
    for heading in ("diagnosis", "images", "referred", "low concern", "no verdict"):
        table.add_column(heading, justify="left" if heading == "diagnosis" else "right")
    for label, found in report.diagnoses.items():
        shares = (escape(wording.with_interval(share)) for share in (found.referred, found.low_concern))
        table.add_row(
            f"{escape(label)} [dim]{wording.KINDS[found.malignant]}[/]", str(found.images), *shares, str(found.unanswered)
        )
    return table


def subgroups_table(report: DecisionsReport) -> Table:
    """Figures of each group, and the gap between best and worst."""
    table = Table(box=SIMPLE, pad_edge=False)
    for heading in ("subgroup", "images", "malignant", "sensitivity", "specificity", "AUC malignant"):
        table.add_column(heading, justify="left" if heading == "subgroup" else "right")
    for column, grouping in report.subgroups.items():
        for name, group in grouping.groups.items():
            shares = (_two(wording.percent(s), wording.percent_interval(s)) for s in (group.sensitivity, group.specificity))
            curve = _two(wording.value(group.auc_malignancy), wording.interval(group.auc_malignancy))
            table.add_row(f"{escape(column)}: {escape(name)}", str(group.images), str(group.malignant), *shares, curve)
        gaps = [grouping.gaps[figure] for figure in ("sensitivity", "specificity", "auc_malignancy")]
        cells = [
            f"{wording.change(gap.difference)}\n{escape(wording.change_interval(gap.difference))}\n"
            f"[dim]worst: {escape(gap.worst)}[/]"
            if gap
            else wording.NONE
            for gap in gaps
        ]
        table.add_row(f"[dim]{escape(column)}: best - worst[/]", "", "", *cells, end_section=True)
    return table


def _two(first: str, second: str) -> str:
    return first if second == wording.NONE else f"{first}\n[dim]{escape(second)}[/]"


def gates_table(report: GatesReport) -> Table:
    """Shares with 95 % intervals."""

    def share(found: Estimate | None) -> str:
        return escape(wording.with_interval(found)) + (f", n={found.n}" if found else "")

    data = report.dataset
    table = Table("what", "share", title=f"{report.bundle}, {report.variant}, {data.images} images of {data.name}")
    table.add_row("clean images turned away as poor", share(report.false_retakes))
    for fault, rates in report.caught_by_severity.items():
        table.add_row(f"{fault}: turned away at severity 1 to 5", "  ".join(f"{rate.value:.0%}" for rate in rates))
    table.add_row("clean images abstained on", share(report.abstained_in_distribution))
    table.add_row("pictures that are not skin, given no score", share(report.not_skin_not_scored))
    table.add_row("verdict flips between views, single frame", share(report.flips.single_frame))
    table.add_row("verdict flips between views, burst of five", share(report.flips.burst_of_five))
    return table


def corruptions_table(report: RobustnessReport) -> Table:
    """AUC and share of flips by severity, one row for each kind of damage."""
    data = report.dataset
    table = Table(
        box=SIMPLE,
        title=f"{report.bundle}, {report.variant} at {report.operating_point} on {data.name}: {data.images} images, "
        f"{data.groups} groups, {data.malignant} malignant",
        caption=f"malignancy AUC / flips; undamaged AUC {wording.value(report.undamaged.auc_malignancy)} "
        f"{escape(wording.interval(report.undamaged.auc_malignancy))}; last column: change \\[95 % interval]",
        pad_edge=False,
    )
    for heading in ("damage", "1", "2", "3", "4", "5", "change at 5"):
        table.add_column(heading, justify="left" if heading == "damage" else "right")
    for name, corrupted in report.corruptions.items():
        cells = [
            f"{wording.share(each.auc_malignancy.value if each.auc_malignancy else None, 3)} / {each.flips.value:.0%}"
            for each in corrupted.severities
        ]
        change = corrupted.severities[-1].change
        table.add_row(name, *cells, f"{wording.change(change)} {escape(wording.change_interval(change))}")
    return table


def reassured_table(report: RobustnessReport) -> Table:
    """Who would be reassured wrongly: malignant, referred undamaged and of low concern damaged, by severity."""
    counts = [each.reassured.n for corrupted in report.corruptions.values() for each in corrupted.severities if each.reassured]
    table = Table(
        box=SIMPLE,
        title=f"malignant, refer undamaged, but low_concern damaged, of {max(counts, default=0)}",
        caption="share by severity, the gates at work; last column: 95 % interval at its worst",
        pad_edge=False,
    )
    for heading in ("damage", "1", "2", "3", "4", "5", "worst"):
        table.add_column(heading, justify="left" if heading == "damage" else "right")
    for name, corrupted in report.corruptions.items():
        rates = [each.reassured for each in corrupted.severities]
        worst = max((rate for rate in rates if rate), key=lambda rate: rate.value, default=None)
        cells = [wording.share(rate.value if rate else None, 2) for rate in rates]
        table.add_row(name, *cells, escape(wording.interval(worst)) if worst else "")
    return table


def faults_table(report: RobustnessReport) -> Table:
    """What each mistake in the capture pipeline costs, and whether golden vectors catch it."""
    table = Table(box=SIMPLE, pad_edge=False)
    for heading in ("pipeline fault", "AUC", "change", "flips", "golden vectors"):
        table.add_column(heading, justify="left" if heading in ("pipeline fault", "golden vectors") else "right")
    for name, faulted in report.faults.items():
        each, golden = faulted.condition, faulted.golden
        seen = "none in the bundle" if golden is None else f"caught at {golden.stage}" if golden.caught else "not caught"
        table.add_row(
            name,
            wording.value(each.auc_malignancy),
            f"{wording.change(each.change)} {escape(wording.change_interval(each.change))}",
            escape(wording.with_interval(each.flips)),
            seen,
        )
    return table
