"""The model card: the Model Card Toolkit's headings, figures of groups from stored results, and none of another model."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from export.errors import ExportError
from export.model_card import CARD, Subgroups, read_subgroups, update_card, write_card
from mobile_runtime import Bundle
from mobile_runtime.bundle import SIGNATURE
from mobile_runtime.console import run
from tests.conftest import REPOSITORY

HALF = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 40}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.read()


@pytest.fixture
def stored(bundle: Bundle, tmp_path: Path) -> Path:
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps(document(bundle)), encoding="utf-8")
    return path


def document(bundle: Bundle) -> dict[str, Any]:
    """A result as `python -m benchmarks decisions` stores it, with what the card does not read left out."""
    variant = bundle.variant()
    group = {"images": 60, "malignant": 25, "benign": 35, "sensitivity": HALF, "specificity": HALF, "auc_malignancy": HALF}
    return {
        "kind": "decisions",
        "command": "python -m benchmarks decisions --subgroup sex",
        "bundle": bundle.id,
        "variant": variant.name,
        "operating_point": "rule_out",
        "threshold": variant.operating_points["rule_out"].threshold,
        "floor": 20,
        "dataset": {"name": "ham10000", "images": 100, "labels": "test.csv"},
        "subgroups": {
            "sex": {
                "groups": {"female": group, "male": group | {"malignant": 7, "sensitivity": None, "auc_malignancy": None}},
                "withheld": {"(blank)": 3},
                "gaps": {},
            }
        },
        "diagnoses": {"mel": {"malignant": True, "images": 40, "referred": HALF}},
    }


def test_headings_are_the_model_card_toolkits_in_their_order(bundle: Bundle) -> None:
    found = re.findall(r"^(#+) (.+)$", write_card(bundle.manifest), re.MULTILINE)
    assert [title for marks, title in found if marks == "##"] == [
        "Model Details",
        "Model Parameters",
        "Considerations",
        "Datasets",
        "Quantitative Analysis",
    ]
    titles = {title for _, title in found}
    assert {"Overview", "Version", "License", "References"} <= titles
    assert {"Model Architecture", "Input Format", "Output Format", "Train Set", "Eval Set", "Subgroups"} <= titles
    assert {"Users", "Use Cases", "Limitations", "Tradeoffs", "Ethical Considerations"} <= titles


def test_every_limit_and_every_figure_of_the_manifest_is_there(bundle: Bundle) -> None:
    card = write_card(bundle.manifest)
    assert bundle.manifest.intended_use in card
    assert all(f"- {limit}\n" in card for limit in bundle.manifest.limitations)
    for figures in bundle.variant().metrics.values():
        auc = figures["auc_malignancy"]
        assert f"{auc.value:.3f} ({auc.low:.3f}-{auc.high:.3f}), n={auc.n}" in card
    assert "Not measured for this card" in card


def test_groups_come_with_their_source_numbers_and_intervals(bundle: Bundle, stored: Path) -> None:
    card = write_card(bundle.manifest, [read_subgroups(stored, bundle.manifest)])
    figure = "0.500 (0.250-0.750), n=40"
    assert f"| female | 60, 25 | {figure} | {figure} | {figure} |" in card
    assert f"| male | 60, 7 | too few | {figure} | too few |" in card
    assert "| (blank) | 3 | too few | too few | too few |" in card
    assert f"| mel | yes | {figure} |" in card
    assert f"Source: `python -m benchmarks decisions --subgroup sex`, on bundle `{bundle.id}`." in card
    assert "Not measured for this card" not in card


def test_a_result_of_another_release_or_model_is_refused(bundle: Bundle, stored: Path) -> None:
    other = document(bundle)
    threshold, name = other["threshold"], f"{bundle.manifest.name}-0.0.1+000000000000"
    for change in ({"threshold": threshold + 1e-9}, {"bundle": name}, {"bundle": f"{bundle.manifest.name}-0"}):
        stored.write_text(json.dumps(other | change), encoding="utf-8")
        with pytest.raises(ExportError, match=r"decisions.json: measured on .* another release or model"):
            read_subgroups(stored, bundle.manifest)


@pytest.mark.parametrize("text", ["", "{}", '{"kind": "drift"}'])
def test_what_is_no_stored_result_is_refused(bundle: Bundle, tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ExportError, match="no stored result of `python -m benchmarks decisions`"):
        read_subgroups(path, bundle.manifest)
    with pytest.raises(ExportError, match=r"missing\.json: cannot be read"):
        read_subgroups(tmp_path / "missing.json", bundle.manifest)


def test_the_results_that_are_stored_here_can_be_read() -> None:
    text = (REPOSITORY / "benchmarks" / "results" / "decisions_ham10000.json").read_bytes()
    assert Subgroups.model_validate_json(text).dataset.name == "ham10000"


def test_a_bundle_gets_its_card_and_stays_whole(
    bundle: Bundle, stored: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "bundle"
    shutil.copytree(bundle.path, own)
    (own / SIGNATURE).write_text("{}", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        run("export", ["card", str(own), "--results", str(stored), "--json"])
    assert not ended.value.code
    made = Bundle.load(own)  # every hash is checked
    assert json.loads(capfd.readouterr().out)["id"] == made.id != bundle.id
    assert "| female |" in (own / CARD).read_text(encoding="utf-8")
    assert not (own / SIGNATURE).exists()
    assert update_card(own, [stored]).id == made.id, "the same results give the same bundle"


def test_a_bundle_may_be_named_from_within_or_by_a_link(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, link = tmp_path / "bundle", tmp_path / "link"
    shutil.copytree(bundle.path, own)
    link.symlink_to(own)
    made = update_card(link, [])
    assert link.is_symlink()
    assert Bundle.load(own).id == made.id
    monkeypatch.chdir(own)
    assert update_card(Path("."), []).id == made.id
    monkeypatch.chdir(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "link"]
