"""What a variant's verdicts mean for patients: misses, over-referrals, diagnoses."""

from __future__ import annotations

from typing import Literal

import numpy as np

from benchmarks.decision_curve import useful_range
from benchmarks.decision_results import Diagnosis, NetBenefit, NumberNeeded, Outcomes
from benchmarks.labelled import notes_of_gaps
from benchmarks.proportions import share_of, weighted_sum
from benchmarks.verdicts import Judged
from mobile_runtime.decision import Decision
from mobile_runtime.errors import DataError
from mobile_runtime.manifest import Estimate
from mobile_runtime.proportions import proportion
from mobile_runtime.statistics import Bools

Policy = Literal["set_aside", "referred"]


def check_prevalence(prevalence: float) -> None:
    """Raises DataError unless 0 < prevalence < 1."""
    if not 0 < prevalence < 1:
        raise DataError(f"--prevalence {prevalence:g} is not a share between 0 and 1; 5 % is 0.05")


def outcomes(judged: Judged, prevalence: float) -> dict[Policy, Outcomes] | None:
    """Outcomes of 1,000 patients at a prevalence 0..1, one image each; None with one class only."""
    if not judged.of_both_kinds:
        return None
    referred, reassured = judged.verdict(Decision.REFER), judged.verdict(Decision.LOW_CONCERN)
    policies: dict[Policy, Bools] = {"set_aside": referred, "referred": ~reassured}
    return {
        policy: _outcomes(
            *judged.shares(sent),
            *judged.shares(reassured),
            None if policy == "referred" else judged.shares(~sent & ~reassured),
            prevalence,
        )
        for policy, sent in policies.items()
    }


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


def malignant_unanswered(judged: Judged) -> Estimate | None:
    """Share of the malignant images that get no verdict, neither referred nor reassured; None without any."""
    malignant = judged.truth.malignant
    return proportion(judged.verdict(Decision.RETAKE, Decision.ABSTAIN)[malignant], judged.truth.groups[malignant])


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
