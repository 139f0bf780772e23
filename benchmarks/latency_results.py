"""The shape of a stored result of `python -m benchmarks latency`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from benchmarks.environment import Environment
from benchmarks.results import Part


class Percentiles(Part):
    """Times of repeated runs in milliseconds."""

    p50: float = Field(gt=0)
    p90: float
    p99: float
    minimum: float
    mean: float
    samples: int


class ColdStart(Part):
    """A fresh process per repeat, model file in the page cache; medians over `repeats`.

    Attributes:
        load_ms: opening and checking the bundle and building the interpreter.
        first_invoke_ms: the first inference.
        process_ms: from starting the process to the first answer, Python's imports included.
        peak_memory_bytes: high-water mark of the process's resident memory.
        added_memory_bytes: how much of it loading and the first inference added.
        memory_source: where the high-water mark was read.
    """

    load_ms: float
    first_invoke_ms: float
    process_ms: float
    peak_memory_bytes: int
    added_memory_bytes: int
    memory_source: str
    repeats: int


class LatencyRun(Part):
    """One variant with one number of threads.

    Attributes:
        pinned: whether the process was held on one core.
        inference: `predict` on one prepared image.
        assess: one whole assess() of the encoded image.
        stages: the same work stage by stage: decode, resample, quality, inference, decision.
    """

    variant: str
    runtime: str
    precision: str
    engine: str
    size_bytes: int
    threads: int
    pinned: bool
    inference: Percentiles
    assess: Percentiles
    stages: dict[str, Percentiles]
    cold_start: ColdStart


class Sampling(Part):
    """How long each run was measured.

    Attributes:
        samples: a run ends after this many timed inferences,
        seconds: or after this time, whichever is first.
        warm_up: untimed inferences before the first timed one.
        block: timed inferences of one variant before the next variant's turn; one untimed inference opens each block.
        assessments: timed assess() calls.
    """

    quick: bool
    samples: int
    seconds: float
    warm_up: int
    block: int
    assessments: int


class ImageFacts(Part):
    """The encoded image that was assessed."""

    width: int
    height: int
    size_bytes: int
    synthetic: bool


class LatencyReport(Part):
    """Latency of the variants of a bundle on this machine, measured side by side in alternation."""

    schema_version: Literal[1] = 1
    kind: Literal["latency"] = "latency"
    command: str
    bundle: str
    image: ImageFacts
    sampling: Sampling
    runs: list[LatencyRun] = Field(min_length=1)
    not_run: dict[str, str]
    notes: list[str]
    environment: Environment
