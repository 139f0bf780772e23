"""What a fresh process pays: time to the first answer, and memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.latency_results import ColdStart
from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import EngineError
from mobile_runtime.pipeline import TriagePipeline

_ROOT = Path(__file__).resolve().parents[1]
# The folder of this package goes first: a user's own `benchmarks` folder must not be in the way.
_PROBE = "import sys; sys.path.insert(0, sys.argv[1]); from benchmarks.cold_start import probe; probe(*sys.argv[2:])"


def measure(
    bundle: Path, jobs: Sequence[tuple[str, int]], repeats: int, advance: Callable[[int], None] = lambda count: None
) -> list[ColdStart]:
    """Start a fresh process for each job in turn, `repeats` times; the first start, which fills the page cache, is not counted.

    Args:
        bundle: its folder.
        jobs: variant and number of threads of each.
        repeats: starts of each that are counted.
        advance: called with the number of starts done since the last call, repeats + 1 for each job in all.

    Raises:
        EngineError: the process fails.
    """
    starts: list[list[dict[str, Any]]] = [[] for _ in jobs]
    for _ in range(repeats + 1):
        for runs, (variant, threads) in zip(starts, jobs, strict=True):
            runs.append(_start(bundle, variant, threads))
            advance(1)
    return [_summary(runs[1:]) for runs in starts]


def _summary(runs: Sequence[dict[str, Any]]) -> ColdStart:
    def median(name: str) -> float:
        return float(statistics.median(run[name] for run in runs))

    return ColdStart(
        load_ms=median("load_ms"),
        first_invoke_ms=median("first_invoke_ms"),
        process_ms=median("process_ms"),
        peak_memory_bytes=int(median("peak_memory_bytes")),
        added_memory_bytes=int(median("added_memory_bytes")),
        memory_source=runs[0]["memory_source"],
        repeats=len(runs),
    )


def _start(bundle: Path, variant: str, threads: int) -> dict[str, Any]:
    command = [sys.executable, "-c", _PROBE, str(_ROOT), str(bundle), variant, str(threads)]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        elapsed_ms = (time.perf_counter() - start) * 1e3
        complaint = process.stderr.read().strip().splitlines()
    if process.returncode or not line:
        raise EngineError(f"variant {variant}: a fresh process fails ({complaint[-1] if complaint else 'no output'})")
    return {**json.loads(line), "process_ms": elapsed_ms}


def probe(bundle: str, variant: str, threads: str) -> None:
    """Runs in the fresh process: load, infer once, print one line of JSON."""
    before, source = peak_memory_bytes()
    start = time.perf_counter()
    pipeline = TriagePipeline(Bundle.load(bundle), variant, threads=int(threads))
    loaded = time.perf_counter()
    pipeline.predict(np.full((1, pipeline.input_size, pipeline.input_size, 3), 128, np.uint8))
    answered = time.perf_counter()
    after, _ = peak_memory_bytes()
    figures = {
        "load_ms": (loaded - start) * 1e3,
        "first_invoke_ms": (answered - loaded) * 1e3,
        "peak_memory_bytes": after,
        "added_memory_bytes": after - before,
        "memory_source": source,
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def peak_memory_bytes() -> tuple[int, str]:
    """High-water mark of this process's resident memory, and where it was read; 0 where the system does not tell.

    Linux's ru_maxrss survives exec and so can hold the parent's peak instead; VmHWM is this process's own.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024, "VmHWM"
    try:
        import resource
    except ImportError:
        return 0, "unknown"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024), "ru_maxrss"
