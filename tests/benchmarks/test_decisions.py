"""What verdicts mean for patients, on counts small enough to work out by hand."""

from __future__ import annotations

import pytest

from benchmarks import decisions
from benchmarks.decision_curve import decision_curve
from benchmarks.verdicts import count_verdicts
from mobile_runtime.errors import DataError
from tests.benchmarks.made_up_verdicts import LOW, REFER, judged


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


def test_malignant_lesions_without_a_verdict_are_counted_apart() -> None:
    found = decisions.malignant_unanswered(judged())
    assert found is not None and (found.value, found.n) == (pytest.approx(2 / 10), 10)
    assert found.low < found.value < found.high
    alone = decisions.malignant_unanswered(judged(["mel"] * 4, [LOW, REFER, LOW, REFER]))
    assert alone is not None and alone.value == 0, "no benign ones are needed"
    assert decisions.malignant_unanswered(judged(["nv"] * 3, [LOW, LOW, REFER])) is None


def test_nothing_malignant_found_leaves_the_need_to_refer_open() -> None:
    one = judged(["mel", "nv", "nv"], [LOW, REFER, LOW])
    found = decisions.outcomes(one, 0.1)
    assert found is not None and found["set_aside"].number_needed_to_refer is None
    assert found["set_aside"].ppv is not None and found["set_aside"].ppv.value == 0
    nobody = decisions.outcomes(judged(["mel", "nv"], [LOW, LOW]), 0.1)
    assert nobody is not None and nobody["set_aside"].ppv is None


def test_one_class_leaves_the_rest_standing() -> None:
    one = judged(["nv"] * 3, [LOW, LOW, REFER])
    assert decisions.outcomes(one, 0.1) is None and decision_curve(one, 0.1) == []
    assert decisions.diagnoses(one)["nv"].referred.value == pytest.approx(1 / 3)
    notes = " ".join(decisions.notes_of(one, 0.1, []))
    assert "all deciding labels are benign" in notes and "no outlier score" in notes


@pytest.mark.parametrize("prevalence", [0, 1, 5, -0.1, float("nan")])
def test_a_prevalence_is_a_share(prevalence: float) -> None:
    with pytest.raises(DataError, match=r"5 % is 0\.05"):
        decisions.check_prevalence(prevalence)


def test_diagnoses_list_malignant_labels_first() -> None:
    found = decisions.diagnoses(judged())
    assert list(found) == ["mel", "nv"]
    assert found["mel"].referred.value == 0.7 and found["mel"].unanswered == 2 and found["mel"].malignant is True
    assert found["nv"].low_concern.value == 0.6 and found["nv"].images == 20
    assert count_verdicts(judged())["malignant"] == {"refer": 7, "low_concern": 1, "retake": 1, "abstain": 1}
