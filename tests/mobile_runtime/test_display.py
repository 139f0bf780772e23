"""What a terminal shows is what was said."""

from __future__ import annotations

import numpy as np
import pytest

from mobile_runtime import TriagePipeline, synthetic
from mobile_runtime.assess_command import assess_one
from mobile_runtime.display import print_replay
from mobile_runtime.replay import Replay


def test_brackets_of_a_remedy_are_no_markup(capfd: pytest.CaptureFixture[str]) -> None:
    print_replay(Replay((), {"float32_onnx": "in skintriage's folder, pip install '.[onnx]'"}))
    assert "float32_onnx was not run: in skintriage's folder, pip install '.[onnx]'" in capfd.readouterr().out


def test_a_verdict_says_which_part_of_a_picture_it_is_on(capfd: pytest.CaptureFixture[str]) -> None:
    square = synthetic.lesion("nv", 1, 300)
    pipeline = TriagePipeline()
    for picture, said in ((np.pad(square, ((0, 0), (50, 50), (0, 0)), "reflect"), True), (square, False)):
        assess_one(pipeline, picture, "picture", None, "picture", quiet=False)
        assert ("the centre square, 75% of the longer side" in capfd.readouterr().out) == said
