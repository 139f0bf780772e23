"""The page in a browser: what is measured without one, and the whole in Chromium where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import device_browser
from benchmarks.device_browser import WEB, chromium, compare_pictures, find_chromium, page_weight, write_pictures, write_video
from benchmarks.device_targets import Asked
from mobile_runtime import Bundle, TriagePipeline
from mobile_runtime.errors import EngineError


def answer(pipeline: TriagePipeline, picture: Path) -> dict[str, Any]:
    """What a page that does exactly what Python does would say."""
    own = pipeline.assess(picture)
    return {"decision": own.decision.value, "malignancy": own.malignancy, "probabilities": dict(own.probabilities)}


def test_pictures_are_compared_with_python(tmp_path: Path) -> None:
    pipeline = TriagePipeline()
    pictures = write_pictures(tmp_path, pipeline)
    assert (tmp_path / "camera.y4m").stat().st_size > 640 * 480
    chosen = [picture for picture in pictures if picture.name.startswith(("drawn_", "png."))]
    answers = {picture.name: answer(pipeline, picture) for picture in chosen}
    same = compare_pictures(pipeline, chosen, answers)
    assert (same.pictures, same.same_decision, same.largest_score_difference) == (8, 8, 0.0)
    assert same.scored > 0
    scored = next(name for name, found in answers.items() if found["malignancy"] is not None)
    answers[scored] |= {"malignancy": answers[scored]["malignancy"] + 0.125, "decision": "retake"}
    other = compare_pictures(pipeline, chosen, answers)
    assert other.same_decision == 7
    assert other.largest_score_difference == pytest.approx(0.125)


def test_a_visit_is_weighed_without_the_model() -> None:
    bundle = Bundle.load()
    found = page_weight(bundle)
    assert found.files == len(list(device_browser.serving.APP.iterdir()))
    assert found.size_bytes == sum(file.stat().st_size for file in device_browser.serving.APP.iterdir())
    assert found.gzip_bytes < found.size_bytes and found.model_bytes == bundle.variant().size_bytes


def test_the_camera_shows_the_picture_in_the_middle(tmp_path: Path) -> None:
    write_video(tmp_path / "v.y4m", np.full((300, 400, 3), 200, np.uint8), frames=2)
    data = (tmp_path / "v.y4m").read_bytes()
    header, _, rest = data.partition(b"\n")
    assert header == b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg"
    assert len(rest) == 2 * (len(b"FRAME\n") + 640 * 480 * 3 // 2)


def test_a_missing_browser_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "chromium"))
    with pytest.raises(EngineError, match="apt-get install chromium"):
        find_chromium()


def test_missing_page_tools_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "chromium").touch()
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "chromium"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="`npm ci`"):
        chromium(Asked("devices", Bundle.load(), 0, 1), lambda count: None)


@pytest.mark.slow
@pytest.mark.browser
def test_in_chromium(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "browser" not in str(request.config.getoption("markexpr")):
        pytest.skip("in a browser: python -m pytest -m browser")
    if not (WEB / "node_modules").is_dir():
        pytest.skip("needs Node 20 and `npm ci` in mobile_runtime/web")
    try:
        find_chromium()
    except EngineError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(device_browser, "SHOTS", 3)
    report = chromium(Asked("devices", Bundle.load(), 0, 1), lambda count: None)
    assert report.evidence == "desktop browser" and report.golden.passed, report.golden.failures
    assert {part.what: part.times.samples for part in report.times} == {"inference": 30, "shutter to verdict": 3}
    assert report.page is not None and report.page.same_decision == report.page.pictures
    # PNGs are decoded alike; of JPEGs a level or two of the input differ.
    assert report.page.largest_score_difference < 0.1
