"""Errors as one clear line."""

from __future__ import annotations

import pytest

from mobile_runtime.console import guard, print_error
from mobile_runtime.errors import CaptureError, MissingExtraError


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


def test_other_errors_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        guard(lambda: 1 / 0)
