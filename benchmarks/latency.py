"""Latency on this machine: variants side by side in alternation, so that a drift of the machine cancels in the ratios.

Sampling follows the single stream of MLPerf Mobile (Janapa Reddi et al., MLSys 2022): one image at a time, percentiles
over 1,024 samples; unlike there, a slow run ends after 60 s with the samples that it has, and says how many. Energy is left
out: what a desktop draws says nothing about a phone.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import ValidationError

from benchmarks.capture_scenes import encode
from benchmarks.latency_results import ImageFacts, LatencyReport, Percentiles, Sampling
from mobile_runtime import synthetic
from mobile_runtime.capture import Framing
from mobile_runtime.cores import pinned
from mobile_runtime.decision import Decision, decide
from mobile_runtime.decoding import open_upright, read_bytes
from mobile_runtime.errors import DataError
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.quality import judge

STAGES = ("decode", "resample", "quality", "inference", "decision")
FULL = Sampling(quick=False, samples=1024, seconds=60.0, warm_up=50, block=16, assessments=256)
QUICK = Sampling(quick=True, samples=128, seconds=5.0, warm_up=5, block=16, assessments=32)
THREADS = (1, 2, 4)
_WIDTH, _HEIGHT = 600, 450


@dataclass
class Job:
    """One variant with one number of threads, and its samples so far in milliseconds."""

    pipeline: TriagePipeline
    threads: int
    inference_ms: list[float] = field(default_factory=list)
    assess_ms: list[float] = field(default_factory=list)
    stages_ms: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    @property
    def pinned(self) -> bool:
        """Whether this job is held on one core."""
        return self.threads == 1 and hasattr(os, "sched_setaffinity")


@dataclass(frozen=True)
class Comparison:
    """New over old time of one run; below 1 is faster. `assess` is None when the assessed images differ."""

    variant: str
    threads: int
    inference: float
    assess: float | None


def encoded_image(path: Path | None, pipeline: TriagePipeline) -> tuple[bytes, ImageFacts]:
    """The bytes to assess: the given file, or a synthetic 600 x 450 JPEG that this bundle's quality limits accept.

    Raises:
        CaptureError: the file cannot be read as an image.
        DataError: the quality limits reject it, so that assess() would stop before inference.
    """
    if path is not None:
        data = read_bytes(path)
        reasons = judge(pipeline.prepare(path), pipeline.manifest.quality).reasons  # errors name the file
        if reasons:
            raise DataError(
                f"{path}: judged {', '.join(reasons)}, so assess() would stop before inference; give a good photograph"
            )
        return data, _image_facts(data, made=False)
    data = next(synthetic_pictures(pipeline))
    return data, _image_facts(data, made=True)


def synthetic_pictures(pipeline: TriagePipeline) -> Iterator[bytes]:
    """Synthetic 600 x 450 JPEGs that a bundle's quality limits accept, always the same.

    Raises:
        DataError: they reject every one.
    """
    found = False
    for seed in range(16):
        for label in synthetic.LABELS:
            top = (_WIDTH - _HEIGHT) // 2
            data = encode(synthetic.lesion(label, seed, _WIDTH)[top : top + _HEIGHT], "JPEG", quality=90)
            if judge(pipeline.prepare(data), pipeline.manifest.quality).acceptable:
                found = True
                yield data
    if not found:
        raise DataError("the bundle's quality limits reject every synthetic image; measure with real photographs")


def _image_facts(data: bytes, made: bool) -> ImageFacts:
    with Image.open(io.BytesIO(data)) as image:
        return ImageFacts(width=image.width, height=image.height, size_bytes=len(data), synthetic=made)


def assess_in_stages(pipeline: TriagePipeline, data: bytes) -> tuple[Decision, dict[str, float]]:
    """What `pipeline.assess(data)` does, with the time of each stage in milliseconds."""
    framing = Framing()
    marks = [time.perf_counter()]
    picture = open_upright(data, 2 * pipeline.input_size, crop=framing)
    marks.append(time.perf_counter())
    prepared = framing.resample(picture, pipeline.input_size)
    marks.append(time.perf_counter())
    quality = judge(prepared, pipeline.manifest.quality, framing.side)
    marks.append(time.perf_counter())
    prediction = pipeline.predict(prepared[None])
    marks.append(time.perf_counter())
    outlier = None if prediction.outlier is None else float(prediction.outlier[0])
    verdict = decide(quality, float(prediction.malignancy[0]), pipeline.point, outlier, pipeline.variant.abstention)
    marks.append(time.perf_counter())
    return verdict, {stage: (marks[i + 1] - marks[i]) * 1e3 for i, stage in enumerate(STAGES)}


def measure(jobs: Sequence[Job], data: bytes, sampling: Sampling, advance: Callable[[int], None] = lambda count: None) -> None:
    """Fill the jobs' samples, taking turns.

    Args:
        jobs: runs to compare.
        data: bytes of the image to assess.
        sampling: when to stop.
        advance: called with progress; the whole is `steps(jobs, sampling)`.
    """
    batch = jobs[0].pipeline.prepare(data)[None]
    for job in jobs:
        with pinned(job.pinned):
            for _ in range(sampling.warm_up):
                job.pipeline.predict(batch)
            assess_in_stages(job.pipeline, data)
        advance(sampling.warm_up)
    waiting = list(jobs)
    while waiting:
        for job in list(waiting):
            _run_block(job, batch, sampling.block)
            advance(sampling.block)
            if len(job.inference_ms) >= sampling.samples or sum(job.inference_ms) >= sampling.seconds * 1e3:
                waiting.remove(job)
                advance(max(0, sampling.samples - len(job.inference_ms)))
    for _ in range(sampling.assessments):
        for job in jobs:
            _run_assessment(job, data)
            advance(1)


def steps(jobs: Sequence[Job], sampling: Sampling) -> int:
    """Progress steps of `measure`."""
    return len(jobs) * (sampling.warm_up + sampling.samples + sampling.assessments)


def _run_block(job: Job, batch: npt.NDArray[np.uint8], count: int) -> None:
    with pinned(job.pinned):
        job.pipeline.predict(batch)  # the variant before left its own data in the caches
        for _ in range(count):
            start = time.perf_counter()
            job.pipeline.predict(batch)
            job.inference_ms.append((time.perf_counter() - start) * 1e3)


def _run_assessment(job: Job, data: bytes) -> None:
    with pinned(job.pinned):
        start = time.perf_counter()
        job.pipeline.assess(data)
        job.assess_ms.append((time.perf_counter() - start) * 1e3)
        _, stages = assess_in_stages(job.pipeline, data)
        for stage, elapsed in stages.items():
            job.stages_ms[stage].append(elapsed)


def percentiles(times_ms: Sequence[float]) -> Percentiles:
    """Summary of at least one time in milliseconds."""
    p50, p90, p99 = np.percentile(times_ms, [50, 90, 99])
    return Percentiles(
        p50=float(p50),
        p90=float(p90),
        p99=float(p99),
        minimum=float(np.min(times_ms)),
        mean=float(np.mean(times_ms)),
        samples=len(times_ms),
    )


def read_report(path: Path) -> LatencyReport:
    """A stored latency report.

    Raises:
        DataError: the file is missing or is not one.
    """
    try:
        return LatencyReport.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check --compare") from error
    except (ValueError, ValidationError) as error:
        raise DataError(f"{path}: not a latency report of this version; make one with `latency --out`") from error


def refuse_other_machine(old: LatencyReport, fingerprint: str, path: Path) -> None:
    """Raises DataError when a stored report was measured on another machine."""
    if old.environment.fingerprint != fingerprint:
        raise DataError(
            f"{path}: measured on another machine ({old.environment.cpu}, {old.environment.cores} cores, "
            f"fingerprint {old.environment.fingerprint} and not {fingerprint}); measure the old bundle again here"
        )


def compare(new: LatencyReport, old: LatencyReport) -> list[Comparison]:
    """Ratios of medians of the runs that both reports have."""
    known = {(run.variant, run.threads): run for run in old.runs}
    return [
        Comparison(
            variant=run.variant,
            threads=run.threads,
            inference=run.inference.p50 / before.inference.p50,
            assess=run.assess.p50 / before.assess.p50 if new.image == old.image else None,
        )
        for run in new.runs
        if (before := known.get((run.variant, run.threads))) is not None
    ]
