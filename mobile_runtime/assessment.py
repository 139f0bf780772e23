"""What an assessment says, and what it rests on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from mobile_runtime.decision import MEANING, Decision
from mobile_runtime.manifest import OperatingPoint
from mobile_runtime.quality import ADVICE, Quality

DISCLAIMER = "Not a medical device and not a diagnosis."
_DIGITS = range(3, 8)


def beside(malignancy: float, threshold: float) -> tuple[str, str]:
    """Both in as few digits, three or more, as tell which is larger: of 0.0430, below 0.0431, 0.043 would seem to reach it."""
    texts = [(f"{malignancy:.{digits}f}", f"{threshold:.{digits}f}") for digits in _DIGITS]
    return next((pair for pair in texts if pair[0] != pair[1]), texts[0])


@dataclass(frozen=True)
class Assessment:
    """The verdict on one image.

    Attributes:
        decision: what to do next.
        malignancy: probability of the node `malignant`, 0..1; None when the image must be retaken.
        cancer: the same without premalignant lesions.
        outlier: the graph's outlier score, above `outlier_limit` for `abstain`; None when the variant gives none.
        outlier_limit: None when the variant has none.
        remark: sentences that take the place of what the decision usually means; empty for one image.
        probabilities: class label -> probability; empty when the image must be retaken.
        quality: figures and reasons.
        operating_point: name of the locked threshold used.
        point: the threshold with its sensitivity and specificity.
        bundle_id: name, version and digest of the bundle.
        variant: name of the model's exported form.
        engine: runtime, version and delegate.
        threads: inference threads.
    """

    decision: Decision
    malignancy: float | None
    cancer: float | None
    probabilities: dict[str, float]
    quality: Quality
    operating_point: str
    point: OperatingPoint
    bundle_id: str
    variant: str
    engine: str
    threads: int
    outlier: float | None = None
    outlier_limit: float | None = None
    remark: tuple[str, ...] = ()

    @property
    def advice(self) -> tuple[str, ...]:
        """Sentences to show: what the decision means, then what to do about each quality fault."""
        return (*(self.remark or (MEANING[self.decision],)), *(ADVICE[reason] for reason in self.quality.reasons))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types in the shape of `assessment_schema`."""
        return {
            "decision": self.decision.value,
            "malignancy": self.malignancy,
            "cancer": self.cancer,
            "probabilities": dict(self.probabilities),
            "outlier": {"score": self.outlier, "limit": self.outlier_limit},
            "quality": {**asdict(self.quality), "reasons": list(self.quality.reasons)},
            "operating_point": {"name": self.operating_point, **self.point.model_dump(mode="json")},
            "model": {
                "bundle": self.bundle_id,
                "variant": self.variant,
                "engine": self.engine,
                "threads": self.threads,
            },
            "advice": list(self.advice),
            "disclaimer": DISCLAIMER,
        }

    def to_json(self) -> str:
        """One line of JSON with sorted keys."""
        return json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, allow_nan=False)


def assessment_schema() -> dict[str, Any]:
    """The published JSON Schema of what `to_json()` writes, for one image or a burst."""
    text = files("mobile_runtime").joinpath("data", "assessment.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document
