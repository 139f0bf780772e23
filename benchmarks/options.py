"""What the commands of this package share: option types, the labelled images they name, progress, how results are shown."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks import scoring
from benchmarks.labelled import LabelledSet, Truth, fingerprint, read_labelled
from benchmarks.results import DatasetFacts, Part, Unreadable
from mobile_runtime.console import err, out, print_error, print_json, print_warning
from mobile_runtime.errors import DataError, name_few
from mobile_runtime.files import check_place, refuse_own_source, sha256
from mobile_runtime.manifest import Manifest
from mobile_runtime.pipeline import TriagePipeline

VariantOption = Annotated[Optional[str], typer.Option("--variant", help="The bundle's default if left out.")]
VariantsOption = Annotated[
    Optional[str], typer.Option("--variants", help="Comma-separated names; all that run on this machine if left out.")
]
PointOption = Annotated[Optional[str], typer.Option("--operating-point", help="The bundle's default if left out.")]
ImagesOption = Annotated[Path, typer.Option("--images", help="Folder of JPEG, PNG, WebP, HEIC, BMP; sub-folders count.")]
LabelsOption = Annotated[Path, typer.Option("--labels", help="CSV with a row per image.")]
ImageColumnOption = Annotated[
    str, typer.Option("--image-column", help="CSV column of file names; extension optional. The publisher's is known.")
]
LabelColumnOption = Annotated[
    str,
    typer.Option("--label-column", help="CSV column of labels; the publisher's is known, be it one of 0 and 1 for each label."),
]
DatasetOption = Annotated[str, typer.Option("--dataset", help="Label map in the taxonomy.")]
GroupColumnOption = Annotated[
    Optional[str],
    typer.Option(
        "--group-column", help="CSV column of lesions or patients; patient_id, lesion_id or group if left out and there."
    ),
]
AllowMissingOption = Annotated[
    bool, typer.Option("--allow-missing", help="Leave out rows without an image; `gate` fails the result.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Same seed, same result.", min=0)]
ThreadsOption = Annotated[int, typer.Option("--threads", help="Inference threads; results do not depend on them.", min=1)]


def place_of_file(path: Optional[Path]) -> Optional[Path]:
    """An option's file to write, refused before the work where it cannot be written."""
    if path is not None:
        check_place(path)
    return path


def place_of_folder(path: Optional[Path]) -> Optional[Path]:
    """The same of a folder."""
    if path is not None:
        check_place(path, folder=True)
    return path


OutOption = Annotated[Optional[Path], typer.Option("--out", callback=place_of_file, help="JSON file to write.")]
LimitOption = Annotated[int, typer.Option("--limit", min=2, help="Images at most, drawn by the seed.")]

TABLE_WIDTH = 120
"""Columns that hold every table."""
_NOT_REPEATED = {"help", "out", "json", "compare"}


def command_line(context: typer.Context) -> str:
    """The command that makes a result, without folders: results must not say whose machine they are from."""
    words = ["python", "-m", "benchmarks", context.info_name or ""]
    options = {param.opts[0].removeprefix("--"): context.params.get(param.name or "") for param in context.command.params}
    arguments = {param.opts[0] for param in context.command.params if param.param_type_name == "argument"}
    for name in sorted(options, key=lambda name: name != "bundle"):
        value = options[name]
        for item in value if isinstance(value, list | tuple) else [value]:
            if name in _NOT_REPEATED or item is None or item is False:
                continue
            # A bundle is a string, because it may be the name of one that ships.
            folder = isinstance(item, Path) or name == "bundle"
            text = item.value if isinstance(item, Enum) else Path(item).name if folder else str(item)
            words += [text] if name in arguments else [f"--{name}"] if item is True else [f"--{name}", text]
    return shlex.join(words)


def split_names(names: str) -> list[str]:
    """Names between commas.

    Raises:
        DataError: there are none.
    """
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    if not chosen:
        raise DataError("--variants names no variant; give names with commas between, or leave it out")
    return chosen


def read_images(
    manifest: Manifest,
    images: Path,
    labels: Path,
    image_column: str,
    label_column: str,
    dataset: str,
    group_column: str | None,
    allow_missing: bool,
    result: Path | None,
    columns: Sequence[str] = (),
) -> LabelledSet:
    """The labelled images that a command names, for the classes of a bundle.

    Rows without an image and images without a row are named on standard error.

    Raises:
        DataError, TaxonomyError: as `benchmarks.labelled.read_labelled`; or `result`, the file to write, is among what is read.
    """
    labelled = read_labelled(
        images,
        labels,
        image_column,
        label_column,
        dataset,
        group_column,
        columns=columns,
        classes=[spec.node for spec in manifest.classes],
        allow_missing=allow_missing,
    )
    if result is not None:
        refuse_own_source(result, labels, "table of labels")
        for image in labelled.images:
            refuse_own_source(result, image.path, "picture")
    _warn_of_gaps(labelled)
    return labelled


def warn_of_own_images(manifest: Manifest, labelled: LabelledSet) -> list[str]:
    """What a result on these images has to say of those that flatter the bundle; also said on standard error.

    Args:
        manifest: of the bundle.
        labelled: the images to be measured: those that were drawn, where not all are.
    """
    calibrated, seen = _own_images(manifest, labelled)
    if not seen and not calibrated:
        return []
    found, what, field = calibrated, "calibrated the quantized variants", "calibration"
    if seen:
        found, what, field = seen, "have the names of those that trained this build or chose its thresholds", "seen"
    note = (
        f"{len(found)} of the images, first {found[0]}, {what}, which flatters its figures: `gate` fails the result; take "
        f"their rows out, or rename images that are others (the result's JSON lists them: dataset.{field})."
    )
    print_warning(note)
    return [note]


def _own_images(manifest: Manifest, labelled: LabelledSet) -> tuple[list[str], list[str] | None]:
    """Images are asked for by the table's name and by their path: a table may name fewer folders than the build knows."""
    provenance, dataset = manifest.provenance, labelled.dataset
    names = [image.image_id for image in labelled.images]
    paths = {image.path.resolve().as_posix(): image.image_id for image in labelled.images}
    calibrated = {*provenance.calibrated_on(dataset, names), *(paths[p] for p in provenance.calibrated_on(dataset, paths))}
    seen = provenance.seen(dataset, names)
    if seen is not None:
        found = {*seen, *(paths[path] for path in provenance.seen(dataset, paths) or ())}
        seen = [name for name in names if name in found]
    return [name for name in names if name in calibrated], seen


def _warn_of_gaps(labelled: LabelledSet) -> None:
    """Name rows without an image and images without a row on standard error."""
    for names, what in (
        (labelled.missing, "label rows have no image"),
        (labelled.unlabelled, "images have no label row"),
    ):
        if names:
            print_warning(f"{len(names)} {what}: {name_few(names)}")


def prepare_images(labelled: LabelledSet, pipeline: TriagePipeline) -> scoring.Prepared:
    """Capture normalization with a progress bar; what cannot be read is named on standard error."""
    with progress("prepare images", len(labelled)) as advance:
        prepared = scoring.prepare(labelled, pipeline, advance)
    for item in prepared.unreadable:
        print_error(f"{item.image}: {item.reason}")
    return prepared


def exit_if_unreadable(unreadable: Sequence[Unreadable], total: int) -> None:
    """Exit status 1 when images were left out, after everything has been written."""
    if unreadable:
        print_error(f"{len(unreadable)} of {total} images could not be read and were left out")
        raise typer.Exit(1)


def dataset_facts(
    manifest: Manifest, labels: Path, labelled: LabelledSet, unreadable: Sequence[Unreadable] = ()
) -> DatasetFacts:
    """What was measured on.

    Args:
        manifest: of the bundle.
        labels: the label file.
        labelled: the images measured.
        unreadable: images of the set that were not.
    """
    truth = Truth.of(labelled)
    malignant, decided = int(truth.malignant.sum()), int(truth.decided.sum())
    calibrated, seen = _own_images(manifest, labelled)
    return DatasetFacts(
        name=labelled.dataset,
        labels=labels.name,
        labels_sha256=sha256(labels),
        images_sha256=fingerprint(labelled),
        drawn_from_sha256=labelled.drawn_from,
        images=len(labelled),
        groups=len(set(truth.groups.tolist())),
        group_column=labelled.group_column,
        malignant=malignant,
        benign=decided - malignant,
        undecided=len(labelled) - decided,
        exact_class=int(truth.exact.sum()),
        per_label=dict(sorted(Counter(image.label for image in labelled.images).items())),
        missing=list(labelled.missing),
        calibration=calibrated,
        seen=seen,
        unlabelled=len(labelled.unlabelled),
        unreadable=list(unreadable),
    )


def show(report: Part, as_json: bool, *tables: Callable[[Any], RenderableType]) -> None:
    """Print a result: JSON alone, or tables, variants that did not run, and notes."""
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    # A pipe or file has no width of its own; rich would take 80 columns.
    console = out if out.is_terminal else Console(width=TABLE_WIDTH)
    for table in tables:
        console.print(table(report))
    for name, reason in getattr(report, "not_run", {}).items():
        out.print(f"{escape(name)}: {escape(reason)}", soft_wrap=True)
    for note in getattr(report, "notes", []):
        out.print(escape(note), soft_wrap=True)


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; gives the function to advance it by."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)
