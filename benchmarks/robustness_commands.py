"""Commands that measure what pictures from a phone do to the verdicts: robustness, gates."""

from __future__ import annotations

import numpy as np
import typer

from benchmarks import robustness as measuring
from benchmarks import tables
from benchmarks.environment import environment
from benchmarks.gates import measure_gates
from benchmarks.gates_results import GatesReport
from benchmarks.labelled import draw, notes_of_gaps
from benchmarks.options import (
    AllowMissingOption,
    DatasetOption,
    GroupColumnOption,
    ImageColumnOption,
    ImagesOption,
    LabelColumnOption,
    LabelsOption,
    LimitOption,
    OutOption,
    PointOption,
    SeedOption,
    ThreadsOption,
    VariantOption,
    command_line,
    dataset_facts,
    exit_if_unreadable,
    progress,
    read_images,
    show,
    warn_of_own_images,
)
from benchmarks.robustness_results import RobustnessReport
from mobile_runtime.console import print_error
from mobile_runtime.files import write_json
from mobile_runtime.golden import has_vectors
from mobile_runtime.options import BundleOption, JsonOption
from mobile_runtime.pipeline import TriagePipeline


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
    everything = read_images(
        pipeline.manifest, images, labels, image_column, label_column, dataset, group_column, allow_missing, file
    )
    labelled = draw(everything, limit, np.random.default_rng(seed))
    notes = warn_of_own_images(pipeline.manifest, labelled)
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
        default_variant=pipeline.manifest.default_variant,
        default_operating_point=pipeline.manifest.default_operating_point,
        threshold=pipeline.point.threshold,
        seed=seed,
        dataset=dataset_facts(pipeline.manifest, labels, found.labelled, found.unreadable),
        undamaged=found.undamaged,
        corruptions=found.corruptions,
        faults=faults,
        notes=[*notes, *measuring.notes_of(faults), *notes_of_gaps(everything)],
        environment=environment(),
    )
    if file is not None:
        write_json(file, report.model_dump(mode="json"))
    show(report, as_json, tables.corruptions_table, tables.reassured_table, tables.faults_table)
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
    everything = read_images(
        pipeline.manifest, images, labels, image_column, label_column, dataset, group_column, allow_missing, file
    )
    labelled = draw(everything, limit, np.random.default_rng(seed))
    notes = warn_of_own_images(pipeline.manifest, labelled)
    with progress("measure gates", 2 * len(labelled)) as advance:
        found = measure_gates(pipeline, labelled, seed, advance=advance)
    for item in found.unreadable:
        print_error(f"{item.image}: {item.reason}")
    report = GatesReport(
        command=command_line(context),
        bundle=pipeline.bundle.id,
        variant=pipeline.variant.name,
        operating_point=pipeline.operating_point,
        default_variant=pipeline.manifest.default_variant,
        default_operating_point=pipeline.manifest.default_operating_point,
        seed=seed,
        dataset=dataset_facts(pipeline.manifest, labels, found.labelled, found.unreadable),
        notes=(*notes, *notes_of_gaps(everything)),
        environment=environment(),
        **found.fields,
    )
    if file is not None:
        write_json(file, report.model_dump(mode="json"))
    show(report, as_json, tables.gates_table)
    exit_if_unreadable(found.unreadable, len(labelled))
