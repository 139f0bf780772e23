"""Where a variant and the reference part: decisions at locked limits, flipped images, moved scores."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from benchmarks import statistics
from benchmarks.drift_results import ConfidenceDrift, Decisions, Flip
from benchmarks.labelled import LabelledSet, Truth
from benchmarks.scoring import Scored
from mobile_runtime.decision import Decision
from mobile_runtime.golden import decide_rule
from mobile_runtime.proportions import proportion


def verdicts(scored: Scored, point: str) -> npt.NDArray[np.str_]:
    """What a variant decides at its own locked threshold and abstention limit, [N].

    The quality gate is left out: it judges the picture before any model does, alike for all variants.
    """
    outliers = scored.prediction.outlier
    return np.array(
        [
            decide_rule(scored.variant, point, [], float(score), None if outliers is None else float(outliers[i])).value
            for i, score in enumerate(scored.prediction.malignancy)
        ]
    )


def decisions(scored: Scored, reference: Scored, point: str, truth: Truth) -> Decisions:
    """Sensitivity, specificity and agreement at one operating point, each variant at its own limits."""
    ours, theirs = verdicts(scored, point), verdicts(reference, point)
    locked = scored.variant.operating_points[point]
    referred = scored.prediction.malignancy.astype(np.float64) >= locked.threshold
    benign = truth.decided & ~truth.malignant
    lost = (theirs == Decision.REFER.value) & (ours == Decision.LOW_CONCERN.value)
    gained = (ours == Decision.REFER.value) & (theirs == Decision.LOW_CONCERN.value)
    agreement = proportion(ours == theirs, truth.groups)
    assert agreement is not None
    return Decisions(
        threshold=locked.threshold,
        stated=locked.sensitivity,
        stated_on=locked.dataset,
        sensitivity=proportion(referred[truth.malignant], truth.groups[truth.malignant]),
        specificity=proportion(~referred[benign], truth.groups[benign]),
        agreement=agreement,
        refer_lost=int(lost.sum()),
        refer_lost_malignant=int((lost & truth.malignant).sum()),
        refer_gained=int(gained.sum()),
        abstain_lost=int(((theirs == Decision.ABSTAIN.value) & (ours != theirs)).sum()),
        abstain_gained=int(((ours == Decision.ABSTAIN.value) & (ours != theirs)).sum()),
        mcnemar_p=statistics.mcnemar(int(lost.sum()), int(gained.sum())),
    )


def flips(scored: Scored, reference: Scored, point: str, labelled: LabelledSet) -> list[Flip]:
    """Images decided differently, worst first: malignant and reassured instead of referred, then by how far the score moved."""
    ours, theirs = verdicts(scored, point), verdicts(reference, point)
    old, new = reference.prediction.malignancy, scored.prediction.malignancy
    found = [
        Flip(
            image=labelled.images[i].image_id,
            label=labelled.images[i].label,
            malignant=labelled.images[i].malignant,
            reference=float(old[i]),
            variant=float(new[i]),
            referred_by=_who(ours[i], theirs[i], Decision.REFER),
            abstained_by=_who(ours[i], theirs[i], Decision.ABSTAIN),
        )
        for i in np.flatnonzero(ours != theirs)
    ]
    return sorted(found, key=lambda flip: (not flip.missed, -abs(flip.variant - flip.reference), flip.image))


def _who(ours: str, theirs: str, decision: Decision) -> Literal["reference", "variant"] | None:
    return "variant" if ours == decision.value else "reference" if theirs == decision.value else None


def confidence_drift(scored: Scored, reference: Scored) -> ConfidenceDrift:
    """Absolute change of all class probabilities and of malignancy."""
    new, old = scored.prediction, reference.prediction
    probability = np.abs(new.probabilities.astype(np.float64) - old.probabilities)
    malignancy = np.abs(new.malignancy.astype(np.float64) - old.malignancy)
    return ConfidenceDrift(
        probability_mean=float(probability.mean()),
        probability_max=float(probability.max()),
        malignancy_mean=float(malignancy.mean()),
        malignancy_max=float(malignancy.max()),
    )
