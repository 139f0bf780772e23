"""Several frames of one lesion as one assessment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mobile_runtime.assessment import Assessment
from mobile_runtime.decision import Decision
from mobile_runtime.errors import CaptureError

MIN_USABLE_SHARE = 0.5
MAX_DISSENT = 0.25
ALARM = 0.2
"""Malignancy at which a single frame that would be referred forbids a reassurance: the others may not show the lesion. Frames
of one lesion taken alike hardly ever lie so far apart."""
DISAGREE = "The pictures disagree with each other, so there is no score. Take them again."
DISAGREEMENT = (
    "{agreeing} of {usable} pictures that can be used were below the threshold for referral, another picture was not. "
    "If new pictures disagree as well, have a clinician look at the lesion."
)


@dataclass(frozen=True)
class BurstAssessment:
    """One verdict on a burst.

    Attributes:
        assessment: the verdict, with the scores of the usable frame of median malignancy, or the mean of the two in the middle.
        frames: the verdict on each frame, in order.
        usable: how many frames passed the quality gate and are not outliers.
        spread: highest less lowest malignancy of the usable frames, 0..1.
        agreement: share of usable frames on the side of the threshold that the median is on, 0..1.
    """

    assessment: Assessment
    frames: tuple[Assessment, ...]
    usable: int
    spread: float | None
    agreement: float | None

    @property
    def decision(self) -> Decision:
        return self.assessment.decision

    @property
    def malignancy(self) -> float | None:
        return self.assessment.malignancy

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types in a stable shape."""
        return {
            **self.assessment.to_dict(),
            "burst": {
                "frames": [
                    {"decision": f.decision.value, "malignancy": f.malignancy, "reasons": list(f.quality.reasons)}
                    for f in self.frames
                ],
                "usable": self.usable,
                "spread": self.spread,
                "agreement": self.agreement,
            },
        }

    def to_json(self) -> str:
        """One line of JSON with sorted keys."""
        return json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, allow_nan=False)


def is_usable(frame: Assessment) -> bool:
    """Whether a frame counts: it passed the quality gate and is no outlier."""
    return frame.malignancy is not None and frame.decision is not Decision.ABSTAIN


def combine(frames: Sequence[Assessment]) -> BurstAssessment:
    """Combine verdicts on frames of one lesion.

    Frames that must be retaken or are outliers do not count; when fewer than half are left the burst is what most of the
    others are. The score is the median, which one bad frame cannot move far, and all else is that frame's (or the mean of the
    two in the middle), so that scores remain the sums of their classes. Where it is below the threshold, but more than
    a quarter of the frames that count are not, or any frame with a score, be it an outlier, reaches `ALARM`, the burst is to be
    retaken: that frame may be the one that shows the lesion well, and such frames must never add up to a reassurance. A median
    at or above the threshold is referred whatever the rest say.

    Raises:
        CaptureError: no frames, or verdicts of different bundles, variants or operating points.
    """
    if not frames:
        raise CaptureError("a burst needs at least one frame")
    if len({(f.bundle_id, f.variant, f.operating_point) for f in frames}) > 1:
        raise CaptureError(
            "a burst of different bundles, variants or operating points; make all assessments of one lesion with one pipeline"
        )
    scored = [f for f in frames if is_usable(f)]
    if len(scored) < MIN_USABLE_SHARE * len(frames) or not scored:
        others = [f for f in frames if not is_usable(f)]
        retakes = [f for f in others if f.decision is Decision.RETAKE]
        worst = retakes[0] if 2 * len(retakes) >= len(others) else next(f for f in others if f.decision is not Decision.RETAKE)
        return BurstAssessment(worst, tuple(frames), len(scored), None, None)
    ordered = sorted(scored, key=_score)
    pair = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    values = np.array([_score(f) for f in ordered])
    threshold = scored[0].point.threshold
    middle = (_score(pair[0]) + _score(pair[1])) / 2
    agreement = float(np.mean((values >= threshold) == (middle >= threshold)))
    if middle >= threshold:
        verdict = Decision.REFER
    else:
        # Of frames that abstain, too; what is no number is not below the alarm.
        quiet = all(f.malignancy < max(threshold, ALARM) for f in frames if f.malignancy is not None)
        agreed = 1 - agreement <= MAX_DISSENT and quiet
        verdict = Decision.LOW_CONCERN if agreed else Decision.RETAKE
    retake = verdict is Decision.RETAKE
    agreeing = round(agreement * len(scored))
    remark = (DISAGREE, DISAGREEMENT.format(agreeing=agreeing, usable=len(scored))) if retake else ()
    labels = () if retake else tuple(pair[0].probabilities)
    assessment = replace(
        pair[0],
        decision=verdict,
        malignancy=None if retake else middle,
        cancer=None if retake else _mean(pair[0].cancer, pair[1].cancer),
        probabilities={k: (pair[0].probabilities[k] + pair[1].probabilities[k]) / 2 for k in labels},
        outlier=None if retake else _mean(pair[0].outlier, pair[1].outlier),
        remark=remark,
    )
    return BurstAssessment(assessment, tuple(frames), len(scored), float(values[-1] - values[0]), agreement)


def _score(frame: Assessment) -> float:
    assert frame.malignancy is not None
    return frame.malignancy


def _mean(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else (first + second) / 2
