"""What verdicts mean for patients, on counts small enough to work out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import decisions
from benchmarks.coverage import COVERAGES, coverage_curves
from benchmarks.decisions import Judged
from benchmarks.labelled import LabelledImage, LabelledSet, Truth
from mobile_runtime.decision import Decision
from mobile_runtime.errors import DataError
from mobile_runtime.taxonomy import default_taxonomy
from tests.benchmarks import fakes

REFER, LOW, RETAKE, ABSTAIN = Decision.REFER, Decision.LOW_CONCERN, Decision.RETAKE, Decision.ABSTAIN
# 10 melanomas: 7 referred, 1 reassured, 2 without a verdict; 20 nevi: 5 referred, 12 reassured, 3 without a verdict.
LABELS = ["mel"] * 10 + ["nv"] * 20
VERDICTS = [REFER] * 7 + [LOW, RETAKE, ABSTAIN] + [REFER] * 5 + [LOW] * 12 + [RETAKE] * 3


def judged(
    labels: list[str] = LABELS,
    verdicts: list[Decision] = VERDICTS,
    scores: list[float] | None = None,
    outlier: list[float] | None = None,
    values: list[dict[str, str]] | None = None,
) -> Judged:
    taxonomy = default_taxonomy()
    images = []
    for i, label in enumerate(labels):
        nodes = taxonomy.nodes_of("ham10000", label)
        malignant = taxonomy.truth("malignancy", nodes)
        images.append(LabelledImage(str(i), Path(), label, nodes, malignant, 0, str(i), values[i] if values else {}))
    labelled = LabelledSet(tuple(images), "ham10000")
    found = [0.9 if verdict is REFER else 0.1 for verdict in verdicts] if scores is None else scores
    unusual = None if outlier is None else np.array(outlier)
    return Judged(labelled, Truth.of(labelled), tuple(verdicts), np.array(found), unusual, fakes.point(0.5))


def test_1000_patients_add_up() -> None:
    found = decisions.outcomes(judged(), prevalence=0.1)
    assert found is not None
    aside, referred = found["set_aside"], found["referred"]
    # 100 patients with a malignant lesion, 900 without.
    assert aside.missed_per_1000.value == pytest.approx(100 * 1 / 10)
    assert aside.over_referred_per_1000.value == pytest.approx(900 * 5 / 20)
    assert aside.referred_per_1000.value == pytest.approx(70 + 225)
    assert aside.unanswered_per_1000.value == pytest.approx(100 * 2 / 10 + 900 * 3 / 20)
    assert aside.ppv is not None and aside.ppv.value == pytest.approx(70 / 295)
    assert aside.npv is not None and aside.npv.value == pytest.approx(540 / 550)
    assert aside.number_needed_to_refer is not None and aside.number_needed_to_refer.value == pytest.approx(295 / 70)
    # Whoever gets no verdict is sent on: nobody is left over, and nobody more is missed.
    assert referred.unanswered_per_1000.value == referred.unanswered_per_1000.high == 0
    assert referred.missed_per_1000 == aside.missed_per_1000 and referred.npv == aside.npv
    assert referred.over_referred_per_1000.value == pytest.approx(900 * 8 / 20)
    for policy in found.values():
        counts = (policy.missed_per_1000, policy.over_referred_per_1000, policy.referred_per_1000, policy.unanswered_per_1000)
        assert all(0 <= each.low <= each.value <= each.high <= 1000 for each in counts)
        needed = policy.number_needed_to_refer
        assert needed is not None and needed.high is not None and 1 <= needed.low < needed.value < needed.high


def test_nothing_malignant_found_leaves_the_need_to_refer_open() -> None:
    one = judged(["mel", "nv", "nv"], [LOW, REFER, LOW])
    found = decisions.outcomes(one, 0.1)
    assert found is not None and found["set_aside"].number_needed_to_refer is None
    assert found["set_aside"].ppv is not None and found["set_aside"].ppv.value == 0
    nobody = decisions.outcomes(judged(["mel", "nv"], [LOW, LOW]), 0.1)
    assert nobody is not None and nobody["set_aside"].ppv is None


def test_one_class_leaves_the_rest_standing() -> None:
    one = judged(["nv"] * 3, [LOW, LOW, REFER])
    assert decisions.outcomes(one, 0.1) is None and decisions.decision_curve(one, 0.1) == []
    assert decisions.diagnoses(one)["nv"].referred.value == pytest.approx(1 / 3)
    notes = " ".join(decisions.notes_of(one, 0.1, []))
    assert "all deciding labels are benign" in notes and "no outlier score" in notes


@pytest.mark.parametrize("prevalence", [0, 1, 5, -0.1, float("nan")])
def test_a_prevalence_is_a_share(prevalence: float) -> None:
    with pytest.raises(DataError, match=r"5 % is 0\.05"):
        decisions.check_prevalence(prevalence)


def test_net_benefit_is_that_of_vickers_and_elkin() -> None:
    curve = decisions.decision_curve(judged(), prevalence=0.1)
    at = {point.threshold: point for point in curve}
    assert at[0.2].locked.value == pytest.approx(0.1 * 0.7 - 0.9 * 0.25 * 0.2 / 0.8)
    assert at[0.2].refer_all == pytest.approx(0.1 - 0.9 * 0.25)
    assert all(point.locked.low <= point.locked.value <= point.locked.high for point in curve)
    # Referring all is best where a referral costs next to nothing; the range says where the model is.
    useful = decisions.useful_range(curve)
    assert useful is not None and useful[0] > 0.01
    assert all(
        (point.locked.value > max(0.0, point.refer_all)) == (useful[0] <= point.threshold <= useful[1]) for point in curve
    )


def test_scores_are_moved_to_the_stated_prevalence() -> None:
    # Half of the images are malignant; odds at a prevalence of 0.2 are a quarter, so 0.5 becomes 0.2.
    one = judged(["mel", "nv"], [REFER, LOW], scores=[0.501, 0.499])
    at = {point.threshold: point.score.value for point in decisions.decision_curve(one, 0.2)}
    assert at[0.2] == pytest.approx(0.2)  # only the melanoma is above
    assert at[0.19] == pytest.approx(0.2 - 0.8 * 0.19 / 0.81)
    assert at[0.21] == 0


@pytest.mark.parametrize("prevalence", [0.02, 0.5])
def test_the_curve_of_a_score_does_not_hang_on_how_the_folder_was_mixed(prevalence: float) -> None:
    rng = np.random.default_rng(0)
    labels = ["mel"] * 200 + ["nv"] * 200
    scores = 1 / (1 + np.exp(-np.concatenate([rng.normal(1, 1, 200), rng.normal(-2, 1, 200)])))

    def curve(chosen: list[int]) -> list[float]:
        verdicts = [REFER if scores[i] >= 0.5 else LOW for i in chosen]
        mixed = judged([labels[i] for i in chosen], verdicts, [float(scores[i]) for i in chosen])
        return [point.score.value for point in decisions.decision_curve(mixed, prevalence)]

    even = curve([*range(400)])
    assert curve([*range(200), *(list(range(200, 400)) * 8)]) == pytest.approx(even, abs=1e-9)
    assert curve([*(list(range(200)) * 3), *range(200, 400)]) == pytest.approx(even, abs=1e-9)
    fewer = curve([*range(0, 200, 4), *range(200, 400)])  # other malignant images, alike but for chance
    assert fewer == pytest.approx(even, abs=0.1 * prevalence)


def test_scores_that_are_calibrated_already_stay() -> None:
    rng = np.random.default_rng(1)
    risk = rng.uniform(0, 1, 100_000)
    ill = rng.uniform(0, 1, 100_000) < risk
    logits = np.log(risk / (1 - risk))
    assert decisions.shift_to(float(ill.mean()), logits[ill], logits[~ill]) == pytest.approx(0, abs=0.03)
    certain = np.array([decisions.logit(1.0)]), np.array([decisions.logit(0.0)])
    assert np.isfinite(decisions.shift_to(0.01, *certain))


def test_coverage_refuses_the_most_unusual_first() -> None:
    scores = [0.9] * 5 + [0.1] * 5  # the second half of the melanomas is missed
    found = coverage_curves(judged(["mel"] * 10, [REFER] * 10, scores, outlier=[float(i) for i in range(10)]))
    curve = {point.coverage: point for point in found["outlier"]}
    missed = [share.value for share in (curve[c].missed for c in (1.0, 0.8, 0.5)) if share is not None]
    assert missed == pytest.approx([0.5, 3 / 8, 0])
    assert curve[0.8].limit == 7 and curve[0.8].auc_malignancy is None
    assert {point.coverage for point in found["margin"]} == set(COVERAGES)
    close = coverage_curves(judged(["mel", "nv"], [REFER, REFER], [0.99, 0.51]))
    assert set(close) == {"margin"}
    half = next(point for point in close["margin"] if point.coverage == 0.5)
    assert half.wrong is not None and half.wrong.value == 0  # the nevus is nearest the threshold


def test_diagnoses_list_malignant_labels_first() -> None:
    found = decisions.diagnoses(judged())
    assert list(found) == ["mel", "nv"]
    assert found["mel"].referred.value == 0.7 and found["mel"].unanswered == 2 and found["mel"].malignant is True
    assert found["nv"].low_concern.value == 0.6 and found["nv"].images == 20
    assert decisions.count_verdicts(judged())["malignant"] == {"refer": 7, "low_concern": 1, "retake": 1, "abstain": 1}
