"""The phone's pipeline: capture normalization, quality, inference, decision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mobile_runtime import burst, capture, decision
from mobile_runtime.assessment import Assessment
from mobile_runtime.bundle import Bundle
from mobile_runtime.burst import BurstAssessment
from mobile_runtime.decision import Decision
from mobile_runtime.engines import check_outputs, open_engine
from mobile_runtime.errors import CaptureError
from mobile_runtime.quality import Quality, judge
from mobile_runtime.resample import Box


@dataclass(frozen=True)
class Prediction:
    """Raw model outputs of N images, without any gate.

    Attributes:
        probabilities: float32 [N, C], in the order of the manifest's classes.
        malignancy: float32 [N].
        scores: every aggregate of the manifest by name, float32 [N].
        outlier: float32 [N], how unlike the training images; None when the variant gives none.
    """

    probabilities: npt.NDArray[np.float32]
    malignancy: npt.NDArray[np.float32]
    scores: dict[str, npt.NDArray[np.float32]]
    outlier: npt.NDArray[np.float32] | None = None


class TriagePipeline:
    """From a photograph to an `Assessment`.

    Args:
        bundle: a loaded bundle, a bundle's path, or None for the default one.
        variant: which exported form to run; None takes the bundle's default.
        operating_point: name of the locked threshold; None takes the bundle's default.
        threads: inference threads; results do not depend on them.

    Raises:
        BundleError: no such variant or operating point, or the bundle is not intact.
        EngineError: the variant's runtime is missing or refuses the model.
    """

    def __init__(
        self,
        bundle: Bundle | str | Path | None = None,
        variant: str | None = None,
        operating_point: str | None = None,
        threads: int = 1,
    ) -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
        self.manifest = self.bundle.manifest
        self.variant = self.bundle.variant(variant)
        self.operating_point = self.manifest.default_operating_point if operating_point is None else operating_point
        self.point = decision.operating_point(self.variant, self.operating_point)
        self.engine = open_engine(self.bundle, self.variant, threads)

    @property
    def input_size(self) -> int:
        """S, pixels a side."""
        return self.manifest.input.size

    def prepare(self, image: capture.ImageInput, box: Box | None = None) -> npt.NDArray[np.uint8]:
        """Capture normalization alone: any image to uint8 RGB [S, S, 3]. See `capture.prepare`."""
        return capture.prepare(image, self.input_size, box)

    def predict(self, batch: npt.NDArray[np.uint8]) -> Prediction:
        """Run the model on prepared images uint8 [N, S, S, 3], without gating: for benchmarks.

        Raises:
            CaptureError: another dtype or shape.
            EngineError: the model's outputs are not what the manifest says.
        """
        count = max(1, len(batch)) if isinstance(batch, np.ndarray) and batch.ndim else 1
        self._check(batch, (count, self.input_size, self.input_size, 3), "predict takes uint8 [N, {0}, {0}, 3]")
        outputs = self.engine.run(batch)
        check_outputs(self.manifest, self.variant, outputs, len(batch))
        scores = {spec.name: outputs["scores"][:, column] for column, spec in enumerate(self.manifest.scores)}
        outlier = outputs["outlier"].reshape(len(batch)) if "outlier" in outputs else None
        return Prediction(outputs["probabilities"], scores["malignancy"], scores, outlier)

    def assess(self, image: capture.ImageInput, box: Box | None = None) -> Assessment:
        """The verdict on one image: a path, file bytes, a uint8 RGB array [H, W, 3] or a camera frame.

        Args:
            image: see `capture.acquire`.
            box: a square region of the upright image; None takes the centre square.

        Raises:
            CaptureError: the image cannot be read.
        """
        captured = capture.normalize(image, self.input_size, box)
        return self.assess_prepared(captured.image, captured.region_px)

    def assess_prepared(self, prepared: npt.NDArray[np.uint8], region_px: int | None = None) -> Assessment:
        """The verdict on an image uint8 [S, S, 3] that `prepare` made; `region_px` is how many pixels a side it was made of.

        Raises:
            CaptureError: another dtype or shape.
        """
        self._check(prepared, (self.input_size, self.input_size, 3), "assess_prepared takes uint8 [{0}, {0}, 3]")
        quality = judge(prepared, self.manifest.quality, region_px)
        prediction = self.predict(prepared[None]) if quality.acceptable else None
        return self._assessment(quality, prediction)

    def assess_burst(self, frames: Sequence[capture.ImageInput], box: Box | None = None) -> BurstAssessment:
        """One verdict on several frames of the same lesion. See `burst.combine` for the rules.

        Raises:
            CaptureError: no frames, or one that cannot be read.
        """
        if isinstance(frames, str | bytes | bytearray | memoryview) or not isinstance(frames, Sequence):
            raise CaptureError(f"a burst is a list of frames, not {type(frames).__name__}; put the frames in a list")
        return burst.combine(tuple(self.assess(frame, box) for frame in frames))

    def _check(self, images: object, shape: tuple[int, ...], wanted: str) -> None:
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape != shape:
            found = f"{images.dtype} {list(images.shape)}" if isinstance(images, np.ndarray) else type(images).__name__
            raise CaptureError(f"{wanted.format(self.input_size)} from prepare(), not {found}")

    def _assessment(self, quality: Quality, prediction: Prediction | None) -> Assessment:
        malignancy = cancer = outlier = None
        probabilities: dict[str, float] = {}
        verdict = Decision.RETAKE
        if prediction is not None:
            malignancy = within_one(prediction.malignancy[0])
            cancer = within_one(prediction.scores["cancer"][0]) if "cancer" in prediction.scores else None
            outlier = None if prediction.outlier is None else float(prediction.outlier[0])
            labels = [spec.label for spec in self.manifest.classes]
            probabilities = dict(zip(labels, map(within_one, prediction.probabilities[0]), strict=True))
            verdict = decision.decide(quality, malignancy, self.point, outlier, self.variant.abstention)
        return Assessment(
            decision=verdict,
            malignancy=malignancy,
            cancer=cancer,
            probabilities=probabilities,
            quality=quality,
            operating_point=self.operating_point,
            point=self.point,
            bundle_id=self.bundle.id,
            variant=self.variant.name,
            engine=self.engine.name,
            threads=self.engine.threads,
            outlier=outlier,
            outlier_limit=self.variant.abstention.limit if self.variant.abstention else None,
        )


def within_one(value: float | np.floating) -> float:
    """0..1: a sum of float probabilities may be above 1 by its rounding. What is no number stays so, and is never low."""
    number = float(value)
    return number if math.isnan(number) else min(1.0, max(0.0, number))
