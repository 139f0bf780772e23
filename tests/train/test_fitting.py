"""Fitting: what a run leaves, and runs that resume exactly after a kill."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import train.objective
from export.folding import fold_to_half
from mobile_runtime.errors import DataError
from mobile_runtime.taxonomy import HAM10000_CLASSES, default_taxonomy
from tests.conftest import REPOSITORY, TrainedRun
from train.cache import open_cache
from train.checkpoint import load_checkpoint, logits_of, save_checkpoint
from train.datasets import Example, read_examples
from train.fitting import fit, with_partition
from train.loading import prepared_images
from train.network import LesionNetwork
from train.objective import marginal_loss
from train.recipe import Recipe, SplitPlan, load_recipe
from train.splits import load_split, split_examples


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "logs" / "metrics.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_run_leaves_what_it_promises(tiny_run: TrainedRun) -> None:
    recipe = load_recipe("tiny")
    examples = read_examples(tiny_run.data)
    split = load_split(tiny_run.folder / "splits.csv", examples)
    assert split == split_examples(examples, recipe.split)
    network, stored = load_checkpoint(tiny_run.checkpoint)
    assert stored == recipe
    assert network.head.out_features == len(HAM10000_CLASSES)
    document = json.loads((tiny_run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert document["recipe"] == "tiny"
    assert document["epochs"] == 4
    figures = document["validation"]
    assert {"val_balanced_accuracy", "val_auc_macro", "val_auc_malignancy", "val_auc_melanoma", "train_loss"} <= figures.keys()
    assert list((tiny_run.folder / "tensorboard").glob("events.out.*"))


def test_each_epoch_is_logged_and_the_loss_falls(tiny_run: TrainedRun) -> None:
    rows = rows_of(tiny_run.folder)
    losses = [float(row["train_loss_epoch"]) for row in rows if row["train_loss_epoch"]]
    validated = [row["epoch"] for row in rows if row["val_auc_malignancy"]]
    assert validated == ["0", "1", "2", "3"]
    assert len(losses) == 4
    assert losses[-1] < losses[0]


def same_run(one: Path, other: Path) -> None:
    """The same rows in the logs, the same figures, the same weights."""
    assert (one / "splits.csv").read_bytes() == (other / "splits.csv").read_bytes()
    mine, theirs = rows_of(one), rows_of(other)
    assert [row.keys() for row in mine] == [row.keys() for row in theirs]
    for row, twin in zip(mine, theirs, strict=True):
        assert {name for name, value in row.items() if value} == {name for name, value in twin.items() if value}
        # The same operations in the same order on one thread: equal to the last bit here. A library that chooses its kernel by
        # the alignment of memory may round otherwise; 1e-5 is far below what another view or mask would change (1e-2).
        for name, value in row.items():
            if value:
                assert float(twin[name]) == pytest.approx(float(value), abs=1e-5), name
    weights, twins = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert weights.keys() == twins.keys()
    for name, value in weights.items():
        torch.testing.assert_close(twins[name], value, atol=1e-4, rtol=1e-4, msg=name)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline, "the training did not get through an epoch"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "killed"

    def epochs_done() -> int:
        logged = folder / "logs" / "metrics.csv"
        if not (logged.is_file() and (folder / "last.ckpt").is_file()):
            return 0
        return sum(bool(row.get("train_loss_epoch")) for row in rows_of(folder))

    command = [sys.executable, "-m", "train", "fit", "--recipe", "tiny"]
    environment = os.environ | {"SKINTRIAGE_CACHE": str(tiny_run.cache)}
    with subprocess.Popen(
        [*command, "--data", str(tiny_run.data), "--out", str(folder)],
        cwd=REPOSITORY,
        env=environment,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_for(lambda: epochs_done() >= 1, process)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert 1 <= epochs_done() < 4
    assert not (folder / "model.safetensors").exists()
    done = epochs_done()

    capfd.readouterr()
    fit(load_recipe("tiny"), read_examples(tiny_run.data), folder, workers=1, cache=tiny_run.cache)
    shown = capfd.readouterr()
    assert f"epoch {done}/4" not in shown.err, "what was done is not done again"
    assert f"epoch {done + 1}/4" in shown.err
    same_run(tiny_run.folder, folder)


@pytest.mark.slow
def test_a_run_that_is_ended_by_a_scheduler_does_not_pass_for_a_finished_one(tiny_run: TrainedRun, tmp_path: Path) -> None:
    folder = tmp_path / "ended"
    with subprocess.Popen(
        [sys.executable, "-m", "train", "fit", "--recipe", "tiny", "--data", str(tiny_run.data), "--out", str(folder)],
        cwd=REPOSITORY,
        env=os.environ | {"SKINTRIAGE_CACHE": str(tiny_run.cache)},
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_for((folder / "last.ckpt").is_file, process)
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM
    assert not (folder / "model.safetensors").exists()


def quick_fit(recipe: Recipe, examples: list[Example], out: Path, **options: object) -> Path:
    return fit(recipe, examples, out, **({"workers": 0} | options))


@pytest.mark.slow
def test_a_run_stopped_by_a_bad_loss_goes_on_exactly_with_dropout_workers_and_averaged_weights(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = quick_recipe.model_copy(update={"epochs": 3})
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    quick_fit(recipe, few_examples, straight, workers=1)

    calls = []

    def turns_bad(*arguments: object) -> torch.Tensor:
        calls.append(1)
        loss = marginal_loss(*arguments)
        return loss * math.nan if len(calls) == steps + 2 else loss

    steps = len(load_split(straight / "splits.csv", few_examples)["train"]) // recipe.batch_size
    assert steps >= 2, "the loss must go bad in the middle of an epoch"
    monkeypatch.setattr(train.objective, "marginal_loss", turns_bad)
    with pytest.raises(DataError, match=rf"the loss is nan at step {steps + 1}; lower learning_rate"):
        quick_fit(recipe, few_examples, stopped, workers=1)
    monkeypatch.undo()
    quick_fit(recipe, few_examples, stopped, workers=1)
    same_run(straight, stopped)

    # Called once more: nothing is trained, and what is there stays, the averaged weights above all.
    before = load_file(stopped / "model.safetensors"), rows_of(stopped)
    figures = json.loads((stopped / "metrics.json").read_text(encoding="utf-8"))["validation"]
    quick_fit(recipe, few_examples, stopped)
    assert rows_of(stopped) == before[1]
    for name, value in load_file(stopped / "model.safetensors").items():
        assert torch.equal(value, before[0][name]), name
    again = json.loads((stopped / "metrics.json").read_text(encoding="utf-8"))["validation"]
    logged = [float(row["train_loss_step"]) for row in rows_of(stopped) if row["train_loss_step"]]
    assert again == figures | {"train_loss_step": logged[-1]}


def test_a_run_folder_is_of_one_recipe_and_one_split(quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path) -> None:
    quick_fit(quick_recipe, few_examples, tmp_path)
    longer = quick_recipe.model_copy(update={"epochs": 2, "drop_rate": 0.1})
    with pytest.raises(DataError, match=r"last\.ckpt: begun with another drop_rate, epochs; start over with --fresh"):
        quick_fit(longer, few_examples, tmp_path)
    other = split_examples(few_examples, SplitPlan(folds=3, test_folds=1, val_folds=1, seed=8))
    before = (tmp_path / "splits.csv").read_bytes()
    with pytest.raises(DataError, match=r"splits\.csv: the run was begun with another split"):
        quick_fit(quick_recipe, few_examples, tmp_path, split=other)
    assert (tmp_path / "splits.csv").read_bytes() == before
    quick_fit(quick_recipe, few_examples, tmp_path, split=other, resume=False)
    assert load_split(tmp_path / "splits.csv", few_examples) == other


def test_too_little_data_for_a_batch_is_refused(quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\d+ training images are fewer than one batch of 64"):
        quick_fit(quick_recipe.model_copy(update={"batch_size": 64}), few_examples, tmp_path)
    none = quick_recipe.model_copy(update={"repeats": {few_examples[0].dataset: 0}})
    with pytest.raises(DataError, match=r"^0 training images"):
        quick_fit(none, few_examples, tmp_path)


def test_classes_may_come_from_the_partition(quick_recipe: Recipe, few_examples: list[Example]) -> None:
    tree = default_taxonomy()
    assert with_partition(quick_recipe, few_examples, tree) is quick_recipe
    # Six images of each of seven labels: with fewer than 13 to a class, the two epidermal malignancies stay together.
    found = with_partition(quick_recipe.model_copy(update={"max_class_size": 13}), few_examples, tree)
    assert found.classes == (
        *("dermal_benign", "epidermal_benign", "melanocytic_benign"),
        *("epidermal_malignant", "melanocytic_malignant"),
    )
    with pytest.raises(DataError, match="max_class_size 1000 leaves a single training class"):
        with_partition(quick_recipe.model_copy(update={"max_class_size": 1000}), few_examples, tree)


@pytest.mark.slow
def test_a_run_with_the_newer_keys_goes_on_exactly(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"optimizer": "rmsprop", "schedule": "cosine", "mixup": 0.4, "max_class_size": 13, "gradient_clip": 0.0}
    recipe = quick_recipe.model_copy(update={**changes, "epochs": 2})
    straight = quick_fit(recipe, few_examples, tmp_path / "straight")
    assert load_checkpoint(straight)[1].classes[0] == "dermal_benign"

    calls = []
    steps = len(load_split(tmp_path / "straight" / "splits.csv", few_examples)["train"]) // recipe.batch_size

    def stops(*arguments: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) > 2 * steps + 2:  # two losses to a mixed batch: in the middle of the second epoch
            raise DataError("stopped")
        return marginal_loss(*arguments)

    monkeypatch.setattr(train.objective, "marginal_loss", stops)
    with pytest.raises(DataError, match="stopped"):
        quick_fit(recipe, few_examples, tmp_path / "stopped")
    monkeypatch.undo()
    resumed = load_file(quick_fit(recipe, few_examples, tmp_path / "stopped"))
    for name, value in load_file(straight).items():
        assert torch.equal(value, resumed[name]), name


def test_training_starts_from_the_given_weights(quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path) -> None:
    torch.manual_seed(11)
    start = LesionNetwork(quick_recipe.backbone, 7)
    weights = save_checkpoint(start, quick_recipe, tmp_path / "start.safetensors")
    # At such a rate nothing moves, so that what comes out is what went in.
    still = quick_recipe.model_copy(update={"learning_rate": 1e-12, "ema_decay": 0.0})
    trained = load_file(quick_fit(still, few_examples, tmp_path / "still", init=str(weights)))
    for name, value in start.named_parameters():
        torch.testing.assert_close(trained[name], value.detach(), atol=1e-8, rtol=0, msg=name)
    with pytest.raises(DataError, match=r"absent\.safetensors: not a readable safetensors file"):
        quick_fit(quick_recipe, few_examples, tmp_path / "none", init=str(tmp_path / "absent.safetensors"))


def test_a_given_network_is_judged_in_the_orientations_that_it_is_stored_with(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path
) -> None:
    network = LesionNetwork(quick_recipe.backbone, len(quick_recipe.classes), orientations=2)
    quick_fit(quick_recipe.model_copy(update={"epochs": 1}), few_examples, tmp_path / "run", network=network)
    assert network.orientations == load_checkpoint(tmp_path / "run/model.safetensors")[0].orientations == 1


def test_training_starts_from_a_released_network_as_from_any_other(
    quick_recipe: Recipe, tiny_run: TrainedRun, few_examples: list[Example], tmp_path: Path
) -> None:
    """A release holds its batch normalization folded; taken as it is, training would begin with another network."""
    network, recipe = load_checkpoint(tiny_run.checkpoint)
    released = save_checkpoint(fold_to_half(network), recipe, tmp_path / "released.safetensors")
    still = quick_recipe.model_copy(
        update={"backbone": recipe.backbone, "input_size": 64, "learning_rate": 1e-12, "ema_decay": 0.0, "drop_rate": 0.0}
    )
    pixels = torch.from_numpy(prepared_images(few_examples, open_cache(few_examples), 64)).permute(0, 3, 1, 2)
    wanted = logits_of(load_checkpoint(released)[0], pixels)
    trained = quick_fit(still, few_examples, tmp_path / "on", init=str(released))
    apart = (logits_of(load_checkpoint(trained)[0], pixels) - wanted).norm() / wanted.norm()
    # Statistics have gone three tenths of the way to those of small augmented batches, which is 0.03; nothing else has moved.
    # Trained on as it is, the network would be 0.12 away.
    assert apart < 0.07


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++; torch compiles with it")
def test_a_compiled_network_is_trained_to_the_same_weights(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path
) -> None:
    smooth = quick_recipe.model_copy(update={"optimizer": "rmsprop"})  # AdamW makes whole steps of gradients that are rounding
    plain, compiled = (load_file(quick_fit(smooth, few_examples, tmp_path / str(on), compiled=on)) for on in (False, True))
    assert plain.keys() == compiled.keys()
    for name, value in plain.items():
        # Sums in another order: single precision, grown over three steps.
        torch.testing.assert_close(compiled[name], value, atol=1e-4, rtol=1e-3, msg=name)


def test_compiling_without_a_compiler_is_one_clear_error(
    quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "icpx")
    with pytest.raises(DataError, match=r"no 'icpx'; set CXX, or leave --compile out"):
        quick_fit(quick_recipe, few_examples, tmp_path / "run", compiled=True)
