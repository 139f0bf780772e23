"""Recipes: every key is checked before any work starts."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mobile_runtime.errors import DataError
from mobile_runtime.taxonomy import HAM10000_CLASSES
from train.recipe import RECIPES, Recipe, load_recipe


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_shipped_recipes_load_by_name_and_by_path(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.classes == HAM10000_CLASSES
    assert load_recipe(str(RECIPES / f"{name}.yaml")) == recipe


def test_the_papers_recipe_holds_the_papers_numbers() -> None:
    recipe = load_recipe("esteva2017")
    assert (recipe.backbone, recipe.input_size, recipe.max_class_size) == ("inception_v3", 299, 1000)
    assert (recipe.optimizer, recipe.rms_decay, recipe.momentum, recipe.epsilon) == ("rmsprop", 0.9, 0.9, 0.1)
    assert (recipe.learning_rate, recipe.schedule, recipe.step_factor, recipe.step_epochs) == (0.001, "steps", 16, 30)
    assert recipe.augmentation.inscribed_rotation
    assert recipe.split.folds == 9


def test_a_file_overrides_only_what_it_names(tmp_path: Path) -> None:
    recipe = load_recipe(str(written(tmp_path, "epochs: 3\naugmentation: {shift: 0.2}\nrepeats: {pad_ufes_20: 2}\n")))
    assert (recipe.name, recipe.epochs, recipe.augmentation.shift, recipe.repeats) == ("mine", 3, 0.2, {"pad_ufes_20": 2})
    plain = Recipe(name="mine")
    assert recipe.model_copy(update={"epochs": plain.epochs, "augmentation": plain.augmentation, "repeats": {}}) == plain
    assert load_recipe(str(written(tmp_path, ""))) == plain


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("learning_rat: 0.1", "learning_rat: Extra inputs"),
        ("augmentation: {jpg_probability: 0.1}", "augmentation.jpg_probability: Extra inputs"),
        ("learning_rate: 0", "learning_rate: .*greater than 0"),
        ("learning_rate: fast", "learning_rate: .*number"),
        ("input_size: 31", "input_size: .*32"),
        ("batch_size: 1", "batch_size: .*2"),
        ("epochs: 2.5", "epochs: .*integer"),
        ("learning_rate: .inf", "learning_rate: .*finite"),
        ("warmup: 1", "warmup: .*less than 1"),
        ("seed: -1", "seed: .*0"),
        ("classes: [melanoma]", "classes: .*at least 2"),
        ("repeats: {ham10000: -1}", "repeats.ham10000: .*0"),
        ("augmentation: {blur_probability: 1.5}", "augmentation.blur_probability: .*1"),
        ("augmentation: {crop_scale: [0.5, 1.2]}", "augmentation.crop_scale.1: .*1"),
        ("augmentation: {crop_scale: [0.9, 0.5]}", "augmentation: .*crop_scale"),
        ("augmentation: {resolution_cap: 40}", "augmentation: .*soften_to is above resolution_cap"),
        ("augmentation: {gamma: .nan}", "augmentation.gamma"),
        ("split: {folds: 2}", "split.folds: .*3"),
        ("optimizer: sgd", "optimizer: .*adamw"),
        ("epochs: 0\nlearning_rat: 1", "epochs.*; learning_rat|learning_rat.*; epochs"),
    ],
)
def test_a_misspelt_or_impossible_key_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(DataError, match=rf"mine\.yaml: .*{named}"):
        load_recipe(str(written(tmp_path, text)))


@pytest.mark.parametrize("text", ["- a\n- b", "just words", "7", "a: [", "when: 2001-99-99", "\x00"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"mine\.yaml: not a YAML mapping") as caught:
        load_recipe(str(written(tmp_path, text)))
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    known = ", ".join(sorted(path.stem for path in RECIPES.glob("*.yaml")))
    with pytest.raises(DataError, match=f"no recipe 'mobil'; there are {known}, or give the path"):
        load_recipe("mobil")
    with pytest.raises(DataError, match=r"no recipe 'absent\.yaml'"):
        load_recipe("absent.yaml")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(list(Recipe.model_fields)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["shift", "folds", "x"]) | st.integers(), inner)
    ),
    max_leaves=6,
)
_DOCUMENTS = st.dictionaries(st.sampled_from(list(Recipe.model_fields)) | st.text(max_size=3), _VALUES, max_size=4)


@settings(max_examples=150)
@given(_DOCUMENTS.map(yaml.safe_dump) | st.text(max_size=20))
@example("=")
def test_any_text_is_a_recipe_or_is_refused_by_type(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        with contextlib.suppress(DataError):
            recipe = load_recipe(str(path))
            # What was accepted survives the header of a checkpoint.
            assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
