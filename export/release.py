"""Fit and measure everything a release needs: ranges, temperatures, thresholds, quality limits, figures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from compress.calibration_set import draw_calibration_set
from compress.flatbuffer import with_temperature
from compress.quantization import quantize
from compress.ranges import collect_ranges
from compress.rounding import round_weights
from compress.temperature import fit_temperature
from export.deployed import deploy
from export.figures import lock_points, measure, thresholds
from export.record import ReleaseRecord, VariantRecord
from export.tflite import write_tflite
from export.variants import (
    COREML_VARIANT,
    ONNX_VARIANT,
    STATIC_VARIANT,
    TFLITE_VARIANTS,
    run_variant,
    write_tflite_variant,
)
from mobile_runtime.console import err
from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256, sha256_bytes
from mobile_runtime.manifest import Provenance, QualityLimits
from mobile_runtime.pipeline import Prediction
from mobile_runtime.quality import measure as measure_quality
from mobile_runtime.resample import centre_square, resample
from mobile_runtime.taxonomy import default_taxonomy
from train.cache import PixelStore, open_cache
from train.checkpoint import load_checkpoint
from train.datasets import Example
from train.loading import label_masks
from train.metrics import truths
from train.splits import Split

@dataclass(frozen=True)
class Fitted:
    """A fitted release.

    Attributes:
        record: temperatures, thresholds, limits, figures.
        base: the float32 TFLite graph at temperature 1.
        int8: the static int8 graph, which holds the rounded weights that other int8 variants share.
    """

    record: ReleaseRecord
    base: bytes
    int8: bytes


Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ReleaseName:
    """What a bundle is called."""

    name: str = "skintriage-mobile"
    version: str = "0.1.0"


def prepared_images(examples: Sequence[Example], pixels: PixelStore, size: int) -> Images:
    """The phone's view of cached images: uint8 [N, S, S, 3]."""
    views = []
    for example in examples:
        image = pixels[example.key]
        left, top, right, bottom = centre_square(image.shape[1], image.shape[0])
        views.append(resample(image[top:bottom, left:right], size))
    return np.stack(views)


def quality_limits(images: Images, dataset: str, share: float = 0.0025) -> QualityLimits:
    """Limits that a stated share of real training images would break, figure by figure."""
    figures = [measure_quality(image) for image in images]

    def tail(name: str, quantile: float) -> float:
        return float(np.quantile([getattr(figure, name) for figure in figures], quantile))

    return QualityLimits(
        sharpness_min=tail("sharpness", share),
        brightness_min=tail("brightness", share),
        brightness_max=tail("brightness", 1 - share),
        clipped_max=max(0.25, tail("clipped", 1 - share)),
        contrast_min=tail("contrast", share),
        dataset=dataset,
    )


def fit_release(
    checkpoint: Path,
    split: Split,
    *,
    title: ReleaseName = ReleaseName(),
    calibration_images: int = 256,
    primary: str | None = None,
    seed: int = 0,
    cache: Path | None = None,
) -> Fitted:
    """Fit on the validation split, measure on the test split, once.

    Args:
        checkpoint: `model.safetensors` of a training run.
        split: the split that it was trained by.
        title: name and version of the bundle.
        calibration_images: size of the calibration set, drawn from the training split.
        primary: data set whose validation images choose the thresholds; None takes the largest.
        seed: of the calibration draw.
        cache: folder of decoded images.

    Raises:
        DataError: the validation images of the primary data set are all malignant or all benign.
    """
    taxonomy = default_taxonomy()
    network, recipe = load_checkpoint(checkpoint)
    classes = recipe.classes
    pixels = open_cache([example for part in split.values() for example in part], cache)
    chosen = draw_calibration_set(split["train"], [*split["val"], *split["test"]], calibration_images, seed)
    calibration = prepared_images(chosen, pixels, recipe.input_size)
    parts = {name: prepared_images(split[name], pixels, recipe.input_size) for name in ("val", "test")}
    primary = primary or max(_by_dataset(split["val"]).items(), key=lambda item: len(item[1]))[0]
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("convert", total=2 + len(TFLITE_VARIANTS))
        deployed = deploy(network, classes, taxonomy)
        base = write_tflite(deployed, recipe.input_size)
        progress.update(task, advance=1, description="round weights")
        rounded = round_weights(base, list(calibration), seed)
        ranges = collect_ranges(rounded, calibration)
        int8 = quantize(rounded, STATIC_VARIANT, ranges)
        progress.advance(task)

        def write(name: str, temperature: float) -> bytes:
            if name == STATIC_VARIANT:
                return quantize(with_temperature(rounded, temperature), name, ranges)
            return write_tflite_variant(base, name, temperature, int8)

        variants: dict[str, VariantRecord] = {}
        for name in TFLITE_VARIANTS:
            progress.update(task, description=f"fit {name}")
            masks = label_masks(split["val"], classes, taxonomy).numpy()
            plain = run_variant(name, write(name, 1.0), parts["val"])
            temperature = fit_temperature(plain["probabilities"], masks)
            model = write(name, temperature)
            outputs = {part: _prediction(run_variant(name, model, images)) for part, images in parts.items()}
            variants[name] = _record(split, outputs, primary, classes, temperature)
            progress.advance(task)
    # ONNX is the float32 graph, and Core ML its float16: they share what was fitted there.
    variants[ONNX_VARIANT] = variants["float32"]
    variants[COREML_VARIANT] = variants["float16"].model_copy(update={"metrics": {}})
    rng = np.random.default_rng(seed)
    sample = [split["train"][i] for i in rng.permutation(len(split["train"]))[:4000]]
    int8 = write(STATIC_VARIANT, variants[STATIC_VARIANT].temperature)
    record = ReleaseRecord(
        name=title.name,
        version=title.version,
        default_variant=STATIC_VARIANT,
        default_operating_point="rule_out",
        int8_sha256=sha256_bytes(int8),
        quality=quality_limits(prepared_images(sample, pixels, recipe.input_size), "training images"),
        variants=variants,
        provenance=Provenance(
            datasets={name: len(rows) for name, rows in _by_dataset(split["train"]).items()},
            split_sha256=split_digest(split),
            recipe=recipe.model_dump(mode="json"),
            calibration_ids=[example.key for example in chosen],
            checkpoint_sha256=sha256(checkpoint),
        ),
    )
    return Fitted(record, base, int8)


def split_digest(split: Split) -> str:
    """SHA-256 over which image is in which part."""
    lines = sorted(f"{example.key},{part}" for part, examples in split.items() for example in examples)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _by_dataset(examples: Sequence[Example]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        rows.setdefault(example.dataset, []).append(index)
    return rows


def _prediction(outputs: dict[str, npt.NDArray[np.float32]]) -> Prediction:
    scores = outputs["scores"]
    return Prediction(outputs["probabilities"], scores[:, 0], {"malignancy": scores[:, 0]})


def _part(prediction: Prediction, rows: list[int]) -> Prediction:
    scores = {name: values[rows] for name, values in prediction.scores.items()}
    return Prediction(prediction.probabilities[rows], prediction.malignancy[rows], scores)


def _record(
    split: Split, outputs: dict[str, Prediction], primary: str, classes: tuple[str, ...], temperature: float
) -> VariantRecord:
    taxonomy = default_taxonomy()
    rows = {part: _by_dataset(split[part]) for part in ("val", "test")}
    truth = {part: truths(split[part], "malignancy", taxonomy) for part in ("val", "test")}

    def known(part: str) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
        kept = [i for i in rows[part].get(primary, []) if not np.isnan(truth[part][i])]
        return truth[part][kept] == 1, outputs[part].malignancy[kept]

    sick, malignancy = known("val")
    if sick.all() or not sick.any():
        raise DataError(f"the validation images of {primary} are all of one kind; thresholds need malignant and benign")
    cuts = thresholds(sick, malignancy)
    points = lock_points(cuts, *known("test"), dataset=f"{primary} test split")
    metrics = {
        dataset: measure(_part(outputs["test"], kept), [split["test"][i] for i in kept], classes, taxonomy, points)
        for dataset, kept in rows["test"].items()
    }
    return VariantRecord(temperature=temperature, operating_points=points, metrics=metrics)
