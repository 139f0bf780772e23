"""Commands that measure on labelled images: drift, decisions, robustness, gates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer

from benchmarks import coverage, drift_page, scoring, subgroups, tables
from benchmarks import decisions as deciding
from benchmarks import drift as drifting
from benchmarks import robustness as measuring
from benchmarks.decision_results import DecisionsReport
from benchmarks.environment import environment
from benchmarks.gates import measure_gates
from benchmarks.gates_results import GatesReport
from benchmarks.labelled import LabelledSet, draw, notes_of_gaps, read_labelled
from benchmarks.options import (
    TABLE_WIDTH,
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
from benchmarks.robustness_results import RobustnessReport
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import err, out, print_error
from mobile_runtime.files import write_atomically, write_json
from mobile_runtime.golden import has_vectors
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
    floor: Annotated[int, typer.Option(help="Fewest malignant and fewest benign images for a verdict.", min=1)] = 10,
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
    flattering = loaded.manifest.provenance.calibrated_on(dataset, [image.image_id for image in labelled.images])
    notes = []
    if flattering:
        notes.append(
            f"{len(flattering)} of the images, first {flattering[0]}, calibrated the quantized variants, whose figures they "
            "flatter; take their rows out."
        )
        err.print(f"warning: {notes[0]}", highlight=False, soft_wrap=True)
    names = None if variants is None else [reference, *split_names(variants)]
    pipelines, not_run = scoring.open_pipelines(loaded, names, operating_point, threads)
    pipelines = {reference: pipelines.pop(reference), **pipelines}
    weights = next(score.weights for score in loaded.manifest.scores if score.name == "malignancy")
    settings = drifting.Settings(
        reference,
        pipelines[reference].operating_point,
        margin,
        resamples,
        seed,
        floor,
        tuple(weight == 1 for weight in weights),
    )

    prepared = prepare_images(labelled, pipelines[reference])
    with progress("run variants", len(pipelines) * len(prepared.labelled)) as advance:
        scored = {name: scoring.predict(pipeline, prepared, advance) for name, pipeline in pipelines.items()}
    with progress("bootstrap", resamples) as advance:
        compared = drifting.compare(scored, prepared.labelled, [spec.label for spec in classes], settings, advance)
    report = DriftReport(
        command=command_line(context),
        bundle=loaded.id,
        default_variant=loaded.manifest.default_variant,
        reference=reference,
        operating_point=settings.operating_point,
        margin=margin,
        resamples=resamples,
        seed=seed,
        dataset=dataset_facts(labels, prepared.labelled, prepared.unreadable),
        variants=compared,
        not_run=not_run,
        notes=notes + drifting.notes_of(prepared.labelled, [spec.label for spec in classes], compared, floor),
        environment=environment(),
    )
    write_json(folder / "drift.json", report.model_dump(mode="json"))
    with write_atomically(folder / "drift.html") as temporary:
        temporary.write_text(drift_page.render(report, scored, prepared), encoding="utf-8")
    show(report, as_json, lambda found: tables.drift_table(found, narrow=out.is_terminal and out.width < TABLE_WIDTH))
    if not as_json:
        out.print(f"Wrote {folder / 'drift.json'} and {folder / 'drift.html'}", soft_wrap=True)
    exit_if_unreadable(prepared.unreadable, len(labelled))


def decisions(
    context: typer.Context,
    images: ImagesOption,
    labels: LabelsOption,
    prevalence: Annotated[
        float, typer.Option(help="Share of patients with a malignant or premalignant lesion where this is to be used, 0 to 1.")
    ],
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
    subgroups.check(labelled, columns, cuts)
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
        coverage=coverage.coverage_curves(judged),
        diagnoses=deciding.diagnoses(judged),
        subgroups=by_column,
        notes=[*deciding.notes_of(judged, prevalence, curve), *subgroups.notes_of(by_column, floor)],
        environment=environment(),
    )
    if file is not None:
        write_json(file, report.model_dump(mode="json"))
    shown = [tables.outcomes_table, tables.diagnoses_table, *([tables.subgroups_table] if columns else [])]
    show(report, as_json, *shown)
    exit_if_unreadable(prepared.unreadable, len(labelled))


LimitOption = Annotated[int, typer.Option("--limit", min=2, help="Images at most, drawn by the seed.")]


def robustness(
    context: typer.Context,
    images: ImagesOption,
    labels: LabelsOption,
    bundle: BundleOption = None,
    image_column: ImageColumnOption = "image_id",
    label_column: LabelColumnOption = "dx",
    dataset: DatasetOption = "ham10000",
    group_column: GroupColumnOption = None,
    allow_missing: AllowMissingOption = False,
    variant: VariantOption = None,
    operating_point: PointOption = None,
    limit: LimitOption = 400,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    file: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Damage photographs in five severities and break the capture pipeline; say what each costs and what golden vectors catch.

    Unreadable images are reported and left out; the exit status is then 1.
    """
    pipeline = TriagePipeline(bundle, variant, operating_point, threads)
    everything = _read(
        pipeline.manifest, images, labels, image_column, label_column, dataset, group_column, allow_missing=allow_missing
    )
    labelled = draw(everything, limit, np.random.default_rng(seed))
    with progress("damage and run", len(labelled)) as advance:
        found = measuring.measure(pipeline, labelled, seed, advance)
    for item in found.unreadable:
        print_error(f"{item.image}: {item.reason}")
    faults = found.faults
    if has_vectors(pipeline.bundle):
        with progress("replay golden vectors", len(faults)) as advance:
            faults = measuring.check_golden(pipeline, faults, advance)
    report = RobustnessReport(
        command=command_line(context),
        bundle=pipeline.bundle.id,
        variant=pipeline.variant.name,
        operating_point=pipeline.operating_point,
        threshold=pipeline.point.threshold,
        seed=seed,
        dataset=dataset_facts(labels, found.labelled, found.unreadable),
        undamaged=found.undamaged,
        corruptions=found.corruptions,
        faults=faults,
        notes=[*measuring.notes_of(faults), *notes_of_gaps(everything)],
        environment=environment(),
    )
    if file is not None:
        write_json(file, report.model_dump(mode="json"))
    show(report, as_json, tables.corruptions_table, tables.faults_table)
    exit_if_unreadable(found.unreadable, len(labelled))


def gates(
    context: typer.Context,
    images: ImagesOption,
    labels: LabelsOption,
    bundle: BundleOption = None,
    image_column: ImageColumnOption = "image_id",
    label_column: LabelColumnOption = "dx",
    dataset: DatasetOption = "ham10000",
    group_column: GroupColumnOption = None,
    allow_missing: AllowMissingOption = False,
    variant: VariantOption = None,
    operating_point: PointOption = None,
    limit: LimitOption = 400,
    seed: SeedOption = 0,
    file: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the quality gate, abstention, and how often a verdict flips between views of the same lesion.

    Unreadable images are reported and left out; the exit status is then 1.
    """
    pipeline = TriagePipeline(bundle, variant, operating_point)
    everything = _read(
        pipeline.manifest, images, labels, image_column, label_column, dataset, group_column, allow_missing=allow_missing
    )
    labelled = draw(everything, limit, np.random.default_rng(seed))
    with progress("measure gates", 2 * len(labelled)) as advance:
        found = measure_gates(pipeline, labelled, seed, advance=advance)
    for item in found.unreadable:
        print_error(f"{item.image}: {item.reason}")
    report = GatesReport(
        command=command_line(context),
        bundle=pipeline.bundle.id,
        variant=pipeline.variant.name,
        operating_point=pipeline.operating_point,
        seed=seed,
        dataset=dataset_facts(labels, found.labelled, found.unreadable),
        environment=environment(),
        **found.fields,
    )
    if file is not None:
        write_json(file, report.model_dump(mode="json"))
    show(report, as_json, tables.gates_table)
    exit_if_unreadable(found.unreadable, len(labelled))


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
