"""Figures by groups of patients, from any columns of the labels, with a floor below which nothing is reported."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from benchmarks.decision_results import Group, GroupGap, Subgrouping
from benchmarks.labelled import LabelledSet
from benchmarks.proportions import weighted_sum
from benchmarks.verdicts import Judged
from mobile_runtime.decision import Decision
from mobile_runtime.errors import DataError
from mobile_runtime.manifest import Estimate
from mobile_runtime.proportions import proportion
from mobile_runtime.statistics import Bools, Gap, auc

BLANK = "(blank)"
FIGURES = ("sensitivity", "specificity", "auc_malignancy")
MOST_NUMBERS = 8
"""A column with more different numbers than this must be cut."""


def parse_cuts(texts: Sequence[str]) -> dict[str, list[float]]:
    """Edges by column from `column=edge,edge,...`.

    Raises:
        DataError: one is not of that form, or its edges do not rise.
    """
    cuts = {}
    for text in texts:
        column, _, numbers = text.partition("=")
        try:
            edges = [float(number) for number in numbers.split(",")]
        except ValueError:
            edges = []
        if not column or not edges or not all(low < high for low, high in pairwise(edges)) or not np.isfinite(edges).all():
            raise DataError(f"--cut {text!r} is not COLUMN=EDGE,EDGE,... with rising numbers; for example --cut age=40,60")
        cuts[column] = edges
    return cuts


def check(labelled: LabelledSet, columns: Sequence[str], cuts: Mapping[str, Sequence[float]]) -> None:
    """Raises DataError when a cut is of no such column or of one without numbers, a column of many numbers has no cut, or
    names of its groups differ in case alone."""
    if idle := [name for name in cuts if name not in columns]:
        raise DataError(f"--cut {', '.join(idle)}: not among the subgroups; add --subgroup {idle[0]}")
    for column in columns:
        values = [image.values[column] for image in labelled.images]
        _named(column, values, cuts.get(column))
        spellings: dict[str, set[str]] = {}
        for value in values:
            spellings.setdefault(value.casefold(), set()).add(value)
        if alike := next((sorted(names) for names in spellings.values() if len(names) > 1), None):
            raise DataError(f"column {column!r} has {', '.join(alike)}: one group, or several? Write them alike in the labels")


def subgroup(judged: Judged, columns: Sequence[str], cuts: Mapping[str, Sequence[float]], floor: int) -> dict[str, Subgrouping]:
    """Figures of the groups of each column.

    Args:
        judged: images with the columns among their `values`.
        columns: names.
        cuts: rising edges of numeric columns; a group holds edge <= value < next edge.
        floor: fewest images for a group, and for each figure the fewest images that bear on it.

    Raises:
        DataError: see `check`.
    """
    check(judged.labelled, columns, cuts)
    found = {}
    for column in columns:
        values = [image.values[column] for image in judged.labelled.images]
        names = _named(column, values, cuts.get(column))
        sizes = {name: int((names == name).sum()) for name in _in_order(names, values)}
        groups = {name: _group(judged, names == name, floor) for name, size in sizes.items() if size >= floor}
        found[column] = Subgrouping(
            edges=list(cuts[column]) if column in cuts else None,
            groups=groups,
            withheld={name: size for name, size in sizes.items() if size < floor},
            gaps={figure: _gap({name: getattr(group, figure) for name, group in groups.items()}) for figure in FIGURES},
        )
    return found


def cut_names(edges: Sequence[float]) -> list[str]:
    """Names of the groups that rising edges make, lowest first."""
    return [f"< {edges[0]:g}", *(f"{low:g} to < {high:g}" for low, high in pairwise(edges)), f">= {edges[-1]:g}"]


def notes_of(found: Mapping[str, Subgrouping], floor: int) -> list[str]:
    """Groups that are not reported, by name, and what a gap means."""
    notes = []
    for column, grouping in found.items():
        if grouping.withheld:
            names = ", ".join(f"{name} ({size})" for name, size in grouping.withheld.items())
            notes.append(f"{column}: not reported, fewer than {floor} images: {names}.")
        if few := [name for name, group in grouping.groups.items() if None in [getattr(group, figure) for figure in FIGURES]]:
            notes.append(f"{column}: figures left open rest on fewer than {floor} images (--floor): {', '.join(few)}.")
    if any(gap for grouping in found.values() for gap in grouping.gaps.values()):
        notes.append("Best and worst groups are picked for being extreme: part of each gap is there by chance alone.")
    return notes


def _named(column: str, values: Sequence[str], edges: Sequence[float] | None) -> np.ndarray:
    numbers = [_number(value) for value in values]
    present = {number for number, value in zip(numbers, values, strict=True) if value}
    if edges is None:
        if None not in present and len(present) > MOST_NUMBERS:
            low, high = min(n for n in present if n is not None), max(n for n in present if n is not None)
            raise DataError(
                f"column {column!r} has {len(present)} different numbers from {low:g} to {high:g}; "
                f"state where to cut it with --cut {column}={(low + high) / 2:g}"
            )
        return np.array([value or BLANK for value in values])
    if None in present:
        odd = next(value for value, number in zip(values, numbers, strict=True) if value and number is None)
        raise DataError(f"column {column!r} is to be cut but holds {odd!r}; leave out --cut {column}, or mend the column")
    labels = cut_names(edges)
    return np.array([BLANK if n is None else labels[int(np.searchsorted(edges, n, side="right"))] for n in numbers])


def _in_order(names: np.ndarray, values: Sequence[str]) -> list[str]:
    """Group names, numbers by size and the rest by name, blanks last."""
    first = {name: _number(values[i]) for name, i in zip(*np.unique(names, return_index=True), strict=True)}
    keys = {name: number if number is not None else math.inf for name, number in first.items()}
    return [str(name) for name in sorted(first, key=lambda name: (name == BLANK, keys[name], name))]


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _group(judged: Judged, mask: Bools, floor: int) -> Group:
    truth = judged.truth
    malignant, benign, decided = mask & truth.malignant, mask & judged.benign, mask & truth.decided
    n_malignant, n_benign = int(malignant.sum()), int(benign.sum())
    referred, reassured = judged.verdict(Decision.REFER), judged.verdict(Decision.LOW_CONCERN)
    curve = auc(truth.malignant[decided], judged.malignancy[decided]) if min(n_malignant, n_benign) >= floor else None
    _, numbers = np.unique(truth.groups[decided], return_inverse=True)
    return Group(
        images=int(mask.sum()),
        malignant=n_malignant,
        benign=n_benign,
        sensitivity=proportion(referred[malignant], truth.groups[malignant]) if n_malignant >= floor else None,
        specificity=proportion(reassured[benign], truth.groups[benign]) if n_benign >= floor else None,
        auc_malignancy=curve.estimate(numbers) if curve else None,
    )


def _gap(figures: Mapping[str, Estimate | None]) -> GroupGap | None:
    known = {name: figure for name, figure in figures.items() if figure is not None}
    if len(known) < 2:
        return None
    best, worst = (choose(known, key=lambda name: known[name].value) for choose in (max, min))
    gap = weighted_sum([(1.0, known[best]), (-1.0, known[worst])])
    return GroupGap(best=best, worst=worst, difference=Gap(value=gap.value, low=gap.low, high=gap.high))
