"""Commands that measure how right the verdicts on labelled images are: drift, decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from benchmarks import coverage, drift_notes, drift_page, scoring, subgroups, tables
from benchmarks import decisions as deciding
from benchmarks import drift as drifting
from benchmarks.decision_curve import decision_curve
from benchmarks.decision_results import DecisionsReport
from benchmarks.drift_results import DriftReport
from benchmarks.environment import environment
from benchmarks.options import (
    TABLE_WIDTH,
    AllowMissingOption,
    DatasetOption,
    GroupColumnOption,
    ImageColumnOption,
    ImagesOption,
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
    place_of_folder,
    prepare_images,
    progress,
    read_images,
    show,
    split_names,
    warn_of_own_images,
)
from benchmarks.verdicts import count_verdicts, judge_all
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import out
from mobile_runtime.files import write_atomically, write_json
from mobile_runtime.options import BundleOption, JsonOption
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
    folder: Annotated[
        Path, typer.Option("--out", callback=place_of_folder, help="Folder for drift.json and drift.html.")
    ] = Path("drift-report"),
    as_json: JsonOption = False,
) -> None:
    """Compare every variant of a bundle with its float32 TFLite variant on labelled images.

    Writes drift.json and drift.html. Unreadable images are reported and left out; the exit status is then 1.
    """
    loaded = Bundle.load(bundle)
    reference = drifting.reference_variant(loaded)
    classes = loaded.manifest.classes
    labelled = read_images(
        loaded.manifest, images, labels, image_column, label_column, dataset, group_column, allow_missing, None
    )
    notes = warn_of_own_images(loaded.manifest, labelled)
    names = None if variants is None else [reference, *split_names(variants)]
    pipelines, not_run = scoring.open_pipelines(loaded, names, operating_point, threads)
    not_run |= scoring.left_out(loaded, {*pipelines, *not_run})
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
        default_operating_point=loaded.manifest.default_operating_point,
        reference=reference,
        operating_point=settings.operating_point,
        margin=margin,
        resamples=resamples,
        seed=seed,
        dataset=dataset_facts(loaded.manifest, labels, prepared.labelled, prepared.unreadable),
        variants=compared,
        not_run=not_run,
        notes=notes + drift_notes.notes_of(prepared.labelled, [spec.label for spec in classes], compared, floor),
        environment=environment(),
    )
    write_json(folder / "drift.json", report.model_dump(mode="json"))
    with write_atomically(folder / "drift.html") as temporary:
        temporary.write_text(drift_page.render(report, scored, prepared), encoding="utf-8")
    show(report, as_json, lambda found: tables.drift_table(found, narrow=out.is_terminal and out.width < TABLE_WIDTH))
    if not as_json:
        out.print(f"Wrote {folder / 'drift.json'} and {folder / 'drift.html'}", soft_wrap=True, markup=False)
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
    labelled = read_images(
        pipeline.manifest, images, labels, image_column, label_column, dataset, group_column, allow_missing, file, columns
    )
    notes = warn_of_own_images(pipeline.manifest, labelled)
    subgroups.check(labelled, columns, cuts)
    prepared = prepare_images(labelled, pipeline)
    with progress("run the variant", len(prepared.labelled)) as advance:
        scored = scoring.predict(pipeline, prepared, advance)
    judged = judge_all(pipeline, prepared, scored)
    outcomes, curve = deciding.outcomes(judged, prevalence), decision_curve(judged, prevalence)
    by_column = subgroups.subgroup(judged, columns, cuts, floor)
    report = DecisionsReport(
        command=command_line(context),
        bundle=pipeline.bundle.id,
        variant=pipeline.variant.name,
        operating_point=pipeline.operating_point,
        default_variant=pipeline.manifest.default_variant,
        default_operating_point=pipeline.manifest.default_operating_point,
        threshold=pipeline.point.threshold,
        prevalence=prevalence,
        floor=floor,
        dataset=dataset_facts(pipeline.manifest, labels, prepared.labelled, prepared.unreadable),
        verdicts=count_verdicts(judged),
        malignant_unanswered=deciding.malignant_unanswered(judged),
        outcomes=outcomes,
        decision_curve=curve,
        coverage=coverage.coverage_curves(judged),
        diagnoses=deciding.diagnoses(judged),
        subgroups=by_column,
        notes=[*notes, *deciding.notes_of(judged, prevalence, curve), *subgroups.notes_of(by_column, floor)],
        environment=environment(),
    )
    if file is not None:
        write_json(file, report.model_dump(mode="json"))
    shown = [tables.outcomes_table, tables.diagnoses_table, *([tables.subgroups_table] if columns else [])]
    show(report, as_json, *shown)
    exit_if_unreadable(prepared.unreadable, len(labelled))
