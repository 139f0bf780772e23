"""The shape of what one device says about a bundle: golden vectors, bits, instructions, times, and the kind of evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from benchmarks.environment import Environment
from benchmarks.latency_results import Percentiles
from benchmarks.results import Part
from mobile_runtime.replay import Stage

Evidence = Literal["desktop", "emulator", "device", "desktop browser"]


class StageReplay(Part):
    """Golden vectors of one stage: comparisons made, those within tolerance, and the largest difference.

    Attributes:
        largest: levels of 255 for `upright` and `prepared`, the figure's own unit for `quality`, probability for `outputs`,
            wrong decisions for `decision`; None where something had another shape or kind.
    """

    checks: int = Field(ge=1)
    met: int
    largest: float | None


class GoldenReplay(Part):
    """All stages of the golden vectors.

    Attributes:
        failures: one line for each comparison out of tolerance.
        not_run: variant -> why it could not run there.
    """

    passed: bool
    stages: dict[Stage, StageReplay] = Field(min_length=1)
    failures: list[str]
    not_run: dict[str, str] = Field(default_factory=dict)


class BitComparison(Part):
    """The outputs of one variant there against this machine's, on the same prepared images.

    Attributes:
        kernels: what did the arithmetic, on both sides: `xnnpack` or `builtin`.
        bit_equal_images: images all of whose outputs have the same bits.
        values: output numbers compared, `bit_equal_values` of them with the same bits.
        largest_differences: by output: probabilities and scores, 0..1, and the outlier score, which has no upper end.
    """

    variant: str
    kernels: str
    images: int
    bit_equal_images: int
    values: int = Field(ge=1)
    bit_equal_values: int
    largest_differences: dict[str, float]


class InstructionCount(Part):
    """Instructions that the emulated processor executed for one inference: mean over images, the call from Python included."""

    variant: str
    kernels: str
    images: int
    per_inference: int


class TimedPart(Part):
    """Times of one part of the work, such as `inference` or `shutter to verdict`."""

    variant: str
    what: str
    times: Percentiles


class NativeTimes(Part):
    """What TFLite's `benchmark_model` reports of one variant, without Python and without capture.

    Attributes:
        median_ms, p95_ms: None from builds that do not print them.
        memory_mb: growth of the tool's memory over its start; None where it was not printed.
        operators_ms: operator -> mean time in one inference; empty without profiling.
    """

    variant: str
    kernels: str
    threads: int
    runs: int
    init_ms: float
    first_ms: float
    mean_ms: float
    std_ms: float
    minimum_ms: float
    maximum_ms: float
    median_ms: float | None
    p95_ms: float | None
    memory_mb: float | None
    operators_ms: dict[str, float]


class PageScores(Part):
    """Pictures through the whole page against Python on the same files.

    Attributes:
        largest_score_difference: of malignancy and class probabilities, over the pictures that both score; what the browser
            decodes otherwise is part of it.
    """

    pictures: int = Field(ge=1)
    scored: int
    same_decision: int
    largest_score_difference: float


class PageWeight(Part):
    """What a first visit loads, as it is served and as gzip would make it; the model is on top."""

    files: int
    size_bytes: int
    gzip_bytes: int
    model_bytes: int


class DevicesReport(Part):
    """What one target says about a bundle; parts that a target cannot give are empty or None.

    Attributes:
        evidence: what kind of evidence this is; only `device` speaks for phones.
        device: what ran the bundle, in words.
        software: versions there, where they are not this machine's.
        images: kind of picture -> number compared.
        environment: this machine, which hosted the emulator or browser or held the cable.
    """

    schema_version: Literal[1] = 1
    kind: Literal["devices"] = "devices"
    command: str
    bundle: str
    target: Literal["local", "qemu-arm64", "adb", "chromium"]
    evidence: Evidence
    device: str
    software: dict[str, str] = Field(default_factory=dict)
    images: dict[str, int] = Field(default_factory=dict)
    golden: GoldenReplay
    bits: list[BitComparison] = Field(default_factory=list)
    instructions: list[InstructionCount] = Field(default_factory=list)
    times: list[TimedPart] = Field(default_factory=list)
    native: list[NativeTimes] = Field(default_factory=list)
    page: PageScores | None = None
    weight: PageWeight | None = None
    notes: list[str] = Field(default_factory=list)
    environment: Environment


def golden_replay(checks: Sequence[Mapping[str, Any]], not_run: Mapping[str, str]) -> GoldenReplay:
    """Sum up comparisons as `mobile_runtime.replay` and the web port write them: stage, case, difference (None: not finite)."""
    stages = {}
    for stage in dict.fromkeys(check["stage"] for check in checks):
        own = [check for check in checks if check["stage"] == stage]
        differences = [check["difference"] for check in own]
        largest = None if None in differences else max(differences)
        stages[stage] = StageReplay(checks=len(own), met=sum(check["passed"] for check in own), largest=largest)
    failures = [_describe(check) for check in checks if not check["passed"]]
    return GoldenReplay(passed=not failures, stages=stages, failures=failures, not_run=dict(not_run))


def _describe(check: Mapping[str, Any]) -> str:
    where = ", ".join(filter(None, [check["stage"], check["case"], check.get("variant")]))
    difference = "another shape or kind" if check["difference"] is None else f"{check['difference']:.3g}"
    return f"{where}: {difference}, allowed is {check['tolerance']:.3g} {check['detail']}".strip()
