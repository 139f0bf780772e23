"""Whether every variant of a bundle may ship: run on images, compared with float32, held to the limits in the manifest.

A variant whose files are missing or altered, that does not open, or whose figures are over a limit is a failure with its
reason, and the others are still checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from export.check_decisions import wrong_capture, wrong_decisions
from export.check_images import REFERENCES, ImageSet
from export.comparison import Figures, Outputs, broken, compare, judge, limits_of
from export.content import contradictions, missing_guards
from export.mil import open_coreml
from export.parity import own_limits
from mobile_runtime.bundle import Bundle, wrong_scores
from mobile_runtime.decision import operating_point
from mobile_runtime.engines import Engine, open_engine
from mobile_runtime.errors import BundleError, EngineError
from mobile_runtime.manifest import Variant

NOTHING = f"no variant {' or '.join(REFERENCES)} that works"
ALONE = "neither golden outputs of it nor another float32 variant that works"
Advance = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One variant by one engine: figures by image set, why it fails, if it does, and limits that are the bundle's own."""

    variant: str
    runtime: str
    figures: dict[str, Figures]
    failures: tuple[str, ...]
    own_limits: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class Report:
    """The outcome.

    Attributes:
        problem: what is wrong with the bundle as a whole, such as a file that is not in its list.
        own_images: ids of labelled images that made the bundle: differences between its variants may be smaller there.
    """

    bundle: str
    reference: str | None
    operating_point: str
    problem: str | None
    rows: tuple[Row, ...]
    own_images: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.problem is None and all(row.passed for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        rows = [
            {
                "variant": row.variant,
                "runtime": row.runtime,
                "passed": row.passed,
                "failures": list(row.failures),
                "own_limits": list(row.own_limits),
                "figures": {name: figures.to_dict() for name, figures in row.figures.items()},
            }
            for row in self.rows
        ]
        names = ("bundle", "reference", "operating_point", "problem", "passed", "own_images")
        return {"schema_version": 1, "variants": rows} | {name: getattr(self, name) for name in names}


def check(
    bundle: Bundle,
    sets: Sequence[ImageSet],
    names: Sequence[str] = (),
    point: str | None = None,
    margin: float | None = None,
    advance: Advance = lambda name: None,
) -> Report:
    """Check variants of a bundle that need not be intact (`Bundle.read`).

    Args:
        bundle: the bundle.
        sets: what to run the variants on.
        names: variants that must be there and pass; none for all.
        point: operating point of the decisions; None takes the bundle's default.
        margin: largest loss of AUC; None takes each variant's own.
        advance: called with the name of each variant before it is run.

    Raises:
        BundleError: a variant has no such operating point, or there is nothing wrong but no float32 variant to compare with.
    """
    try:
        Bundle.load(bundle.path)
        problem = None
    except BundleError as error:
        problem = str(error)
    problem = problem or wrong_scores(bundle.manifest) or missing_guards(bundle.manifest) or wrong_capture(bundle)
    point = point or bundle.manifest.default_operating_point
    for variant in bundle.variants.values():
        operating_point(variant, point)
    runs: dict[str, list[_Run]] = {}

    def run(name: str) -> list[_Run]:
        if name not in runs:
            advance(name)
            runs[name] = _run(bundle, name, sets)
        return runs[name]

    working = (found for name in REFERENCES if name in bundle.variants for found in run(name) if not found.failure)
    reference = next(working, None)
    rows = []
    for name in names or bundle.variants:
        for found in run(name):
            figures: dict[str, Figures] = {}
            failures = [found.failure] if found.failure else []
            against = reference
            if found is reference and not any(name in images.recorded for images in sets):
                against = next(working, None)
            if not failures and against is None:
                failures.append(f"{ALONE if reference else NOTHING}, to compare it with")
            elif not failures and against is not None:
                figures, failures = _compare(bundle, point, found, against, sets, margin)
            if found.variant.name == name:
                vectors = [images.vectors for images in sets if images.vectors is not None]
                failures += [reason for each in vectors for reason in wrong_decisions(bundle, found.variant, each)]
            rows.append(Row(name, found.runtime, figures, tuple(failures), tuple(own_limits(found.variant))))
    lacking = problem is None and not bundle.variants.keys() & set(REFERENCES)
    if lacking and all(row.failures == (f"{NOTHING}, to compare it with",) for row in rows):
        raise BundleError(
            f"{bundle.path}: no {' or '.join(REFERENCES)} in it to compare anything with, so nothing could be checked; "
            "give the bundle that `make bundle` writes, or replay this one by `skintriage verify --golden`"
        )
    own = tuple(name for images in sets for name in images.own)
    return Report(bundle.id, reference.variant.name if reference else None, point, problem, tuple(rows), own)


@dataclass(frozen=True)
class _Run:
    variant: Variant
    runtime: str
    outputs: dict[str, Outputs]
    failure: str = ""


def _run(bundle: Bundle, name: str, sets: Sequence[ImageSet]) -> list[_Run]:
    """A variant's outputs by image set, from every engine that can run it here."""
    try:
        variant = bundle.variant(name)
    except BundleError as error:
        return [_Run(bundle.variant(), "", {}, str(error))]
    try:
        engines = _open(bundle, variant)
        otherwise = "; ".join(contradictions(bundle, variant))
    except (BundleError, EngineError) as error:
        return [_Run(variant, variant.runtime, {}, str(error))]
    if otherwise:
        return [_Run(variant, variant.runtime, {}, otherwise)]
    runs = []
    for engine in engines:
        try:
            outputs = {images.name: engine.run(images.pixels) for images in sets}
            failure = next(
                (f"{images.name}: {reason}" for images in sets if (reason := _broken(bundle, variant, outputs, images))), ""
            )
        except EngineError as error:
            outputs, failure = {}, str(error)
        runs.append(_Run(variant, engine.name, outputs, failure))
    return runs


def _broken(bundle: Bundle, variant: Variant, outputs: dict[str, Outputs], images: ImageSet) -> str | None:
    return broken(bundle.manifest, variant, outputs[images.name], len(images.pixels))


def _open(bundle: Bundle, variant: Variant) -> list[Engine]:
    if variant.runtime == "coreml":
        return open_coreml(bundle.model_folder(variant), variant)
    return [open_engine(bundle, variant)]


def _compare(
    bundle: Bundle, point: str, found: _Run, reference: _Run, sets: Sequence[ImageSet], margin: float | None
) -> tuple[dict[str, Figures], list[str]]:
    limits = limits_of(found.variant)
    figures: dict[str, Figures] = {}
    failures: list[str] = []
    for images in sets:
        # What float32 gave when the bundle was made, so that float32 itself is checked, too.
        expected = images.recorded.get(reference.variant.name) or reference.outputs[images.name]
        figures[images.name] = compare(
            bundle.manifest,
            point,
            (found.variant, found.outputs[images.name]),
            (reference.variant, expected),
            images.truth,
        )
        if limits is None:
            continue
        if margin is not None:
            limits = limits._replace(auc_loss=margin)
        missed = judge(figures[images.name], limits, labelled=images.truth is not None)
        failures += [f"{images.name}: {reason}" for reason in missed]
    if limits is None:
        failures.append("the manifest states no limits for it; rebuild the bundle")
    return figures, failures
