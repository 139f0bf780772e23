"""Results of latency, of other runtimes and of devices as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from benchmarks import device_rows, wording
from benchmarks.device_results import DevicesReport
from benchmarks.latency import STAGES, Comparison
from benchmarks.latency_results import LatencyReport
from benchmarks.peers.results import PeersReport


def latency_table(report: LatencyReport) -> Table:
    """One row per run: inference percentiles, one assess() and its stages, cold start and memory."""
    image, sampling = report.image, report.sampling
    kind = "quick look" if sampling.quick else "full run"
    table = Table(
        box=SIMPLE,
        title=f"{report.bundle} on {escape(report.environment.cpu)}, {report.environment.cores} cores",
        caption=f"milliseconds; {kind}, {sampling.samples} inferences or {sampling.seconds:.0f} s each; assess() of a "
        f"{image.width}x{image.height} {'synthetic ' if image.synthetic else ''}image and its stages, medians; cold: "
        "load and first inference in a fresh process; MB: its peak memory",
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("variant", overflow="fold", min_width=18)
    headings = ("thr", "p50", "p90", "p99", "assess", "decode", "resample", "quality", "infer", "decide", "cold", "MB")
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    for run in report.runs:
        times = [run.inference.p50, run.inference.p90, run.inference.p99, run.assess.p50]
        times += [run.stages[stage].p50 for stage in STAGES]
        table.add_row(
            escape(run.variant),
            str(run.threads),
            *(f"{time:.2f}" for time in times),
            f"{run.cold_start.load_ms + run.cold_start.first_invoke_ms:.0f}",
            f"{run.cold_start.peak_memory_bytes / 1e6:.0f}",
        )
    return table


def comparison_table(rows: Sequence[Comparison]) -> Table:
    """New over old medians; below 1 is faster."""
    table = Table(box=SIMPLE, title="new / old, medians (below 1 is faster)", pad_edge=False)
    for heading in ("variant", "threads", "inference", "assess"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for row in rows:
        assess = "other image" if row.assess is None else f"{row.assess:.3f}"
        table.add_row(escape(row.variant), str(row.threads), f"{row.inference:.3f}", assess)
    return table


def peers_table(report: PeersReport) -> Table:
    """One row per runtime and precision."""
    kind = "quick look" if report.quick else "full run"
    table = Table(
        box=SIMPLE,
        title=f"{report.bundle} on one core of {escape(report.environment.cpu)}",
        caption=f"milliseconds; {kind}, {report.rounds} rounds of {report.block} in alternation, {report.pictures} synthetic "
        f"pictures; \\[95 % intervals] over rounds; times {' or '.join(report.references.values())} in the same rounds; "
        f"largest difference of a class score from {report.references['inference']}",
        pad_edge=False,
    )
    for heading in ("runtime", "version", "p50", "p90", "times reference", "difference"):
        table.add_column(heading, justify="left" if heading in ("runtime", "version") else "right")
    for name, run in report.runs.items():
        times = (f"{wording.time(t)} {escape(wording.time_interval(t))}" for t in (run.p50_ms, run.p90_ms))
        ratio = "reference" if run.ratio is None else f"{wording.time(run.ratio)} {escape(wording.time_interval(run.ratio))}"
        difference = wording.NONE if run.largest_difference is None else f"{run.largest_difference:.1e}"
        table.add_row(name, run.version, *times, ratio, difference)
    return table


def devices_table(report: DevicesReport) -> Table:
    """What one target says about a bundle, and what kind of evidence that is."""
    table = Table(
        box=SIMPLE,
        title=f"{report.bundle}, evidence: {report.evidence}",
        caption=escape(report.device),
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for heading in ("what", "found", ""):
        table.add_column(heading, overflow="fold")
    for what, found, small in device_rows.rows(report):
        table.add_row(escape(what), escape(found), f"[dim]{escape(small)}[/]")
    return table
