"""Any stored results as one self-contained page, and as one JSON of named figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from benchmarks.figure_list import Figure, figures_of
from benchmarks.figures import series_style
from benchmarks.pages import template
from benchmarks.report_sections import section_of
from benchmarks.results import DatasetFacts, Part
from benchmarks.stored import Result
from mobile_runtime.errors import DataError


class ReportSource(Part):
    """A result that a report rests on; `dataset` is None where no labelled images were measured."""

    kind: str
    command: str
    bundle: str
    dataset: DatasetFacts | None


class ReportDocument(Part):
    """The figures of a report by name, with the results that they come from."""

    schema_version: Literal[1] = 1
    kind: Literal["report"] = "report"
    sources: list[ReportSource]
    figures: dict[str, Figure]


def document(results: Sequence[Result]) -> ReportDocument:
    """The report for machines.

    Raises:
        DataError: two results have figures of one name.
    """
    sources = [
        ReportSource(
            kind=result.kind,
            command=result.command,
            bundle=result.bundle,
            dataset=getattr(result, "dataset", None),
        )
        for result in results
    ]
    named = [(name, figure) for result in results for name, figure in figures_of(result).items()]
    if doubled := [name for name, count in Counter(name for name, _ in named).items() if count > 1]:
        raise DataError(
            f"{len(doubled)} figures are in several of the results, first {doubled[0]}; report one bundle, and each of its "
            "measurements once"
        )
    return ReportDocument(sources=sources, figures=dict(named))


def render(results: Sequence[Result]) -> str:
    """The report for people: nothing is loaded from anywhere, and no script is needed."""
    return template("report.html").render(
        sections=[section_of(result) for result in results],
        bundles=list(dict.fromkeys(result.bundle for result in results)),
        style=series_style,
    )
