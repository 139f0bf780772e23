"""A bundle whose manifest is real and whose models are made up: scores come from the picture's colours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mobile_runtime.errors import MissingEngineError
from mobile_runtime.files import sha256_bytes
from mobile_runtime.manifest import (
    ClassSpec,
    Estimate,
    FileEntry,
    InputSpec,
    Manifest,
    OperatingPoint,
    Provenance,
    QualityLimits,
    ScoreSpec,
    Variant,
)
from mobile_runtime.pipeline import Prediction
from mobile_runtime.synthetic import LABELS, lesion
from mobile_runtime.taxonomy import HAM10000_CLASSES, default_taxonomy, descendant_sum

SIZE = 32
MALIGNANT = default_taxonomy().aggregate_vector("malignancy", HAM10000_CLASSES)
NOISE: Mapping[str, float] = {"float32": 0.0, "int8": 0.4, "onnx_float32": 0.0}
"""Variant -> standard deviation of what it adds to the logits."""


def point(threshold: float) -> OperatingPoint:
    """An operating point that claims nothing."""
    unknown = Estimate(value=0.5, low=0.0, high=1.0, n=0)
    return OperatingPoint(threshold=threshold, aim="test", sensitivity=unknown, specificity=unknown, dataset="none")


def variant(name: str, runtime: str = "litert", precision: str | None = None, threshold: float = 0.5) -> Variant:
    """A variant with two operating points."""
    return Variant.model_validate(
        {
            "name": name,
            "runtime": runtime,
            "precision": precision or name,
            "path": f"models/{name}.bin",
            "size_bytes": len(name),
            "input_name": "image",
            "outputs": {"probabilities": "p", "scores": "s"},
            "temperature": 1.0,
            "operating_points": {"rule_out": point(threshold / 2), "balanced": point(threshold)},
            "abstention": None,
        }
    )


def write_bundle(folder: Path, variants: list[Variant]) -> Path:
    """Write a bundle that loads and verifies; its models are not models."""
    files = []
    for each in variants:
        path = folder / each.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.name.encode())
        digest = sha256_bytes(each.name.encode())
        files.append(FileEntry(path=each.path, sha256=digest, size_bytes=each.size_bytes, role="model"))
    manifest = Manifest(
        name="fake",
        version="0",
        intended_use="tests",
        limitations=[],
        licence="none",
        input=InputSpec(size=SIZE),
        classes=[ClassSpec(node=n, label=label, name=n) for n, label in zip(HAM10000_CLASSES, LABELS, strict=True)],
        scores=[ScoreSpec(name="malignancy", weights=[1 if weight else 0 for weight in MALIGNANT])],
        default_variant=variants[0].name,
        default_operating_point="balanced",
        quality=QualityLimits(
            sharpness_min=0,
            least_sharpness_min=0,
            evenness_min=0,
            detail_min=0,
            echo_max=1e9,
            brightness_min=0,
            brightness_max=1,
            clipped_max=1,
            highlight_max=1,
            glare_max=1,
            contrast_min=0,
            colour_min=0,
            warmth_min=-1,
            region_px_min=0,
            dataset="none",
        ),
        variants={each.name: each for each in variants},
        provenance=Provenance(datasets={}, split_sha256="", recipe={}, calibration_ids=[], checkpoint_sha256=""),
        files=files,
    )
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return folder


def grid(batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Mean colours of a 4 x 4 grid, float [N, 48], 0..1."""
    cells = batch.reshape(len(batch), 4, SIZE // 4, 4, SIZE // 4, 3)
    return np.asarray(cells.mean((2, 4)).reshape(len(batch), -1) / 255)


@lru_cache(maxsize=1)
def prototypes() -> npt.NDArray[np.float64]:
    """What each class looks like on average, float [7, 48]."""
    return np.stack([grid(np.stack([lesion(label, seed, SIZE) for seed in range(900, 916)])).mean(0) for label in LABELS])


class FakeEngine:
    """Logits fall with the distance from each class's prototype; a variant adds noise that depends on the picture."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = f"fake {name}"
        self.threads = threads
        self.noise = NOISE[name]

    def run(self, batch: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float32]]:
        logits = -8 * ((grid(batch)[:, None] - prototypes()) ** 2).sum(-1)
        for row, image in enumerate(batch):
            logits[row] += self.noise * np.random.default_rng(int(image.sum(dtype=np.int64))).normal(size=7)
        probabilities = np.exp(logits - logits.max(1, keepdims=True))
        probabilities = (probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32)
        return {"probabilities": probabilities, "scores": descendant_sum(probabilities, MALIGNANT)[:, None]}


def open_fake_engine(bundle: object, each: Variant, threads: int = 1) -> FakeEngine:
    """Stands in for `mobile_runtime.engines.open_engine`."""
    if each.runtime == "coreml":
        raise MissingEngineError(f"variant {each.name} is for Core ML, which runs on macOS and iOS only")
    return FakeEngine(each.name, threads)


def prediction(malignancy: list[float]) -> Prediction:
    """Outputs with the given malignancy, all of it melanoma, the rest nevus."""
    scores = np.array(malignancy, np.float32)
    probabilities = np.zeros((len(scores), len(HAM10000_CLASSES)), np.float32)
    probabilities[:, HAM10000_CLASSES.index("melanoma")] = scores
    probabilities[:, HAM10000_CLASSES.index("melanocytic_nevus")] = 1 - scores
    return Prediction(probabilities, scores, {"malignancy": scores})
