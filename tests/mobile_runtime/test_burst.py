"""Bursts: robust, and never reassuring by disagreement."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_runtime.assessment import Assessment
from mobile_runtime.burst import combine
from mobile_runtime.decision import Decision
from mobile_runtime.errors import CaptureError
from tests.mobile_runtime import test_decision
from tests.mobile_runtime.test_decision import GOOD

POINT = test_decision.POINT.model_copy(update={"threshold": 0.1})


def frame(malignancy: float | None, decision: Decision | None = None, threshold: float = POINT.threshold) -> Assessment:
    if decision is None:
        assert malignancy is not None
        decision = Decision.REFER if malignancy >= threshold else Decision.LOW_CONCERN
    scored = malignancy is not None
    return Assessment(
        decision=decision,
        malignancy=malignancy,
        cancer=malignancy,
        probabilities={"mel": malignancy, "nv": 1 - malignancy} if scored else {},
        quality=GOOD if scored else replace(GOOD, reasons=("blurred",)),
        operating_point="rule_out",
        point=POINT.model_copy(update={"threshold": threshold}),
        bundle_id="b",
        variant="v",
        engine="e",
        threads=1,
    )


def test_median_shrugs_off_one_bad_frame() -> None:
    found = combine([frame(v) for v in (0.05, 0.06, 0.04, 0.05, 0.19)])
    assert found.decision is Decision.LOW_CONCERN
    assert found.malignancy == pytest.approx(0.05)
    assert found.agreement == pytest.approx(0.8)


def test_scores_stay_the_sums_of_their_classes() -> None:
    for values in ((0.05, 0.06, 0.04), (0.02, 0.03, 0.3, 0.4), (0.3, 0.9)):
        found = combine([frame(v) for v in values])
        if found.malignancy is not None:
            assert found.assessment.probabilities["mel"] == pytest.approx(found.malignancy)
            assert sum(found.assessment.probabilities.values()) == pytest.approx(1)
        assert found.spread == pytest.approx(max(values) - min(values))


def test_a_burst_to_be_retaken_shows_no_score_of_any_kind() -> None:
    found = combine([replace(frame(v), outlier=1.0) for v in (0.05, 0.06, 0.04, 0.5, 0.9)]).assessment
    assert (found.decision, found.malignancy, found.cancer, found.outlier) == (Decision.RETAKE, None, None, None)
    assert found.probabilities == {}


def test_disagreement_below_the_threshold_is_not_reassuring() -> None:
    found = combine([frame(v) for v in (0.05, 0.06, 0.04, 0.5, 0.9)])
    assert found.decision is Decision.RETAKE
    assert found.malignancy is None
    advice = found.to_dict()["advice"]
    assert "disagree" in advice[0] and advice[1].startswith(
        "3 of 5 pictures that can be used were below"
    )  # not that the pictures are poor


def test_one_frame_that_alone_is_an_alarm_is_not_reassuring() -> None:
    found = combine([frame(v) for v in (0.05, 0.06, 0.04, 0.05, 0.2)])
    assert found.decision is Decision.RETAKE
    assert found.to_dict()["advice"][1].startswith("4 of 5 pictures that can be used were below")


def test_an_alarm_does_not_grow_with_the_threshold() -> None:
    assert combine([frame(v, threshold=0.15) for v in (0.05, 0.05, 0.05, 0.05, 0.19)]).decision is Decision.LOW_CONCERN
    assert combine([frame(v, threshold=0.15) for v in (0.05, 0.05, 0.05, 0.05, 0.25)]).decision is Decision.RETAKE


def test_frames_at_the_threshold_itself_are_above() -> None:
    found = combine([frame(0.1), frame(0.1), frame(0.1)])
    assert (found.decision, found.agreement) == (Decision.REFER, 1)
    # Two of five that would be referred alone.
    assert combine([frame(v) for v in (0.05, 0.05, 0.05, 0.1, 0.1)]).decision is Decision.RETAKE


@pytest.mark.parametrize(
    ("values", "decision"),
    [
        ((0.05, 0.05, 0.05, 0.15), Decision.LOW_CONCERN),
        ((0.05, 0.05, 0.15), Decision.RETAKE),
        ((0.05, 0.05, 0.05, 0.15, 0.15), Decision.RETAKE),
    ],
)
def test_a_quarter_of_the_frames_may_dissent(values: tuple[float, ...], decision: Decision) -> None:
    assert combine([frame(v) for v in values]).decision is decision


def test_an_alarm_counts_though_its_frame_is_an_outlier() -> None:
    assert combine([frame(0.02), frame(0.2, Decision.ABSTAIN)]).decision is Decision.RETAKE
    assert combine([frame(0.02), frame(0.19, Decision.ABSTAIN)]).decision is Decision.LOW_CONCERN


def test_what_is_no_number_is_not_reassuring() -> None:
    assert combine([frame(0.02), frame(0.03), frame(math.nan, Decision.ABSTAIN)]).decision is Decision.RETAKE
    assert combine([frame(0.02), frame(0.03), frame(0.04), frame(math.nan, Decision.LOW_CONCERN)]).decision is Decision.RETAKE


@pytest.mark.parametrize("other", [{"operating_point": "rule_in"}, {"bundle_id": "c"}, {"variant": "w"}])
def test_verdicts_that_cannot_be_compared_are_not_combined(other: dict[str, str]) -> None:
    with pytest.raises(CaptureError, match="different bundles, variants or operating points"):
        combine([frame(0.02), replace(frame(0.02), **other)])
    with pytest.raises(CaptureError, match="at least one frame"):
        combine([])


def test_a_median_above_is_referred_despite_dissent() -> None:
    assert combine([frame(v) for v in (0.3, 0.5, 0.9, 0.1, 0.1)]).decision is Decision.REFER


def test_too_few_usable_frames() -> None:
    blurred = frame(None, Decision.RETAKE)
    outlier = frame(0.05, Decision.ABSTAIN)
    assert combine([blurred, blurred, blurred, frame(0.1)]).decision is Decision.RETAKE
    assert combine([outlier, outlier, outlier, frame(0.1)]).decision is Decision.ABSTAIN
    assert combine([blurred, frame(0.1), frame(0.1)]).usable == 2


@given(st.sampled_from([0.2, 1.0]).flatmap(lambda most: st.lists(st.floats(0, most), min_size=1, max_size=9)))
def test_frames_that_refer_never_reassure_when_they_are_many_or_sure(values: list[float]) -> None:
    found = combine([frame(v) for v in values])
    if sum(v >= POINT.threshold for v in values) > len(values) / 4:
        assert found.decision is not Decision.LOW_CONCERN
    if max(values) >= 0.2:
        assert found.decision is not Decision.LOW_CONCERN
    assert found.to_json() == combine([frame(v) for v in values]).to_json()
