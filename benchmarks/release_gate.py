"""Results against limits: may this build ship?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field

from benchmarks.figure_list import Figure, figures_of
from benchmarks.gate_claims import overstated, unsaid
from benchmarks.gate_evidence import Check, Outcome, added_variants, by_subject, figureless, refuse_incomparable, unfit
from benchmarks.gate_limits import Limit, Limits
from benchmarks.results import Part
from benchmarks.stored import REPORTS, Result
from mobile_runtime.errors import DataError
from mobile_runtime.intervals import Z95

OTHER_INTERVALS = ("auc", "npv", "ppv", "risk_against_chance")
ACCURACY = ("auc_malignancy", "sensitivity", "risk_against_chance")
"""How names of figures begin that show whether a model can tell lesions apart; predictive values follow the prevalence."""


class GateReport(Part):
    """Whether results keep their limits: `ship` where some were judged, and all that are required are kept; `notes` say what
    that does not cover."""

    schema_version: Literal[1] = 1
    kind: Literal["gate"] = "gate"
    bundle: str
    ship: bool
    checks: list[Check]
    notes: list[str] = Field(default_factory=list)


def judge(results: Sequence[Result], limits: Limits, baseline: Sequence[Result] = ()) -> GateReport:
    """Judge results of one bundle, against a baseline of the same images and machine where limits ask for one.

    Raises:
        DataError: the results or the baselines are of several bundles, doubled, or not comparable.
    """
    if len(bundles := sorted({result.bundle for result in results})) != 1:
        raise DataError(f"results of different bundles: {', '.join(bundles)}; judge one bundle at a time")
    if bundles[0] in {result.bundle for result in baseline}:
        raise DataError(f"the baseline is of the same bundle, {bundles[0]}; give the results of the release before")
    if len(releases := sorted({result.bundle for result in baseline})) > 1:
        raise DataError(f"baselines of different bundles: {', '.join(releases)}; give the results of one release")
    if releases and _is_newer(releases[0], bundles[0]):
        raise DataError(f"the baseline, {releases[0]}, is newer than {bundles[0]}; give the release before as --baseline")
    new, old = by_subject(results), by_subject(baseline)
    for subject in new.keys() & old.keys():
        refuse_incomparable(new[subject], old[subject])
    for kind in sorted({kind for kind, *_ in new} & {kind for kind, *_ in old}):
        ours, theirs = ({place for its, place, _ in results if its == kind} for results in (new, old))
        if not ours & theirs:
            names = (", ".join(sorted(places)) for places in (ours, theirs))
            raise DataError("{} of {}, the baseline's of {}; measure both alike".format(kind, *names))
    figures = {name: figure for result in results for name, figure in figures_of(result).items()}
    before = {name: figure for result in baseline for name, figure in figures_of(result).items()}
    lacking = {check.figure: check for check in figureless(results)}
    added = added_variants(results, baseline)
    by_limit = [(limit, _judge(limit, figures, before, bool(baseline), lacking, added)) for limit in limits.limits]
    floors = [check for limit, found in by_limit if not limit.relative for check in found if check.outcome != "not judged"]
    notes = [] if any(_on_accuracy(check.figure) for check in floors) else ["no limit on accuracy was judged"]
    notes += [f"compared with {release}" for release in releases] + unsaid(results)
    checks = list(dict.fromkeys(check for _, found in by_limit for check in found))  # several limits may find one figure gone
    checks += unfit(results) + overstated(results)
    outcomes = {check.outcome for check in checks}
    ship = "kept" in outcomes and not {"failed", "too few"} & outcomes
    return GateReport(bundle=bundles[0], ship=ship, checks=checks, notes=notes)


def _is_newer(one: str, other: str) -> bool:
    """Whether a bundle has the name of another and a later version; both are name-version+digest."""
    (name, version), (same, before) = (bundle.partition("+")[0].rpartition("-")[::2] for bundle in (one, other))
    numbers = [[int(part) if part.isdigit() else -1 for part in text.split(".")] for text in (version, before)]
    return name == same and numbers[0] > numbers[1]


def _on_accuracy(name: str) -> bool:
    *subject, figure = name.split(".")
    return figure.startswith(ACCURACY) and "gap" not in subject


def _judge(
    limit: Limit,
    figures: Mapping[str, Figure],
    before: Mapping[str, Figure],
    with_baseline: bool,
    lacking: Mapping[str, Check],
    added: set[str],
) -> list[Check]:
    names = [name for name in dict.fromkeys([*figures, *lacking]) if fnmatchcase(name, limit.figure)]
    missing: Literal["failed", "not judged"] = "failed" if limit.required else "not judged"
    if limit.relative and not with_baseline:
        return [Check(figure=limit.figure, outcome="not judged", said=f"{limit.figure}: no baseline to compare with")]
    # What was measured before must be measured again: a variant that was left out may be the one that became worse.
    gone = [name for name in before if fnmatchcase(name, limit.figure) and name not in names]
    if not names and not gone:
        said = f"{limit.figure}: not in any of the results"
        kind = limit.figure.split(".")[0]
        if any(name.startswith(f"{kind}.") for name in figures):
            said += ", which have no such figure: "
            names = sorted({name.split(".")[-1] for name in figures if name.startswith(f"{kind}.")})
            needs = "`decisions --subgroup COLUMN` and at least two groups that reach its --floor"
            said += f"it needs {needs}" if ".gap." in limit.figure else f"those of {kind} are {', '.join(names)}"
        elif kind in REPORTS:
            said += f"; `python -m benchmarks {kind}` measures it"
        return [Check(figure=limit.figure, outcome=missing, said=said)]
    checks = [Check(figure=name, outcome="failed", said=f"{name}: in the baseline, but not in the results") for name in gone]
    for name in names:
        if name in lacking:
            checks.append(lacking[name])
            continue
        figure, base = figures[name], before.get(name)
        if limit.relative and base is None:
            # A form that a release adds has nothing to fall behind; the default may not leave its past by a new name.
            if new := next((variant for variant in added if f".{variant}." in name), None):
                said = f"{name}: {new} is not in the baseline and not the default, so only limits of its own hold"
                checks.append(Check(figure=name, outcome="not judged", said=said))
            else:
                checks.append(Check(figure=name, outcome=missing, said=f"{name}: not in the baseline"))
            continue
        found, rule = _compare(limit, figure, base)
        outcome: Outcome = "kept" if found else "failed"
        why = f" ({limit.why})" if limit.why else ""
        if not found and (needed := _fewest(limit, name, figure)):
            outcome = "too few"
            rest = "" if _independent(figure) == figure.n else f" of {_independent(figure)} lesions or patients"
            needs = f"{needed}{' of these' if rest else ''} are needed"
            rule += f", for which {figure.n} images{rest} are too few whatever they show: {needs}"
        elif not found and _only_wide(limit, figure):
            rule += ", as its value is: more images might show it"
        checks.append(Check(figure=name, outcome=outcome, said=f"{name}: {describe(figure)}, {rule}{why}"))
    return checks


def _only_wide(limit: Limit, figure: Figure) -> bool:
    """Whether a figure itself keeps a limit that an end of its interval does not."""
    value = limit.model_copy(update={"bound": "value"})
    return not limit.relative and getattr(figure, limit.bound) is not None and _compare(value, figure, None)[0]


def _fewest(limit: Limit, name: str, figure: Figure) -> int | None:
    """How many images a perfect share would need to keep a limit on its interval, where it keeps it but for their number.

    The lower end of Wilson's interval of n out of n is n / (n + z squared), the upper end of 0 out of n is 1 less that. Areas
    under curves and predictive values have other intervals.
    """
    if figure.n is None or any(part in name for part in OTHER_INTERVALS):
        return None
    if limit.at_least is not None and limit.bound == "low" and figure.value >= limit.at_least:
        allowed = 1 - limit.at_least
    elif limit.at_most is not None and limit.bound == "high" and figure.value <= limit.at_most:
        allowed = limit.at_most
    else:
        return None
    if not 0 < allowed < 1:
        return None
    needed = math.ceil((1 - allowed) * Z95**2 / allowed)
    return needed if _independent(figure) < needed else None


def _independent(figure: Figure) -> int:
    """How many images count, those of one lesion or patient as one: a perfect share's interval tells, others leave it open."""
    assert figure.n is not None
    width = {1.0: figure.low, 0.0: None if figure.high is None else 1 - figure.high}.get(figure.value)
    return figure.n if width is None or width >= 1 else min(figure.n, round(Z95**2 * width / (1 - width)))


def _compare(limit: Limit, figure: Figure, base: Figure | None) -> tuple[bool, str]:
    if limit.relative:
        assert base is not None
        if limit.may_fall_by is not None:
            return figure.value >= base.value - limit.may_fall_by, f"may fall by {limit.may_fall_by:g} from {base.value:.4g}"
        assert limit.may_rise_by is not None
        return figure.value <= base.value + limit.may_rise_by, f"may rise by {limit.may_rise_by:g} from {base.value:.4g}"
    judged: float | None = getattr(figure, limit.bound)
    what = "" if limit.bound == "value" else f"{limit.bound} end "
    if limit.at_least is not None:
        # A figure without that end of the interval keeps no limit on it.
        return judged is not None and judged >= limit.at_least, f"{what}must be at least {limit.at_least:g}"
    assert limit.at_most is not None
    return judged is not None and judged <= limit.at_most, f"{what}must be at most {limit.at_most:g}"


def describe(figure: Figure) -> str:
    """-0.0021 [-0.0060, +0.0017], n=573"""
    ends = [None if end is None else f"{end:.4g}" for end in (figure.low, figure.high)]
    interval = "" if ends == [None, None] else f" [{ends[0] or 'open'}, {ends[1] or 'open'}]"
    return f"{figure.value:.4g}{interval}" + ("" if figure.n is None else f", n={figure.n}")
