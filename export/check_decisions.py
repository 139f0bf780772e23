"""Whether a bundle's limits still decide as its golden vectors say: limits that are wrong in all variants alike agree."""

from __future__ import annotations

from export.comparison import broken
from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import BundleError
from mobile_runtime.golden import GoldenVectors, has_vectors, read_array
from mobile_runtime.manifest import Variant
from mobile_runtime.replay import replay, replay_decisions


def wrong_capture(bundle: Bundle) -> str | None:
    """What of the golden stages before the model is not met; the bundle must be intact. A limit of quality shows where a golden
    picture is on its other side, a little looser one may pass."""
    if not has_vectors(bundle):
        return None
    try:
        failure = replay(bundle, variants=()).first_failure
    except BundleError as error:
        return str(error)
    return None if failure is None else f"golden vectors not met, first at {failure.describe()}"


def wrong_decisions(bundle: Bundle, variant: Variant, vectors: GoldenVectors) -> list[str]:
    """Why a variant's thresholds and abstention limit are not those that the golden decisions were recorded with."""
    expected = vectors.variants.get(variant.name)
    if expected is None:
        return ["no golden decisions of it; make them with `python -m export golden`"]
    listed = {entry.path for entry in bundle.manifest.files}
    count = len(vectors.cases)
    try:
        for recording in expected.recordings[:1]:
            outputs = {role: read_array(bundle.path, path, listed, count) for role, path in recording.outputs.items()}
            if why := broken(bundle.manifest, variant, outputs, count):
                return [f"its golden outputs: {why}; get the bundle again"]
        wrong = [check for check in replay_decisions(bundle, variant, expected, vectors.cases, listed) if not check.passed]
    except BundleError as error:
        return [str(error)]
    if not wrong:
        return []
    first = f"first case {wrong[0].case}, {wrong[0].detail.split('; ')[0]}"
    return [f"its limits decide otherwise than the golden decisions in {len(wrong)} of {count + 1} cases, {first}"]
