"""`python -m benchmarks`: drift, decisions, robustness, gates, latency, peers, devices, report, gate, schema."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Optional, get_args

import typer
from rich.markup import escape

from benchmarks import (
    accuracy_commands,
    cold_start,
    devices,
    gate_evidence,
    gate_limits,
    latency,
    release_gate,
    report_page,
    robustness_commands,
    scoring,
    timing_tables,
)
from benchmarks.environment import busy_note, environment
from benchmarks.latency_results import ColdStart, LatencyReport, LatencyRun
from benchmarks.options import OutOption, VariantsOption, command_line, place_of_file, progress, show, split_names
from benchmarks.peers.commands import peers
from benchmarks.results import Part
from benchmarks.stored import REPORTS, read_result
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import err, out, print_json
from mobile_runtime.errors import DataError
from mobile_runtime.files import check_place, write_atomically, write_json
from mobile_runtime.options import BundleOption, JsonOption

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Measure what an exported bundle loses against full precision, what its verdicts mean, and how fast it is.",
)
_ON_IMAGES = "--bundle dist/bundle --images photos --labels labels.csv"
for _name, _command, _more in (
    ("drift", accuracy_commands.drift, ""),
    ("decisions", accuracy_commands.decisions, " --prevalence 0.05 --subgroup sex --subgroup age --cut age=40,60"),
    ("robustness", robustness_commands.robustness, " --out robustness.json"),
    ("gates", robustness_commands.gates, " --out gates.json"),
):
    app.command(_name, epilog=f"Example: python -m benchmarks {_name} {_ON_IMAGES}{_more}")(_command)
app.command("peers", epilog="Example: python -m benchmarks peers dist/bundle --out peers.json")(peers)
app.command("devices", epilog=f"Example: {devices.EXAMPLE}")(devices.devices)


SCHEMAS: dict[str, type[Part]] = {
    **REPORTS,
    "report": report_page.ReportDocument,
    "gate": release_gate.GateReport,
    "limits": gate_limits.Limits,
}


@app.command("latency", epilog="Example: python -m benchmarks latency --bundle dist/bundle --threads 1 --threads 2")
def measure_latency(
    context: typer.Context,
    bundle: BundleOption = None,
    variants: VariantsOption = None,
    threads: Annotated[
        Optional[list[int]],
        typer.Option(
            help="Inference threads; repeat to compare. 1 is held on one core. If left out 1, 2, 4, as there are cores.",
            min=1,
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="128 samples or 5 s each, not 1,024 or 60 s; stated in the result.")
    ] = False,
    image: Annotated[Optional[Path], typer.Option(help="Photograph to assess; a synthetic 600x450 JPEG if left out.")] = None,
    against: Annotated[
        Optional[Path], typer.Option("--compare", help="Stored result of the same machine to print ratios to.")
    ] = None,
    file: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time the variants of a bundle side by side on this machine: inference, assess(), stages, cold start, memory."""
    machine = environment()
    old = None if against is None else latency.read_report(against)
    if old is not None and against is not None:
        latency.refuse_other_machine(old, machine.fingerprint, against)
    sampling = latency.QUICK if quick else latency.FULL
    loaded = Bundle.load(bundle)
    names = None if variants is None else split_names(variants)
    jobs: list[latency.Job] = []
    not_run: dict[str, str] = {}
    available = [count for count in latency.THREADS if count <= machine.cores_allowed]
    counts = list(dict.fromkeys(threads or available))
    for count in counts:
        pipelines, not_run = scoring.open_pipelines(loaded, names, threads=count)
        jobs += [latency.Job(pipeline, count) for pipeline in pipelines.values()]
    data, facts = latency.encoded_image(image, jobs[0].pipeline)
    with progress("measure", latency.steps(jobs, sampling)) as advance:
        latency.measure(jobs, data, sampling, advance)
    repeats = 3 if quick else 5
    with progress("cold starts", len(jobs) * (repeats + 1)) as advance:
        named = [(job.pipeline.variant.name, job.threads) for job in jobs]
        colds = cold_start.measure(loaded.path, named, repeats, advance)
    runs = [_latency_run(job, cold) for job, cold in zip(jobs, colds, strict=True)]
    notes = [note for note in [busy_note(machine.load_average)] if note]
    if over := [count for count in counts if count > machine.cores_allowed]:
        notes.append(f"More threads ({', '.join(map(str, over))}) than the {machine.cores_allowed} cores of this machine.")
    report = LatencyReport(
        command=command_line(context),
        bundle=loaded.id,
        image=facts,
        sampling=sampling,
        runs=runs,
        not_run=not_run,
        notes=notes,
        environment=machine,
    )
    if file is not None:
        write_json(file, report.model_dump(mode="json"))
    show(report, as_json, timing_tables.latency_table)
    if old is not None:
        rows = latency.compare(report, old)
        (err if as_json else out).print(timing_tables.comparison_table(rows))


@app.command(epilog="Example: python -m benchmarks report drift.json decisions.json latency.json --out report.html")
def report(
    results: Annotated[list[Path], typer.Argument(help="JSON files that the other commands wrote.")],
    file: Annotated[
        Path, typer.Option("--out", callback=place_of_file, help="HTML file to write; a .json goes beside it.")
    ] = Path("report.html"),
    as_json: JsonOption = False,
) -> None:
    """Write stored results as one page without scripts or network, and their figures as one JSON."""
    beside = file.with_suffix(".json")
    if file.suffix == ".json" or beside.resolve() in {path.resolve() for path in results}:
        raise DataError(f"{file}: its figures would go to {beside}, in the place of something else; give another --out")
    check_place(beside)
    read = [read_result(path) for path in results]
    page, figures = report_page.render(read), report_page.document(read).model_dump(mode="json")
    with write_atomically(file) as temporary:
        temporary.write_text(page, encoding="utf-8")
    write_json(beside, figures)
    if as_json:
        print_json(figures)
    else:
        out.print(f"Wrote {file} and {beside}", soft_wrap=True, markup=False)


@app.command(epilog="Example: python -m benchmarks gate drift.json decisions.json --baseline old/drift.json")
def gate(
    results: Annotated[list[Path], typer.Argument(help="JSON files of one bundle that the other commands wrote.")],
    limits: Annotated[
        Path, typer.Option(help="YAML of limits; the one that ships with this package if left out.", show_default=False)
    ] = gate_limits.DEFAULT_LIMITS,
    baseline: Annotated[
        Optional[list[Path]], typer.Option(help="Stored result of the release before; repeat for more.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge results against limits: exit status 0 to ship, 1 not to, 2 where they cannot be judged."""
    read = [read_result(path) for path in results]
    found = release_gate.judge(read, gate_limits.read_limits(limits), [read_result(path) for path in baseline or []])
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        for check in found.checks:
            if check.outcome != "kept":
                console = out if check.outcome == "not judged" else err
                console.print(escape(f"{check.outcome}: {check.said}"), soft_wrap=True, highlight=False)
        counts = Counter(check.outcome for check in found.checks)
        verdict = "ship" if found.ship else "do not ship" if counts["failed"] else "cannot be judged:"
        said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in get_args(gate_evidence.Outcome))
        said += "".join(f"; {note}" for note in found.notes)
        out.print(f"{verdict} {escape(found.bundle)}: {said}", soft_wrap=True, highlight=False)
    if not found.ship:
        raise typer.Exit(1 if any(check.outcome == "failed" for check in found.checks) else 2)


@app.command(epilog="Example: python -m benchmarks schema drift")
def schema(kind: Annotated[str, typer.Argument(help=f"Which stored result: {', '.join(SCHEMAS)}.")]) -> None:
    """Print the JSON Schema of a stored result."""
    if kind not in SCHEMAS:
        raise DataError(f"there is no result {kind!r}; choose from {', '.join(SCHEMAS)}")
    print_json(SCHEMAS[kind].model_json_schema())


def _latency_run(job: latency.Job, cold: ColdStart) -> LatencyRun:
    variant = job.pipeline.variant
    return LatencyRun(
        variant=variant.name,
        runtime=variant.runtime,
        precision=variant.precision,
        engine=job.pipeline.engine.name,
        size_bytes=variant.size_bytes,
        threads=job.threads,
        pinned=job.pinned,
        inference=latency.percentiles(job.inference_ms),
        assess=latency.percentiles(job.assess_ms),
        stages={stage: latency.percentiles(times) for stage, times in job.stages_ms.items()},
        cold_start=cold,
    )
