"""Images through capture normalization once, then through every variant."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks.drift_results import LEFT_OUT
from benchmarks.labelled import LabelledImage, LabelledSet
from benchmarks.results import Unreadable
from mobile_runtime import capture
from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import CaptureError, DataError, EngineError, MissingEngineError
from mobile_runtime.manifest import Variant
from mobile_runtime.pipeline import Prediction, TriagePipeline

Advance = Callable[[int], None]
_BATCH = 32


@dataclass(frozen=True)
class Prepared:
    """Images ready for the model.

    Attributes:
        labelled: the readable images, in order.
        pixels: uint8 RGB [N, S, S, 3] of the same images.
        region_px: int [N], side of the square each was resampled from, which the quality gate judges.
        unreadable: the others, with the reason.
    """

    labelled: LabelledSet
    pixels: npt.NDArray[np.uint8]
    region_px: npt.NDArray[np.int64]
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True)
class Scored:
    """A variant and its outputs for all prepared images."""

    variant: Variant
    engine: str
    prediction: Prediction


def open_pipelines(
    bundle: Bundle, names: Sequence[str] | None, operating_point: str | None = None, threads: int = 1
) -> tuple[dict[str, TriagePipeline], dict[str, str]]:
    """Open every variant that runs on this machine.

    Args:
        bundle: the bundle.
        names: variants to open; None takes all that can run.
        operating_point: None takes the bundle's default.
        threads: inference threads.

    Returns:
        Pipelines by variant, and the reason by variant that was not opened.

    Raises:
        BundleError: there is no such variant or operating point.
        MissingEngineError: a variant that was asked for by name, or any TFLite variant, does not run, or none does.
        EngineError: a runtime refuses a variant.
    """
    pipelines, not_run = {}, {}
    for name in bundle.variants if names is None else dict.fromkeys(names):
        try:
            pipelines[name] = TriagePipeline(bundle, name, operating_point, threads)
        except MissingEngineError as error:
            if names is not None or bundle.variant(name).runtime == "litert":
                raise
            not_run[name] = f"not run on this machine: {error}"
    if not pipelines:
        raise MissingEngineError(f"{bundle.path}: no variant of it runs on this machine; {'; '.join(not_run.values())}")
    return pipelines, not_run


def left_out(bundle: Bundle, names: Container[str]) -> dict[str, str]:
    """The reason by variant that is not among some: `LEFT_OUT` where it could run here."""
    found = {}
    for name in bundle.variants:
        if name not in names:
            try:
                TriagePipeline(bundle, name)
                found[name] = LEFT_OUT
            except MissingEngineError as error:
                found[name] = f"not run on this machine: {error}"
            except EngineError:
                found[name] = LEFT_OUT
    return found


def prepare(labelled: LabelledSet, pipeline: TriagePipeline, advance: Advance = lambda count: None) -> Prepared:
    """Capture normalization of every image, as on the phone; unreadable ones are set aside with the reason.

    Raises:
        DataError: no image at all is readable.
    """
    side = pipeline.input_size
    pixels = np.empty((len(labelled), side, side, 3), np.uint8)
    region_px = np.zeros(len(labelled), np.int64)
    kept: list[LabelledImage] = []
    skipped: list[Unreadable] = []
    for image in labelled.images:
        try:
            captured = capture.normalize(image.path, side)
            pixels[len(kept)], region_px[len(kept)] = captured.image, captured.region_px
            kept.append(image)
        except CaptureError as error:
            skipped.append(unreadable(image, error))
        advance(1)
    if not kept:
        raise DataError(f"none of the {len(labelled)} images can be read; the first: {skipped[0].reason}")
    n = len(kept)
    return Prepared(replace(labelled, images=tuple(kept)), pixels[:n], region_px[:n], tuple(skipped))


def unreadable(image: LabelledImage, error: CaptureError) -> Unreadable:
    """Why an image could not be prepared, without the folder that it is in."""
    reason = str(error).removeprefix(f"{image.path}: ")
    return Unreadable(image=image.image_id, reason=reason.replace(str(image.path), image.path.name))


def predict(pipeline: TriagePipeline, prepared: Prepared, advance: Advance = lambda count: None) -> Scored:
    """One variant's outputs for all prepared images, float32.

    Raises:
        EngineError: the variant's outputs are not what its manifest says, or no numbers; the images are named.
    """
    parts = []
    for start in range(0, len(prepared.pixels), _BATCH):
        batch = prepared.pixels[start : start + _BATCH]
        try:
            parts.append(pipeline.predict(batch))
        except EngineError as error:
            named = prepared.labelled.images[start : start + len(batch)]
            raise EngineError(f"{error} (images {named[0].image_id} to {named[-1].image_id})") from error
        advance(len(parts[-1].malignancy))
    prediction = Prediction(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.malignancy for part in parts]),
        {name: np.concatenate([part.scores[name] for part in parts]) for name in parts[0].scores},
        None if parts[0].outlier is None else np.concatenate([part.outlier for part in parts if part.outlier is not None]),
    )
    return Scored(pipeline.variant, pipeline.engine.name, prediction)
