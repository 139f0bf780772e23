"""Mutated image files through the whole pipeline: `python -m benchmarks.fuzz_capture --count 20000 --seed 0`.

Each file must give an Assessment or a `CaptureError`: no other exception, no crash of the process, at most 2 s and at most
1 GiB of memory beyond what the process had before. Files run in a worker process; a watchdog ends one that does not answer.
Time is the process's CPU time, so that a busy machine does not count. File number i depends on seed and i alone.
"""

from __future__ import annotations

import gc
import multiprocessing
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.cold_start import peak_memory_bytes
from benchmarks.environment import environment
from benchmarks.fuzz_mutations import bombs, corpus, mutate
from benchmarks.options import place_of_file
from mobile_runtime.console import guard, print_json, track
from mobile_runtime.errors import CaptureError, EngineError
from mobile_runtime.files import sha256_bytes, write_json
from mobile_runtime.options import BundleOption
from mobile_runtime.pipeline import TriagePipeline

RESULT = Path(__file__).parent / "results" / "fuzz_capture.json"
MAX_SECONDS = 2.0
MAX_BYTES = 1 << 30
WATCHDOG_SECONDS = 60.0
"""Wall time after which a worker counts as hanging: far above `MAX_SECONDS`, since other processes may hold it up."""
ROOM = 3 << 30
"""Address space beyond the limit under test, so that a file that goes over it is seen and the machine survives."""


@dataclass(frozen=True)
class Outcome:
    """What one file led to.

    Attributes:
        kind: `assessment`, `capture_error`, or what must not be: `exception`, `crash`, `hang`, `slow`, `memory`.
        seconds: CPU time.
        extra_bytes: peak of resident memory beyond that before the file.
    """

    index: int
    file: str
    mutations: str
    kind: str
    detail: str
    seconds: float
    extra_bytes: int

    @property
    def allowed(self) -> bool:
        return self.kind in ("assessment", "capture_error")


def make_file(index: int, seed: int, intact: dict[str, bytes], large: dict[str, bytes]) -> tuple[str, str, bytes]:
    """File number `index`: first every bomb as it is, then mutated files, every 200th of them of a bomb."""
    names = sorted(large)
    if index < len(names):
        return names[index], "", large[names[index]]
    rng = random.Random(f"{seed}/{index}")  # noqa: S311 - repeatable, not secret
    return mutate(rng, large if large and index % 200 == 0 else intact)


def run_one(pipeline: TriagePipeline, data: bytes) -> tuple[str, str]:
    """Kind and detail of the outcome of one file."""
    try:
        return "assessment", pipeline.assess(data).decision.value
    except CaptureError as error:
        return "capture_error", str(error)
    except Exception as error:
        return "exception", f"{type(error).__name__}: {error}"


def judge(kind: str, seconds: float, extra_bytes: int) -> str:
    """The kind of an outcome once time and memory are looked at too."""
    if kind in ("assessment", "capture_error"):
        if extra_bytes > MAX_BYTES:
            return "memory"
        if seconds > MAX_SECONDS:
            return "slow"
    return kind


def fuzz(bundle: str | Path | None, count: int, seed: int, large: dict[str, bytes]) -> Iterator[Outcome]:
    """Outcomes of `count` files in order; large: what `bombs` made, or nothing.

    Raises:
        EngineError: the worker does not get as far as the first file.
    """
    context = multiprocessing.get_context("spawn")
    intact = corpus()
    index = 0
    while index < count:
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, bundle, index, count, seed, intact, large), daemon=True)
        worker.start()
        theirs.close()
        try:
            ours.recv()  # "ready", without a time limit: imports and the bundle are not under test
        except EOFError:
            worker.join()
            raise EngineError("the fuzzing worker does not start; its message is above") from None
        try:
            while index < count:
                if not ours.poll(WATCHDOG_SECONDS):
                    name, mutations, _ = make_file(index, seed, intact, large)
                    yield Outcome(index, name, mutations, "hang", "", WATCHDOG_SECONDS, 0)
                    break
                yield ours.recv()
                index += 1
        except EOFError:
            worker.join(10)
            name, mutations, _ = make_file(index, seed, intact, large)
            yield Outcome(index, name, mutations, "crash", f"exit code {worker.exitcode}", 0.0, 0)
        finally:
            worker.kill()
            worker.join()
        index += index < count


def _work(
    pipe: Connection,
    bundle: str | Path | None,
    start: int,
    count: int,
    seed: int,
    intact: dict[str, bytes],
    large: dict[str, bytes],
) -> None:
    pipeline = TriagePipeline(bundle)
    pipeline.assess(intact["jpeg"])
    pipe.send("ready")
    soft = _status("VmSize") + MAX_BYTES + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (soft, soft))
    for index in range(start, count):
        name, mutations, data = make_file(index, seed, intact, large)
        gc.collect() if index % 100 == 0 else None
        before = _reset_peak()
        started = time.process_time()
        kind, detail = run_one(pipeline, data)
        seconds = time.process_time() - started
        extra = max(0, peak_memory_bytes()[0] - before)
        pipe.send(Outcome(index, name, mutations, judge(kind, seconds, extra), detail, round(seconds, 4), extra))


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def _reset_peak() -> int:
    """Resident memory now, which is made the high-water mark; Linux only, elsewhere the mark of the whole process counts."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _status("VmRSS")
    except OSError:
        return peak_memory_bytes()[0]


def summarize(outcomes: list[Outcome], seed: int) -> dict[str, Any]:
    """Counts, extremes and every outcome that must not be."""
    slowest = sorted(outcomes, key=lambda outcome: -outcome.seconds)[:5]
    largest = sorted(outcomes, key=lambda outcome: -outcome.extra_bytes)[:5]
    per_format = {
        family: dict(sorted(Counter(o.kind for o in outcomes if o.file.removeprefix("bomb_").startswith(family)).items()))
        for family in ("jpeg", "png", "webp")
    }
    applied = Counter(mutation for outcome in outcomes for mutation in outcome.mutations.split("+") if mutation)
    return {
        "what": "mutated files through TriagePipeline.assess; limits: 2 s of CPU time and 1 GiB of extra memory a file",
        "seed": seed,
        "count": len(outcomes),
        "outcomes": dict(sorted(Counter(outcome.kind for outcome in outcomes).items())),
        "per_format": per_format,
        "mutations": dict(sorted(applied.items())),
        "slowest": [asdict(outcome) for outcome in slowest],
        "largest": [asdict(outcome) for outcome in largest],
        "failures": [asdict(outcome) for outcome in outcomes if not outcome.allowed],
    }


def main(
    count: Annotated[int, typer.Option(min=1, help="Number of files.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Another seed gives other files.")] = 0,
    bundle: BundleOption = None,
    result: Annotated[Path, typer.Option("--out", callback=place_of_file, help="JSON to write.")] = RESULT,
) -> None:
    """Fuzz, write the JSON; exit status 1 if any file did what it must not."""
    described = environment().model_dump()
    outcomes = fuzz(bundle, count, seed, bombs())
    found = list(track(outcomes, "fuzz", count))
    document = summarize(found, seed)
    document["corpus_sha256"] = sha256_bytes(b"".join(data for _, data in sorted(corpus().items())))
    document["environment"] = described
    write_json(result, document)
    shown = ("count", "outcomes", "per_format", "failures")
    print_json({name: document[name] for name in shown})
    raise typer.Exit(1 if document["failures"] else 0)


if __name__ == "__main__":
    guard(lambda: typer.run(main))
