"""Tables for people: nothing that a terminal of the stated width is shown is cut off."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmarks import tables, wording
from benchmarks.drift_results import DriftReport
from benchmarks.options import TABLE_WIDTH
from benchmarks.readme import RESULTS
from benchmarks.stored import read_result


@pytest.mark.parametrize(("width", "narrow"), [(80, True), (TABLE_WIDTH, False)])
def test_the_drift_table_shows_every_name_interval_and_verdict(width: int, narrow: bool) -> None:
    report = read_result(RESULTS / "drift_ham10000.json")
    assert isinstance(report, DriftReport)
    written = io.StringIO()
    Console(file=written, width=width).print(tables.drift_table(report, narrow))
    shown = written.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    for name, drift in report.variants.items():
        assert f" {name} " in shown and wording.interval(drift.auc_malignancy) in shown
        if drift.differences and drift.verdict:
            assert wording.outcome(drift.verdict.outcome) in shown
            assert wording.change_interval(drift.differences.auc_malignancy_bootstrap) in shown
            assert wording.percent(drift.operating_points[report.operating_point].agreement) in shown
            assert f"{len(drift.flips)} flips" in shown
