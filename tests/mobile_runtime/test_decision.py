"""Decisions at operating points."""

from __future__ import annotations

import math

import pytest

from mobile_runtime.decision import MEANING, Decision, decide, operating_point
from mobile_runtime.errors import BundleError
from mobile_runtime.manifest import AbstentionLimit, Estimate, OperatingPoint, Variant
from mobile_runtime.quality import ADVICE, Quality

HALF = Estimate(value=0.5, low=0.4, high=0.6, n=100)
POINT = OperatingPoint(threshold=0.25, aim="a", sensitivity=HALF, specificity=HALF, dataset="d")
GOOD = Quality(1.0, 1.0, 1.0, 0.1, 0.0, 0.5, 0.0, 0.0, 0.0, 0.1, 0.2, 0.1)
LIMIT = AbstentionLimit(limit=2.0, aim=0.05, refused=HALF, dataset="d")


@pytest.mark.parametrize("limit", ["inf", "nan", float("inf")])
def test_a_limit_that_nothing_can_exceed_is_no_limit(limit: object) -> None:
    with pytest.raises(ValueError, match="finite number"):
        AbstentionLimit.model_validate(LIMIT.model_dump() | {"limit": limit})


def test_the_threshold_itself_is_referred() -> None:
    assert decide(GOOD, 0.25, POINT) is Decision.REFER
    assert decide(GOOD, math.nextafter(0.25, 0), POINT) is Decision.LOW_CONCERN


def test_a_poor_picture_is_retaken_whatever_the_score() -> None:
    poor = Quality(1.0, 1.0, 1.0, 0.1, 0.0, 0.5, 0.0, 0.0, 0.0, 0.1, 0.2, 0.1, reasons=("blurred",))
    assert decide(poor, 0.99, POINT, 9.0, LIMIT) is Decision.RETAKE


def test_an_outlier_is_never_reassured() -> None:
    assert decide(GOOD, 0.01, POINT, 2.0, LIMIT) is Decision.LOW_CONCERN
    assert decide(GOOD, 0.01, POINT, 2.001, LIMIT) is Decision.ABSTAIN
    assert decide(GOOD, 0.01, POINT, float("nan"), LIMIT) is Decision.ABSTAIN


def test_a_limit_without_a_score_to_hold_to_it_lets_nothing_through() -> None:
    assert decide(GOOD, 0.01, POINT, None, LIMIT) is Decision.ABSTAIN
    assert decide(GOOD, 0.01, POINT, None, None) is Decision.LOW_CONCERN


def test_an_undefined_score_is_not_reassuring() -> None:
    assert decide(GOOD, float("nan"), POINT) is not Decision.LOW_CONCERN


def test_unknown_operating_point_names_the_known_ones() -> None:
    variant = Variant(
        name="v",
        runtime="litert",
        precision="float32",
        path="m",
        size_bytes=1,
        input_name="x",
        outputs={},
        temperature=1.0,
        operating_points={"rule_out": POINT},
        abstention=None,
    )
    assert operating_point(variant, "rule_out") is POINT
    with pytest.raises(BundleError, match="rule_out"):
        operating_point(variant, "balanced")


def test_every_decision_is_explained() -> None:
    assert set(MEANING) == set(Decision)


def test_each_decision_has_its_own_sentence() -> None:
    """Literally: were two of them exchanged, who should see a clinician would be reassured, in every port alike."""
    assert {decision.value: sentence for decision, sentence in MEANING.items()} == {
        "refer": "Have a clinician look at this lesion.",
        "low_concern": "Below the threshold for referral. This does not rule out cancer: see a clinician if it changes or "
        "worries you.",
        "retake": "The picture is not good enough for a score. Take it again.",
        "abstain": "The model cannot judge this picture. See a clinician if the lesion worries you.",
    }


def test_each_reason_to_retake_has_its_own_advice() -> None:
    telling = {
        "too_small": "Move closer",
        "too_dark": "brighter",
        "too_bright": "too bright",
        "clipped": "burnt out",
        "glare": "glare",
        "blurred": "too little detail",
        "doubled": "twice",
        "uniform": "No spot",
        "colourless": "hardly any colour",
        "blue_cast": "bluer",
    }
    # Each in its own sentence and in no other, so that none can stand in for another.
    found = {code: [other for other, advice in ADVICE.items() if words in advice] for code, words in telling.items()}
    assert found == {code: [code] for code in ADVICE}
