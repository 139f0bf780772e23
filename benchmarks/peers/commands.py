"""`python -m benchmarks peers`."""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer
from rich.markup import escape

from benchmarks import latency, timing_tables
from benchmarks.environment import busy_note, environment
from benchmarks.options import OutOption, command_line, progress, show
from benchmarks.peers import environments, measurement, race
from benchmarks.peers.results import PeersReport
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import out
from mobile_runtime.errors import DataError
from mobile_runtime.files import write_json
from mobile_runtime.options import JsonOption
from mobile_runtime.pipeline import TriagePipeline

_NOTES = (
    "Times are of one call from Python on one core of a desktop, not of a phone.",
    "ExecuTorch's int8 is its own quantization of the float32 ONNX file, calibrated on the pictures that are run; the other "
    "int8 rows run the bundle's files.",
    "MediaPipe crops and scales the picture in its own way, which its difference includes.",
)


def peers(
    context: typer.Context,
    bundle: Annotated[
        Optional[str], typer.Argument(help="Bundle folder with all variants, such as dist/bundle.", show_default=False)
    ] = None,
    only: Annotated[Optional[list[str]], typer.Option(help="Runtime to measure; repeat for more.", show_default=False)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="48 samples each, not 640; stated in the result.")] = False,
    setup: Annotated[
        Optional[str],
        typer.Option(help="Make the environment of this peer, or of all, and stop.", metavar="NAME|all", show_default=False),
    ] = None,
    file: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time the same network in other runtimes, each in an environment of its own, all on one core and in alternation.

    Make the environments first, once: --setup all. They go to the user's cache, or to $SKINTRIAGE_CACHE.
    """
    if setup is not None:
        _set_up(setup)
        return
    if bundle is None:
        raise DataError("no bundle; give its folder, such as dist/bundle, or make environments with --setup all")
    machine = environment()
    rounds = race.QUICK if quick else race.FULL
    chosen = measurement.choose(only or [])
    loaded = Bundle.load(bundle)
    pipeline = TriagePipeline(loaded)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, picture in enumerate(islice(latency.synthetic_pictures(pipeline), measurement.PICTURES)):
            files.append(Path(folder) / f"{number}.jpg")
            files[-1].write_bytes(picture)
        frames = np.stack([pipeline.prepare(path) for path in files])
        material = measurement.Material(loaded, files, frames)
        with progress("measure", len(chosen) + rounds.count) as advance:
            runs, not_run, count = measurement.measure(chosen, material, rounds, only or [], advance)
    busy = busy_note(machine.load_average)
    report = PeersReport(
        command=command_line(context),
        bundle=loaded.id,
        quick=quick,
        references=measurement.REFERENCES,
        rounds=count,
        block=rounds.block,
        pictures=len(frames),
        pinned=race.the_core() is not None,
        runs=runs,
        not_run=not_run,
        notes=[*_NOTES, *([busy] if busy else [])],
        environment=machine,
    )
    if file is not None:
        write_json(file, report.model_dump(mode="json"))
    show(report, as_json, timing_tables.peers_table)


def _set_up(name: str) -> None:
    names = environments.NAMES if name == "all" else (name,)
    for each in names:
        environments.folder_of(each)
    with progress("make environments", len(names)) as advance:
        for each in names:
            environments.set_up(each)
            advance(1)
    out.print(escape(f"Ready: {', '.join(names)}, in {environments.folder_of(names[0]).parent}"), soft_wrap=True)
