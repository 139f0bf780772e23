"""Decisions at named operating points."""

from __future__ import annotations

from enum import Enum

from mobile_runtime.errors import BundleError
from mobile_runtime.manifest import AbstentionLimit, OperatingPoint, Variant
from mobile_runtime.quality import Quality


class Decision(str, Enum):
    """What to do next. None of these is a diagnosis."""

    REFER = "refer"
    LOW_CONCERN = "low_concern"
    RETAKE = "retake"
    ABSTAIN = "abstain"

    def __str__(self) -> str:
        return str(self.value)  # before Python 3.12, f-strings and str() of such a class differ


MEANING = {
    Decision.REFER: "Have a clinician look at this lesion.",
    Decision.LOW_CONCERN: (
        "Below the threshold for referral. This does not rule out cancer: see a clinician if it changes or worries you."
    ),
    Decision.RETAKE: "The picture is not good enough for a score. Take it again.",
    Decision.ABSTAIN: "The model cannot judge this picture. See a clinician if the lesion worries you.",
}


def operating_point(variant: Variant, name: str) -> OperatingPoint:
    """The locked operating point of a variant.

    Raises:
        BundleError: the variant has no such point.
    """
    if not isinstance(name, str) or name not in variant.operating_points:
        known = ", ".join(variant.operating_points)
        raise BundleError(f"variant {variant.name}: no operating point {name!r}; there are {known}")
    return variant.operating_points[name]


def decide(
    quality: Quality,
    malignancy: float,
    point: OperatingPoint,
    outlier: float | None = None,
    abstention: AbstentionLimit | None = None,
) -> Decision:
    """Retake a poor image, abstain on one unlike the training images, else refer when malignancy reaches the threshold.

    Args:
        quality: of the prepared image.
        malignancy: 0..1.
        point: the locked operating point.
        outlier: the graph's outlier score; None if the variant gives none.
        abstention: the variant's limit on that score.
    """
    if not quality.acceptable:
        return Decision.RETAKE
    # A limit that cannot be applied, because there is no score or it is not a number, must not let everything through.
    if abstention is not None and not (outlier is not None and outlier <= abstention.limit):
        return Decision.ABSTAIN
    # A score that is not a number compares as false: it must never end in reassurance.
    return Decision.LOW_CONCERN if malignancy < point.threshold else Decision.REFER
