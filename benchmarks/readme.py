"""The README's tables of measured figures, written from stored results: `python -m benchmarks.readme`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from benchmarks import device_rows, paper, readme_tables
from benchmarks.decision_results import DecisionsReport
from benchmarks.device_results import DevicesReport
from benchmarks.figure_list import Figure, figures_of
from benchmarks.peers.results import PeersReport
from benchmarks.stored import read_result
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import guard, out
from mobile_runtime.errors import DataError
from mobile_runtime.files import write_atomically

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- measured: begin, written by python -m benchmarks.readme -->", "<!-- measured: end -->"
DEVICES_BEGIN = "<!-- devices: begin, written by python -m benchmarks.readme -->"
DEVICES_END = "<!-- devices: end -->"
FOLDS_BEGIN = "<!-- folds: begin, written by python -m benchmarks.readme -->"
FOLDS_END = "<!-- folds: end -->"
STORED = (
    "drift_ham10000", "drift_isic2017", "drift_pad_ufes_20", "decisions_ham10000", "robustness_ham10000", "gates_ham10000",
    "latency",
)  # fmt: skip
ALSO = ("gates_isic2017", "gates_pad_ufes_20", "peers")
"""Shown where they are stored."""
DEVICES = ("devices_local", "devices_qemu-arm64", "devices_chromium")


def measured(results: Path = RESULTS) -> str:
    """Markdown tables of the shipped bundle's figures.

    Raises:
        DataError: a result is missing, or is not of this version.
    """
    bundle = Bundle.load()
    variant = bundle.variant(None)
    figures: dict[str, Figure] = {}
    peers = None
    prevalence = math.nan
    for name in (*STORED, *(name for name in ALSO if (results / f"{name}.json").is_file())):
        result = read_result(results / f"{name}.json")
        figures |= figures_of(result)
        peers = result if isinstance(result, PeersReport) else peers
        prevalence = result.prevalence if isinstance(result, DecisionsReport) else prevalence
    for dataset, metrics in variant.metrics.items():
        for name, estimate in metrics.items():
            key = f"drift.{dataset}.{variant.name}.{name}"
            figures.setdefault(key, Figure(**estimate.model_dump()))
    blocks = [
        readme_tables.accuracy(figures, variant.name),
        readme_tables.compression(figures, variant.name),
        readme_tables.outcomes(figures, variant.name, prevalence),
        readme_tables.gates(figures, variant.name),
        readme_tables.robustness(figures, variant.name),
        readme_tables.speed(figures, variant.name),
    ]
    if peers is not None:
        blocks.append(readme_tables.peers(peers))
    return "\n\n".join(blocks)


def devices(results: Path = RESULTS) -> str:
    """Markdown table of what each kind of device says, each row with its kind of evidence; those not stored are left out.

    Raises:
        DataError: a result is not of this version.
    """
    rows = []
    for file in (results / f"{name}.json" for name in DEVICES if (results / f"{name}.json").is_file()):
        report = read_result(file)
        if not isinstance(report, DevicesReport):
            raise DataError(f"{file}: a {report.kind} result; measure again with `devices --out`")
        for what, found, small in device_rows.rows(report, brief=True):
            rows.append([f"{report.evidence} ({report.target})", what, f"{found} ({small})" if small else found])
    return readme_tables.table(["evidence", "what", "found"], rows)


def update(readme: Path = README) -> bool:
    """Rewrite the tables between the README's marks; True where anything changed. Those of devices and folds may be absent.

    Raises:
        DataError: the README lacks the marks of the measured figures, or has a pair of marks more than once or half.
    """
    text = readme.read_text(encoding="utf-8")
    new = _replaced(text, BEGIN, END, measured, readme)
    for begin, end, tables in ((DEVICES_BEGIN, DEVICES_END, devices), (FOLDS_BEGIN, FOLDS_END, paper.table)):
        if begin in text or end in text:
            new = _replaced(new, begin, end, tables, readme)
    if new != text:
        with write_atomically(readme) as temporary:
            temporary.write_text(new, encoding="utf-8")
    return new != text


def _replaced(text: str, begin: str, end: str, tables: Callable[[], str], readme: Path) -> str:
    if text.count(begin) != 1 or text.count(end) != 1:
        raise DataError(f"{readme}: it needs the lines {begin!r} and {end!r} once each")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{tables()}\n{end}{rest.split(end)[1]}"


def main() -> None:
    """Update the README and say whether it changed."""
    out.print(f"{README.name}: {'updated' if update() else 'nothing to change'}")


if __name__ == "__main__":
    guard(main)
