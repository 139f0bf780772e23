"""A recipe and a data set small enough to train within a test."""

from __future__ import annotations

import pytest

from mobile_runtime.synthetic import write_dataset
from train.datasets import Example, read_examples
from train.recipe import Recipe


@pytest.fixture(scope="session")
def quick_recipe() -> Recipe:
    """One epoch of three batches, with every source of chance switched on: dropout, all views, averaged weights."""
    return Recipe.model_validate(
        {
            "name": "quick",
            "backbone": "test_efficientnet",
            "input_size": 32,
            "epochs": 1,
            "batch_size": 4,
            "learning_rate": 3e-3,
            "drop_rate": 0.5,
            "ema_decay": 0.5,
            "warmup": 0.5,
            "split": {"folds": 3, "test_folds": 1, "val_folds": 1},
        }
    )


@pytest.fixture(scope="session")
def few_examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Six small images of each class, two thirds of them from lesions with two images."""
    folder = tmp_path_factory.mktemp("few")
    write_dataset(folder, images_per_class=6, seed=2, size=48)
    return read_examples(folder)
