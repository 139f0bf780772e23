"""Core ML packages as files: the same program has the same bytes."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from tests.export.test_mil import means, package

pytest.importorskip("coremltools")


def test_the_day_of_the_conversion_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from export.coreml import _settle

    written = []
    for day in (1, 2):

        class Day(datetime.date):
            number = day

            @classmethod
            def today(cls) -> datetime.date:
                return datetime.date(2026, 1, cls.number)

        monkeypatch.setattr("coremltools.converters._converters_entry.date", Day)
        made = package(tmp_path / str(day), means)
        program = made / "Data" / "com.apple.CoreML" / "model.mlmodel"
        assert f"2026-01-0{day}".encode() in program.read_bytes()
        _settle(made)
        written.append({path.relative_to(made): path.read_bytes() for path in made.rglob("*") if path.is_file()})
    assert written[0] == written[1]
