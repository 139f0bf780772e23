"""What a build states of itself against what was measured, and what results leave open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.decision_results import DecisionsReport
from benchmarks.drift_results import LEFT_OUT, Decisions, DriftReport
from benchmarks.gate_evidence import Check, defaults, measured_pairs, named
from benchmarks.stored import OnImages, Result
from mobile_runtime.manifest import Estimate


def overstated(results: Sequence[Result]) -> list[Check]:
    """A failed check where a variant finds fewer malignant lesions than its manifest states of images of the same data set.

    Apps show what is stated. A network that gets its input scaled otherwise, or a threshold that is not the one measured, may
    keep every limit and still not be what was measured.
    """
    checks = []
    for report, place, point in _stated(results):
        assert point.stated is not None and point.sensitivity is not None
        if _same_data(report, point) and point.sensitivity.high < point.stated.low:
            said = f"{place}: {_brief(point.sensitivity)}, where the bundle states {_brief(point.stated)} of {point.stated_on}"
            said += ": its network or thresholds are not those that were measured; build it anew, or state what it does"
            checks.append(Check(figure=place, outcome="failed", said=said))
    return checks


def _stated(results: Sequence[Result]) -> Iterator[tuple[DriftReport, str, Decisions]]:
    for report in results:
        if isinstance(report, DriftReport):
            for variant, drift in report.variants.items():
                for name, point in drift.operating_points.items():
                    if point.stated is not None and point.sensitivity is not None:
                        yield report, f"drift.{report.dataset.name}.{variant}.sensitivity_at_{name}", point


def _same_data(report: DriftReport, point: Decisions) -> bool:
    return point.stated_on is not None and point.stated_on.split()[:1] == [report.dataset.name]


def _brief(share: Estimate) -> str:
    return f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f}, n={share.n})"


def unsaid(results: Sequence[Result]) -> list[str]:
    """What results leave open, in words."""
    notes = [
        f"agreement of drift.{result.dataset.name} is of scores alone, from before abstentions counted: measure again"
        for result in results
        if isinstance(result, DriftReport)
        if any(
            drift.differences and drift.operating_points[result.operating_point].abstain_lost is None
            for drift in result.variants.values()
        )
    ]
    notes += [
        f"malignant_unanswered of decisions.{result.dataset.name} is counted by images, not lesions: measure again"
        for result in results
        if isinstance(result, DecisionsReport) and result.malignant_unanswered is None and result.dataset.malignant
    ]
    unasked = [result for result in results if isinstance(result, OnImages) and result.dataset.seen is None]
    if unasked:
        names = ", ".join(f"{result.kind}.{result.dataset.name}" for result in unasked)
        notes.append(f"{names}: whether images made this build is not known, its manifest or an older command does not say")
    for result in results:
        if isinstance(result, DriftReport) and (names := ", ".join(n for n, why in result.not_run.items() if why != LEFT_OUT)):
            notes.append(f"{names}: did not run where drift.{result.dataset.name} was measured, so nothing is known of them")
    pairs = dict.fromkeys(pair for found in measured_pairs(results).values() for pair in found)
    if pairs and not defaults(results)[0]:
        notes.append(f"no result says which variant is the default: whether users run {named(list(pairs))} was not judged")
    for report, place, point in _stated(results):
        assert point.stated is not None and point.sensitivity is not None
        default = place.endswith(f".{report.default_variant}.sensitivity_at_{report.operating_point}")
        if default and not _same_data(report, point) and point.sensitivity.high < point.stated.low:
            found = f"{_brief(point.sensitivity)}, apps show {_brief(point.stated)} of {point.stated_on}"
            notes.append(f"{place}: {found}: it finds fewer here")
    return notes
