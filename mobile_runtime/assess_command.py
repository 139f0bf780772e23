"""`skintriage assess`: photographs given by name, frames of one lesion, or what arrives in a watched folder."""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from PIL import ImageFile
from rich.markup import escape

from mobile_runtime.annotate import check_stem, forget, picture_path
from mobile_runtime.assessment import Assessment
from mobile_runtime.capture import ImageInput, normalize
from mobile_runtime.console import err, print_error, print_json, print_warning, track
from mobile_runtime.display import agreement, left_out, show
from mobile_runtime.errors import CaptureError
from mobile_runtime.files import check_place, sha256, write_json
from mobile_runtime.options import BundleOption, JsonOption, PointOption, VariantOption
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.watching import Basis, Stamp, arrivals, claim, verdict_path


def assess(
    images: Annotated[
        Optional[list[Path]], typer.Argument(help="Photographs: JPEG, PNG, WebP or BMP; HEIC with the extra `heic`.")
    ] = None,
    bundle: BundleOption = None,
    variant: VariantOption = None,
    operating_point: PointOption = None,
    threads: Annotated[int, typer.Option(help="Inference threads; results do not depend on them.")] = 1,
    folder: Annotated[Optional[Path], typer.Option("--out", help="Write an annotated picture per image here.")] = None,
    watched: Annotated[
        Optional[Path], typer.Option("--watch", help="Give each new photograph of this folder a JSON and a picture in --out.")
    ] = None,
    as_burst: Annotated[bool, typer.Option("--burst", help="The photographs are frames of one lesion: one verdict.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a verdict on each photograph, or on several of one lesion.

    A bad image is reported and the rest go on; the exit status is then 1. With --burst one that cannot be read ends it, and of
    poor ones it is said that they do not count. With --watch it goes on until interrupted; each photograph gets its verdict
    once, across restarts, and half-copied files are waited for.
    """
    if (images is None) == (watched is None):
        raise CaptureError("give photographs, or a folder with --watch, and not both")
    if as_burst and watched is not None:
        raise CaptureError("--burst takes the photographs of one lesion, --watch gives each photograph its own verdict")
    pipeline = TriagePipeline(bundle, variant, operating_point, threads)
    if watched is not None:
        if folder is None or folder.resolve() == watched.resolve():
            raise CaptureError("--watch needs --out, a folder other than the watched one")
        if not watched.is_dir():
            raise CaptureError(f"{watched}: no such folder to watch")
        _watch(pipeline, watched, folder, as_json)
        return
    assert images is not None
    if as_burst:
        if len(images) < 2:
            raise CaptureError("--burst takes several photographs of one lesion; leave it out for one")
        if folder is not None:
            check_place(folder, folder=True)
            refuse_to_overwrite(images, folder, ["burst"])
        _assess_burst(pipeline, images, folder, as_json)
        return
    if folder is not None:
        check_place(folder, folder=True)
        _refuse_namesakes(images)
        refuse_to_overwrite(images, folder, [image.name for image in images])
    documents: list[dict[str, Any]] = []
    failed = 0
    shown = images if as_json or len(images) < 20 else track(images, "assess")
    for image in shown:
        try:
            assessment = assess_one(pipeline, image, str(image), folder, image.name, quiet=as_json)
            documents.append({"image": str(image), **assessment.to_dict()})
        except (CaptureError, OSError) as error:  # its picture cannot be written, and the next one's perhaps can
            failed += 1
            reason = str(error) if isinstance(error, CaptureError) else f"{error.filename or folder}: {error.strerror or error}"
            print_error(reason)
            documents.append({"image": str(image), "error": reason})
    if as_json:
        print_json(documents)
    elif failed:
        err.print(f"{failed} of {len(images)} images got no verdict.")
    raise typer.Exit(1 if failed else 0)


def _refuse_namesakes(images: list[Path]) -> None:
    """One patient's picture must not take the place of another's."""
    named: dict[str, Path] = {}
    for image in images:
        other = named.setdefault(image.name, image)
        if other != image:
            raise CaptureError(f"{other} and {image} have the same name, so would their pictures in --out; assess them apart")


def refuse_to_overwrite(images: list[Path], folder: Path, stems: list[str]) -> None:
    """No verdict's picture may take the place of a photograph, which would be lost, or be judged in its place."""
    given = {place for image in images for place in _places(image)}
    for picture in (picture_path(folder, stem) for stem in stems):
        if given & _places(picture):
            raise CaptureError(f"{picture}: a photograph that a verdict's picture would overwrite; choose another --out")


def _places(path: Path) -> set[str]:
    """Where a file is, and where the link is that leads to it."""
    return {os.path.realpath(path), os.path.join(os.path.realpath(path.parent), path.name)}


def _assess_burst(pipeline: TriagePipeline, images: list[Path], folder: Path | None, as_json: bool) -> None:
    forget(folder, "burst")
    try:
        found = pipeline.assess_burst(images)
    except CaptureError as error:
        print_error(error)
        if as_json:
            print_json({"images": [str(image) for image in images], "error": str(error)})
        raise typer.Exit(1) from error
    title = f"{len(images)} pictures of one lesion, {found.usable} usable"
    if len({sha256(image) for image in images}) < len(images):
        print_warning("a picture was given twice: that they agree says nothing")
    first = normalize(images[0], pipeline.input_size).image
    frames = "\n".join([agreement(found), *left_out(found, images)])
    show(pipeline, found.assessment, first, title, folder, "burst", as_json, frames)
    if as_json:
        print_json({"images": [str(image) for image in images], **found.to_dict()})


def assess_one(
    pipeline: TriagePipeline, image: ImageInput, title: str, folder: Path | None, stem: str, quiet: bool
) -> Assessment:
    """Judge one picture and show the verdict, its annotated picture in a folder if there is one; see `display.show`."""
    if folder is not None:
        check_stem(stem)
    forget(folder, stem)
    captured = normalize(image, pipeline.input_size)
    assessment = pipeline.assess_prepared(captured.image, captured.region_px)
    show(pipeline, assessment, captured.image, title, folder, stem, quiet, share=captured.share)
    return assessment


def _watch(pipeline: TriagePipeline, watched: Path, folder: Path, as_json: bool) -> None:
    claim(watched, folder)
    basis = Basis(pipeline.bundle.id, pipeline.variant.name, pipeline.operating_point)
    err.print(escape(f"watching {watched}, verdicts go to {folder}; stop with Ctrl+C"), soft_wrap=True)
    told: set[tuple[Path, Stamp, str]] = set()

    def tell_once(photo: Path, stamp: Stamp, message: str) -> None:
        if (photo, stamp, message) not in told:
            print_error(message)
        told.add((photo, stamp, message))

    def take_away(photo: Path) -> None:
        with contextlib.suppress(OSError, CaptureError):  # it comes again before the photograph is judged
            _take_away(photo, folder)

    for photo, stamp in arrivals(watched, folder, basis, left_out=_name_left_out, outdated=take_away):
        try:
            check_stem(photo.name)
        except CaptureError as error:  # nor could a verdict be written
            tell_once(photo, stamp, str(error))
            continue
        try:
            document = _watched(pipeline, photo, stamp, folder, quiet=as_json)
        except CaptureError as error:
            tell_once(photo, stamp, f"{error}; tried again later")
            continue
        except OSError as error:  # a disk that is full or a network that is away: it comes again
            tell_once(photo, stamp, f"{photo.name}: {error.filename or folder}: {error.strerror or error}; tried again later")
            continue
        if as_json:
            print_json(document, indent=None)


def _name_left_out(path: Path) -> None:
    err.print(escape(f"{path.name}: left out, {path.suffix or 'no ending'} is no photograph that is read"), soft_wrap=True)


def _watched(pipeline: TriagePipeline, photo: Path, stamp: Stamp, folder: Path, quiet: bool) -> dict[str, Any]:
    """Write the verdict on a photograph, or why there is none.

    Raises:
        CaptureError: the machine could not read it this time, which says nothing about the photograph.
        OSError: the verdict cannot be written.
    """
    document: dict[str, Any] = {"image": photo.name, "file": asdict(stamp)}
    _take_away(photo, folder)
    try:
        document |= assess_one(pipeline, photo, photo.name, folder, photo.name, quiet=quiet).to_dict()
    except CaptureError as error:
        if _may_pass(error):
            raise
        print_error(error)
        document["error"] = str(error)
    write_json(verdict_path(photo, folder), document)
    return document


def _take_away(photo: Path, folder: Path) -> None:
    """Remove the verdict on an earlier photograph of this name, or by another bundle or operating point."""
    verdict_path(photo, folder).unlink(missing_ok=True)
    forget(folder, photo.name)


def _may_pass(error: CaptureError) -> bool:
    """Whether the machine failed and not the picture: its disk or network, a missing extra, its memory, another library."""
    cause = error.__cause__
    failed = isinstance(cause, ImportError | MemoryError) or (isinstance(cause, OSError) and cause.errno is not None)
    return failed or ImageFile.LOAD_TRUNCATED_IMAGES
