"""A data set of one's own: described once, and then understood by every command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobile_runtime.errors import DataError
from tests.train.factories import call, draw, write
from train.datasets import read_examples
from train.subgroups import acquisition

QUICK = (
    *("backbone: test_efficientnet", "input_size: 32", "epochs: 1", "batch_size: 8"),
    "split: {folds: 3, test_folds: 1, val_folds: 1}",
)
COLUMNS = ("--image-column", "file", "--label-column", "verdict", "--group-column", "patient", "--dataset", "pad_ufes_20")
DESCRIBED = ("dataset: pad_ufes_20", "labels: labels.csv", "images: [photos]", "image_column: file", "label_column: verdict")


def own(root: Path, images: int = 24) -> Path:
    """Photographs in a sub-folder of `photos`, two of each patient, and labels that are nobody else's."""
    folder = root / "photos" / "clinic"
    folder.mkdir(parents=True)
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (images, 40, 40, 3), np.uint8)):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    rows = (f"clinic/{i}.png,{'MEL' if i % 4 < 2 else 'NEV'},P{i // 2}" for i in range(images))
    write(root / "labels.csv", "file,verdict,patient", *rows)
    return root


def test_a_run_on_labels_of_ones_own_is_evaluated_audited_and_split_like_any_other(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own(tmp_path)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "quick.yaml", *QUICK)
    quick = ("--recipe", "quick.yaml")
    words = ("fit", "--data", "photos", "--labels", "labels.csv", *COLUMNS, *quick, "--workers", 0, "--out", "run")
    status, out, err = call(capfd, *words)
    assert status == 0, err
    assert out.endswith("other commands read these images and labels as --data run\n")
    monkeypatch.chdir(tmp_path.parent)  # what the run says does not hang on where it was begun
    run = tmp_path / "run"

    status, out, err = call(capfd, "evaluate", run, "--data", run, "--json")
    assert status == 0, err
    assert json.loads(out)["part"] == "test"
    own_split = ("--split", run / "splits.csv")
    status, out, err = call(capfd, "data", "audit", "--data", run, *own_split, "--json")
    assert status == 0, err
    assert json.loads(out)["images"] == 24
    quick = ("--recipe", tmp_path / "quick.yaml")
    status, _, err = call(capfd, "data", "split", "--data", run, *quick, "--out", tmp_path / "again.csv")
    assert status == 0, err
    assert (tmp_path / "again.csv").read_bytes() == (run / "splits.csv").read_bytes()


def test_a_column_of_another_label_and_rows_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    root = own(tmp_path / "own", 2)
    table = root / "labels.csv"
    write(table, "file,seborrheic_keratosis", "clinic/0.png,1", "clinic/1.png,0")
    described = ("labels: labels.csv", "images: [photos]", "image_column: file")
    write(root / "dataset.yaml", "dataset: isic2017", *described, "label_column: seborrheic_keratosis")
    with pytest.raises(DataError, match="does not say which lesions are melanomas"):
        read_examples(root)
    write(table, "file,diagnosis,target", "clinic/0.png,melanoma,0", "clinic/1.png,nevus,0")
    write(root / "dataset.yaml", "dataset: isic2020", *described, "label_column: diagnosis")
    with pytest.raises(DataError, match=r"clinic/0\.png.*target is '0', but its label means malignant"):
        read_examples(root)


def test_a_described_folder_is_read_by_its_description(tmp_path: Path) -> None:
    root = own(tmp_path / "own")
    write(root / "dataset.yaml", *DESCRIBED, "group_column: patient")
    first = read_examples(root)[0]
    assert (first.key, first.nodes) == ("pad_ufes_20:clinic/0.png", ("melanoma",))
    assert first.path == root / "photos" / "clinic" / "0.png"
    assert len({example.group for example in read_examples(root)}) == 12
    assert len(read_examples(tmp_path)) == 24, "one folder down, as every layout"


def test_images_of_one_name_in_two_folders_are_two_whosever_labels_they_have(tmp_path: Path) -> None:
    draw(tmp_path / "a", "1.jpg")
    draw(tmp_path / "b", "1.jpg")
    write(tmp_path / "metadata.csv", "image_id,dx", "a/1.jpg,nv", "b/1.jpg,mel")
    write(tmp_path / "dataset.yaml", "dataset: ham10000")
    assert [example.path.parent.name for example in read_examples(tmp_path)] == ["a", "b"]


def test_the_columns_of_lesions_or_patients_are_found_unless_each_image_is_its_own(tmp_path: Path) -> None:
    lines = own(tmp_path)
    table = (lines / "labels.csv").read_text(encoding="utf-8").splitlines()
    write(tmp_path / "labels.csv", table[0].replace("patient", "patient_id"), *table[1:])
    write(tmp_path / "dataset.yaml", *DESCRIBED)
    assert len({example.group for example in read_examples(tmp_path)}) == 12
    write(tmp_path / "dataset.yaml", *DESCRIBED, 'group_column: ""')
    assert len({example.group for example in read_examples(tmp_path)}) == 24


def test_a_metadata_file_beside_its_images_needs_no_more_than_its_columns(tmp_path: Path) -> None:
    draw(tmp_path, "a.jpg")
    write(tmp_path / "metadata.csv", "image_id,dx,age", "a,nv,50")
    write(tmp_path / "dataset.yaml", "dataset: ham10000")
    (example,) = read_examples(tmp_path)
    assert (example.label, example.attributes) == ("nv", {"acquisition": "unknown", "age": "50"})


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["labels: labels.csv"], "dataset: Field required"),
        ([*DESCRIBED, "grouped_by: patient"], "grouped_by: Extra inputs are not permitted"),
        (["- dataset"], "not a YAML mapping"),
        (["images: photos", "dataset: ham10000"], "images: Input should be a valid"),
        ([*DESCRIBED, "name: a/b"], "name: String should match"),
        ([*DESCRIBED, "acquisition: camera"], "acquisition: Input should be 'dermoscopy' or 'photograph'"),
        (
            ["dataset: taxonomy", "labels: folders", "label_column: x"],
            ".*folders has no columns, leave out label_column",
        ),
    ],
)
def test_a_faulty_description_is_refused_by_name_and_reason(lines: list[str], reason: str, tmp_path: Path) -> None:
    write(own(tmp_path) / "dataset.yaml", *lines)
    with pytest.raises(DataError, match=rf"dataset\.yaml: {reason}"):
        read_examples(tmp_path)


def test_a_metadata_file_of_unknown_columns_is_refused_with_what_to_write(tmp_path: Path) -> None:
    write(tmp_path / "metadata.csv", "picture,truth", "a,nv")
    with pytest.raises(
        DataError, match=r"metadata\.csv: columns of no known data set; write a dataset\.yaml beside it .*dataset"
    ):
        read_examples(tmp_path)


@pytest.mark.parametrize("image_id", ["1", "1.jpg", "small/1", "small/1.jpg", "photos/small/1.jpg"])
def test_an_id_means_the_file_of_that_path_not_another_of_that_name(image_id: str, tmp_path: Path) -> None:
    for folder in (tmp_path / "photos", tmp_path / "photos" / "small", tmp_path / "photos" / "tiny"):
        draw(folder, "1.jpg")
    write(tmp_path / "metadata.csv", "image_id,dx", f"{image_id},nv")
    write(tmp_path / "dataset.yaml", "dataset: ham10000", "images: [photos]")
    (example,) = read_examples(tmp_path)
    assert example.path.parent.name == ("small" if "small" in image_id else "photos")


def coloured(folder: Path, *names: str, seed: int = 0) -> Path:
    """Pictures of which no two are the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in zip(
        names, np.random.default_rng(seed).integers(0, 256, (len(names), 16, 16, 3), np.uint8), strict=True
    ):
        Image.fromarray(pixels).save(folder / name)
    return folder


def hospitals(root: Path, *described: str) -> Path:
    """Two folders with a 1.png and a patient 1 each."""
    for seed, name in enumerate(("north", "south")):
        write(
            coloured(root / name, "1.png", "2.png", seed=seed) / "metadata.csv", "image_id,dx,patient_id", "1,nv,1", "2,mel,1"
        )
        write(root / name / "dataset.yaml", "dataset: ham10000", *described)
    return root


def test_folders_that_share_a_label_map_have_images_and_patients_of_their_own(tmp_path: Path) -> None:
    joined = read_examples(hospitals(tmp_path))
    assert [e.key for e in joined] == [f"ham10000:{name}" for name in ("north/1", "north/2", "south/1", "south/2")]
    assert {e.group for e in joined} == {"ham10000:north/1", "ham10000:south/1"}
    alone = read_examples(tmp_path / "north")
    assert [(e.key, e.group) for e in alone] == [("ham10000:1", "ham10000:1"), ("ham10000:2", "ham10000:1")]


def test_hidden_files_are_no_images_of_a_folder_of_a_class(tmp_path: Path) -> None:
    draw(tmp_path / "nv", "1.png")
    draw(tmp_path / ".thumbs" / "nv", "1.png")
    (tmp_path / "nv" / "._1.png").write_bytes(b"left by a Mac")
    write(tmp_path / "dataset.yaml", "dataset: ham10000", "labels: folders")
    assert [example.image_id for example in read_examples(tmp_path)] == ["nv/1.png"]


def test_a_named_folder_keeps_its_name_alone_and_two_of_one_name_are_refused(tmp_path: Path) -> None:
    hospitals(tmp_path, "name: clinic")
    assert {e.group for e in read_examples(tmp_path / "north")} == {"ham10000:clinic/1"}
    with pytest.raises(DataError, match=r"south/dataset\.yaml: .*north has the name 'clinic', too"):
        read_examples(tmp_path)


def test_copies_in_two_folders_are_refused_whatever_their_names(tmp_path: Path) -> None:
    hospitals(tmp_path)
    (tmp_path / "south" / "2.png").write_bytes((tmp_path / "north" / "2.png").read_bytes())
    with pytest.raises(DataError, match=r"south/2\.png: is the same picture as .*north/2\.png; give one of them"):
        read_examples(tmp_path)


def test_equal_ids_of_no_archive_are_refused_without_advice_about_one(tmp_path: Path) -> None:
    for name in ("north", "south"):
        draw(tmp_path / name, "1.png")
        write(tmp_path / name / "metadata.csv", "lesion_id,image_id,dx", "a,1,nv")
    with pytest.raises(DataError, match=r"give one of them or, .*dataset\.yaml with a `name` to each$"):
        read_examples(tmp_path)


def test_a_group_may_be_named_by_several_columns(tmp_path: Path) -> None:
    draw(tmp_path, "1.png", "2.png", "3.png", "4.png")
    rows = ("1,nv,7,north", "2,nv,7,south", "3,nv,7,north", "4,nv,,north")
    write(tmp_path / "metadata.csv", "image_id,dx,patient,hospital", *rows)
    write(tmp_path / "dataset.yaml", "dataset: ham10000", "group_column: [hospital, patient]")
    examples = read_examples(tmp_path)
    assert [e.group for e in examples] == [f"ham10000:{name}" for name in ("north/7", "south/7", "north/7", "4")]
    assert examples[0].attributes["hospital"] == "north"
    write(tmp_path / "dataset.yaml", "dataset: ham10000", "group_column: [hospital, ward]")
    with pytest.raises(DataError, match="no column ward"):
        read_examples(tmp_path)


def test_a_folder_for_each_class_needs_no_table(tmp_path: Path) -> None:
    for name in ("Benign", "malignant"):
        draw(tmp_path / "train" / name, "1.png")
    draw(tmp_path / "test" / "malignant", "1.png")
    write(tmp_path / "dataset.yaml", "dataset: taxonomy", "labels: folders", "images: [train]")
    assert [(e.image_id, e.nodes) for e in read_examples(tmp_path)] == [
        ("Benign/1.png", ("benign",)),
        ("malignant/1.png", ("malignant",)),
    ]
    write(tmp_path / "dataset.yaml", "dataset: taxonomy", "labels: folders", "images: [train, test]")
    ids = [e.image_id for e in read_examples(tmp_path)]
    assert ids == ["test/malignant/1.png", "train/Benign/1.png", "train/malignant/1.png"]
    draw(tmp_path / "train", "loose.png")
    with pytest.raises(DataError, match=r"loose\.png: is in no folder of a class"):
        read_examples(tmp_path)


def test_folders_of_classes_without_a_description_are_told_what_to_write(tmp_path: Path) -> None:
    for name in ("benign", "malignant"):
        draw(tmp_path / name, "1.png")
    three = "`dataset: taxonomy`, `labels: folders` and `acquisition: photograph`"
    with pytest.raises(DataError, match=rf"its folders benign, malignant .* three lines into .*dataset\.yaml: {three}"):
        read_examples(tmp_path)


def test_what_folders_without_readable_pictures_hold_is_said(tmp_path: Path) -> None:
    (tmp_path / "benign").mkdir()
    (tmp_path / "benign" / "1.tif").write_bytes(b"II*\x00")
    write(tmp_path / "dataset.yaml", "dataset: taxonomy", "labels: folders")
    with pytest.raises(DataError, match=r"no images in .*; 1 are there as \.tif, which is not read"):
        read_examples(tmp_path)


def test_own_pictures_are_of_the_kind_that_is_described(tmp_path: Path) -> None:
    draw(tmp_path, "1.png", "2.png")
    write(tmp_path / "metadata.csv", "image_id,dx,acquisition", "1,nv,", "2,nv,photograph")
    write(tmp_path / "dataset.yaml", "dataset: ham10000")
    assert [acquisition(e) for e in read_examples(tmp_path)] == ["unknown", "photograph"]
    write(tmp_path / "dataset.yaml", "dataset: ham10000", "acquisition: dermoscopy")
    assert [acquisition(e) for e in read_examples(tmp_path)] == ["dermoscopy", "photograph"]
