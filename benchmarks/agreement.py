"""Where a variant and the reference part: decisions at locked thresholds, flipped images, moved scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks import statistics
from benchmarks.labelled import LabelledSet, Truth
from benchmarks.results import ConfidenceDrift, Decisions, Flip
from benchmarks.scoring import Scored
from mobile_runtime.proportions import proportion


def refers(scored: Scored, point: str) -> npt.NDArray[np.bool_]:
    """Which images a variant refers at its own locked threshold, bool [N], in double precision as the runtime does."""
    return scored.prediction.malignancy.astype(np.float64) >= scored.variant.operating_points[point].threshold


def decisions(scored: Scored, reference: Scored, point: str, truth: Truth) -> Decisions:
    """Sensitivity, specificity and agreement at one operating point, each variant at its own threshold."""
    ours, theirs = refers(scored, point), refers(reference, point)
    benign = truth.decided & ~truth.malignant
    lost, gained = theirs & ~ours, ours & ~theirs
    agreement = proportion(ours == theirs, truth.groups)
    assert agreement is not None
    return Decisions(
        threshold=scored.variant.operating_points[point].threshold,
        sensitivity=proportion(ours[truth.malignant], truth.groups[truth.malignant]),
        specificity=proportion(~ours[benign], truth.groups[benign]),
        agreement=agreement,
        refer_lost=int(lost.sum()),
        refer_lost_malignant=int((lost & truth.malignant).sum()),
        refer_gained=int(gained.sum()),
        mcnemar_p=statistics.mcnemar(int(lost.sum()), int(gained.sum())),
    )


def flips(scored: Scored, reference: Scored, point: str, labelled: LabelledSet) -> list[Flip]:
    """Images decided differently, worst first: malignant and no longer referred, then by how far the score moved."""
    ours, old, new = refers(scored, point), reference.prediction.malignancy, scored.prediction.malignancy
    found = [
        Flip(
            image=labelled.images[i].image_id,
            label=labelled.images[i].label,
            malignant=labelled.images[i].malignant,
            reference=float(old[i]),
            variant=float(new[i]),
            referred_by="variant" if ours[i] else "reference",
        )
        for i in np.flatnonzero(ours != refers(reference, point))
    ]
    return sorted(found, key=lambda flip: (not _missed(flip), -abs(flip.variant - flip.reference), flip.image))


def _missed(flip: Flip) -> bool:
    return flip.malignant is True and flip.referred_by == "reference"


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
