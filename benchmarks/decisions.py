"""What a variant's verdicts mean for patients: misses, over-referrals, net benefit, abstention, diagnoses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from benchmarks.decision_results import Diagnosis, NetBenefit, NumberNeeded, Outcomes
from benchmarks.labelled import LabelledSet, Truth, notes_of_gaps
from benchmarks.proportions import share_of, weighted_sum
from benchmarks.scoring import Prepared, Scored
from mobile_runtime import decision
from mobile_runtime.decision import Decision
from mobile_runtime.errors import DataError
from mobile_runtime.manifest import Estimate, OperatingPoint
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.proportions import proportion
from mobile_runtime.quality import judge
from mobile_runtime.statistics import Bools, Floats, Integers

Policy = Literal["set_aside", "referred"]
THRESHOLDS = tuple(percent / 100 for percent in range(1, 51))
"""Threshold probabilities of the decision curve."""
_FARTHEST = 100.0
"""Log odds beyond which no score lies, wherever it is moved from: `logit` clips at 28."""


@dataclass(frozen=True)
class Judged:
    """The N images with their verdicts.

    Attributes:
        verdicts: what the app would show.
        malignancy: float64 [N].
        outlier: float64 [N]; None when the variant gives none.
        point: the locked operating point.
    """

    labelled: LabelledSet
    truth: Truth
    verdicts: tuple[Decision, ...]
    malignancy: Floats
    outlier: Floats | None
    point: OperatingPoint

    def verdict(self, *wanted: Decision) -> Bools:
        """Which images got one of these verdicts, bool [N]."""
        return np.array([verdict in wanted for verdict in self.verdicts])

    @property
    def benign(self) -> Bools:
        """bool [N]"""
        return self.truth.decided & ~self.truth.malignant


def judge_all(pipeline: TriagePipeline, prepared: Prepared, scored: Scored) -> Judged:
    """The verdicts that `pipeline.assess` gives, from outputs that are already there."""
    malignancy, outlier = scored.prediction.malignancy.astype(np.float64), scored.prediction.outlier
    verdicts = [
        decision.decide(
            judge(prepared.pixels[i], pipeline.manifest.quality, int(prepared.region_px[i])),
            float(malignancy[i]),
            pipeline.point,
            None if outlier is None else float(outlier[i]),
            pipeline.variant.abstention,
        )
        for i in range(len(malignancy))
    ]
    return Judged(
        prepared.labelled,
        Truth.of(prepared.labelled),
        tuple(verdicts),
        malignancy,
        None if outlier is None else outlier.astype(np.float64),
        pipeline.point,
    )


def check_prevalence(prevalence: float) -> None:
    """Raises DataError unless 0 < prevalence < 1."""
    if not 0 < prevalence < 1:
        raise DataError(f"--prevalence {prevalence:g} is not a share between 0 and 1; 5 % is 0.05")


def count_verdicts(judged: Judged) -> dict[str, dict[str, int]]:
    """Truth -> verdict -> images."""
    kinds = {True: "malignant", False: "benign", None: "undecided"}
    counts = Counter(zip((kinds[image.malignant] for image in judged.labelled.images), judged.verdicts, strict=True))
    return {kind: {verdict.value: counts[kind, verdict] for verdict in Decision} for kind in kinds.values()}


def outcomes(judged: Judged, prevalence: float) -> dict[Policy, Outcomes] | None:
    """Outcomes of 1,000 patients at a prevalence 0..1, one image each; None with one class only."""
    malignant, benign, groups = judged.truth.malignant, judged.benign, judged.truth.groups
    if not malignant.any() or not benign.any():
        return None
    referred, reassured = judged.verdict(Decision.REFER), judged.verdict(Decision.LOW_CONCERN)
    policies: dict[Policy, Bools] = {"set_aside": referred, "referred": ~reassured}
    return {
        policy: _outcomes(
            *(_shares(sent, malignant, benign, groups)),
            *(_shares(reassured, malignant, benign, groups)),
            None if policy == "referred" else _shares(~sent & ~reassured, malignant, benign, groups),
            prevalence,
        )
        for policy, sent in policies.items()
    }


def _shares(hits: Bools, malignant: Bools, benign: Bools, groups: Integers) -> tuple[Estimate, Estimate]:
    of_malignant, of_benign = (proportion(hits[kind], groups[kind]) for kind in (malignant, benign))
    assert of_malignant is not None and of_benign is not None
    return of_malignant, of_benign


def _outcomes(
    found: Estimate,
    over: Estimate,
    missed: Estimate,
    reassured: Estimate,
    unanswered: tuple[Estimate, Estimate] | None,
    prevalence: float,
) -> Outcomes:
    ill, well = 1000 * prevalence, 1000 * (1 - prevalence)
    # Where every picture without a verdict is sent on, nobody is left over: that is no measurement.
    nobody = Estimate(value=0, low=0, high=0, n=found.n + over.n)
    ppv = share_of((ill, found), (well, over))
    needed = None
    if ppv is not None and ppv.value > 0:
        high = 1 / ppv.low if ppv.low > 0 else None
        needed = NumberNeeded(value=1 / ppv.value, low=1 / ppv.high, high=high, n=ppv.n)
    return Outcomes(
        missed_per_1000=weighted_sum([(ill, missed)]),
        over_referred_per_1000=weighted_sum([(well, over)]),
        referred_per_1000=weighted_sum([(ill, found), (well, over)]),
        unanswered_per_1000=weighted_sum([(ill, unanswered[0]), (well, unanswered[1])]) if unanswered else nobody,
        number_needed_to_refer=needed,
        ppv=ppv,
        npv=share_of((well, reassured), (ill, missed)),
    )


def decision_curve(judged: Judged, prevalence: float) -> list[NetBenefit]:
    """Net benefit against threshold probability (Vickers and Elkin 2006, Med Decis Making 26:565); empty with one class.

    Net benefit = prevalence * sensitivity - (1 - prevalence) * (1 - specificity) * odds of the threshold probability. The
    scores are moved to the stated prevalence first, all by one step of log odds (see `shift_to`); the locked operating point
    keeps its threshold, and its verdict counts as referral only where it is `refer`.
    """
    malignant, benign, groups = judged.truth.malignant, judged.benign, judged.truth.groups
    if not malignant.any() or not benign.any():
        return []
    logits = logit(judged.malignancy)
    moved = logits + shift_to(prevalence, logits[malignant], logits[benign])
    locked = _shares(judged.verdict(Decision.REFER), malignant, benign, groups)
    curve = []
    for threshold in THRESHOLDS:
        odds = threshold / (1 - threshold)
        by_score = _shares(moved >= logit(threshold), malignant, benign, groups)
        weights = prevalence, -(1 - prevalence) * odds
        curve.append(
            NetBenefit(
                threshold=threshold,
                locked=weighted_sum(list(zip(weights, locked, strict=True))),
                score=weighted_sum(list(zip(weights, by_score, strict=True))),
                refer_all=sum(weights),
            )
        )
    return curve


def shift_to(prevalence: float, malignant: Floats, benign: Floats) -> float:
    """The step of log odds after which the scores' mean is the prevalence where that is the share of malignant lesions.

    The prior that a score was calibrated under is in no manifest, and the share of malignant images in a folder says how the
    folder was mixed. Calibration in the large on labels weighted to the prevalence needs neither: each kind counts by its mean,
    so that more images of one kind change nothing. It takes the intercept, one number, from the images that the curve is of.

    Args:
        prevalence: share 0..1, both excluded.
        malignant, benign: log odds of the scores of either kind, float64, at least one each.
    """
    low, high = -_FARTHEST, _FARTHEST
    while high - low > 1e-9:
        middle = (low + high) / 2
        means = [float((1 / (1 + np.exp(-(logits + middle)))).mean()) for logits in (malignant, benign)]
        if prevalence * means[0] + (1 - prevalence) * means[1] < prevalence:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def useful_range(curve: list[NetBenefit]) -> tuple[float, float] | None:
    """First and last threshold probability at which the locked point does better than referring all and referring none."""
    better = [point.threshold for point in curve if point.locked.value > max(0.0, point.refer_all)]
    return (better[0], better[-1]) if better else None


def diagnoses(judged: Judged) -> dict[str, Diagnosis]:
    """Verdicts by label of the data set: malignant labels first, then by name."""
    names = np.array([image.label for image in judged.labelled.images])
    truth = {image.label: image.malignant for image in judged.labelled.images}
    referred, reassured = judged.verdict(Decision.REFER), judged.verdict(Decision.LOW_CONCERN)
    found = {}
    for label in sorted(truth, key=lambda name: (truth[name] is not True, name)):
        mask = names == label
        groups = judged.truth.groups[mask]
        of_referred, of_reassured = proportion(referred[mask], groups), proportion(reassured[mask], groups)
        assert of_referred is not None and of_reassured is not None
        found[label] = Diagnosis(
            malignant=truth[label],
            images=int(mask.sum()),
            referred=of_referred,
            low_concern=of_reassured,
            unanswered=int((mask & ~referred & ~reassured).sum()),
        )
    return found


def notes_of(judged: Judged, prevalence: float, curve: list[NetBenefit]) -> list[str]:
    """What a reader must know about these figures."""
    malignant, benign = int(judged.truth.malignant.sum()), int(judged.benign.sum())
    unanswered = int(judged.verdict(Decision.RETAKE, Decision.ABSTAIN).sum())
    total = len(judged.verdicts)
    notes = [
        "One image stands for one patient. Outcomes combine the sensitivity and specificity of this data set with a "
        f"prevalence of {prevalence:.1%}; the share of malignant images here is not used.",
        f"{unanswered} of {total} images get no verdict (retake or abstain): 'set aside' counts them as neither reassured "
        "nor referred, 'referred' as sent to a clinician. They are never counted as reassured.",
    ]
    if not malignant or not benign:
        only = "malignant" if malignant else "benign" if benign else "undecided"
        notes.append(f"Outcomes and the decision curve are undefined: all deciding labels are {only}. The other figures stand.")
    elif useful := useful_range(curve):
        notes.append(
            f"The locked operating point has more net benefit than referring all or none at threshold probabilities from "
            f"{useful[0]:.0%} to {useful[1]:.0%} (of 1 % to 50 %)."
        )
    else:
        notes.append("At no threshold probability has the locked operating point more net benefit than referring all or none.")
    if curve:
        notes.append(
            "The decision curve's score is moved to the prevalence by one step of log odds, fitted on labels weighted to it: "
            "how the folder was mixed does not matter, but the step is fitted on these very images."
        )
    if undecided := total - malignant - benign:
        notes.append(f"{undecided} labels leave malignancy open: these images count in verdicts and diagnoses only.")
    if judged.outlier is None:
        notes.append("The variant gives no outlier score: coverage is by distance from the threshold only.")
    return notes + notes_of_gaps(judged.labelled)


def logit(share: npt.ArrayLike) -> Floats:
    """Log odds of shares 0..1; those of 0 and 1 are as far out as 1e-12 is."""
    clipped = np.clip(np.asarray(share, dtype=np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(clipped / (1 - clipped)))
