"""`python -m benchmarks`: drift, latency, gates, schema."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks import cold_start, drift_page, latency, scoring, tables
from benchmarks import drift as drifting
from benchmarks.environment import busy_note, environment
from benchmarks.gates import measure_gates
from benchmarks.labelled import LabelledSet, Truth, name_few, read_labelled
from benchmarks.results import REPORTS, ColdStart, DatasetFacts, DriftReport, LatencyReport, LatencyRun
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import err, out, print_error, print_json
from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256, write_atomically, write_json
from mobile_runtime.pipeline import TriagePipeline

Report = DriftReport | LatencyReport
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Measure what an exported bundle loses against full precision, and how fast it is.",
)
TABLE_WIDTH = 120

BundleOption = Annotated[
    Optional[Path], typer.Option("--bundle", help="Bundle folder; the one that ships with the runtime if left out.")
]
VariantsOption = Annotated[
    Optional[str], typer.Option("--variants", help="Comma-separated names; all that run on this machine if left out.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output, nothing else.")]


class ReportKind(str, Enum):
    """Stored results that have a published schema."""

    DRIFT = "drift"
    LATENCY = "latency"


@app.command(epilog="Example: python -m benchmarks drift --bundle dist/bundle --images photos --labels labels.csv")
def drift(
    images: Annotated[Path, typer.Option(help="Folder of JPEG, PNG or WebP files; sub-folders count.")],
    labels: Annotated[Path, typer.Option(help="CSV with a row per image.")],
    bundle: BundleOption = None,
    image_column: Annotated[str, typer.Option(help="CSV column of file names; extension optional.")] = "image_id",
    label_column: Annotated[str, typer.Option(help="CSV column of labels.")] = "dx",
    dataset: Annotated[str, typer.Option(help="Label map in the taxonomy.")] = "ham10000",
    group_column: Annotated[
        Optional[str],
        typer.Option(help="CSV column of lesions or patients; patient_id or lesion_id if left out and there."),
    ] = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Leave out rows without an image.")] = False,
    variants: VariantsOption = None,
    operating_point: Annotated[
        Optional[str], typer.Option(help="Where flips are listed; the bundle's default if left out.")
    ] = None,
    margin: Annotated[float, typer.Option(help="Largest acceptable loss of AUC.", min=0.0, max=1.0)] = 0.005,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.", min=100)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.", min=0)] = 0,
    threads: Annotated[int, typer.Option(help="Inference threads; results do not depend on them.")] = 1,
    folder: Annotated[Path, typer.Option("--out", help="Folder for drift.json and drift.html.")] = Path("drift-report"),
    as_json: JsonOption = False,
) -> None:
    """Compare every variant of a bundle with its float32 TFLite variant on labelled images.

    Writes drift.json and drift.html. Unreadable images are reported and left out; the exit status is then 1.
    """
    loaded = Bundle.load(bundle)
    reference = drifting.reference_variant(loaded)
    classes = loaded.manifest.classes
    labelled = read_labelled(
        images,
        labels,
        image_column,
        label_column,
        dataset,
        group_column,
        classes=[spec.node for spec in classes],
        allow_missing=allow_missing,
    )
    _warn_of_gaps(labelled)
    names = None if variants is None else [reference, *_split(variants)]
    pipelines, not_run = scoring.open_pipelines(loaded, names, operating_point, threads)
    pipelines = {reference: pipelines.pop(reference), **pipelines}
    settings = drifting.Settings(reference, pipelines[reference].operating_point, margin, resamples, seed)

    with _progress("prepare images", len(labelled)) as advance:
        prepared = scoring.prepare(labelled, pipelines[reference], advance)
    for item in prepared.unreadable:
        print_error(f"{item.image}: {item.reason}")
    with _progress("run variants", len(pipelines) * len(prepared.labelled)) as advance:
        scored = {name: scoring.predict(pipeline, prepared, advance) for name, pipeline in pipelines.items()}
    with _progress("bootstrap", resamples) as advance:
        compared = drifting.compare(scored, prepared.labelled, [spec.label for spec in classes], settings, advance)
    arguments = {
        "bundle": bundle,
        "images": images,
        "labels": labels,
        "image-column": image_column,
        "label-column": label_column,
        "dataset": dataset,
        "group-column": group_column,
        "allow-missing": allow_missing,
        "variants": variants,
        "operating-point": operating_point,
        "margin": margin,
        "resamples": resamples,
        "seed": seed,
        "threads": threads,
    }
    report = DriftReport(
        command=_command_line("drift", arguments),
        bundle=loaded.id,
        reference=reference,
        operating_point=settings.operating_point,
        margin=margin,
        resamples=resamples,
        seed=seed,
        dataset=_dataset_facts(labels, prepared),
        variants=compared,
        not_run=not_run,
        notes=drifting.notes_of(prepared.labelled, [spec.label for spec in classes], compared),
        environment=environment(),
    )
    write_json(folder / "drift.json", report.model_dump(mode="json"))
    with write_atomically(folder / "drift.html") as temporary:
        temporary.write_text(drift_page.render(report, scored, prepared), encoding="utf-8")
    _show(report, as_json, tables.drift_table)
    if not as_json:
        out.print(f"Wrote {folder / 'drift.json'} and {folder / 'drift.html'}", soft_wrap=True)
    if prepared.unreadable:
        print_error(f"{len(prepared.unreadable)} of {len(labelled)} images could not be read and were left out")
        raise typer.Exit(1)


@app.command("latency", epilog="Example: python -m benchmarks latency --bundle dist/bundle --threads 1 --threads 2")
def measure_latency(
    bundle: BundleOption = None,
    variants: VariantsOption = None,
    threads: Annotated[
        Optional[list[int]], typer.Option(help="Inference threads; repeat to compare. 1 is held on one core.", min=1)
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="128 samples or 5 s each, not 1,024 or 60 s; stated in the result.")
    ] = False,
    image: Annotated[Optional[Path], typer.Option(help="Photograph to assess; a synthetic 600x450 JPEG if left out.")] = None,
    against: Annotated[
        Optional[Path], typer.Option("--compare", help="Stored result of the same machine to print ratios to.")
    ] = None,
    file: Annotated[Optional[Path], typer.Option("--out", help="JSON file to write.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Time the variants of a bundle side by side on this machine: inference, assess(), stages, cold start, memory."""
    machine = environment()
    old = None if against is None else latency.read_report(against)
    if old is not None and against is not None:
        latency.refuse_other_machine(old, machine.fingerprint, against)
    sampling = latency.QUICK if quick else latency.FULL
    loaded = Bundle.load(bundle)
    names = None if variants is None else _split(variants)
    jobs: list[latency.Job] = []
    not_run: dict[str, str] = {}
    counts = list(dict.fromkeys(threads or [1]))
    for count in counts:
        pipelines, not_run = scoring.open_pipelines(loaded, names, threads=count)
        jobs += [latency.Job(pipeline, count) for pipeline in pipelines.values()]
    data, facts = latency.encoded_image(image, jobs[0].pipeline)
    with _progress("measure", latency.steps(jobs, sampling)) as advance:
        latency.measure(jobs, data, sampling, advance)
    repeats = 3 if quick else 5
    runs = []
    with _progress("cold starts", len(jobs)) as advance:
        for job in jobs:
            cold = cold_start.measure(loaded.path, job.pipeline.variant.name, job.threads, repeats)
            runs.append(_latency_run(job, cold))
            advance(1)
    notes = [note for note in [busy_note(machine.load_average)] if note]
    if over := [count for count in counts if count > machine.cores_allowed]:
        notes.append(f"More threads ({', '.join(map(str, over))}) than the {machine.cores_allowed} cores of this machine.")
    arguments = {
        "bundle": bundle,
        "variants": variants,
        "threads": counts,
        "quick": quick,
        "image": image,
    }
    report = LatencyReport(
        command=_command_line("latency", arguments),
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
    _show(report, as_json, tables.latency_table)
    if old is not None:
        rows = latency.compare(report, old)
        (err if as_json else out).print(tables.comparison_table(rows))


@app.command("gates", epilog="Example: python -m benchmarks gates --images photos --labels labels.csv --out gates.json")
def gates(
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    labels: Annotated[Path, typer.Option(help="CSV with a row per image.")],
    bundle: BundleOption = None,
    image_column: str = "image_id",
    label_column: str = "dx",
    dataset: Annotated[str, typer.Option(help="Label map in the taxonomy.")] = "ham10000",
    variant: Annotated[Optional[str], typer.Option(help="The bundle's default if left out.")] = None,
    limit: Annotated[int, typer.Option(min=2, help="Images at most, drawn by the seed.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw and of the views.")] = 0,
    target: Annotated[Optional[Path], typer.Option("--out", help="JSON to write.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the quality gate, abstention, and how often a verdict flips between views of the same lesion."""
    pipeline = TriagePipeline(bundle, variant)
    classes = [spec.node for spec in pipeline.manifest.classes]
    labelled = read_labelled(images, labels, image_column, label_column, dataset, classes=classes)
    with _progress("measure gates", 3 * min(limit, len(labelled))) as advance:
        found = measure_gates(pipeline, labelled, seed, limit, advance=advance)
    document = {
        "schema_version": 1,
        "bundle": pipeline.bundle.id,
        "variant": pipeline.variant.name,
        "dataset": dataset,
        "seed": seed,
        **found,
    }
    if target is not None:
        write_json(target, document)
    if as_json:
        print_json(document)
    else:
        out.print(tables.gates(document))


@app.command(epilog="Example: python -m benchmarks schema drift")
def schema(kind: Annotated[ReportKind, typer.Argument(help="Which stored result.")]) -> None:
    """Print the JSON Schema of a stored result."""
    print_json(REPORTS[kind.value].model_json_schema())


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


def _dataset_facts(labels: Path, prepared: scoring.Prepared) -> DatasetFacts:
    labelled, truth = prepared.labelled, Truth.of(prepared.labelled)
    malignant, decided = int(truth.malignant.sum()), int(truth.decided.sum())
    return DatasetFacts(
        name=labelled.dataset,
        labels=labels.name,
        labels_sha256=sha256(labels),
        images=len(labelled),
        groups=len(set(truth.groups.tolist())),
        group_column=labelled.group_column,
        malignant=malignant,
        benign=decided - malignant,
        undecided=len(labelled) - decided,
        exact_class=int(truth.exact.sum()),
        per_label=dict(sorted(Counter(image.label for image in labelled.images).items())),
        missing=list(labelled.missing),
        unlabelled=len(labelled.unlabelled),
        unreadable=list(prepared.unreadable),
    )


def _warn_of_gaps(labelled: LabelledSet) -> None:
    for names, what in (
        (labelled.missing, "label rows have no image"),
        (labelled.unlabelled, "images have no label row"),
    ):
        if names:
            err.print(f"[yellow]warning:[/] {len(names)} {what}: {escape(name_few(names))}", soft_wrap=True)


def _split(names: str) -> list[str]:
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    if not chosen:
        raise DataError("--variants names no variant; give names with commas between, or leave it out")
    return chosen


def _command_line(command: str, arguments: dict[str, Any]) -> str:
    """The command that makes a result, without folders: results must not say whose machine they are from."""
    words = ["python", "-m", "benchmarks", command]
    for name, value in arguments.items():
        for item in value if isinstance(value, list) else [value]:
            if item is True:
                words.append(f"--{name}")
            elif item is not None and item is not False:
                words += [f"--{name}", item.name if isinstance(item, Path) else str(item)]
    return shlex.join(words)


def _show(report: Report, as_json: bool, table: Callable[[Any], RenderableType]) -> None:
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    # A pipe or file has no width of its own; rich would take 80 columns.
    console = out if out.is_terminal else Console(width=TABLE_WIDTH)
    console.print(table(report))
    for name, reason in report.not_run.items():
        out.print(f"{escape(name)}: {escape(reason)}", soft_wrap=True)
    for note in report.notes:
        out.print(escape(note), soft_wrap=True)


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)
