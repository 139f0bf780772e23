"""Cross-validation: every image is tested once, finished folds are not done again, and the summary is plain arithmetic."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import train.crossvalidation
from mobile_runtime.errors import DataError
from mobile_runtime.taxonomy import HAM10000_CLASSES, default_taxonomy
from tests.train.factories import example
from train.crossvalidation import crossvalidate, figures_of, fold_splits, summarize
from train.datasets import Example
from train.evaluation import evaluate
from train.recipe import Recipe, SplitPlan
from train.splits import split_examples


def test_each_image_is_tested_once_and_validates_once(few_examples: list[Example]) -> None:
    splits = list(fold_splits(few_examples, folds=4, seed=3))
    assert len(splits) == 4
    for part in ("test", "val"):
        assert Counter(e.key for split in splits for e in split[part]) == {e.key: 1 for e in few_examples}
    for before, after in pairwise(splits):
        assert before["val"] == after["test"]
    assert splits[0] == split_examples(few_examples, SplitPlan(folds=4, test_folds=1, val_folds=1, seed=3))


def test_mean_and_standard_deviation_by_hand() -> None:
    rows = [{"a": 0.5, "b": 1.0}, {"a": 0.7}, {"a": 0.9}]
    found = summarize(rows)
    assert found["a"] == {"mean": pytest.approx(0.7), "sd": pytest.approx(0.2), "folds": 3}
    assert found["b"] == {"mean": 1.0, "sd": None, "folds": 1}


def test_data_sets_have_a_malignancy_figure_each() -> None:
    # Dermoscopy is told apart by half, photographs wholly; together, the photographs' high scores are beside the others.
    scores = {"ham10000": [(1, 0.3), (1, 0.1), (0, 0.2), (0, 0.2)], "pad_ufes_20": [(1, 0.9), (1, 0.9), (0, 0.8), (0, 0.8)]}
    rows = [(dataset, *row) for dataset, own in scores.items() for row in own] * 10
    labels = {"ham10000": ("nv", "mel"), "pad_ufes_20": ("NEV", "MEL")}
    examples = [example(i, labels[dataset][sick], dataset=dataset) for i, (dataset, sick, _) in enumerate(rows)]
    probabilities = np.zeros((len(rows), 7), np.float32)
    for row, (_, _, score) in zip(probabilities, rows, strict=True):
        row[4], row[5] = score, 1 - score  # melanoma, nevus
    report = evaluate(probabilities, examples, HAM10000_CLASSES, default_taxonomy(), run="r", part="test")
    found = figures_of(report)
    assert found["auc_malignancy_ham10000"] == pytest.approx(0.5)
    assert found["auc_malignancy_pad_ufes_20"] == pytest.approx(1.0)
    # Of 16 pairs, half of dermoscopy's four and all of the photographs' four are in order, and four of the mixed eight.
    assert found["auc_malignancy"] == pytest.approx((2 + 4 + 4) / 16)
    alone = [i for i, e in enumerate(examples) if e.dataset == "ham10000"]
    one = evaluate(
        probabilities[alone], [examples[i] for i in alone], HAM10000_CLASSES, default_taxonomy(), run="r", part="test"
    )
    assert "auc_malignancy_ham10000" not in figures_of(one)


@pytest.mark.slow
def test_folds_are_trained_judged_and_not_done_again(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Path] = []
    fit = train.crossvalidation.fit

    def counted(recipe: Recipe, examples: list[Example], out: Path, **options: object) -> Path:
        calls.append(out)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(recipe, examples, out, **options)

    monkeypatch.setattr(train.crossvalidation, "fit", counted)
    with pytest.raises(KeyboardInterrupt):
        crossvalidate(quick_recipe, few_examples, tmp_path, folds=3, workers=0)
    assert not (tmp_path / "crossvalidation.json").exists()
    document = crossvalidate(quick_recipe, few_examples, tmp_path, folds=3, workers=0)
    assert [path.name for path in calls] == ["fold-1", "fold-2", "fold-3", "fold-3"]
    assert document == json.loads((tmp_path / "crossvalidation.json").read_text(encoding="utf-8"))
    assert len(document["folds"]) == 3
    accuracy = document["summary"]["balanced_accuracy_classes"]
    assert accuracy["folds"] == 3
    assert math.isfinite(accuracy["sd"])
    with pytest.raises(DataError, match="fold-1: finished with another recipe or split"):
        crossvalidate(quick_recipe.model_copy(update={"seed": 5}), few_examples, tmp_path, folds=3, workers=0)
