"""The devices command: what it prints and stores, and what it says where something is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks import latency
from benchmarks.commands import app
from benchmarks.device_results import DevicesReport
from benchmarks.device_rows import rows
from mobile_runtime.bundle import DEFAULT_BUNDLE
from mobile_runtime.console import run
from mobile_runtime.errors import DataError
from tests.benchmarks.stored_results import devices as stored
from tests.benchmarks.test_latency import TINY

runner = CliRunner()


def test_local_is_printed_and_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "QUICK", TINY)
    file = tmp_path / "local.json"
    words = ["devices", "--target", "local", str(DEFAULT_BUNDLE), "--out", str(file)]
    result = runner.invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "evidence: desktop" in result.output and "golden vectors, outputs" in result.output
    report = DevicesReport.model_validate_json(file.read_bytes())
    assert report.command == "python -m benchmarks devices bundle --target local --synthetic-images 16 --threads 1"
    assert str(DEFAULT_BUNDLE) not in file.read_text(encoding="utf-8")
    again = runner.invoke(app, [*words[:-2], "--json"], catch_exceptions=False)
    assert json.loads(again.stdout)["kind"] == "devices"


@pytest.mark.parametrize("words", [[], ["--target", "local", "--setup", "qemu-arm64"]])
def test_one_target_or_one_setup(words: list[str]) -> None:
    result = runner.invoke(app, ["devices", *words])
    assert isinstance(result.exception, DataError) and "or --setup qemu-arm64 alone" in str(result.exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target", "qemu-arm64"], "apt-get install qemu-user"),
        (["--setup", "qemu-arm64"], "apt-get install qemu-user"),
        (["--target", "adb"], "apt-get install adb"),
        (["--target", "adb", "--benchmark-model", "none"], "no such file"),
        (["--target", "local", "nowhere"], "nowhere"),
    ],
)
def test_what_is_missing_is_one_line_and_status_2(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as status:
        run("benchmarks", ["devices", *words])
    assert status.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and said in lines[0]


def test_a_vector_that_is_not_met_gives_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    document: dict[str, Any] = stored()
    document["golden"] |= {"passed": False, "failures": ["outputs, png: 0.5, allowed is 0.1"]}
    report = DevicesReport.model_validate(document)
    monkeypatch.setattr("benchmarks.devices.device_targets.local", lambda asked, advance: report)
    result = runner.invoke(app, ["devices", "--target", "local", str(DEFAULT_BUNDLE)])
    assert result.exit_code == 1 and "golden vectors differ: outputs, png" in result.output


def test_rows_keep_the_order_of_the_stages_and_say_what_they_rest_on() -> None:
    found = rows(DevicesReport.model_validate(stored()))
    assert [what for what, _, _ in found[:2]] == ["golden vectors, upright", "golden vectors, outputs"]
    assert ("int8, builtin: outputs with the same bits as on this machine", "18 of 20") in [row[:2] for row in found]
    assert ("int8, xnnpack: instructions an inference", "21.6 million", "mean of 2 images") in found
    short = rows(DevicesReport.model_validate(stored()), brief=True)
    assert short[0][:2] == ("golden vectors within tolerance", "30 of 30")
    assert not any("builtin" in what for what, _, _ in short[:4])
