"""What the design promises to be importable from `mobile_runtime`, used as the README uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_runtime import Bundle, CameraFrame, CaptureError, Decision, TriagePipeline, __version__, synthetic


def test_the_version_is_that_of_the_package() -> None:
    assert f'\nversion = "{__version__}"\n' in (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")


def test_the_five_lines_of_the_readme() -> None:
    pipeline = TriagePipeline(Bundle.load())
    verdict = pipeline.assess(synthetic.lesion("nv", 7))
    assert isinstance(verdict.decision, Decision)
    assert json.loads(verdict.to_json())["decision"] == verdict.decision.value
    assert (verdict.malignancy is None) == (verdict.decision is Decision.RETAKE)


def test_a_camera_frame_gives_what_its_pixels_give() -> None:
    pipeline = TriagePipeline()
    pixels = synthetic.lesion("nv", 7)
    frame = CameraFrame.packed("rgb", pixels.tobytes(), pixels.shape[1], pixels.shape[0])
    np.testing.assert_array_equal(pipeline.prepare(frame), pipeline.prepare(pixels))
    assert pipeline.assess(frame).to_json() == pipeline.assess(pixels).to_json()
    burst = pipeline.assess_burst([frame, pixels, pixels])
    assert burst.decision is pipeline.assess(pixels).decision


@pytest.mark.parametrize("frames", ["a.jpg", b"bytes", bytearray(b"bytes"), memoryview(b"bytes"), [], None])
def test_what_is_no_list_of_frames_is_no_burst(frames: Any) -> None:
    with pytest.raises(CaptureError, match="a burst "):
        TriagePipeline().assess_burst(frames)


def test_predict_takes_what_prepare_makes() -> None:
    pipeline = TriagePipeline(operating_point="balanced", threads=2)
    batch = np.stack([pipeline.prepare(synthetic.lesion(label, 1)) for label in synthetic.LABELS])
    found = pipeline.predict(batch)
    assert found.probabilities.shape == (7, 7)
    assert found.malignancy.shape == (7,)
