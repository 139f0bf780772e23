"""Assessments: every verdict fits the published schema, and the schema lets nothing else through."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_runtime import Bundle, Decision, TriagePipeline, synthetic
from mobile_runtime.assessment import assessment_schema, beside
from mobile_runtime.engines import Outputs
from mobile_runtime.errors import CaptureError, EngineError
from mobile_runtime.pipeline import within_one
from mobile_runtime.quality import ADVICE

SCHEMA = jsonschema.Draft202012Validator(assessment_schema())


@pytest.fixture(scope="module")
def pipeline() -> TriagePipeline:
    return TriagePipeline(Bundle.load())


@pytest.fixture(scope="module")
def document(pipeline: TriagePipeline) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(pipeline.assess(synthetic.lesion("nv", 3, 300)).to_json())
    return made


def test_every_kind_of_verdict_fits_the_schema(pipeline: TriagePipeline) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    images = [*(synthetic.lesion(label, 3, 300) for label in synthetic.LABELS), np.zeros((300, 300, 3), np.uint8), noise]
    verdicts = [pipeline.assess(image) for image in images]
    assert {v.decision.value for v in verdicts} >= {"retake", "refer"}
    for verdict in verdicts:
        SCHEMA.validate(json.loads(verdict.to_json()))


def test_a_box_is_judged_as_the_picture_that_it_cuts_out(pipeline: TriagePipeline) -> None:
    alone, beside_it = synthetic.lesion("nv", 3, 300), synthetic.lesion("mel", 3, 300)
    wide, box = np.concatenate([beside_it, alone], axis=1), (300, 0, 600, 300)
    expected = pipeline.assess(alone)
    assert expected.malignancy is not None
    assert pipeline.assess(wide, box) == expected
    burst = pipeline.assess_burst([wide, wide], box)
    assert burst.frames == (expected, expected)
    assert burst.malignancy == expected.malignancy


def test_an_array_of_few_pixels_is_too_small(pipeline: TriagePipeline) -> None:
    few = pipeline.manifest.quality.region_px_min - 1
    sharp = np.random.default_rng(0).integers(0, 256, (few, few, 3), dtype=np.uint8)
    assert "too_small" in pipeline.assess(sharp).quality.reasons
    assert pipeline.assess(sharp).quality.region_px == few


def test_scores_are_the_sums_of_the_manifests_classes(pipeline: TriagePipeline) -> None:
    found = pipeline.assess(synthetic.lesion("df", 4, 300))
    sums = {
        spec.name: sum(
            weight * found.probabilities[c.label] for c, weight in zip(pipeline.manifest.classes, spec.weights, strict=True)
        )
        for spec in pipeline.manifest.scores
    }
    # So far apart that one cannot be taken for the other.
    assert sums["malignancy"] - sums["cancer"] > 0.02
    assert found.malignancy == pytest.approx(sums["malignancy"], abs=1e-3)
    assert found.cancer == pytest.approx(sums["cancer"], abs=1e-3)


def test_a_burst_fits_the_schema(pipeline: TriagePipeline) -> None:
    burst = pipeline.assess_burst([synthetic.lesion("nv", 3, 300), np.zeros((300, 300, 3), np.uint8)])
    SCHEMA.validate(json.loads(burst.to_json()))


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "fine"},
        {"decision": "retake"},  # with a score still shown
        {"malignancy": None},
        {"malignancy": 1.5},
        {"advice": []},
        {"diagnosis": "nevus"},
    ],
)
def test_the_schema_refuses_what_is_no_assessment(document: dict[str, Any], change: dict[str, Any]) -> None:
    SCHEMA.validate(document)
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate({**document, **change})


@pytest.mark.parametrize("key", ["decision", "malignancy", "quality", "operating_point", "model", "disclaimer"])
def test_the_schema_misses_what_is_left_out(document: dict[str, Any], key: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate({name: value for name, value in document.items() if name != key})


def test_the_schema_knows_every_reason() -> None:
    assert set(assessment_schema()["properties"]["quality"]["properties"]["reasons"]["items"]["enum"]) == set(ADVICE)


@pytest.mark.parametrize(
    "prepared",
    [
        np.zeros((144, 144), np.uint8),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((144, 144, 3), np.float32),
        [[0]],
        None,
    ],
)
def test_what_prepare_did_not_make_is_refused(pipeline: TriagePipeline, prepared: Any) -> None:
    with pytest.raises(CaptureError, match=r"takes uint8 \[144, 144, 3\] from prepare\(\), not "):
        pipeline.assess_prepared(prepared)
    with pytest.raises(CaptureError, match=r"takes uint8 \[N, 144, 144, 3\] from prepare\(\), not "):
        pipeline.predict(prepared)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("role", ["probabilities", "scores", "outlier"])
def test_what_is_no_number_gives_no_verdict(
    pipeline: TriagePipeline, monkeypatch: pytest.MonkeyPatch, role: str, value: float
) -> None:
    run = pipeline.engine.run

    def broken(batch: npt.NDArray[np.uint8]) -> Outputs:
        outputs = run(batch)
        return {**outputs, role: np.full_like(outputs[role], value)}

    monkeypatch.setattr(pipeline.engine, "run", broken)
    prepared = pipeline.prepare(synthetic.lesion("mel", 3, 300))
    with pytest.raises(EngineError, match=r"not (finite )?numbers|not from 0 to 1|not the sum"):
        pipeline.assess_prepared(prepared)


def test_what_is_unlike_the_training_images_is_not_judged(pipeline: TriagePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    run, outlier = pipeline.engine.run, 0.0
    monkeypatch.setattr(pipeline.engine, "run", lambda batch: {**run(batch), "outlier": np.array([[outlier]], np.float32)})
    prepared = pipeline.prepare(synthetic.lesion("nv", 3, 300))
    assert pipeline.variant.abstention is not None
    within = pipeline.assess_prepared(prepared)
    outlier = pipeline.variant.abstention.limit + 0.01
    above = pipeline.assess_prepared(prepared)
    assert (within.decision, above.decision) == (Decision.LOW_CONCERN, Decision.ABSTAIN)
    assert above.malignancy == within.malignancy


def test_a_score_that_is_no_number_is_never_low(pipeline: TriagePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    # Outputs are checked before; a verdict must not hang on that alone.
    monkeypatch.setattr("mobile_runtime.pipeline.check_outputs", lambda *_: None)
    run = pipeline.engine.run
    monkeypatch.setattr(pipeline.engine, "run", lambda batch: {**run(batch), "scores": np.full((1, 2), np.nan, np.float32)})
    found = pipeline.assess_prepared(pipeline.prepare(synthetic.lesion("nv", 3, 300)))
    assert found.malignancy is not None and math.isnan(found.malignancy)
    assert found.decision is Decision.REFER
    assert [within_one(value) for value in (-0.1, 0.4, 1.1)] == [0.0, 0.4, 1.0]


def test_sums_that_rounding_took_out_of_range_are_brought_back(
    pipeline: TriagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pipeline.engine.run

    def sure(batch: npt.NDArray[np.uint8]) -> Outputs:
        probabilities = np.zeros((1, len(pipeline.manifest.classes)), np.float32)
        probabilities[0, :2] = 1.004, -0.004
        weights = np.array([spec.weights for spec in pipeline.manifest.scores], np.float32)
        return {**run(batch), "probabilities": probabilities, "scores": probabilities @ weights.T}

    monkeypatch.setattr(pipeline.engine, "run", sure)
    found = pipeline.assess_prepared(pipeline.prepare(synthetic.lesion("mel", 3, 300)))
    SCHEMA.validate(found.to_dict())
    assert {*found.probabilities.values()} == {0.0, 1.0}


@pytest.mark.parametrize("frames", [np.zeros((2, 300, 300, 3), np.uint8), "photo.jpg", b"bytes", None])
def test_a_burst_is_a_list(pipeline: TriagePipeline, frames: Any) -> None:
    with pytest.raises(CaptureError, match="a burst is a list of frames, not "):
        pipeline.assess_burst(frames)


@given(st.floats(0, 1, width=32), st.floats(0, 1))
def test_a_score_is_written_so_that_its_side_of_the_threshold_shows(malignancy: float, threshold: float) -> None:
    score, limit = beside(malignancy, threshold)
    assert min(len(score), len(limit)) >= len("0.123")
    if abs(malignancy - threshold) > 1e-7:
        assert (float(score) < float(limit)) == (malignancy < threshold)


def test_a_score_just_below_the_threshold_does_not_seem_to_reach_it() -> None:
    assert beside(0.04296, 0.04301) == ("0.04296", "0.04301")
    assert beside(0.5, 0.25) == ("0.500", "0.250")
    assert beside(0.25, 0.25) == ("0.250", "0.250")
