"""Environments of foreign tools, without making one: the interpreter of this process stands in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("pandas")

from export import isolation
from export.errors import ExportError


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tool "probe" with pins and no environment."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "probe.txt").write_text("nothing==1\n", encoding="utf-8")
    monkeypatch.setattr(isolation, "FOREIGN", folder)
    monkeypatch.setenv("SKINTRIAGE_TOOLS", str(tmp_path / "tools"))
    return folder


@pytest.fixture
def ready(pins: Path) -> Path:
    folder = isolation.tool_folder("probe")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / ".ready").touch()
    return pins


def fake_uv(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder.mkdir()
    (folder / "uv").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_script_runs_in_the_environment_away_from_this_one(
    ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    code = "import os, sys; open('out.txt', 'w').write(sys.argv[1] + repr(os.environ['PYTHONPATH']))"
    (ready / "probe.py").write_text(code, encoding="utf-8")
    isolation.run_tool("probe", "probe.py", "word", cwd=tmp_path)
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "word''"


def test_a_failing_script_says_how_it_failed(ready: Path, tmp_path: Path) -> None:
    (ready / "probe.py").write_text("raise ValueError('an operator is not known')", encoding="utf-8")
    with pytest.raises(ExportError, match=r"probe fails \(status 1\): ValueError: an operator is not known") as caught:
        isolation.run_tool("probe", "probe.py", cwd=tmp_path)
    assert "\n" not in str(caught.value)


def test_other_pins_are_another_environment(ready: Path) -> None:
    assert isolation.find_tool("probe") is not None
    (ready / "probe.txt").write_text("nothing==2\n", encoding="utf-8")
    assert isolation.find_tool("probe") is None


def test_what_cannot_be_installed_is_not_ready(pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'if [ "$1" = venv ]; then mkdir -p "$5"; else echo "hint" >&2; echo "error: no network" >&2; exit 3; fi'
    fake_uv(tmp_path / "path", monkeypatch, script)
    with pytest.raises(ExportError, match=r"the environment of probe cannot be made \(status 3\): error: no network"):
        isolation.tool_python("probe")
    assert isolation.find_tool("probe") is None


def test_an_interrupted_environment_is_made_anew(pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = isolation.tool_folder("probe") / "left"
    left.mkdir(parents=True)
    fake_uv(tmp_path / "path", monkeypatch, 'if [ "$1" = venv ]; then mkdir -p "$5"; fi')
    assert isolation.tool_python("probe") == isolation.find_tool("probe")
    assert not left.exists()


def test_the_pins_of_every_tool_are_exact() -> None:
    tools = sorted(isolation.FOREIGN.glob("*.txt"))
    assert [file.stem for file in tools] == ["mediapipe", "onnx2tf"]
    for file in tools:
        lines = file.read_text(encoding="utf-8").splitlines()
        assert lines and all("==" in line and "://" not in line for line in lines)
