"""What a device's result says, row by row, for the terminal, the page and the README."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.device_results import DevicesReport
from benchmarks.latency_results import Percentiles
from benchmarks.wording import megabytes
from mobile_runtime.replay import STAGES

Row = tuple[str, str, str]
"""What was looked at, what was found, and in smaller print what that rests on."""


def rows(report: DevicesReport, brief: bool = False) -> list[Row]:
    """All rows; `brief` sums up the stages of the golden vectors and leaves TFLite's own kernels out."""
    return [*_golden(report, brief), *_bits(report, brief), *_instructions(report, brief), *_times(report), *_page(report)]


def _golden(report: DevicesReport, brief: bool) -> Iterator[Row]:
    # Stored JSON has sorted keys.
    stages = dict(sorted(report.golden.stages.items(), key=lambda item: STAGES.index(item[0])))
    if brief:
        met, checks = (sum(getattr(stage, part) for stage in stages.values()) for part in ("met", "checks"))
        yield "golden vectors within tolerance", f"{met} of {checks}", f"stages {', '.join(stages)}"
        return
    for name, stage in stages.items():
        largest = "another shape or kind" if stage.largest is None else f"largest difference {stage.largest:.2g}"
        yield f"golden vectors, {name}", f"{stage.met} of {stage.checks}", largest


def _bits(report: DevicesReport, brief: bool) -> Iterator[Row]:
    for bits in report.bits:
        differences = ", ".join(f"{role} {value:.1e}" for role, value in sorted(bits.largest_differences.items()))
        if not (brief and bits.kernels == "builtin"):
            yield (
                f"{bits.variant}, {bits.kernels}: outputs with the same bits as on this machine",
                f"{bits.bit_equal_values} of {bits.values}",
                f"all on {bits.bit_equal_images} of {bits.images} images; largest difference {differences}",
            )


def _instructions(report: DevicesReport, brief: bool) -> Iterator[Row]:
    for count in report.instructions:
        if not (brief and count.kernels == "builtin"):
            found = f"{count.per_inference / 1e6:.1f} million"
            yield f"{count.variant}, {count.kernels}: instructions an inference", found, f"mean of {count.images} images"


def _times(report: DevicesReport) -> Iterator[Row]:
    for part in report.times:
        yield f"{part.variant}: {part.what}, ms", f"p50 {part.times.p50:.2f}", _percentiles(part.times)
    for run in report.native:
        more = f"{run.minimum_ms:.2f} to {run.maximum_ms:.2f}, n={run.runs}; first {run.first_ms:.2f}, init {run.init_ms:.2f}"
        slowest = sorted(run.operators_ms.items(), key=lambda item: -item[1])[:3]
        more += "".join(f"; {name} {time:.2f}" for name, time in slowest)
        yield f"{run.variant}, {run.kernels}, {run.threads} threads: benchmark_model, ms", f"mean {run.mean_ms:.2f}", more


def _percentiles(times: Percentiles) -> str:
    return f"p90 {times.p90:.2f}, n={times.samples}"


def _page(report: DevicesReport) -> Iterator[Row]:
    if page := report.page:
        yield "pictures through the page: Python's decision", f"{page.same_decision} of {page.pictures}", ""
        found = f"at most {page.largest_score_difference:.2g}"
        yield (
            "the same: difference of scores",
            found,
            f"n={page.scored}, decoding by the browser included",
        )
    if weight := report.weight:
        yield (
            "page without model",
            megabytes(weight.size_bytes),
            f"{weight.files} files; {megabytes(weight.gzip_bytes)} gzipped",
        )
        yield "model", megabytes(weight.model_bytes), ""
