"""Whether results are fit to be judged together: of one bundle's default, of all images, alike the baseline's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from benchmarks.decision_results import DecisionsReport
from benchmarks.drift_results import LEFT_OUT, DriftReport
from benchmarks.gates_results import GatesReport
from benchmarks.latency_results import LatencyReport
from benchmarks.results import Part
from benchmarks.robustness_results import RobustnessReport
from benchmarks.stored import OnImages, Result, Timed
from mobile_runtime.errors import DataError

Outcome = Literal["kept", "failed", "too few", "not judged"]


class Check(Part):
    """One figure against one limit; `said` is the line to print.

    Of `too few` images even a perfect result would not keep the limit; of what is `not judged` nothing was measured that
    is not required, or there is no baseline.
    """

    figure: str
    outcome: Outcome
    said: str


def by_subject(results: Sequence[Result]) -> dict[tuple[str, ...], Result]:
    """Results by kind, data set or target, and variant, where a result is of one."""
    subjects = []
    for result in results:
        place = result.dataset.name if isinstance(result, OnImages) else getattr(result, "target", "")
        subjects.append((result.kind, place, getattr(result, "variant", "")))
    if doubled := [" ".join(filter(None, subject)) for subject, count in Counter(subjects).items() if count > 1]:
        raise DataError(f"more than one result of {', '.join(doubled)}; give one each")
    return dict(zip(subjects, results, strict=True))


def refuse_incomparable(new: Result, old: Result) -> None:
    """Raises DataError where two results of a kind are of other images, damage or operating points or, for times, machines."""
    if isinstance(new, Timed) and isinstance(old, Timed):
        if new.environment.fingerprint != old.environment.fingerprint:
            raise DataError(
                f"{new.kind} of different machines ({new.environment.cpu}, fingerprint {new.environment.fingerprint}; baseline "
                f"{old.environment.cpu}, fingerprint {old.environment.fingerprint}); measure both bundles on one machine"
            )
        if isinstance(new, LatencyReport) and isinstance(old, LatencyReport) and new.image != old.image:
            raise DataError("latency of different images; measure both bundles with the same --image")
    elif isinstance(new, OnImages) and isinstance(old, OnImages):
        ours, theirs = new.dataset.images_sha256, old.dataset.images_sha256
        if ours is None or ours != theirs:
            raise DataError(
                f"{new.kind} on different images of {new.dataset.name} ({new.dataset.images} images, fingerprint "
                f"{(ours or 'none')[:16]}; baseline {old.dataset.images}, {(theirs or 'none')[:16]}); measure both bundles on "
                "the same images and labels"
            )
        if new.dataset.groups != old.dataset.groups:
            raise DataError(
                f"{new.kind} of {new.dataset.name} with {new.dataset.groups} lesions or patients, the baseline with "
                f"{old.dataset.groups}; measure both by one --group-column"
            )
        ours, theirs = new.default_operating_point, old.default_operating_point
        if None not in (ours, theirs) and ours != theirs:
            raise DataError(
                f"{new.kind}: verdicts are given at {ours} by default, of the baseline at {theirs}: other verdicts, by which a "
                "release cannot be compared; mend the manifest's default_operating_point, or judge it without --baseline"
            )
        for what in ("operating_point", "prevalence"):
            ours, theirs = (getattr(result, what, None) for result in (new, old))
            if ours != theirs:
                raise DataError(f"{new.kind} at {what} {ours}, the baseline at {theirs}; measure both bundles alike")
        if isinstance(new, RobustnessReport) and isinstance(old, RobustnessReport):
            for kind in sorted(new.corruptions.keys() & old.corruptions.keys()):
                one, other = new.corruptions[kind], old.corruptions[kind]
                if (one.about, one.strengths) != (other.about, other.strengths):
                    raise DataError(f"robustness: the baseline's {kind} is another damage; measure both bundles by one version")


def figureless(results: Sequence[Result]) -> list[Check]:
    """What a limit on a figure finds where a measurement was made and the figure could not be had from it."""
    checks = []
    for result in results:
        subject = f"{result.kind}.{result.dataset.name}" if isinstance(result, OnImages) else ""
        if isinstance(result, DriftReport):
            for name, drift in result.variants.items():
                if drift.verdict is not None and drift.verdict.outcome == "undetermined":
                    figure = f"{subject}.{name}.auc_difference"
                    said = f"{figure}: too few malignant or too few benign images to judge it by"
                    checks.append(Check(figure=figure, outcome="too few", said=said))
        elif isinstance(result, DecisionsReport):
            for policy, outcomes in (result.outcomes or {}).items():
                if outcomes.npv is None:
                    figure = f"{subject}.{result.variant}.{policy}.risk_against_chance"
                    said = f"{figure}: nobody was reassured, so low concern has no risk to judge and the build no use"
                    checks.append(Check(figure=figure, outcome="failed", said=said))
    return checks


def unfit(results: Sequence[Result]) -> list[Check]:
    """A failed check for each way in which results leave out what users run, or images, or flatter the build."""
    checks = [check for result in results if isinstance(result, DriftReport) for check in _default_measured(result)]
    checks += _of_the_default(results) + _on_the_same_images(results) + _of_one_dataset(results)
    return checks + [check for result in results if isinstance(result, OnImages) for check in _right_images(result)]


def _default_measured(report: DriftReport) -> list[Check]:
    """Failed checks where a variant that could be run was not measured, or not at the operating point that users run."""
    subject, said = f"drift.{report.dataset.name}", {}
    name, point = report.default_variant, report.default_operating_point
    if name is not None and name not in report.variants:
        why = report.not_run.get(name, "it was left out")
        said[f"{subject}.{name}"] = f"{name}, the default, not measured: {why}"
    for other, why in report.not_run.items():
        if why == LEFT_OUT and other != name:
            said[f"{subject}.{other}"] = f"{subject}.{other}: {why}, so nothing holds it to {report.reference}; measure it, too"
    if point is not None and point != report.operating_point:
        said[subject] = f"{subject}: at {report.operating_point}, but {point} is the default; leave out --operating-point"
    return [Check(figure=figure, outcome="failed", said=each) for figure, each in said.items()]


def defaults(results: Sequence[Result]) -> tuple[set[str], set[str]]:
    """The variant and the operating point that users run, as far as results state them.

    For the operating point, the one that `drift` is of stands in where none states it.
    """
    judged = [result for result in results if isinstance(result, OnImages)]
    variants = {result.default_variant for result in judged if result.default_variant is not None}
    points = {result.default_operating_point for result in judged if result.default_operating_point is not None}
    return variants, points or {result.operating_point for result in judged if isinstance(result, DriftReport)}


def added_variants(results: Sequence[Result], baseline: Sequence[Result]) -> set[str]:
    """Variants that the baseline has no result of at all, less the default; none where no result states the default."""
    default = defaults(results)[0]
    return _variants(results) - _variants(baseline) - default if default else set()


def _variants(results: Sequence[Result]) -> set[str]:
    names: set[str] = set()
    for result in results:
        if isinstance(result, DriftReport):
            names |= result.variants.keys()
        elif isinstance(result, LatencyReport):
            names |= {run.variant for run in result.runs}
        elif isinstance(result, OnImages):
            names.add(result.variant)
    return names


def measured_pairs(results: Sequence[Result]) -> dict[str, list[tuple[str, str]]]:
    """Variant and operating point of the results that are of one, by kind and data set."""
    measured: dict[str, list[tuple[str, str]]] = {}
    for result in results:
        if isinstance(result, OnImages) and not isinstance(result, DriftReport):
            pair = (result.variant, result.operating_point)
            measured.setdefault(f"{result.kind}.{result.dataset.name}", []).append(pair)
    return measured


def _of_the_default(results: Sequence[Result]) -> list[Check]:
    """Failed checks where a kind of result is of nothing that users run: of another variant or operating point.

    Where no result states the default, all must at least be of one variant and operating point.
    """
    variants, points = defaults(results)
    checks = []
    measured = measured_pairs(results)
    fitting = {
        name: {
            (variant, point) for variant, point in pairs if variant in (variants or {variant}) and point in (points or {point})
        }
        for name, pairs in measured.items()
    }
    for name, pairs in measured.items():
        if fitting[name]:
            continue
        wanted = " ".join([*(f"{variant}, the default," for variant in variants), "at", " or ".join(sorted(points))])
        said = f"{name}: of {named(pairs)}; measure {wanted}"
        checks.append(Check(figure=name, outcome="failed", said=said))
    if fitting and not checks and not set.intersection(*fitting.values()):
        each = "; ".join(f"{name} of {named(pairs)}" for name, pairs in measured.items())
        said = f"{each}: not of one variant and operating point; measure all of the default"
        checks.append(Check(figure=next(iter(measured)), outcome="failed", said=said))
    return checks


def named(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{variant} at {point}" for variant, point in pairs)


def _on_the_same_images(results: Sequence[Result]) -> list[Check]:
    """Failed checks where results on one data set are of different images: what limits on one show says nothing of the other.

    `robustness` and `gates` draw from the labelled images by `--limit`: their draw must be from the same images and table.
    """
    by_dataset: dict[str, list[OnImages]] = {}
    for result in results:
        if isinstance(result, OnImages):
            by_dataset.setdefault(result.dataset.name, []).append(result)
    checks = []
    for place, found in by_dataset.items():
        most = max(found, key=lambda result: result.dataset.images)
        for result in found:
            ours, theirs = result.dataset, most.dataset
            same_table = ours.labels_sha256 == theirs.labels_sha256
            # Fingerprints of images are younger than those of tables.
            known = ours.images_sha256 is not None and theirs.images_sha256 is not None
            same = ours.images_sha256 == theirs.images_sha256 if known else same_table and ours.images == theirs.images
            drawn = isinstance(result, RobustnessReport | GatesReport) and same_table and ours.images < theirs.images
            if ours.drawn_from_sha256 is not None and known:
                drawn = drawn and ours.drawn_from_sha256 == theirs.images_sha256
            if not same and not drawn:
                name = f"{result.kind}.{place}"
                said = f"{name}: on {ours.images} images, {most.kind} on {theirs.images} others or with other labels"
                said += "; measure both on the same images and labels"
                checks.append(Check(figure=name, outcome="failed", said=said))
            elif same and ours.groups != theirs.groups:
                name = f"{result.kind}.{place}"
                said = f"{name}: of {ours.groups} lesions or patients, {most.kind} of {theirs.groups}"
                checks.append(Check(figure=name, outcome="failed", said=f"{said}; measure both by one --group-column"))
    return checks


def _of_one_dataset(results: Sequence[Result]) -> list[Check]:
    """A failed check where what scores show and what verdicts show was measured on different data sets throughout."""
    drifted = {result.dataset.name for result in results if isinstance(result, DriftReport)}
    decided = {result.dataset.name for result in results if isinstance(result, DecisionsReport)}
    if not drifted or not decided or drifted & decided:
        return []
    name = f"decisions.{min(decided)}"
    said = f"{name}: drift is of {', '.join(sorted(drifted))}; measure both on the same images"
    return [Check(figure=name, outcome="failed", said=said)]


def _right_images(result: OnImages) -> list[Check]:
    """Failed checks where images could not be read or were not there, whose scores might have been the worse ones, or where
    images made the build, whose scores are the better ones."""
    name, said = f"{result.kind}.{result.dataset.name}", []
    if unread := result.dataset.unreadable:
        said.append(f"{len(unread)} images could not be read, first {unread[0].image}; mend them or take their rows out")
    if missing := result.dataset.missing:
        said.append(f"{len(missing)} label rows have no image, first {missing[0]}; find the images or take the rows out")
    if used := result.dataset.seen:
        said.append(f"{len(used)} images have the names of those that made this build, first {used[0]}; take their rows out")
    elif used := result.dataset.calibration:
        said.append(f"{len(used)} images calibrated this build, first {used[0]}; take their rows out")
    return [Check(figure=name, outcome="failed", said=f"{name}: {each}") for each in said]
