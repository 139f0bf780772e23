"""`python -m train`: help with examples, JSON alone on standard output, one line and exit status 2 for a mistake."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning
import pytest
import typer
from typer.testing import CliRunner

from mobile_runtime.files import sha256
from tests.conftest import REPOSITORY, TrainedRun
from tests.train.factories import call, draw, write
from train.commands import app
from train.datasets import Example, read_examples
from train.splits import load_split


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below a group, with the words that reach it."""
    for name, child in getattr(command, "commands", {}).items():
        yield from leaves(child, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = dict(leaves(typer.main.get_command(app)))


def test_the_commands_of_the_design_are_there() -> None:
    assert {
        ("fit",),
        ("taxonomy",),
        ("partition",),
        ("data", "show"),
        ("data", "split"),
        ("data", "synthetic"),
    } <= COMMANDS.keys()


@pytest.mark.parametrize("path", COMMANDS)
def test_help_has_an_example_that_parses(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], terminal_width=200)
    assert shown.exit_code == 0
    line = COMMANDS[path].epilog or ""
    assert line.startswith("Example: python -m train " + " ".join(path))
    assert line in " ".join(shown.output.split())
    words = shlex.split(line)[len(("Example:", "python", "-m", "train", *path)) :]
    COMMANDS[path].make_context("example", words)  # raises where an option is misspelt or missing


def test_json_of_a_fit_is_all_that_is_on_standard_output(
    few_data: Path, quick_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("fit", "--data", few_data, "--recipe", quick_file, "--out", tmp_path / "run", "--workers", 0, "--seed", 4)
    status, out, err = call(capfd, *words, "--json")
    assert status == 0, err
    document = json.loads(out)
    assert document["checkpoint"] == str(tmp_path / "run" / "model.safetensors")
    assert document["sha256"] == sha256(Path(document["checkpoint"]))
    assert document["epochs"] == 1
    (line,) = [line for line in err.splitlines() if line.startswith("epoch 1/1  loss")]
    assert len(line) <= 100
    for figure in ("balanced accuracy", "malignancy AUC"):
        assert figure in line

    status, out, err = call(capfd, *words)
    assert status == 0, err
    assert out.replace("\n", "").startswith("wrote ")
    assert "metrics.json" in out.replace("\n", "")
    status, _, err = call(capfd, *words[:-1], 5)
    assert (status, len(err.splitlines())) == (2, 1)
    assert "begun with another seed; start over with --fresh" in err


@pytest.fixture
def few_data(few_examples: list[Example]) -> Path:
    return few_examples[0].path.parent.parent


@pytest.fixture
def quick_file(tmp_path: Path) -> Path:
    return write(
        tmp_path / "quick.yaml",
        "backbone: test_efficientnet",
        "input_size: 32",
        "epochs: 1",
        "batch_size: 8",
        "split: {folds: 3, test_folds: 1, val_folds: 1}",
    )


def test_a_fit_on_labels_of_ones_own(quick_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    images = draw(tmp_path / "photos", *(f"{i}.png" for i in range(24)))
    rows = [f"{i},{'MEL' if i % 2 else 'NEV'},P{i // 2 * 2 + i % 2}" for i in range(24)]
    labels = write(tmp_path / "labels.csv", "file,verdict,patient", *rows)
    columns = ("--image-column", "file", "--label-column", "verdict", "--group-column", "patient", "--dataset", "pad_ufes_20")
    words = ("fit", "--data", images, "--labels", labels, *columns, "--recipe", quick_file, "--workers", 0, "--json")
    status, out, err = call(capfd, *words, "--out", tmp_path / "run")
    assert status == 0, err
    assert Path(json.loads(out)["checkpoint"]).is_file()
    rows = [f"{i},{'MEL' if i % 2 else 'NEV'},L{i // 4 * 2 + i % 2}" for i in range(24)]
    named = write(tmp_path / "named.csv", "file,verdict,lesion_id", *rows)
    status, _, err = call(
        capfd, *words[:4], named, *columns[:4], *columns[6:], *words[-5:], "--out", tmp_path / "grouped"
    )  # fmt: skip
    assert status == 0, err
    homes = [line.split(",") for line in (tmp_path / "grouped" / "splits.csv").read_text().splitlines()[1:]]
    assert len({group for _, _, group, _, _ in homes}) == 24 // 2
    status, _, err = call(capfd, *words, "--images", tmp_path / "gone", "--out", tmp_path / "other")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "gone: no such image folder" in err


def test_show_counts_and_explains(synthetic_data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capfd, "data", "show", "--data", synthetic_data, "--json")
    assert status == 0
    document = json.loads(out)
    assert document["labels"][4] == {"dataset": "ham10000", "images": 16, "label": "mel", "nodes": ["melanoma"]}
    assert document["groups"] == {"ham10000": len({e.group for e in read_examples(synthetic_data)})}
    status, out, _ = call(capfd, "data", "show", "--data", synthetic_data)
    assert status == 0
    assert "Melanocytic nevus" in out


def test_a_saved_split_is_used(tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "splits.csv"
    status, out, _ = call(capfd, "data", "split", "--data", tiny_run.data, "--recipe", "tiny", "--out", target, "--json")
    assert status == 0
    split = load_split(target, read_examples(tiny_run.data))
    assert json.loads(out) == {name: len(part) for name, part in split.items()}
    assert target.read_bytes() == (tiny_run.folder / "splits.csv").read_bytes()
    status, out, _ = call(capfd, "data", "split", "--data", tiny_run.data, "--recipe", "tiny", "--out", target)
    assert status == 0
    assert "wrote" in out


def test_labels_of_a_part_are_written_for_the_benchmarks(
    tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    split = load_split(tiny_run.folder / "splits.csv", read_examples(tiny_run.data))
    everything = ("data", "select", "--data", tiny_run.data, "--out", tmp_path / "x.csv")
    words = (*everything, "--split", tiny_run.folder / "splits.csv")
    expected = {**split, "all": [example for part in split.values() for example in part]}
    for part, examples in expected.items():
        chosen = everything if part == "all" else words
        status, out, err = call(capfd, *chosen, "--dataset", "ham10000", "--part", part)
        assert status == 0, err
        assert f"{len(examples)} images of ham10000, part {part}" in " ".join(out.split())
        with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert {(row["image_id"], row["label"], row["group"]) for row in rows} == {
            (e.path.stem, e.label, e.group) for e in examples
        }
    status, out, _ = call(capfd, *words, "--dataset", "ham10000", "--json")
    told = {"labels": str(tmp_path / "x.csv"), "images": len(split["test"]), "dataset": "ham10000", "part": "test"}
    assert (status, json.loads(out)) == (0, told)
    status, _, err = call(capfd, *words, "--dataset", "ham10000", "--part", "all")
    assert (status, len(err.splitlines())) == (2, 1) and "leave --split out" in err
    status, _, err = call(capfd, *words, "--dataset", "ham10000", "--part", "rest")
    assert (status, err.strip()) == (2, "error: no part 'rest'; there are train, val, test and all")
    status, _, err = call(capfd, *words, "--dataset", "ph2")
    assert (status, err.strip()) == (2, "error: part test has no images of 'ph2'; there are ['ham10000']")


def test_a_selection_spares_its_split(tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    split = tmp_path / "splits.csv"
    shutil.copyfile(tiny_run.folder / "splits.csv", split)
    status, _, err = call(capfd, "data", "select", "--data", tiny_run.data, "--split", split, "--out", split)
    assert status == 2
    assert "the split itself; give another name for the result" in err
    assert split.read_bytes() == (tiny_run.folder / "splits.csv").read_bytes()


def test_synthetic_data_can_be_drawn(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capfd, "data", "synthetic", "--out", tmp_path / "drawn", "--per-class", 2)
    assert status == 0
    assert "14 synthetic images" in out
    status, out, _ = call(capfd, "data", "synthetic", "--out", tmp_path / "again", "--per-class", 1, "--json")
    assert (status, json.loads(out)) == (0, {"folder": str(tmp_path / "again"), "images": 7, "seed": 0})
    status, _, _ = call(capfd, "data", "synthetic", "--out", tmp_path / "again", "--per-class", 2)
    assert status == 0 and len(read_examples(tmp_path / "again")) == 14, "those of before are replaced"
    (tmp_path / "again" / "SYNTHETIC.txt").unlink()
    status, _, err = call(capfd, "data", "synthetic", "--out", tmp_path / "again", "--per-class", 1)
    assert status == 2 and "has other files in it" in err
    assert len(read_examples(tmp_path / "again")) == 14
    assert len(read_examples(tmp_path / "drawn")) == 14


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("data", "show", "--data", "nowhere"), "nowhere: no such data folder"),
        (("fit", "--data", "nowhere", "--recipe", "mobil"), "no recipe 'mobil'; there are esteva2017, folds, mobile, "),
        (("fit", "--data", "DATA", "--recipe", "tiny", "--split", "absent.csv"), "absent.csv: not a readable split file"),
        (("fit", "--data", "DATA", "--recipe", "tiny", "--init", "imagenet"), "imagenet: not a readable safetensors file"),
        (("fit", "--data", "DATA", "--labels", "absent.csv"), "absent.csv: no such label file"),
        (("data", "split", "--data", "DATA", "--recipe", "mobile", "--out", "s.csv"), "cannot be cut into 20 folds"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    words: tuple[str, ...],
    reason: str,
    synthetic_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = call(capfd, *(str(synthetic_data) if word == "DATA" else word for word in words))
    assert status == 2
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert reason in line


def straddling(folder: Path, examples: list[Example]) -> tuple[str, ...]:
    twice = next(e for e in examples if sum(other.group == e.group for other in examples) > 1)
    rows = [
        f"{e.dataset},{e.image_id},{e.group},{e.label},{'test' if e is twice else 'val' if i % 3 else 'train'}"
        for i, e in enumerate(examples)
    ]
    return ("--split", str(write(folder / "splits.csv", "dataset,image_id,group,label,split", *rows)))


def misspelt(folder: Path, _: list[Example]) -> tuple[str, ...]:
    return ("--recipe", str(write(folder / "bad.yaml", "epochs: 1", "learning_rat: 0.1")))


def unknown_class(folder: Path, _: list[Example]) -> tuple[str, ...]:
    recipe = ("batch_size: 8", "split: {folds: 3, test_folds: 1, val_folds: 1}", "classes: [melanoma, melanocytic_nevvus]")
    return ("--recipe", str(write(folder / "bad.yaml", *recipe)))


def doubled_row(folder: Path, _: list[Example]) -> tuple[str, ...]:
    table = folder / "data" / "HAM10000_metadata.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    write(table, *lines, lines[3])
    return ()


def missing_image(folder: Path, _: list[Example]) -> tuple[str, ...]:
    next((folder / "data").glob("*/SYN_0000003.jpg")).unlink()
    return ()


def torn_image(folder: Path, _: list[Example]) -> tuple[str, ...]:
    path = next((folder / "data").glob("*/SYN_0000003.jpg"))
    path.write_bytes(path.read_bytes()[:200])
    return ()


def two_copies(folder: Path, _: list[Example]) -> tuple[str, ...]:
    shutil.copytree(folder / "data", folder / "both" / "one")
    shutil.copytree(folder / "data", folder / "both" / "two")
    return ("--data", str(folder / "both"))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (straddling, r"lesions or patients are in two splits, first \['ham10000:LES_\w+'"),
        (misspelt, r"bad\.yaml: learning_rat: Extra inputs are not permitted"),
        (unknown_class, r"not in the taxonomy: melanocytic_nevvus"),
        (doubled_row, r"HAM10000_metadata\.csv: 1 ids occur twice, first 'SYN_0000002'; keep one row each"),
        (missing_image, r"1 of 42 images are not in the folder, first \['SYN_0000003'\]; restore them"),
        (torn_image, r"SYN_0000003\.jpg"),
        (two_copies, r"42 images are in two of its folders"),
    ],
)
def test_a_fault_in_data_or_recipe_stops_a_fit_before_it_begins(
    fault: Callable[[Path, list[Example]], tuple[str, ...]],
    reason: str,
    few_data: Path,
    few_examples: list[Example],
    quick_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr(lightning.Trainer, "fit", never)
    shutil.copytree(few_data, tmp_path / "data")
    words = ("--data", tmp_path / "data", "--recipe", quick_file, "--workers", 0, "--out", tmp_path / "run")
    status, out, err = call(capfd, "fit", *words, *fault(tmp_path, few_examples))  # the later of two options counts
    assert (status, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.strip()]
    assert line.startswith("error: ")
    assert re.search(reason, line), line
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_a_loss_that_is_no_number_ends_a_fit(few_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    recipe = write(
        tmp_path / "wild.yaml",
        *("backbone: test_efficientnet", "input_size: 32", "epochs: 3", "batch_size: 4", "learning_rate: 1.0e+30"),
        *("gradient_clip: 0", "warmup: 0.01", "split: {folds: 3, test_folds: 1, val_folds: 1}"),
    )
    words = ("fit", "--data", few_data, "--recipe", recipe, "--workers", 0, "--out", tmp_path / "run")
    status, _, err = call(capfd, *words)
    assert status == 2
    assert re.search(r"^error: the loss is nan at step \d+; lower learning_rate in the recipe$", err, re.MULTILINE)
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize("words", [("fit", "--data", "d", "--seed", "-1"), ("fit", "--data", "d", "--epochs", "0"), ("fit",)])
def test_an_option_out_of_range_is_a_usage_error(words: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capfd, *words)
    assert (status, out) == (2, "")
    assert "Usage" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_the_module_itself_ends_with_one_line_and_status_2() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "train", "data", "show", "--data", "nowhere", "--json"],
        cwd=REPOSITORY,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.splitlines() == ["error: nowhere: no such data folder"]
