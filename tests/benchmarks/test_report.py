"""One page and one JSON from stored results of any kind."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks import report_page
from benchmarks.commands import app
from benchmarks.figure_list import figures_of
from benchmarks.report_page import ReportDocument, render
from benchmarks.stored import REPORTS, read_result
from mobile_runtime.errors import DataError
from tests.benchmarks.stored_results import MAKERS

runner = CliRunner()
VOID = {"meta", "circle", "line", "polyline", "polygon", "rect", "br", "img"}


class Balance(HTMLParser):
    """Fails on a tag that is closed out of turn, and keeps the words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_page_of_one_result_is_self_contained(kind: str) -> None:
    page = render([REPORTS[kind].model_validate(MAKERS[kind]())])
    found = Balance()
    found.feed(page)
    assert found.open == [] and f"python -m benchmarks {kind}" in " ".join(found.words)
    assert not re.search(r"<script|(?:src|href)=\"(?!#)|https?://|url\(|@import", page)
    for text in ("prefers-color-scheme: dark", "@media print", "max-width: 44rem", 'name="viewport"'):
        assert text in page
    assert "<note>" not in page and "<female>" not in page and "<labels>" not in page
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        root = ElementTree.fromstring(svg)
        width, height = (float(side) for side in root.attrib["viewBox"].split()[2:])
        for points in (part.get("points") or "" for part in root.iter()):
            for x, y in (map(float, pair.split(",")) for pair in points.split()):
                assert 0 <= x <= width and 0 <= y <= height
    assert not re.search(r"\b(?:nan|None|inf)\b", " ".join(found.words))


def test_numbers_come_with_interval_and_n() -> None:
    page = render([REPORTS["decisions"].model_validate(MAKERS["decisions"]())])
    assert "5.0<small>[4.0, no limit], n=100</small>" in page
    assert "90.0 %<small>[85.0, 95.0], n=20</small>" in page
    assert "ham10000, &lt;labels&gt;.csv: 100 images, 90 groups (lesion_id), 20 malignant" in page


def test_report_writes_a_page_and_its_figures(tmp_path: Path) -> None:
    files = []
    for kind, make in MAKERS.items():
        files.append(tmp_path / f"{kind}.json")
        files[-1].write_text(json.dumps(make()), encoding="utf-8")
    out = tmp_path / "out" / "all.html"
    result = runner.invoke(app, ["report", *map(str, files), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0 and "all.json" in result.output
    page = out.read_text(encoding="utf-8")
    assert page.count("<section") == len(MAKERS) and page.count('href="#s') == len(MAKERS)
    document = ReportDocument.model_validate_json(out.with_suffix(".json").read_bytes())
    assert [source.kind for source in document.sources] == list(MAKERS)
    assert document.figures["drift.ham10000.int8.auc_difference"].low == pytest.approx(-0.003)
    assert document.figures["decisions.ham10000.int8.set_aside.number_needed_to_refer"].high is None
    assert document.figures["latency.int8.threads_1.inference_p50_ms"].n == 128
    assert document.figures["peers.litert_int8.ratio"].value == 0.5
    assert document.figures["devices.qemu-arm64.int8.xnnpack.instructions"].value == 21_600_000
    assert document.figures["gates.ham10000.int8.no_lesion.5.turned_away"].value == 1.0


@pytest.mark.parametrize("kind", MAKERS)
def test_every_figure_has_what_it_rests_on(kind: str) -> None:
    figures = figures_of(REPORTS[kind].model_validate(MAKERS[kind]()))
    assert figures
    for name, figure in figures.items():
        assert name.startswith(f"{kind}.") and (figure.n is not None or name.endswith(("size_mb", "caught_by_golden")))
        assert figure.low is None or figure.low <= figure.value


def emptied(part: Any) -> Iterator[Any]:
    """Copies of a document, each with one of its lists, objects or numbers empty or zero."""
    if isinstance(part, dict | list):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part[:1]):
            for other in emptied(value):
                copy: Any = part.copy()
                copy[key] = other
                yield copy
        yield type(part)()
    elif isinstance(part, int | float) and not isinstance(part, bool):
        yield 0


@pytest.mark.parametrize("kind", MAKERS)
def test_a_result_with_a_part_emptied_is_shown_or_refused_in_words(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    shown = 0
    for document in emptied(MAKERS[kind]()):
        file.write_text(json.dumps(document), encoding="utf-8")
        with suppress(DataError):
            shown += bool(render([read_result(file)]))
    assert shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "kind None is not one of drift, decisions"),
        ('{"kind": "nonsense"}', "measure again with this version"),
        (json.dumps({**MAKERS["gates"](), "seed": "x"}), r"not a gates result of this version \(seed:"),
    ],
)
def test_what_is_not_a_result_is_named(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_result(file)
    with pytest.raises(DataError, match="cannot be read"):
        read_result(tmp_path / "none.json")


def test_figures_of_two_bundles_do_not_take_each_others_place() -> None:
    two = [REPORTS["drift"].model_validate({**MAKERS["drift"](), "bundle": bundle}) for bundle in ("a", "b")]
    with pytest.raises(DataError, match="figures are in several of the results"):
        report_page.document(two)


@pytest.mark.parametrize("out", ["drift.html", "page.json", ""])
def test_a_page_is_not_written_over_its_input_or_its_figures(tmp_path: Path, out: str) -> None:
    file = tmp_path / "drift.json"
    file.write_text(json.dumps(MAKERS["drift"]()), encoding="utf-8")
    before = file.read_bytes()
    found = runner.invoke(app, ["report", str(file), "--out", str(tmp_path / out)])
    assert isinstance(found.exception, DataError)
    assert [path.name for path in tmp_path.iterdir()] == ["drift.json"]
    assert file.read_bytes() == before
