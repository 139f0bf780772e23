"""What a terminal shows is what was said."""

from __future__ import annotations

import pytest

from mobile_runtime.display import print_replay
from mobile_runtime.replay import Replay


def test_brackets_of_a_remedy_are_no_markup(capfd: pytest.CaptureFixture[str]) -> None:
    print_replay(Replay((), {"float32_onnx": "in skintriage's folder, pip install '.[onnx]'"}))
    assert "float32_onnx was not run: in skintriage's folder, pip install '.[onnx]'" in capfd.readouterr().out
