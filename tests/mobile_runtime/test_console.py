"""Errors as one clear line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from mobile_runtime import console
from mobile_runtime.console import guard, print_error, print_json
from mobile_runtime.errors import CaptureError, MissingExtraError
from mobile_runtime.files import write_json


def test_brackets_survive(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(MissingExtraError("pip install 'skintriage[train]'"))
    assert "skintriage[train]" in capsys.readouterr().err


def test_a_typed_error_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise CaptureError("photo.jpg: damaged\nsecond line")

    with pytest.raises(SystemExit) as stopped:
        guard(command)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.strip() == "error: photo.jpg: damaged"


def test_what_cannot_be_written_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(SystemExit) as stopped:
        guard(file.mkdir)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.strip() == f"error: {file}: File exists; check the path"


def test_names_that_are_no_text_do_not_end_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"image": "a\udcff.jpg"})
    assert json.loads(capsys.readouterr().out) == {"image": "a\udcff.jpg"}
    write_json(tmp_path / "a.json", {"image": "a\udcff.jpg"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"image": "a\udcff.jpg"}


def test_steps_are_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=written))
    with console.steps(2) as begin:
        begin("convert")
        begin("write [int8]")
    assert written.getvalue().splitlines() == ["1/2 convert", "2/2 write [int8]"]


def test_other_errors_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        guard(lambda: 1 / 0)
