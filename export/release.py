"""Fit and measure everything a release needs: ranges, temperatures, thresholds, quality limits, figures."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from compress.calibration_set import draw_calibration_set
from compress.conversion import convert, prepare_static
from compress.flatbuffer import with_temperature
from compress.quantization import quantize
from compress.temperature import fit_temperature
from export.coreml import Metadata
from export.deployed import deploy
from export.outliers import OutlierModel, fit_outliers, outliers_digest
from export.quality_limits import quality_limits
from export.record import ReleaseRecord, VariantRecord
from export.tflite_metadata import fingerprint
from export.variant_fitting import as_prediction, by_dataset, fit_variant, shared
from export.variants import ALL_VARIANTS, COREML_VARIANTS, ONNX_VARIANT, STATIC_VARIANT, VariantWriter, run_variant, runtime_of
from mobile_runtime.console import steps
from mobile_runtime.ending import exit_if_ended
from mobile_runtime.files import sha256
from mobile_runtime.image_names import pack_names
from mobile_runtime.manifest import Provenance
from mobile_runtime.pipeline import Prediction
from mobile_runtime.taxonomy import default_taxonomy
from train.cache import open_cache
from train.checkpoint import load_checkpoint
from train.datasets import Example
from train.loading import label_masks, prepared_images
from train.network import LesionNetwork
from train.notes import unnamed_classes
from train.splits import Split, split_digest, trained_images
from train.tables import group_numbers, short_ids

Images = npt.NDArray[np.uint8]

SAMPLE_PER_DATASET = 1500
COREML_COUNTERPARTS = {
    "float16_coreml": "float16",
    "wi8_afp16_coreml": "dynamic_wi8_afp32",
    "wi8_ai8_coreml": STATIC_VARIANT,
}
"""Core ML form -> TFLite form with the same weights and nearly the same arithmetic; palettes have none."""


@dataclass(frozen=True)
class Fitted:
    """A fitted release.

    Attributes:
        record: temperatures, thresholds, limits, figures.
        outliers: the fitted outlier score.
        base: the float32 TFLite graph at temperature 1.
        int8: the static int8 graph, which holds the rounded weights that other int8 variants share.
    """

    record: ReleaseRecord
    outliers: OutlierModel
    base: bytes
    int8: bytes


@dataclass(frozen=True)
class ReleaseName:
    """What a bundle is called."""

    name: str = "skintriage-mobile"
    version: str = "0.1.0"


def fit_release(
    checkpoint: Path,
    split: Split,
    *,
    title: ReleaseName = ReleaseName(),
    calibration_images: int = 256,
    evaluate_coreml: bool = False,
    undone: float = 0.0,
    seed: int = 0,
    cache: Path | None = None,
) -> Fitted:
    """Fit on the validation split, measure on the test split, once.

    Thresholds are those of the primary data set, the one with the most validation images.

    Args:
        checkpoint: `model.safetensors` of a training run.
        split: the split that it was trained by.
        title: name and version of the bundle.
        calibration_images: size of the calibration set, drawn from the training images.
        evaluate_coreml: fit and measure every Core ML form by evaluating its program, some minutes each; else those of
            `COREML_COUNTERPARTS` take over what was fitted for the TFLite form of the same numbers, and the rest are left out.
        undone: what `export.deployed.undo_adjustment` did to the checkpoint, for the record.
        seed: of the calibration draw.
        cache: folder of decoded images.

    Raises:
        DataError: the validation images of the primary data set are all malignant or all benign.
    """
    taxonomy = default_taxonomy()
    network, recipe = load_checkpoint(checkpoint)
    classes = recipe.classes
    pixels = open_cache([example for part in split.values() for example in part], cache)
    train = trained_images(split, recipe)
    chosen = draw_calibration_set(train, [*split["val"], *split["test"]], calibration_images, seed)
    calibration = prepared_images(chosen, pixels, recipe.input_size)
    sample = _sample(train, SAMPLE_PER_DATASET, seed)
    typical = prepared_images(sample, pixels, recipe.input_size)
    parts = {name: prepared_images(split[name], pixels, recipe.input_size) for name in ("val", "test")}
    primary = max(by_dataset(split["val"]).items(), key=lambda item: len(item[1]))[0]
    left_out = {ONNX_VARIANT, *(() if evaluate_coreml else COREML_VARIANTS)}
    names = [name for name in ALL_VARIANTS if name not in left_out]
    with steps(3 + len(names)) as begin, tempfile.TemporaryDirectory() as folder:
        begin("convert")
        outliers = fit_outliers(_textures(network, typical), [example.dataset for example in sample])
        deployed = deploy(network, classes, outliers, taxonomy)
        base = convert(deployed, recipe.input_size)
        begin("round weights")
        static = prepare_static(base, calibration, seed)
        int8 = quantize(*static)
        begin("calibrate")
        writer = VariantWriter(deployed, recipe.input_size, Metadata("", "", "", classes), int8=int8, base=base)
        writer.calibrate(calibration)

        def write(name: str, temperature: float) -> Path:
            path = writer.write(name, temperature, Path(folder))
            if name == STATIC_VARIANT:
                path.write_bytes(quantize(with_temperature(static[0], temperature), *static[1:]))
            return path

        variants: dict[str, VariantRecord] = {}
        reference: Prediction | None = None
        masks = label_masks(split["val"], classes, taxonomy).numpy()
        for name in names:
            begin(f"fit {name}")
            plain = run_variant(name, write(name, 1.0), parts["val"])
            temperature = fit_temperature(plain["probabilities"], masks)
            path = write(name, temperature)
            if name == STATIC_VARIANT:
                int8 = path.read_bytes()
            outputs = {part: as_prediction(run_variant(name, path, images)) for part, images in parts.items()}
            how = "by evaluation in PyTorch" if runtime_of(name) == "coreml" else ""
            reference = outputs["val"] if name == "float32" else reference
            assert reference is not None  # float32 comes first
            variants[name] = fit_variant(split, outputs, reference, primary, classes, temperature, how)
            exit_if_ended()
    # It is the float32 graph, and shares what was fitted there.
    variants[ONNX_VARIANT] = shared(variants["float32"], "float32")
    if not evaluate_coreml:
        variants |= {name: shared(variants[other], other) for name, other in COREML_COUNTERPARTS.items()}
    everything = [example for part in split.values() for example in part]
    record = ReleaseRecord(
        name=title.name,
        version=title.version,
        default_variant=STATIC_VARIANT,
        default_operating_point="rule_out",
        int8_sha256=fingerprint(int8),
        outliers_sha256=outliers_digest(outliers),
        quality=quality_limits(typical, parts["test"], group_numbers(split["test"])),
        variants=variants,
        provenance=Provenance(
            datasets=dict(Counter(_origin(example) for example in train)),
            split_sha256=split_digest(split),
            recipe={**recipe.model_dump(mode="json"), "logit_adjustment_undone": undone},
            calibration_ids=selected_ids(chosen, everything),
            checkpoint_sha256=sha256(checkpoint),
            guessed_classes=unnamed_classes(train, recipe, default_taxonomy()),
            seen_images=pack_names(selected_ids([*train, *split["val"]], everything)),
        ),
        ranges=writer.ranges,
    )
    return Fitted(record, outliers, base, int8)


def _origin(example: Example) -> str:
    """The data set, which of images of one's own only says what their labels mean."""
    return example.dataset if example.folder is None else f"own images ({example.dataset})"


def selected_ids(chosen: Sequence[Example], examples: Sequence[Example]) -> list[str]:
    """Keys; of images of one's own as `train data select` names them to those who judge the bundle."""
    found: dict[str, str] = {}
    for dataset in {example.dataset for example in chosen if example.folder is not None}:
        members = [example for example in examples if example.dataset == dataset]
        found |= {key: f"{dataset}:{short}" for key, short in short_ids(members)[1].items()}
    return [example.key if example.folder is None else found[example.key] for example in chosen]


def _sample(train: Sequence[Example], per_dataset: int, seed: int) -> list[Example]:
    """Up to so many training images of each data set."""
    rng = np.random.default_rng(seed)
    return [train[i] for rows in by_dataset(train).values() for i in rng.permutation(rows)[:per_dataset]]


def _textures(network: LesionNetwork, images: Images) -> npt.NDArray[np.float32]:
    batches = []
    with torch.inference_mode():
        for start in range(0, len(images), 64):
            batch = torch.from_numpy(images[start : start + 64]).permute(0, 3, 1, 2)
            batches.append(network.embed_with_textures(batch)[1].numpy())
    return np.concatenate(batches)
