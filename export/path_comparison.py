"""Figures of two forms of one variant, and the criteria by which one of them is taken."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from export.graphs import Graph
from export.parity import PARITY_LIMITS
from mobile_runtime.cores import pinned
from mobile_runtime.engines import Engine

FIRST, SECOND = "litert-torch", "onnx2tf"
ROUNDS, BLOCK = 64, 4
CLEAR = 1.3
"""Ratio of latencies that counts: idle runs of one program differ by nearly as much."""


@dataclass(frozen=True)
class Errors:
    """Class probabilities against the reference on the same images.

    Attributes:
        images: how many.
        largest, mean: absolute difference, 0..1.
        same_class: share of images with the same likeliest class.
    """

    images: int
    largest: float
    mean: float
    same_class: float

    @classmethod
    def of(cls, found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> Errors:
        """Of probabilities [N, C] against [N, C]."""
        difference = np.abs(found.astype(np.float64) - expected)
        same = float((found.argmax(axis=1) == expected.argmax(axis=1)).mean())
        return cls(len(found), float(difference.max()), float(difference.mean()), same)


@dataclass(frozen=True)
class Side:
    """One path's form of a variant.

    Attributes:
        errors: image set -> errors.
        p50_ms, minimum_ms: one inference on one core of this machine, taking turns with the other path's form.
    """

    graph: Graph
    errors: dict[str, Errors]
    p50_ms: float
    minimum_ms: float

    def criteria(self, variant: str) -> dict[str, float]:
        """What is judged, the most important first; lower is better. What the runtime does not tell counts as 0."""
        limits, delegation = PARITY_LIMITS[variant], self.graph.delegation
        mean = float(np.max([errors.mean for errors in self.errors.values()]))  # Python's maximum may drop a NaN
        kept = mean <= limits.mean and self.errors["golden"].largest <= limits.largest
        return {
            "errors over the limit": float(not kept),
            "delegate partitions": delegation.partitions if delegation else 0,
            "operators outside XNNPACK": sum(delegation.outside.values()) if delegation else 0,
            "transposes and conversion pairs": self.graph.transposes + self.graph.pairs,
            "mean error": mean,
            "p50 ms": self.p50_ms,
            "bytes": self.graph.size_bytes,
        }


@dataclass(frozen=True)
class Pair:
    """A variant by both paths.

    Attributes:
        sides: path -> figures.
        latency_ratio: second path's time over the first's, median of the rounds.
    """

    variant: str
    sides: dict[str, Side]
    latency_ratio: float

    def ahead(self) -> dict[str, str]:
        """Criterion -> the better path, or "equal"."""
        first, second = (self.sides[path].criteria(self.variant) for path in (FIRST, SECOND))
        found = {key: "equal" if first[key] == second[key] else FIRST if first[key] < second[key] else SECOND for key in first}
        if 1 / CLEAR <= self.latency_ratio <= CLEAR:
            found["p50 ms"] = "equal"
        return found

    def verdict(self) -> tuple[str, str]:
        """The path to take, and why; the first criterion in which they differ decides."""
        for key, path in self.ahead().items():
            if path != "equal":
                first, second = (self.sides[side].criteria(self.variant)[key] for side in (FIRST, SECOND))
                return path, f"{key}: {first:.3g} by {FIRST}, {second:.3g} by {SECOND}"
        return FIRST, "equal in everything, and one converter less is needed"


@dataclass(frozen=True)
class Comparison:
    """The outcome.

    Attributes:
        bundle: its id.
        default: the variant that decides.
        calibration: what fixed the second path's activation ranges.
        versions: package -> version of everything that took part.
        load_average: runnable processes before the measurement; None where unknown.
    """

    bundle: str
    default: str
    calibration: str
    versions: dict[str, str]
    load_average: float | None
    pairs: tuple[Pair, ...]

    def verdict(self) -> tuple[str, str]:
        """The path that ships, and why: that of the default variant."""
        pair = next((pair for pair in self.pairs if pair.variant == self.default), self.pairs[0])
        path, reason = pair.verdict()
        return path, f"{pair.variant}: {reason}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        variants = {}
        for pair in self.pairs:
            better, reason = pair.verdict()
            sides = {path: asdict(side) for path, side in pair.sides.items()}
            rest = {"latency_ratio": pair.latency_ratio, "ahead": pair.ahead(), "better": better, "reason": reason}
            variants[pair.variant] = {"paths": sides, **rest}
        ships, reason = self.verdict()
        return {
            "schema_version": 1,
            "kind": "paths",
            "bundle": self.bundle,
            "calibration_of_second_path": self.calibration,
            "versions": self.versions,
            "latency": f"one core of a {platform.machine()} desktop, paths in alternation; no evidence for phones",
            "load_average": self.load_average,
            "reference": "float32 ONNX by ONNX Runtime",
            "ships": ships,
            "reason": reason,
            "variants": variants,
        }


def alternate(engines: Mapping[str, Engine], image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float64]]:
    """Time engines in turns on one core, so that a drift of the machine cancels in the ratios.

    Args:
        engines: with one thread each.
        image: uint8 [1, S, S, 3].

    Returns:
        Engine -> milliseconds [rounds, runs].
    """
    times = {name: np.empty((ROUNDS, BLOCK)) for name in engines}
    with pinned():
        for row in range(ROUNDS):
            for name, engine in engines.items():
                engine.run(image)  # the other one left its own data in the caches
                for column in range(BLOCK):
                    start = time.perf_counter()
                    engine.run(image)
                    times[name][row, column] = (time.perf_counter() - start) * 1e3
    return times
