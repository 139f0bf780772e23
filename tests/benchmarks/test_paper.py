"""The nine folds beside the paper: rows that exist, rows that cannot, and what is no result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.paper import table
from benchmarks.readme import FOLDS_BEGIN, FOLDS_END, README
from mobile_runtime.errors import DataError


def test_the_readme_shows_the_stored_folds() -> None:
    assert f"{FOLDS_BEGIN}\n{table()}\n{FOLDS_END}" in README.read_text(encoding="utf-8")


def test_rows_are_means_with_standard_deviations_or_said_to_be_absent(tmp_path: Path) -> None:
    path = tmp_path / "folds.json"
    summary = {"auc_dermoscopy": {"mean": 0.9012, "sd": 0.0234, "folds": 3}}
    path.write_text(json.dumps({"of_folds": 9, "folds": [{}, {}, {}], "summary": summary}), encoding="utf-8")
    text = table(path)
    assert "HAM10000 in 3 folds of 9" in text
    assert "| melanoma against nevus, dermoscopy, AUC | 0.901 (0.023) | 0.91 on 111 images, 0.94 on 1,010 |" in text
    assert "| carcinoma against seborrheic keratosis, AUC | absent: not among these images |" in text


@pytest.mark.parametrize("content", [None, "{", "{}", '{"summary": {}, "folds": 3}'])
def test_what_is_no_result_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "folds.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="not a result of `python -m train crossvalidate`"):
        table(path)
