"""Choices of a recipe beside each other: each is trained and judged on the same folds, differences are taken fold by fold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from statistics import mean, variance
from typing import Any

import yaml
from pydantic import ValidationError
from scipy import stats

from mobile_runtime.errors import DataError
from mobile_runtime.files import write_json
from train.crossvalidation import crossvalidate
from train.datasets import Example
from train.network import LesionNetwork
from train.recipe import Recipe

UNCHANGED = "as it is"


def changed(recipe: Recipe, choice: str) -> Recipe:
    """The recipe with `KEY=VALUE[,KEY=VALUE]` put in, values as in YAML; `augmentation.KEY` reaches inside.

    Raises:
        DataError: not of that form, or a key or value that a recipe cannot have.
    """
    document = recipe.model_dump(mode="json")
    for assignment in re.split(r",(?=[\w.]+=)", choice):
        key, equals, value = assignment.partition("=")
        *parents, last = key.strip().split(".")
        place: Any = document
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict) or last not in place:
            raise DataError(f"--choice {choice!r}: give KEY=VALUE with a key of a recipe; {key.strip()!r} is none")
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise DataError(f"--choice {choice!r}: {value!r} is not a YAML value") from error
    try:
        return type(recipe).model_validate(document)
    except ValidationError as error:
        raise DataError(f"--choice {choice!r}: {error.errors()[0]['msg']}") from error


def difference(rows: Sequence[float], base: Sequence[float], folds: int) -> dict[str, float]:
    """Mean difference of paired figures and its 95 % interval, by the corrected resampled t-test.

    Nadeau & Bengio 2003, "Inference for the generalization error", section 4: training sets of different folds overlap, so the
    variance of the mean is s^2 (1/J + n_test/n_train), here with one fold tested and folds - 2 training.

    Args:
        rows: J >= 2 figures, one per judged fold.
        base: J figures of the same folds.
        folds: into how many folds the data were cut, at least 3.
    """
    gaps = [a - b for a, b in zip(rows, base, strict=True)]
    spread = sqrt(variance(gaps) * (1 / len(gaps) + 1 / (folds - 2)))
    reach = float(stats.t.ppf(0.975, len(gaps) - 1)) * spread
    return {"mean": mean(gaps), "low": mean(gaps) - reach, "high": mean(gaps) + reach}


def compare(
    recipe: Recipe,
    choices: Sequence[str],
    examples: list[Example],
    out: Path,
    *,
    folds: int = 9,
    judged: int | None = None,
    init: str = "scratch",
    workers: int = 1,
) -> dict[str, Any]:
    """Cross-validate the recipe as it is and with each choice; what is done is not done again.

    Args:
        recipe: what is common to all.
        choices: changes, as `changed` reads them.
        examples: all labelled images.
        out: folder for one folder of folds per choice, and comparison.json.
        folds: K, into how many folds the data are cut.
        judged: how many of them are trained for, at least 2; all if left out.
        init: as in `fit`.
        workers: loader processes.

    Returns:
        What comparison.json holds: per choice each figure's mean and standard deviation, and its difference to the recipe as it
        is where both have it on two folds or more.

    Raises:
        DataError: a choice that says nothing new or cannot be, or as `crossvalidate`.
    """
    plans = {UNCHANGED: recipe} | {choice: changed(recipe, choice) for choice in choices}
    if len({plan.model_dump_json() for plan in plans.values()}) < len(choices) + 1:
        raise DataError("two choices are the same, or one changes nothing; name each once")
    for backbone in {plan.backbone for plan in plans.values()}:
        LesionNetwork(backbone, 2)  # what cannot be made is said before hours of training
    documents = {
        name: crossvalidate(plan, examples, out / _folder(name), folds=folds, judged=judged, init=init, workers=workers)
        for name, plan in plans.items()
    }
    base = documents[UNCHANGED]["folds"]
    report: dict[str, Any] = {
        "recipe": recipe.name,
        "images": len(examples),
        "of_folds": folds,
        "judged": len(base),
        "choices": {},
    }
    for name, document in documents.items():
        figures: dict[str, Any] = {}
        for figure, summary in document["summary"].items():
            both = [
                (mine[figure], plain[figure])
                for mine, plain in zip(document["folds"], base, strict=True)
                if figure in mine and figure in plain
            ]
            told = name != UNCHANGED and len(both) > 1
            apart = difference([mine for mine, _ in both], [plain for _, plain in both], folds) if told else None
            figures[figure] = {**summary, "difference": apart}
        report["choices"][name] = figures
    write_json(out / "comparison.json", report)
    return report


def _folder(choice: str) -> str:
    return re.sub(r"[^\w.=-]+", "_", choice)
