"""Stored results, judged by limits of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import release_gate
from benchmarks.gate_limits import Limits
from benchmarks.release_gate import GateReport
from benchmarks.stored import REPORTS, Result


def result(document: dict[str, Any]) -> Result:
    return REPORTS[document["kind"]].model_validate(document)


def judged(limit: dict[str, Any], *results: dict[str, Any], baseline: list[dict[str, Any]] | None = None) -> GateReport:
    limits = Limits.model_validate({"schema_version": 1, "limits": [limit]})
    return release_gate.judge([result(each) for each in results], limits, [result(each) for each in baseline or []])


def store(folder: Path, name: str, document: dict[str, Any]) -> str:
    (folder / name).write_text(json.dumps(document), encoding="utf-8")
    return str(folder / name)


def failures(report: GateReport) -> list[str]:
    return [check.said for check in report.checks if check.outcome == "failed"]
