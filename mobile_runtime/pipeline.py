"""The phone's pipeline: capture normalization, quality, inference, decision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mobile_runtime import capture, decision
from mobile_runtime.assessment import Assessment
from mobile_runtime.bundle import Bundle
from mobile_runtime.decision import Decision
from mobile_runtime.engines import open_engine
from mobile_runtime.errors import CaptureError
from mobile_runtime.quality import judge
from mobile_runtime.resample import Box


@dataclass(frozen=True)
class Prediction:
    """Raw model outputs of N images, without any gate.

    Attributes:
        probabilities: float32 [N, C], in the order of the manifest's classes.
        malignancy: float32 [N].
        scores: every aggregate of the manifest by name, float32 [N].
    """

    probabilities: npt.NDArray[np.float32]
    malignancy: npt.NDArray[np.float32]
    scores: dict[str, npt.NDArray[np.float32]]


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
        self.operating_point = operating_point or self.manifest.default_operating_point
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
        """
        shape = (self.input_size, self.input_size, 3)
        if not isinstance(batch, np.ndarray) or batch.dtype != np.uint8 or batch.shape[1:] != shape or not len(batch):
            found = f"{batch.dtype} {list(batch.shape)}" if isinstance(batch, np.ndarray) else type(batch).__name__
            raise CaptureError(f"predict takes uint8 [N, {shape[0]}, {shape[1]}, 3] from prepare(), not {found}")
        outputs = self.engine.run(batch)
        scores = {name: outputs["scores"][:, column] for column, name in enumerate(self.manifest.scores)}
        return Prediction(outputs["probabilities"], scores["malignancy"], scores)

    def assess(self, image: capture.ImageInput, box: Box | None = None) -> Assessment:
        """The verdict on one image: a path, file bytes, or a uint8 RGB array [H, W, 3].

        Raises:
            CaptureError: the image cannot be read.
        """
        return self.assess_prepared(self.prepare(image, box))

    def assess_prepared(self, prepared: npt.NDArray[np.uint8]) -> Assessment:
        """The verdict on an image [S, S, 3] that `prepare` made."""
        quality = judge(prepared, self.manifest.quality)
        malignancy = cancer = None
        probabilities: dict[str, float] = {}
        verdict = Decision.RETAKE
        if quality.acceptable:
            prediction = self.predict(prepared[None])
            malignancy = float(prediction.malignancy[0])
            cancer = float(prediction.scores["cancer"][0]) if "cancer" in prediction.scores else None
            labels = [spec.label for spec in self.manifest.classes]
            probabilities = dict(zip(labels, map(float, prediction.probabilities[0]), strict=True))
            verdict = decision.decide(quality, malignancy, self.point)
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
        )
