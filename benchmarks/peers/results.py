"""The shape of a stored result of `python -m benchmarks peers`."""

from __future__ import annotations

from typing import Literal

from benchmarks.environment import Environment
from benchmarks.results import Part
from mobile_runtime.manifest import Estimate

Task = Literal["inference", "picture"]


class PeerRun(Part):
    """One runtime with one precision. Times are in milliseconds; intervals are 95 %, over rounds.

    Attributes:
        task: `inference`, a prepared image to class scores, or `picture`, a picture file to class scores.
        versions: of the runtime and what it computes with.
        model_bytes: size of the model file; None where the runtime picks it from the bundle.
        load_ms: from the model file to a runtime that is ready, once; Python's imports included.
        p50_ms, p90_ms: over all timed runs; `n` is their number.
        ratio: median time over the reference's of the same task in the same rounds; None for the reference itself.
        largest_difference: of any class score, 0..1, from the float32 reference on the same pictures; None where the
            peer gives other scores.
    """

    runtime: str
    precision: str
    task: Task
    versions: dict[str, str]
    model_bytes: int | None
    load_ms: float
    p50_ms: Estimate
    p90_ms: Estimate
    ratio: Estimate | None
    largest_difference: float | None

    @property
    def version(self) -> str:
        """The runtime's own; stored names are sorted, so that a package beside it may come first."""
        return next(version for name, version in self.versions.items() if name not in ("numpy", "pillow"))


class PeersReport(Part):
    """The same network in several runtimes on this machine, each in a process of its own on the same core, in alternation.

    Attributes:
        references: task -> run that ratios are to. Scores are compared with the reference of `inference`.
        rounds: turns that every run had.
        block: timed runs in a turn.
        pictures: synthetic pictures that were run.
        pinned: whether all were held on one core.
        not_run: run -> why not.
    """

    schema_version: Literal[1] = 1
    kind: Literal["peers"] = "peers"
    command: str
    bundle: str
    quick: bool
    references: dict[Task, str]
    rounds: int
    block: int
    pictures: int
    pinned: bool
    runs: dict[str, PeerRun]
    not_run: dict[str, str]
    notes: list[str]
    environment: Environment
