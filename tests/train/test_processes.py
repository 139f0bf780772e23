"""Trainings shared by two processes, on processors by gloo: the same losses as one process, exact after a kill.

The network has no batch normalization: on processors each process normalizes by its own half of the batch, which is another
training. (On GPUs the statistics are of the whole batch.) It has no dropout either, which each process draws for itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mobile_runtime.errors import DataError
from tests.conftest import REPOSITORY
from tests.train.factories import write
from tests.train.test_fitting import rows_of, same_run, wait_for
from train.datasets import Example
from train.fitting import fit
from train.processes import Processes, plan_processes
from train.recipe import Recipe, load_recipe

EPOCHS = 5
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "2"}
SLURM = {"SLURM_NTASKS": "6", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "3", "SLURM_JOB_NAME": "fit"}


@pytest.fixture(autouse=True)
def started_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*TORCHRUN, *SLURM):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Steps of 12 images, four to an epoch and a tail of eight, each of them in the logs."""
    return write(
        tmp_path_factory.mktemp("recipe") / "shared.yaml",
        *("backbone: test_convnext", "input_size: 32", f"epochs: {EPOCHS}", "batch_size: 12", "drop_rate: 0", "ema_decay: 0.5"),
        *("learning_rate: 3.0e-3", "repeats: {ham10000: 4}", "split: {folds: 3, test_folds: 1, val_folds: 1}"),
    )


def command(examples: list[Example], recipe_file: Path, out: Path, *options: str, launcher: tuple[str, ...] = ()) -> list[str]:
    words = (
        "--data",
        examples[0].path.parent.parent,
        "--recipe",
        recipe_file,
        "--out",
        out,
        "--workers",
        0,
        "--json",
        *options,
    )
    return [sys.executable, *launcher, "-m", "train", "fit", *map(str, words)]


@pytest.fixture(scope="module")
def shared_run(few_examples: list[Example], recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nothing interrupted."""
    folder = tmp_path_factory.mktemp("shared")
    words = command(few_examples, recipe_file, folder, "--devices", "2")
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["checkpoint"] == str(folder / "model.safetensors"), "one process prints"
    assert done.stderr.count(f"epoch {EPOCHS}/{EPOCHS}  loss") == 1, "one process says what came out"
    return folder


@pytest.mark.slow
def test_two_processes_train_as_one_would(
    shared_run: Path, few_examples: list[Example], recipe_file: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    fit(load_recipe(str(recipe_file)), few_examples, alone, workers=0)
    mine, theirs = rows_of(alone), rows_of(shared_run)
    assert sum(bool(row["train_loss_step"]) for row in mine) == 4 * EPOCHS, "every step is compared"
    assert [row.keys() for row in mine] == [row.keys() for row in theirs]
    for row, twin in zip(mine, theirs, strict=True):
        # Gradients of two halves are added in another order than those of a whole: float32 rounding, 4e-7 after 12 steps. Other
        # images in one step, or a validation image counted twice, change a figure by 1e-2.
        for name, value in row.items():
            assert (twin[name] == "") == (value == ""), name
            if value:
                assert float(twin[name]) == pytest.approx(float(value), abs=1e-4), name
    for folder in (alone, shared_run):
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        written = [name for name in names if not name.endswith("hparams.yaml")]
        events = [name for name in written if name.startswith("tensorboard/")]
        assert len(events) == 1, "one process writes"
        assert {*written} - {*events} == {*("last.ckpt", "logs/metrics.csv", "metrics.json", "model.safetensors", "splits.csv")}


@pytest.mark.slow
def test_a_killed_run_of_two_processes_goes_on_under_torchrun_as_if_nothing_had_happened(
    shared_run: Path, few_examples: list[Example], recipe_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"

    def epochs_done() -> int:
        if not ((folder / "logs" / "metrics.csv").is_file() and (folder / "last.ckpt").is_file()):
            return 0
        return sum(bool(row.get("train_loss_epoch")) for row in rows_of(folder))

    words = command(few_examples, recipe_file, folder, "--devices", "2")
    with subprocess.Popen(words, cwd=REPOSITORY, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        wait_for(lambda: epochs_done() >= 1, process)
        os.killpg(process.pid, signal.SIGKILL)  # both of them
        assert process.wait() == -signal.SIGKILL
    assert 1 <= epochs_done() < EPOCHS
    assert not (folder / "model.safetensors").exists()

    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    words = command(few_examples, recipe_file, folder, launcher=launcher)
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert "epoch 1/" not in done.stderr, "what was done is not done again"
    same_run(shared_run, folder)


# ---- how many


@pytest.mark.parametrize("environment", [TORCHRUN, SLURM])
def test_torchrun_and_slurm_say_how_many_there_are(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan_processes() == Processes(1, 1)
    assert plan_processes(2, 4) == Processes(2, 4)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert plan_processes() == plan_processes(2, 3) == Processes(devices=2, nodes=3)
    with pytest.raises(DataError, match=r"--devices is 4, but (torchrun|SLURM) started 2; leave --devices out"):
        plan_processes(4)
    with pytest.raises(DataError, match=r"--nodes is 2, but (torchrun|SLURM) started 3; leave --nodes out"):
        plan_processes(2, 2)


def test_a_batch_that_cannot_be_shared_is_refused(quick_recipe: Recipe, few_examples: list[Example], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 processes cannot share a batch of 4 images equally"):
        fit(quick_recipe, few_examples, tmp_path, processes=Processes(3))
