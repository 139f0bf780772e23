"""What is said of the data on standard error: groups and classes that nobody named, and what comes next."""

from __future__ import annotations

import csv
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from mobile_runtime.errors import DataError
from mobile_runtime.taxonomy import default_taxonomy
from tests.conftest import TrainedRun
from tests.train.factories import call, draw, example, write
from train.network import LesionNetwork
from train.notes import class_note, group_notes
from train.recipe import Recipe, load_recipe

OWN_GROUPS = "ham10000: no lesions or patients are named: each image counts as its own"


def own(root: Path, *columns: str) -> Path:
    """Twelve pictures, six of each of two labels, with further columns."""
    draw(root, *(f"{i}.png" for i in range(12)))
    cells = "".join(f",{i // 2}" for i in range(len(columns)))
    rows = (f"{i},{'mel' if i % 2 else 'nv'}{cells}" for i in range(12))
    write(root / "metadata.csv", ",".join(("image_id", "dx", *columns)), *rows)
    write(root / "dataset.yaml", "dataset: ham10000")
    return root


def test_columns_that_may_name_groups_are_offered_not_taken() -> None:
    lone = [example(i) for i in range(3)]
    lone = [replace(e, group=e.key) for e in lone]
    assert group_notes(lone) == [OWN_GROUPS]
    names = ("Patient", "site", "Lesion", "ID_Case", "subject-id", "GROUP", "caseload")
    (note,) = group_notes([replace(e, attributes=dict.fromkeys(names, "1")) for e in lone])
    assert note == f"{OWN_GROUPS}; the table has columns Patient, Lesion, ID_Case, subject-id, GROUP: name one as group_column"
    assert group_notes([*lone, example(4, group="a")]) == []
    other = replace(example(5, "MEL", dataset="pad_ufes_20"), group="pad_ufes_20:i5")
    assert [note.split(":")[0] for note in group_notes([example(4, group="a"), other])] == ["pad_ufes_20"]


def test_patients_whose_names_are_in_two_folders_are_told() -> None:
    first = [replace(example(i, group=f"2021/p{i}"), folder="2021") for i in range(2)]
    again = [replace(example(i + 5, group=f"2022/p{i + 1}"), folder="2022") for i in range(2)]
    (note,) = group_notes([*first, *again])
    assert "p1 are in 2021, 2022 and count as different lesions or patients there" in note
    assert "images: [2021, 2022]" in note
    assert group_notes([*first, replace(again[1], group="ham10000:2022/p7")]) == []


@pytest.mark.parametrize("command", ["show", "split"])
def test_a_data_set_without_groups_says_so(command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = own(tmp_path, "Patient")
    more = ("--recipe", "tiny", "--out", tmp_path / "s.csv") if command == "split" else ()
    status, out, err = call(capfd, "data", command, "--data", folder, *more, "--json")
    assert status == 0, err
    assert err.splitlines() == [f"{OWN_GROUPS}; the table has columns Patient: name one as group_column"]
    json.loads(out)


def test_a_fit_and_its_evaluation_say_what_is_not_named_and_what_comes_next(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, run = own(tmp_path / "my photos"), tmp_path / "run"
    lines = ("backbone: test_efficientnet", "input_size: 32", "epochs: 1", "batch_size: 2")
    recipe = write(tmp_path / "quick.yaml", *lines, "split: {folds: 3, test_folds: 1, val_folds: 1}")
    words = ("--data", folder, "--recipe", recipe, "--workers", 0, "--out", run)
    status, _, err = call(capfd, "fit", *words)
    assert status == 0, err
    said = err.splitlines()
    assert said.count(OWN_GROUPS) == 1
    (classes,) = [line for line in said if line.startswith("no training image is labelled exactly as ")]
    assert classes.endswith("write `classes: [melanoma, melanocytic_nevus]` into the recipe")
    evaluate, bundle = said[-1].removeprefix("next: ").split("; ")
    assert shlex.split(bundle) == ["python", "-m", "export", "bundle", str(run), "--data", str(folder)]

    status, _, err = call(capfd, *shlex.split(evaluate)[3:])
    assert status == 0, err
    assert OWN_GROUPS in err.splitlines() and err.splitlines()[-1].startswith("next: python -m export bundle ")
    assert OWN_GROUPS in (run / "evaluation" / "evaluation.html").read_text(encoding="utf-8")
    status, _, err = call(capfd, *shlex.split(evaluate)[3:], "--json")
    assert "next:" not in err


def recipe_of(*classes: str) -> Recipe:
    return Recipe(name="r", classes=classes)


def test_classes_that_no_label_names_are_said_with_those_that_labels_could_teach() -> None:
    tree = default_taxonomy()
    coarse = [example(i, label, dataset="taxonomy") for i, label in enumerate(("benign", "malignant", "melanoma"))]
    note = class_note(coarse, load_recipe("mobile"), tree) or ""
    assert "melanocytic_nevus" in note.split(":")[0] and "melanoma," not in note.split(":")[0]
    assert note.endswith("write `classes: [benign, malignant]` into the recipe")
    assert class_note(coarse, recipe_of("benign", "malignant"), tree) is None
    assert "write" not in (class_note([example(1, "nv")], load_recipe("mobile"), tree) or "write")


def test_partial_labels_beside_a_set_that_names_all_classes_are_no_fault() -> None:
    named = [example(i, label) for i, label in enumerate(("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"))]
    partial = example(9, "0", dataset="isic2017")
    assert class_note([*named, partial], load_recipe("mobile"), default_taxonomy()) is None


def test_unknown_classes_of_a_recipe_are_named_with_near_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", "classes: [Benign, Basal cell carcinoma, wart2]")
    reason = r"mine\.yaml: classes not in the taxonomy: Benign, Basal cell carcinoma, wart2; near are benign, basal_cell_carc"
    with pytest.raises(DataError, match=reason):
        load_recipe(str(path))


def test_an_unknown_backbone_is_answered_with_near_ones() -> None:
    with pytest.raises(DataError, match=r"backbone 'resnet8': Unknown model.*; near are .*resnet18"):
        LesionNetwork("resnet8", 2)


def test_selected_labels_keep_columns_but_one_for_groups_and_lead_to_the_benchmark(
    tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    draw(tmp_path / "own" / "a", "1.png")
    draw(tmp_path / "own" / "b", "1.png")
    rows = ("a/1.png,nv,7,3,north,41", "b/1.png,mel,8,3,,")
    write(tmp_path / "own" / "metadata.csv", "image_id,dx,patient_id,lesion_id,hospital,age", *rows)
    write(tmp_path / "own" / "dataset.yaml", "dataset: ham10000")
    target = tmp_path / "x.csv"
    status, _, err = call(capfd, "data", "select", "--data", tmp_path / "own", "--part", "all", "--out", target)
    assert status == 0, err
    with target.open(newline="", encoding="utf-8") as stream:
        first, second = csv.DictReader(stream)
    expected = {"image_id": "a/1.png", "label": "nv", "group": "ham10000:7", "age": "30-44", "hospital": "north"}
    assert first == expected | {"age_years": "41"}
    assert second["hospital"] == second["age_years"] == ""
    named = "--label-column label --group-column group --dataset ham10000"
    assert err.splitlines()[-1] == f"next: python -m benchmarks drift --images {tmp_path / 'own'} --labels {target} {named}"


def test_of_several_data_sets_one_must_be_selected(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, label in (("ham10000", "nv"), ("pad_ufes_20", "NEV")):
        folder = draw(tmp_path / "both" / name, f"{name}.png")
        write(folder / "metadata.csv", "image_id,dx,group", f"{name},{label},1")
        write(folder / "dataset.yaml", f"dataset: {name}")
    words = ("data", "select", "--data", tmp_path / "both", "--part", "all", "--out", tmp_path / "x.csv")
    status, _, err = call(capfd, *words)
    assert (status, len(err.splitlines())) == (2, 1)
    assert "there are several data sets, ham10000, pad_ufes_20; name one with --dataset" in err
