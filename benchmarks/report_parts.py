"""Parts of a report and the cells of its tables, without their looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks import wording
from benchmarks.decision_results import NumberNeeded
from benchmarks.results import DatasetFacts
from benchmarks.stored import Result
from mobile_runtime.manifest import Estimate
from mobile_runtime.statistics import Gap

Cell = tuple[str, str]


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


def data_line(data: DatasetFacts) -> str:
    """What was measured on, in a sentence."""
    groups = f"{data.groups} groups ({data.group_column})" if data.group_column else "each its own group"
    return (
        f"{data.name}, {data.labels}: {data.images} images, {groups}, {data.malignant} malignant, {data.benign} benign, "
        f"{data.undecided} undecided by label"
    )


def machine_line(result: Result) -> str:
    """What a result was measured by, with its kind of evidence."""
    machine = result.environment
    return f"{machine.evidence.capitalize()}: {machine.cpu}, {machine.cores} cores, {machine.system}, {machine.python}"


def share_cell(found: Estimate | None) -> Cell:
    """A share as a percentage."""
    return wording.percent(found), "" if found is None else f"{wording.percent_interval(found)}, n={found.n}"


def value_cell(found: Estimate | None) -> Cell:
    """A figure of 0..1, such as an AUC."""
    return wording.value(found), "" if found is None else f"{wording.interval(found)}, n={found.n}"


def change_cell(found: Gap | None, n: int | None = None) -> Cell:
    """A difference, with its sign; n is what it rests on."""
    return wording.change(found), "" if found is None else wording.change_interval(found) + (f", n={n}" if n else "")


def count_cell(found: Estimate | NumberNeeded | None) -> Cell:
    """A number of patients."""
    if found is None:
        return wording.NONE, ""
    first, _, rest = wording.count(found).partition(" ")
    return first, f"{rest}, n={found.n}"
