"""Recipes of students: what contradicts itself, and the one that ships."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from compress.recipe import RECIPES, StudentRecipe
from train.recipe import load_recipe, read_recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mixup": 0.5, "fixed_views": 4}, "mixtures of fixed_views"),
        ({"input_size": 64, "teacher_size": 48}, "cannot see more than its teachers"),
        ({"max_class_size": 10}, "labels alone"),
    ],
)
def test_recipes_that_contradict_themselves_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StudentRecipe.model_validate({**load_recipe("tiny").model_dump(), "name": "student", **changes})


def test_the_shipped_recipe_is_the_phones_network() -> None:
    recipe = read_recipe("student", StudentRecipe, RECIPES)
    mobile = load_recipe("mobile")
    for what in ("backbone", "classes", "input_size", "split"):
        assert getattr(recipe, what) == getattr(mobile, what)
