"""Environments of peers: where they are, how they are made, what goes wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.peers import environments
from mobile_runtime.errors import DataError, EngineError


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Commands that were run, of which none is."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        environments.folder_of("openvino").mkdir(parents=True, exist_ok=True)
        return subprocess.CompletedProcess(command, 1 if "broken" in command else 0, "", "first\nno such package\n")

    monkeypatch.setenv("SKINTRIAGE_CACHE", str(tmp_path))
    monkeypatch.setattr(environments, "_MAKE_UV", tmp_path / "none")
    monkeypatch.setattr(subprocess, "run", run)
    return ran


@pytest.mark.parametrize("name", environments.NAMES)
def test_everything_is_pinned_and_names_no_registry(name: str) -> None:
    lines = (environments.REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert lines and all("==" in line.split(";")[0] and "://" not in line for line in lines)
    asked = {line.split(">")[0] for line in (environments.REQUIREMENTS / f"{name}.in").read_text(encoding="utf-8").split()}
    assert asked <= {line.split("==")[0] for line in lines}


@pytest.mark.parametrize(("uv", "tools"), [("/bin/uv", ["venv", "pip"]), (None, ["-m", "-m"])])
def test_uv_is_taken_if_found_and_nothing_is_made_twice(
    uv: str | None, tools: list[str], commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: uv)
    with pytest.raises(EngineError, match="peers --setup openvino"):
        environments.interpreter("openvino")
    folder = environments.set_up("openvino")
    assert [command[1] for command in commands] == tools
    assert commands[1][-1] == str(environments.REQUIREMENTS / "openvino.txt")
    assert environments.interpreter("openvino").parent.parent == folder
    environments.set_up("openvino")
    assert len(commands) == 2


def test_a_failure_is_named_and_leaves_nothing_that_counts(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "broken")
    with pytest.raises(EngineError, match=r"openvino: `broken venv` fails \(no such package\)"):
        environments.set_up("openvino")
    assert not environments.is_ready("openvino")


def test_unknown_peers_are_named() -> None:
    with pytest.raises(DataError, match=r"no peer 'tensorrt'; choose from executorch, litert"):
        environments.folder_of("tensorrt")
