"""Networks of several sizes side by side: what each costs and how well it tells malignant from benign."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from compress.conversion import Forms, make_forms
from compress.drift import Answers, Drift, ask
from compress.interpreter import open_interpreter
from compress.pruning import cost
from compress.sensitivity import draw_workbench
from mobile_runtime.cores import pinned
from mobile_runtime.errors import DataError
from mobile_runtime.statistics import Gap, paired_difference
from train.checkpoint import load_checkpoint, refuse_other_split
from train.datasets import Example
from train.network import LesionNetwork
from train.recipe import Recipe
from train.splits import RUN_FILE, SPLIT_FILE, Split, load_split

BLOCK = 8


class Latency(BaseModel):
    """Time of one inference in milliseconds: median, 90th percentile, and how many were timed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    p50_ms: float
    p90_ms: float
    samples: int


class Candidate(BaseModel):
    """One network.

    Attributes:
        run: name of its run folder.
        multiply_adds: of one picture, in every orientation that the network looks at.
        float32_bytes, int8_bytes: sizes of its TFLite forms, without the outlier score that bundles add.
        drift: malignancy AUC of both forms, and what lies between them.
        input_size: pixels a side.
        int8_minus_dearest: malignancy AUC in int8, less that of the network with the most multiply-adds, image by image.
        efficient: no other network has a higher AUC in int8 at no more multiply-adds, nor the same AUC at fewer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    input_size: int
    multiply_adds: int
    parameters: int
    float32_bytes: int
    int8_bytes: int
    float32: Latency
    int8: Latency
    drift: Drift
    int8_minus_dearest: Gap
    efficient: bool


def compare(
    runs: Sequence[Path],
    examples: Sequence[Example],
    *,
    part: str = "val",
    dataset: str = "ham10000",
    limit: int | None = None,
    rounds: int = 40,
    seed: int = 0,
    progress: Callable[[str], None] = lambda step: None,
) -> list[Candidate]:
    """Convert, quantize, judge and time the network of each run, the cheapest first.

    Args:
        runs: folders with model.safetensors and splits.csv.
        examples: all labelled images.
        part: `val` or `test`.
        dataset: whose images are judged.
        limit: how many of them; None takes all.
        rounds: blocks of inferences to time, in turns.
        seed: of the draws.
        progress: is told what comes next.

    Raises:
        DataError: unusable runs or data, or runs of unlike splits or classes.
    """
    split, loaded = _load(runs, examples)
    sizes = [recipe.input_size for _, recipe in loaded]
    # The same images in the same order at every size: answers can be compared image by image.
    benches = {size: draw_workbench(split, part, dataset, size, limit, seed) for size in dict.fromkeys(sizes)}
    made: list[Forms] = []
    for run, (network, _), size in zip(runs, loaded, sizes, strict=True):
        progress(f"convert and quantize {run.name}")
        made.append(make_forms(network, size, benches[size].calibration, seed))
    judged: list[Answers] = []
    for run, forms, (_, recipe) in zip(runs, made, loaded, strict=True):
        progress(f"judge {run.name}")
        judged.append(ask(forms, benches[recipe.input_size], recipe.classes))
    progress("time")
    graphs = [
        (graph, benches[size].images[0])
        for forms, size in zip(made, sizes, strict=True)
        for graph in (forms.float32, forms.int8)
    ]
    times = alternate(graphs, rounds)
    costs = [cost(network, size) for (network, _), size in zip(loaded, sizes, strict=True)]
    dearest = judged[max(range(len(runs)), key=lambda i: costs[i].multiply_adds)]
    drifts = [answers.drift() for answers in judged]
    best = efficient([(c.multiply_adds, drift.auc_int8.value) for c, drift in zip(costs, drifts, strict=True)])
    rows = [
        Candidate(
            run=run.name,
            input_size=sizes[i],
            multiply_adds=costs[i].multiply_adds,
            parameters=costs[i].parameters,
            float32_bytes=len(made[i].float32),
            int8_bytes=len(made[i].int8),
            float32=times[2 * i],
            int8=times[2 * i + 1],
            drift=drifts[i],
            int8_minus_dearest=paired_difference(judged[i].measure_int8, dearest.measure_int8, dearest.groups),
            efficient=best[i],
        )
        for i, run in enumerate(runs)
    ]
    return sorted(rows, key=lambda row: row.multiply_adds)


def efficient(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which (cost, value) no other point dominates: a cost no higher and a value no lower, and one of them better."""
    return [not any(c <= cost and v >= value and (c < cost or v > value) for c, v in points) for cost, value in points]


def alternate(graphs: Sequence[tuple[bytes, npt.NDArray[np.uint8]]], rounds: int) -> list[Latency]:
    """Time TFLite graphs on one thread and one core, block by block in turns, so that a drift of the machine hits all alike.

    Args:
        graphs: flatbuffers of one uint8 input [1, S, S, 3], each with an image uint8 [S, S, 3].
        rounds: blocks of each; the first inference of a block refills the caches and is not counted.
    """
    runners = [_one_thread(model, image) for model, image in graphs]
    times: list[list[float]] = [[] for _ in graphs]
    with pinned():
        for _ in range(rounds):
            for runner, found in zip(runners, times, strict=True):
                runner.invoke()
                for _ in range(BLOCK):
                    start = time.perf_counter()
                    runner.invoke()
                    found.append((time.perf_counter() - start) * 1e3)
    return [
        Latency(p50_ms=float(np.median(found)), p90_ms=float(np.percentile(found, 90)), samples=len(found)) for found in times
    ]


def _one_thread(model: bytes, image: npt.NDArray[np.uint8]) -> Any:
    interpreter = open_interpreter(model, threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    return interpreter


def _load(runs: Sequence[Path], examples: Sequence[Example]) -> tuple[Split, list[tuple[LesionNetwork, Recipe]]]:
    if len({run.name for run in runs}) < len(runs):
        raise DataError("two runs have the same folder name; rename one, so that the table can tell them apart")
    loaded = [load_checkpoint(run / RUN_FILE) for run in runs]
    splits = [load_split(run / SPLIT_FILE, examples) for run in runs]
    for run, split in zip(runs, splits, strict=True):
        refuse_other_split(run / RUN_FILE, split)
    for run, (_, recipe), split in zip(runs, loaded, splits, strict=True):
        homes, first = ({name: {e.key for e in part} for name, part in one.items()} for one in (split, splits[0]))
        if homes != first:
            raise DataError(f"{run}: another split than {runs[0]}; compare runs that were trained by one split")
        if recipe.classes != loaded[0][1].classes:
            raise DataError(f"{run}: other classes than {runs[0]}; compare networks of the same")
    return splits[0], loaded
