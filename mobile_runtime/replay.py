"""Replaying a bundle's golden vectors; `mobile_runtime.golden` says what they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from mobile_runtime import capture
from mobile_runtime.bundle import Bundle
from mobile_runtime.engines import Engine, check_outputs, open_engine
from mobile_runtime.errors import BundleError, CaptureError, EngineError, MissingEngineError
from mobile_runtime.frames import CameraFrame
from mobile_runtime.golden import (
    GOLDEN,
    Case,
    GoldenVectors,
    VariantVectors,
    decide_case,
    decide_rule,
    figures,
    load_vectors,
    machine,
    open_source,
    read_array,
)
from mobile_runtime.manifest import Variant
from mobile_runtime.quality import judge

Stage = Literal["upright", "prepared", "quality", "outputs", "decision"]
STAGES: tuple[Stage, ...] = get_args(Stage)


def _as_it_is(batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return batch


@dataclass(frozen=True)
class Port:
    """The steps under test: this runtime's own, or those of a port or of a faulty pipeline in their place.

    Attributes:
        acquire: file bytes or a camera frame to upright sRGB, uint8 [H, W, 3].
        normalize: upright pixels and S to the model's input and the side it was taken from.
        feed: prepared images uint8 [N, S, S, 3] to what the model is handed, of the same shape.
    """

    acquire: Callable[[bytes | CameraFrame], npt.NDArray[np.uint8]] = capture.acquire
    normalize: Callable[[npt.NDArray[np.uint8], int], capture.Capture] = capture.normalize
    feed: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]] = _as_it_is


OWN = Port()


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        variant: name and kernels; "" for stages before the model.
        difference: the largest; infinite where something has another shape or kind.
        detail: what differed, where a number does not say it.
    """

    stage: Stage
    case: str
    variant: str
    difference: float
    tolerance: float
    detail: str = ""

    @property
    def passed(self) -> bool:
        return self.difference <= self.tolerance

    @property
    def share(self) -> float:
        """How much of the tolerance is used up; for ranking."""
        return self.difference / self.tolerance if self.tolerance else self.difference and float("inf")

    def describe(self) -> str:
        """One line that names stage, case and variant."""
        where = f"stage {self.stage}, case {self.case}" + (f", variant {self.variant}" if self.variant else "")
        return f"{where}: {self.difference:.3g}, allowed is {self.tolerance:.3g}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True)
class Replay:
    """All comparisons, and the variants that could not run here, each with the reason."""

    checks: tuple[Check, ...]
    not_run: dict[str, str]

    @property
    def first_failure(self) -> Check | None:
        """The failure of the earliest stage; None when all passed."""
        failures = [check for check in self.checks if not check.passed]
        return min(failures, key=lambda check: STAGES.index(check.stage), default=None)

    def worst(self) -> dict[tuple[Stage, str], Check]:
        """For each stage and case the check that comes closest to its tolerance, or is farthest over it."""
        worst: dict[tuple[Stage, str], Check] = {}
        for check in self.checks:
            known = worst.get((check.stage, check.case))
            if known is None or check.share > known.share:
                worst[check.stage, check.case] = check
        return worst

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; a difference in shape or kind is null."""
        checks = [
            asdict(check) | {"difference": check.difference if np.isfinite(check.difference) else None, "passed": check.passed}
            for check in self.checks
        ]
        return {"passed": self.first_failure is None, "not_run": self.not_run, "checks": checks}


def replay(bundle: Bundle, port: Port = OWN, variants: Collection[str] | None = None) -> Replay:
    """Run every stage again and compare. The bundle must have been verified.

    That the default variant was not run is a failed check, unless it is Core ML's.

    Args:
        bundle: whose vectors to replay.
        port: what to run them through.
        variants: names of the variants to run; None takes all.

    Raises:
        BundleError: no golden vectors, or malformed ones.
    """
    vectors = load_vectors(bundle)
    listed = {entry.path for entry in bundle.manifest.files}
    checks: list[Check] = []
    not_run: dict[str, str] = {}
    for case in vectors.cases:
        checks += _replay_case(bundle, vectors, case, listed, port)
    square = (vectors.input_size, vectors.input_size, 3)
    prepared = np.stack([read_array(bundle.path, case.prepared, listed, *square) for case in vectors.cases])
    for name, expected in vectors.variants.items():
        if variants is not None and name not in variants:
            continue
        variant = bundle.variant(name)
        if any(each.outputs.keys() != variant.outputs.keys() & expected.tolerance.keys() for each in expected.recordings):
            path = bundle.path / GOLDEN
            raise BundleError(f"{path}: variant {name} has not an array and a tolerance for each output; get the bundle again")
        names = [case.name for case in vectors.cases]
        for kernels in ("xnnpack", "builtin") if variant.runtime == "litert" else (variant.runtime,):
            try:
                engine = open_engine(bundle, variant, xnnpack=kernels == "xnnpack")
            except MissingEngineError as error:
                not_run[name] = str(error)
                continue
            except EngineError as error:
                checks.append(Check("outputs", "all", f"{name} ({kernels})", float("inf"), 0, str(error)))
                continue
            checks += _replay_outputs(bundle, variant, engine, expected, port.feed(prepared), names, listed)
        checks += replay_decisions(bundle, variant, expected, vectors.cases, listed)
    default = bundle.variant(bundle.manifest.default_variant)
    ran = any(check.stage == "outputs" and check.variant.startswith(f"{default.name} (") for check in checks)
    if not ran and default.runtime != "coreml" and (variants is None or default.name in variants):
        why = not_run.get(default.name, "it has no golden vectors")
        checks.append(Check("outputs", "all", default.name, float("inf"), 0, f"the default variant was not run: {why}"))
    return Replay(tuple(checks), not_run)


def _replay_case(bundle: Bundle, vectors: GoldenVectors, case: Case, listed: set[str], port: Port) -> Iterator[Check]:
    if case.source not in listed:
        raise BundleError(f"{bundle.path / case.source}: named by {GOLDEN} but not in the manifest; get the bundle again")
    upright = read_array(bundle.path, case.upright, listed, None, None, 3)
    prepared = read_array(bundle.path, case.prepared, listed, vectors.input_size, vectors.input_size, 3)
    try:
        found = port.acquire(open_source((bundle.path / case.source).read_bytes(), case.frame))
        yield Check("upright", case.name, "", _largest(found, upright), case.upright_tolerance)
    except CaptureError as error:
        yield Check("upright", case.name, "", float("inf"), case.upright_tolerance, str(error))
    captured = port.normalize(upright, vectors.input_size)
    yield Check("prepared", case.name, "", _largest(captured.image, prepared), 0)
    quality = judge(prepared, bundle.manifest.quality, captured.region_px)
    differences = [0.0]
    for name, value in figures(quality).items():
        expected = case.quality.get(name)
        differences.append(float(value != expected) if value is None or expected is None else abs(value - expected))
    detail = ""
    if list(quality.reasons) != case.reasons:
        detail = f"reasons {list(quality.reasons)} instead of {case.reasons}"
    difference = float("inf") if detail else max(differences)
    yield Check("quality", case.name, "", difference, vectors.quality_tolerance, detail)


def _replay_outputs(
    bundle: Bundle,
    variant: Variant,
    engine: Engine,
    expected: VariantVectors,
    prepared: npt.NDArray[np.uint8],
    cases: list[str],
    listed: set[str],
) -> Iterator[Check]:
    if not expected.recordings:
        return
    own = [recording for recording in expected.recordings if recording.kernels == engine.kernels]
    recording = (own or expected.recordings)[0]
    same = bool(own) and recording.machine == machine()
    found = engine.run(prepared)
    name = f"{variant.name} ({engine.kernels})"
    try:
        check_outputs(bundle.manifest, variant, found, len(cases))
    except EngineError as error:
        yield Check("outputs", "all", name, float("inf"), 0, str(error))
        return
    for row, case in enumerate(cases):
        worst: Check | None = None
        for role, path in recording.outputs.items():
            tolerance = expected.tolerance[role].same if same else expected.tolerance[role].other
            difference = _largest(found[role][row], read_array(bundle.path, path, listed, len(cases))[row])
            check = Check("outputs", case, name, difference, tolerance, role)
            if worst is None or check.share > worst.share:
                worst = check
        if worst is not None:
            yield worst


def replay_decisions(
    bundle: Bundle, variant: Variant, expected: VariantVectors, cases: list[Case], listed: set[str]
) -> Iterator[Check]:
    """Stage `decision` of one variant: what its limits make of what is recorded, whether or not it can run here."""
    if expected.recordings:
        paths = expected.recordings[0].outputs
        recorded = {role: read_array(bundle.path, path, listed, len(cases)) for role, path in paths.items()}
        for row, case in enumerate(cases):
            outputs = {role: values[row] for role, values in recorded.items()}
            wrong = [
                f"{point}: {found.value} instead of {decisions[row].value}"
                for point, decisions in expected.decisions.items()
                if (found := decide_case(bundle, variant, point, case.reasons, outputs)) != decisions[row]
            ]
            yield Check("decision", case.name, variant.name, float(len(wrong)), 0, "; ".join(wrong))
    wrong = [
        f"{rule.operating_point} at {rule.malignancy}: {found.value} instead of {rule.decision.value}"
        for rule in expected.rules
        if (found := decide_rule(variant, rule.operating_point, rule.reasons, rule.malignancy, rule.outlier)) != rule.decision
    ]
    yield Check("decision", "rules", variant.name, float(len(wrong)), 0, "; ".join(wrong))


def _largest(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())
