"""Choices beside each other: changes of a recipe, the corrected interval, and one run on the same folds."""

from __future__ import annotations

import json
from math import sqrt
from pathlib import Path

import pytest
from scipy import stats

from mobile_runtime.errors import DataError
from train.comparison import UNCHANGED, changed, compare, difference
from train.datasets import Example
from train.recipe import Recipe, load_recipe


def test_a_choice_changes_what_it_names_and_nothing_else() -> None:
    recipe = load_recipe("mobile")
    found = changed(recipe, "logit_adjustment=1.0,augmentation.crop_scale=[0.5, 0.9],repeats={ham10000: 2}")
    assert found.logit_adjustment == 1.0
    assert found.augmentation.crop_scale == (0.5, 0.9)
    assert found.repeats == {"ham10000": 2}
    assert found.model_dump(exclude={"logit_adjustment", "augmentation", "repeats"}) == recipe.model_dump(
        exclude={"logit_adjustment", "augmentation", "repeats"}
    )
    assert changed(recipe, "max_class_size=1000").max_class_size == 1000


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("logit_ajustment=1", "'logit_ajustment' is none"),
        ("epochs", "give KEY=VALUE"),
        ("augmentation.hair=1", "'augmentation.hair' is none"),
        ("epochs.low=1", "'epochs.low' is none"),
        ("epochs=0", "greater than or equal to 1"),
        ("epochs=[1", "not a YAML value"),
    ],
)
def test_a_choice_that_cannot_be_is_named(choice: str, said: str) -> None:
    with pytest.raises(DataError, match="--choice") as caught:
        changed(load_recipe("mobile"), choice)
    assert said in str(caught.value)


def test_a_backbone_that_is_none_is_said_before_training(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="nosuch"):
        compare(quick_recipe, ["backbone=nosuch"], few_examples, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_interval_takes_account_of_overlapping_training_sets() -> None:
    found = difference([0.9, 0.8, 0.85], [0.88, 0.79, 0.82], folds=9)
    # Gaps .02, .01, .03: mean .02, variance 1e-4; one tested fold to seven that train.
    reach = stats.t.ppf(0.975, 2) * sqrt(1e-4 * (1 / 3 + 1 / 7))
    assert found == {"mean": pytest.approx(0.02), "low": pytest.approx(0.02 - reach), "high": pytest.approx(0.02 + reach)}


@pytest.mark.slow
def test_choices_are_judged_on_the_same_folds(quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path) -> None:
    report = compare(quick_recipe, ["label_smoothing=0.2"], few_examples, tmp_path, folds=3, judged=2, workers=0)
    assert report == json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert report["judged"] == 2
    base, other = report["choices"][UNCHANGED], report["choices"]["label_smoothing=0.2"]
    accuracy = "balanced_accuracy_classes"
    assert base[accuracy]["difference"] is None
    assert other[accuracy]["difference"]["mean"] == pytest.approx(other[accuracy]["mean"] - base[accuracy]["mean"])
    for fold in ("fold-1", "fold-2"):
        first, second = ((tmp_path / name / fold / "splits.csv").read_text() for name in ("as_it_is", "label_smoothing=0.2"))
        assert first == second
    with pytest.raises(DataError, match="changes nothing"):
        compare(quick_recipe, [f"epochs={quick_recipe.epochs}"], few_examples, tmp_path, folds=3, workers=0)
