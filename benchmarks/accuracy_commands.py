"""Commands that measure on labelled images: drift, decisions, robustness, gates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer

from benchmarks import decisions as deciding
from benchmarks import drift as drifting
from benchmarks import drift_page, scoring, subgroups, tables
from benchmarks.decision_results import DecisionsReport
from benchmarks.environment import environment
from benchmarks.gates import measure_gates
from benchmarks.labelled import LabelledSet, read_labelled
from benchmarks.options import (
    AllowMissingOption,
    BundleOption,
    DatasetOption,
    GroupColumnOption,
    ImageColumnOption,
    ImagesOption,
    JsonOption,
    LabelColumnOption,
    LabelsOption,
    OutOption,
    PointOption,
    SeedOption,
    ThreadsOption,
    VariantOption,
    VariantsOption,
    command_line,
    dataset_facts,
    exit_if_unreadable,
    prepare_images,
    progress,
    show,
    split_names,
    warn_of_gaps,
)
from benchmarks.results import DriftReport
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import out, print_json
from mobile_runtime.files import write_atomically, write_json
from mobile_runtime.manifest import Manifest
from mobile_runtime.pipeline import TriagePipeline


def drift(
    context: typer.Context,
    images: ImagesOption,
    labels: LabelsOption,
    bundle: BundleOption = None,
    image_column: ImageColumnOption = "image_id",
    label_column: LabelColumnOption = "dx",
    dataset: DatasetOption = "ham10000",
    group_column: GroupColumnOption = None,
    allow_missing: AllowMissingOption = False,
    variants: VariantsOption = None,
    operating_point: PointOption = None,
    margin: Annotated[float, typer.Option(help="Largest acceptable loss of AUC.", min=0.0, max=1.0)] = 0.005,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.", min=100)] = 2000,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    folder: Annotated[Path, typer.Option("--out", help="Folder for drift.json and drift.html.")] = Path("drift-report"),
    as_json: JsonOption = False,
) -> None:
    """Compare every variant of a bundle with its float32 TFLite variant on labelled images.

    Writes drift.json and drift.html. Unreadable images are reported and left out; the exit status is then 1.
    """
    loaded = Bundle.load(bundle)
    reference = drifting.reference_variant(loaded)
    classes = loaded.manifest.classes
    labelled = _read(
        loaded.manifest, images, labels, image_column, label_column, dataset, group_column, allow_missing=allow_missing
    )
    names = None if variants is None else [reference, *split_names(variants)]
    pipelines, not_run = scoring.open_pipelines(loaded, names, operating_point, threads)
    pipelines = {reference: pipelines.pop(reference), **pipelines}
    settings = drifting.Settings(reference, pipelines[reference].operating_point, margin, resamples, seed)

    prepared = prepare_images(labelled, pipelines[reference])
    with progress("run variants", len(pipelines) * len(prepared.labelled)) as advance:
        scored = {name: scoring.predict(pipeline, prepared, advance) for name, pipeline in pipelines.items()}
    with progress("bootstrap", resamples) as advance:
        compared = drifting.compare(scored, prepared.labelled, [spec.label for spec in classes], settings, advance)
    report = DriftReport(
        command=command_line(context),
        bundle=loaded.id,
        reference=reference,
        operating_point=settings.operating_point,
        margin=margin,
        resamples=resamples,
        seed=seed,
        dataset=dataset_facts(labels, prepared.labelled, prepared.unreadable),
        variants=compared,
        not_run=not_run,
        notes=drifting.notes_of(prepared.labelled, [spec.label for spec in classes], compared),
        environment=environment(),
    )
    write_json(folder / "drift.json", report.model_dump(mode="json"))
    with write_atomically(folder / "drift.html") as temporary:
        temporary.write_text(drift_page.render(report, scored, prepared), encoding="utf-8")
    show(report, as_json, tables.drift_table)
    if not as_json:
        out.print(f"Wrote {folder / 'drift.json'} and {folder / 'drift.html'}", soft_wrap=True)
    exit_if_unreadable(prepared.unreadable, len(labelled))


def decisions(
    context: typer.Context,
    images: ImagesOption,
    labels: LabelsOption,
    prevalence: Annotated[float, typer.Option(help="Share of patients with cancer where this is to be used, 0 to 1.")],
    bundle: BundleOption = None,
    image_column: ImageColumnOption = "image_id",
    label_column: LabelColumnOption = "dx",
    dataset: DatasetOption = "ham10000",
    group_column: GroupColumnOption = None,
    allow_missing: AllowMissingOption = False,
    variant: VariantOption = None,
    operating_point: PointOption = None,
    subgroup: Annotated[Optional[list[str]], typer.Option(help="CSV column to report groups of; repeat for more.")] = None,
    cut: Annotated[
        Optional[list[str]],
        typer.Option(help="COLUMN=EDGE,EDGE,...: where a column of numbers is cut; a group holds its lower edge."),
    ] = None,
    floor: Annotated[int, typer.Option(help="Fewest images that a subgroup or a figure of it may rest on.", min=1)] = 20,
    threads: ThreadsOption = 1,
    file: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """State what a variant's verdicts mean for 1,000 patients, for each diagnosis, and for groups of patients.

    Verdicts are those of the app: quality gate, abstention, locked operating point. Unreadable images are reported and left
    out; the exit status is then 1.
    """
    deciding.check_prevalence(prevalence)
    columns, cuts = list(dict.fromkeys(subgroup or [])), subgroups.parse_cuts(cut or [])
    pipeline = TriagePipeline(bundle, variant, operating_point, threads)
    labelled = _read(
        pipeline.manifest,
        images,
        labels,
        image_column,
        label_column,
        dataset,
        group_column,
        columns,
        allow_missing,
    )
    prepared = prepare_images(labelled, pipeline)
    with progress("run the variant", len(prepared.labelled)) as advance:
        scored = scoring.predict(pipeline, prepared, advance)
    judged = deciding.judge_all(pipeline, prepared, scored)
    outcomes, curve = deciding.outcomes(judged, prevalence), deciding.decision_curve(judged, prevalence)
    by_column = subgroups.subgroup(judged, columns, cuts, floor)
    report = DecisionsReport(
        command=command_line(context),
        bundle=pipeline.bundle.id,
        variant=pipeline.variant.name,
        operating_point=pipeline.operating_point,
        threshold=pipeline.point.threshold,
        prevalence=prevalence,
        floor=floor,
        dataset=dataset_facts(labels, prepared.labelled, prepared.unreadable),
        verdicts=deciding.count_verdicts(judged),
        outcomes=outcomes,
        decision_curve=curve,
        coverage=deciding.coverage_curves(judged),
        diagnoses=deciding.diagnoses(judged),
        subgroups=by_column,
        notes=[*deciding.notes_of(judged, prevalence, curve), *subgroups.notes_of(by_column, floor)],
        environment=environment(),
    )
    if file is not None:
        write_json(file, report.model_dump(mode="json"))
    show(report, as_json, tables.outcomes_table, tables.diagnoses_table, tables.subgroups_table)
    exit_if_unreadable(prepared.unreadable, len(labelled))


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
    with progress("measure gates", 3 * min(limit, len(labelled))) as advance:
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


def _read(
    manifest: Manifest,
    images: Path,
    labels: Path,
    image_column: str,
    label_column: str,
    dataset: str,
    group_column: str | None,
    columns: Sequence[str] = (),
    allow_missing: bool = False,
) -> LabelledSet:
    nodes = [spec.node for spec in manifest.classes]
    labelled = read_labelled(
        images,
        labels,
        image_column,
        label_column,
        dataset,
        group_column,
        columns=columns,
        classes=nodes,
        allow_missing=allow_missing,
    )
    warn_of_gaps(labelled)
    return labelled
