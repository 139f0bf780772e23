"""Errors as one clear line."""

from __future__ import annotations

import errno
import io
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from mobile_runtime import console
from mobile_runtime.console import guard, print_error, print_json
from mobile_runtime.errors import CaptureError, MissingExtraError
from mobile_runtime.files import write_json
from tests.conftest import REPOSITORY


def test_brackets_survive(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(MissingExtraError("pip install 'skintriage[train]'"))
    assert "skintriage[train]" in capsys.readouterr().err


def test_a_typed_error_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise CaptureError("pho\nto\u2028.jpg: damaged; take it again")

    with pytest.raises(SystemExit) as stopped:
        guard(command)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.strip() == r"error: pho\nto\n.jpg: damaged; take it again"


def test_what_cannot_be_written_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(SystemExit) as stopped:
        guard(file.mkdir)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.strip() == f"error: {file}: File exists; check the path"


@pytest.mark.parametrize(
    "words", [["mobile_runtime", "info", "--json"], ["mobile_runtime.main", "info"], ["benchmarks", "--help"]]
)
def test_a_closed_standard_output_is_one_line_and_status_2(words: list[str]) -> None:
    words = [sys.executable, "-m", *words]
    ended = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *words], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr == "error: standard output is closed; send it to a file, or to /dev/null\n"


def test_a_reader_that_leaves_is_no_verdict() -> None:
    """`gate` ends with 1 for a build that must not ship."""
    command = '"$@" | head -c 1 >/dev/null; exit "${PIPESTATUS[0]}"'
    words = [sys.executable, "-m", "mobile_runtime", "info", "--json"]
    gone = '"$@" | true; exit "${PIPESTATUS[0]}"'
    ended = subprocess.run(["bash", "-c", gone, "bash", *words], cwd=REPOSITORY, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (141, b"")
    for _ in range(3):  # where the reader is slow to leave, all is written before
        ended = subprocess.run(["bash", "-c", command, "bash", *words], cwd=REPOSITORY, stderr=subprocess.PIPE, check=False)
        assert ended.returncode in (0, 141), ended.stderr


def test_no_name_can_rewrite_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x1b[1A\x1b[2Kb\x9b2J\u202egnp.jpg \u76ae"
    shown = r"a\x1b[1A\x1b[2Kb\x9b2J\u202egnp.jpg " + "\u76ae"
    print_error(CaptureError(f"{name}: damaged"))
    assert capsys.readouterr().err == f"error: {shown}: damaged\n"
    table = Table.grid()
    table.add_row(escape(name))
    console.out.print(Panel(table, title=escape(name)))
    panel = capsys.readouterr().out
    assert shown in panel
    assert not {"\x1b", "\x9b", "\u202e"} & set(panel)


def test_colours_are_still_shown() -> None:
    written = io.StringIO()
    console.Terminal(file=written, force_terminal=True, color_system="standard").print("[red]a[/]\tb")
    assert written.getvalue() == "\x1b[31ma\x1b[0m       b\n"


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


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_starts_no_thread(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    written = io.StringIO()
    monkeypatch.setattr(console, "err", console.Terminal(file=written, force_terminal=terminal))
    before = threading.active_count()
    for number, found in enumerate(console.track("ab", "look [1]")):
        assert found == "ab"[number]
        assert threading.active_count() == before
    assert ("look [1]" in written.getvalue()) == terminal
    assert terminal or not written.getvalue()
    assert list(console.track(iter("ab"), "look")) == ["a", "b"]


def test_no_package_takes_the_bar_with_threads() -> None:
    packages = ("mobile_runtime", "train", "compress", "export", "benchmarks")
    files = [path for package in packages for path in (REPOSITORY / package).rglob("*.py")]
    assert not [
        path.name for path in files if re.search(r"from rich.progress import .*\btrack\b", path.read_text(encoding="utf-8"))
    ]


def test_other_errors_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        guard(lambda: 1 / 0)


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(SystemExit) as stopped:
        guard(lambda: print_json({}))
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: standard output: No space left on device; check the path\n"
