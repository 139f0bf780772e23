"""K-fold cross-validation: every image is judged once by a network that never saw its lesion or patient.

Esteva et al. 2017 trained nine networks and reported the mean and standard deviation of their accuracies over the folds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mobile_runtime.errors import DataError
from mobile_runtime.files import write_json
from mobile_runtime.taxonomy import default_taxonomy
from train.cache import open_cache
from train.checkpoint import load_checkpoint
from train.datasets import Example
from train.evaluation import evaluate
from train.evaluation_results import Evaluation
from train.fitting import fit
from train.inference import outputs
from train.recipe import Recipe, SplitPlan
from train.splits import SPLIT_FILE, Split, load_split, split_examples
from train.starts import differs, start_of


def fold_splits(examples: Sequence[Example], folds: int, seed: int) -> Iterator[Split]:
    """One split per fold: fold k is tested, the next one validates, the rest trains.

    Raises:
        DataError: fewer lesions or patients than folds.
    """
    for fold in range(folds):
        yield split_examples(examples, SplitPlan(folds=folds, test_folds=1, val_folds=1, seed=seed), first=fold)


def figures_of(report: Evaluation) -> dict[str, float]:
    """The figures that are averaged over folds; those that a fold cannot have are left out.

    With several data sets, each has its malignancy AUC, too: theirs together also says how well they are told apart.
    """
    found = {f"balanced_accuracy_{name}": level.balanced_accuracy for name, level in report.levels.items()}
    found["auc_malignancy"] = report.auc_malignancy
    found |= {f"auc_{name}": task.auc for name, task in report.tasks.items()}
    if len(report.datasets) > 1:
        found |= {f"auc_malignancy_{part.value}": part.auc for part in report.subgroups if part.attribute == "data set"}
    return {name: estimate.value for name, estimate in found.items() if estimate}


def summarize(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, float | int | None]]:
    """Mean and standard deviation (n - 1) of each figure over the folds that have it."""
    names = sorted({name for row in rows for name in row})
    values = {name: [row[name] for row in rows if name in row] for name in names}
    return {
        name: {"mean": mean(column), "sd": stdev(column) if len(column) > 1 else None, "folds": len(column)}
        for name, column in values.items()
    }


def crossvalidate(
    recipe: Recipe,
    examples: list[Example],
    out: Path,
    *,
    folds: int = 9,
    judged: int | None = None,
    init: str = "scratch",
    workers: int = 1,
) -> dict[str, Any]:
    """Train and judge one network per fold; folds that are done are not done again, one that was cut short goes on.

    Args:
        recipe: what to do in each fold; its split plan gives the seed alone.
        examples: all labelled images.
        out: folder for `fold-K` run folders and crossvalidation.json.
        folds: K.
        judged: train and judge the first so many folds only; all if left out.
        init: as in `fit`.
        workers: loader processes.

    Returns:
        What crossvalidation.json holds: figures by fold, their means and standard deviations.

    Raises:
        DataError: too few lesions or patients, a fold of another recipe, start or other data, or as `fit`.
    """
    rows = []
    start = start_of(init)
    for fold, parts in enumerate(islice(fold_splits(examples, folds, recipe.split.seed), judged)):
        run = out / f"fold-{fold + 1}"
        done = _finished(run, recipe, parts, examples, start)
        if done is None:
            network, trained = load_checkpoint(fit(recipe, examples, run, init=init, split=parts, workers=workers))
            tested = parts["test"]
            probabilities = outputs(network, trained, tested, open_cache(examples))[1]
            report = evaluate(
                probabilities, tested, trained.classes, default_taxonomy(), run=f"{recipe.name}, fold {fold + 1}", part="test"
            )
            done = figures_of(report)
            write_json(run / "evaluation.json", report.model_dump(mode="json"))
            write_json(run / "fold.json", {"recipe": recipe.model_dump(mode="json"), "start": start, "figures": done})
        rows.append(done)
    document = {"recipe": recipe.name, "images": len(examples), "of_folds": folds, "folds": rows, "summary": summarize(rows)}
    write_json(out / "crossvalidation.json", document)
    return document


def _finished(run: Path, recipe: Recipe, parts: Split, examples: list[Example], start: str) -> dict[str, float] | None:
    """Figures of a fold that was finished before, None where it was not."""
    path = run / "fold.json"
    if not path.is_file():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    if document["recipe"] != recipe.model_dump(mode="json") or load_split(run / SPLIT_FILE, examples) != parts:
        raise DataError(f"{run}: finished with another recipe or split; choose another --out or remove it")
    if differs(document.get("start"), start):
        raise DataError(
            f"{run}: finished with another start, {document['start'][:12]} and not {start[:12]} (--init); choose another --out "
            "or remove it"
        )
    figures: dict[str, float] = document["figures"]
    return figures
