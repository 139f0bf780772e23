"""Runtimes side by side: a process each, all on one core, taking turns, so that a drift of the machine cancels."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mobile_runtime.errors import EngineError
from mobile_runtime.manifest import Estimate
from mobile_runtime.statistics import Floats

WORKER = Path(__file__).parent / "workers" / "worker.py"
ROOT = Path(__file__).resolve().parents[2]
RESAMPLES = 2000


@dataclass(frozen=True)
class Rounds:
    """How long to measure: `count` rounds of `block` timed runs each, or until `seconds` have passed."""

    quick: bool
    count: int
    block: int
    seconds: float


FULL = Rounds(quick=False, count=40, block=16, seconds=210.0)
QUICK = Rounds(quick=True, count=6, block=8, seconds=45.0)


class Runner(AbstractContextManager["Runner"]):
    """A worker process; see `workers/worker.py` for what it answers.

    Args:
        name: for messages.
        python: interpreter of its environment.
    """

    def __init__(self, name: str, python: Path) -> None:
        self.name = name
        # A pipe that nobody reads would stop a runtime that prints much.
        self._complaints = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed in __exit__
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
        self._process = subprocess.Popen(
            [str(python), str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            encoding="utf-8",
            env=environment,
        )

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for its reply.

        Raises:
            EngineError: the worker reports an error or ends.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            self._complaints.seek(0)
            said = self._complaints.read().strip().splitlines()
            raise EngineError(f"{self.name}: its process ended ({said[-1] if said else 'no output'})")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise EngineError(f"{self.name}: {' '.join(reply['error'].split())}")
        return reply

    def give_frames(self, frames: npt.NDArray[np.uint8]) -> None:
        """Prepared images uint8 [N, S, S, 3] to run."""
        data = [base64.b64encode(frame.tobytes()).decode("ascii") for frame in frames]
        self.ask("frames", shape=list(frames.shape[1:]), frames=data)

    def scores(self) -> Floats:
        """Class scores, float64 [N, C]."""
        return np.asarray(self.ask("score")["scores"], dtype=np.float64)

    def __exit__(self, *error: object) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.close()
        except OSError:
            self._process.kill()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._complaints.close()


def the_core() -> int | None:
    """The core to hold everything on: the last that this process may use, None where a system has no affinity."""
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


class Timed(Protocol):
    """What can be asked for times: a `Runner`."""

    def ask(self, what: str, /, *, count: int) -> dict[str, Any]:
        """Request -> reply, with `times_ms`: so many times in milliseconds."""


def take_turns(
    runners: Mapping[str, Timed], rounds: Rounds, advance: Callable[[int], None] = lambda count: None
) -> dict[str, Floats]:
    """Time all runners in rounds; who goes first moves on with each.

    Args:
        runners: by name.
        rounds: how long.
        advance: called with the number of rounds done since the last call.

    Returns:
        Milliseconds, float64 [rounds, block], the same shape for all; at least two rounds.

    Raises:
        EngineError: a worker fails.
    """
    names = list(runners)
    times: dict[str, list[list[float]]] = {name: [] for name in names}
    for name in names:
        runners[name].ask("time", count=rounds.block)
    start = time.monotonic()
    for number in range(rounds.count):
        if number >= 2 and time.monotonic() - start > rounds.seconds:
            advance(rounds.count - number)
            break
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            times[name].append(runners[name].ask("time", count=rounds.block)["times_ms"])
        advance(1)
    return {name: np.asarray(rows, dtype=np.float64) for name, rows in times.items()}


def percentile(times_ms: Floats, share: int) -> Estimate:
    """A percentile of all runs; the interval is from resampling whole rounds, whose runs are not independent.

    Args:
        times_ms: float64 [rounds, block].
        share: 0..100.
    """
    drawn = np.percentile(times_ms[_draws(len(times_ms))].reshape(RESAMPLES, -1), share, axis=1)
    return _estimate(float(np.percentile(times_ms, share)), drawn, times_ms.size)


def ratio(times_ms: Floats, reference_ms: Floats) -> Estimate:
    """Median over the reference's median, from the same rounds of both: both float64 [rounds, block]."""
    draws = _draws(len(times_ms))
    over, under = (np.median(times[draws].reshape(RESAMPLES, -1), axis=1) for times in (times_ms, reference_ms))
    return _estimate(float(np.median(times_ms) / np.median(reference_ms)), over / under, times_ms.size)


def _draws(rounds: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(0).integers(rounds, size=(RESAMPLES, rounds))


def _estimate(value: float, drawn: Floats, n: int) -> Estimate:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(value=value, low=float(low), high=float(high), n=n)


def largest_difference(scores: Floats, reference: Floats) -> float | None:
    """Largest absolute difference of any score, float64 [N, C] each; None where they are not the same scores."""
    return float(np.abs(scores - reference).max()) if scores.shape == reference.shape else None
