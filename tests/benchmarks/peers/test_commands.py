"""`python -m benchmarks peers` on a fake bundle and a fake worker."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.peers import environments, measurement, race
from benchmarks.peers.race import Rounds
from benchmarks.peers.results import PeersReport
from mobile_runtime.errors import DataError, EngineError, SkintriageError
from tests.benchmarks import fakes

WORKER = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    do = request["do"]
    if do == "open":
        slow = "int8" in request["model"] or "static" in request["model"]
        reply = {"load_ms": 1.0, "versions": {"fake": "1.0"}}
    elif do == "score":
        reply = {"scores": [[0.3, 0.7] if slow else [0.2, 0.8]] * 4}
    elif do == "time":
        reply = {"times_ms": [4.0 if slow else 2.0] * request["count"]}
    else:
        reply = {}
    print(json.dumps(reply), flush=True)
"""
runner = CliRunner()


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle without an int8 ONNX file; litert and onnxruntime have an environment."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER, encoding="utf-8")
    monkeypatch.setenv("SKINTRIAGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(race, "WORKER", script)
    monkeypatch.setattr(race, "QUICK", Rounds(quick=True, count=2, block=3, seconds=60))
    monkeypatch.setattr(measurement, "PICTURES", 4)
    monkeypatch.setattr("mobile_runtime.pipeline.open_engine", fakes.open_fake_engine)
    there = environments.interpreter
    monkeypatch.setattr(
        environments, "interpreter", lambda name: Path(sys.executable) if name in ("litert", "onnxruntime") else there(name)
    )
    variants = [fakes.variant("float32"), fakes.variant("static_wi8_ai8"), fakes.variant("float32_onnx", "onnx", "float32")]
    return fakes.write_bundle(tmp_path / "bundle", variants)


def refused(*arguments: str) -> SkintriageError:
    result = runner.invoke(app, ["peers", *arguments])
    assert isinstance(result.exception, SkintriageError)
    return result.exception


def test_what_can_be_run_is_run_and_the_rest_is_said(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    result = runner.invoke(app, ["peers", str(bundle), "--quick", "--out", str(file)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = PeersReport.model_validate_json(file.read_bytes())
    assert list(report.runs) == ["litert_float32", "litert_int8", "onnxruntime_float32", "skintriage_shipped"]
    assert {*report.runs, *report.not_run} == {peer.name for peer in measurement.PEERS}
    assert "no variant" in report.not_run["onnxruntime_int8"] and "--setup openvino" in report.not_run["openvino_float32"]
    assert "--setup mediapipe" in report.not_run["mediapipe_int8"]
    reference, int8 = report.runs["litert_float32"], report.runs["litert_int8"]
    assert reference.ratio is None and reference.largest_difference is None and reference.p50_ms.n == 6
    assert int8.ratio is not None and int8.ratio.value == 2 and int8.largest_difference == pytest.approx(0.1)
    assert report.command == "python -m benchmarks peers bundle --quick"
    assert (report.rounds, report.block, report.pictures, report.quick) == (2, 3, 4, True)
    assert str(tmp_path) not in file.read_text(encoding="utf-8")


def test_one_peer_is_measured_with_its_reference(bundle: Path) -> None:
    arguments = ["peers", str(bundle), "--quick", "--only", "onnxruntime", "--json"]
    # Its int8 file is not in the bundle, which matters to who asks for it by name.
    assert "static_wi8_ai8_onnx" in str(refused(*arguments[1:]))
    arguments[4] = "litert"
    report = json.loads(runner.invoke(app, arguments, catch_exceptions=False).stdout)
    assert list(report["runs"]) == ["litert_float32", "litert_int8"] and report["not_run"] == {}


def test_bad_input_is_refused(bundle: Path, tmp_path: Path) -> None:
    assert "or make environments with --setup all" in str(refused())
    assert "choose --only from litert, onnxruntime" in str(refused(str(bundle), "--only", "tensorrt"))
    absent = refused(str(bundle), "--only", "openvino", "--quick")
    assert isinstance(absent, EngineError) and "no environment for openvino" in str(absent)
    assert isinstance(refused("--setup", "tensorrt"), DataError)


def test_setup_makes_what_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[str] = []
    monkeypatch.setenv("SKINTRIAGE_CACHE", str(tmp_path))
    monkeypatch.setattr(environments, "set_up", made.append)
    result = runner.invoke(app, ["peers", "--setup", "all"], catch_exceptions=False)
    assert result.exit_code == 0 and made == list(environments.NAMES) and "Ready: executorch, litert" in result.output
