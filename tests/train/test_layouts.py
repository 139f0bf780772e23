"""The public releases: miniatures with their publishers' file and column names, and what can be wrong with each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mobile_runtime.errors import DataError, TaxonomyError
from tests.train.factories import draw, write
from tests.train.releases import RELEASES, by_id, derm7pt, edited, isic2017, isic2018, isic2019, isic2020
from train.datasets import read_examples
from train.subgroups import subgroup_values


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_is_known_by_its_files(name: str, tmp_path: Path) -> None:
    miniature, images, groups = RELEASES[name]
    examples = read_examples(miniature(tmp_path))
    assert {example.dataset for example in examples} == {name.removesuffix("_tab")}
    assert (len(examples), len({example.group for example in examples})) == (images, groups)
    assert all(example.path.is_file() for example in examples)
    assert len({example.key for example in examples}) == images


def test_releases_side_by_side_are_read_as_one(tmp_path: Path) -> None:
    chosen = ("ham10000", "isic2020", "pad_ufes_20", "fitzpatrick17k", "ddi", "scin", "derm7pt")
    for name in chosen:
        RELEASES[name][0](tmp_path / name)
    examples = read_examples(tmp_path)
    assert len(examples) == sum(RELEASES[name][1] for name in chosen)
    assert len({example.group for example in examples}) == sum(RELEASES[name][2] for name in chosen)


def test_one_hot_labels_and_lesions_of_isic_2018_and_2019(tmp_path: Path) -> None:
    found = by_id(isic2018(tmp_path / "2018"))
    assert found["ISIC_0024308"] == ("AKIEC", ("premalignant_epidermal",), "isic2018:HAM_0000484")
    assert found["ISIC_0024306"] == ("NV", ("melanocytic_nevus",), "isic2018:HAM_0000550")
    found = by_id(isic2019(tmp_path / "2019"))
    assert found["ISIC_0053463_downsampled"] == ("SCC", ("squamous_cell_carcinoma",), "isic2019:BCN_0003925")
    assert found["ISIC_0000000"][2] == "isic2019:ISIC_0000000", "lesions without a number are not one lesion"


def test_what_isic_2017_marks_neither_melanoma_nor_seborrheic_keratosis_is_a_nevus(tmp_path: Path) -> None:
    found = by_id(isic2017(tmp_path))
    assert [found[name][1] for name in sorted(found)] == [("melanocytic_nevus",), ("melanoma",), ("seborrheic_keratosis",)]
    edited(table_of(tmp_path, "isic2017"), lambda lines: [*lines[:2], "ISIC_0000002,1.0,1.0", lines[3]])
    with pytest.raises(DataError, match=r"image 'ISIC_0000002' does not mark at most one of melanoma, seborrheic_keratosis"):
        read_examples(tmp_path)
    edited(table_of(tmp_path, "isic2017"), lambda lines: [*lines[:2], "ISIC_0000002,,0.0", lines[3]])
    with pytest.raises(DataError, match="'ISIC_0000002' does not mark at most one"):
        read_examples(tmp_path)


def test_isic_2020_is_grouped_by_patient_and_leaves_out_named_copies(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = by_id(isic2020(tmp_path))
    assert found["ISIC_2637011"] == ("unknown", ("benign",), "isic2020:IP_7279968")
    assert found["ISIC_0052212"][2] == "isic2020:IP_7279968"
    write(tmp_path / "ISIC_2020_Training_Duplicates.csv", "image_name_1,image_name_2", "ISIC_2637011,ISIC_0052212")
    assert set(by_id(tmp_path)) == {"ISIC_2637011", "ISIC_0015719"}
    assert "1 copies that ISIC_2020_Training_Duplicates.csv names are left out" in capfd.readouterr().err
    (tmp_path / "ISIC_2020_Training_GroundTruth_v2.csv").rename(tmp_path / "ISIC_2020_Training_GroundTruth.csv")
    assert len(by_id(tmp_path)) == 2


def test_a_row_of_isic_2020_that_says_benign_and_malignant_is_refused(tmp_path: Path) -> None:
    table = isic2020(tmp_path) / "ISIC_2020_Training_GroundTruth_v2.csv"
    edited(table, lambda lines: [line.replace("unknown,benign,0", "unknown,malignant,1") for line in lines])
    with pytest.raises(DataError, match="'ISIC_2637011': benign_malignant is 'malignant', but its label means benign"):
        by_id(tmp_path)


def test_derm7pt_gives_both_pictures_of_a_case_by_their_relative_paths(tmp_path: Path) -> None:
    examples = {e.image_id: e for e in read_examples(derm7pt(tmp_path))}
    assert examples["NEL/Nel026.jpg"].path != examples["FAL/Nel026.jpg"].path
    assert examples["NEL/Nel026.jpg"].group == examples["NEL/NEL025.JPG"].group == "derm7pt:1"
    assert examples["NEL/NEL025.JPG"].attributes["acquisition"] == "photograph"
    assert examples["FAL/Nel026.jpg"].nodes == ("melanoma_in_situ",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ham10000", {"sex": ["female", "male"], "age": ["", "75+"], "site": ["", "scalp"]}),
        ("isic2017", {"sex": ["female", "male"], "age": ["", "45-59", "60-74"], "acquisition": ["dermoscopy"]}),
        ("isic2018", {"acquisition": ["dermoscopy"]}),
        ("isic2019", {"sex": ["", "female", "male"], "age": ["", "30-44", "45-59", "60-74"]}),
        ("isic2020", {"sex": ["female", "male"], "age": ["45-59"]}),
        ("pad_ufes_20", {"sex": ["", "female"], "site": ["arm", "face", "neck"], "fitzpatrick": ["", "3"]}),
        ("fitzpatrick17k", {"fitzpatrick": ["", "3"], "acquisition": ["photograph"]}),
        ("ddi", {"fitzpatrick": ["12", "56"]}),
        ("scin", {"sex": ["", "female", "male"], "age group": ["", "30-39", "80+"], "fitzpatrick": ["", "1", "5"]}),
        ("derm7pt", {"sex": ["female", "male"], "acquisition": ["dermoscopy", "photograph"]}),
    ],
)
def test_subgroups_are_found_in_every_release(name: str, expected: dict[str, list[str]], tmp_path: Path) -> None:
    found = subgroup_values(read_examples(RELEASES[name][0](tmp_path)))
    assert {attribute: sorted(set(found[attribute])) for attribute in expected} == expected


def table_of(root: Path, name: str) -> Path:
    """The table that holds the ids of a miniature."""
    names = {
        "ham10000": "HAM10000_metadata",
        "ham10000_tab": "HAM10000_metadata.tab",
        "isic2017": "ISIC-2017_Training_Part3_GroundTruth.csv",
        "isic2018": "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv",
        "isic2019": "ISIC_2019_Training_GroundTruth.csv",
        "isic2020": "ISIC_2020_Training_GroundTruth_v2.csv",
        "pad_ufes_20": "metadata.csv",
        "fitzpatrick17k": "fitzpatrick17k.csv",
        "ddi": "ddi_metadata.csv",
        "scin": "dataset/scin_cases.csv",
        "derm7pt": "release_v0/meta/meta.csv",
        "ph2": "PH2_dataset.txt",
    }
    return root / names[name]


def test_ph2_has_its_pictures_not_their_outlines(tmp_path: Path) -> None:
    examples = {e.image_id: e for e in read_examples(RELEASES["ph2"][0](tmp_path))}
    assert {name: e.nodes for name, e in examples.items()} == {
        "IMD003": ("melanocytic_nevus",),
        "IMD058": ("melanoma",),
        "IMD417": ("dysplastic_nevus",),
    }
    assert examples["IMD058"].path.name == "IMD058.bmp" and examples["IMD417"].label == "atypical nevus"


@pytest.mark.parametrize(
    "change",
    [
        lambda row: "|| IMD058 ||  || 2",  # cut short
        lambda row: row + " 5 ||",
    ],
)
def test_a_row_of_ph2_of_another_length_is_refused(change: Callable[[str], str], tmp_path: Path) -> None:
    table = table_of(RELEASES["ph2"][0](tmp_path), "ph2")
    edited(table, lambda lines: [lines[0], lines[1], change(lines[2]), *lines[3:]])
    with pytest.raises(DataError, match=r"PH2_dataset.txt: line 3 has not 5 cells between"):
        read_examples(tmp_path)


def test_rows_of_ph2_may_lack_a_mark_at_either_end_or_a_last_cell(tmp_path: Path) -> None:
    table = table_of(RELEASES["ph2"][0](tmp_path), "ph2")
    rows = ("IMD003 || || 0 || 0 || 4 ||", "|| IMD058 || || 2 || 2 ||  ||", "|| IMD417 || || 1 || 1 || 4")
    edited(table, lambda lines: [lines[0], *rows, *lines[4:]])
    assert len(read_examples(tmp_path)) == 3


@pytest.mark.parametrize("name", RELEASES)
def test_a_missing_image_is_named(name: str, tmp_path: Path) -> None:
    first = read_examples(RELEASES[name][0](tmp_path))[0]
    first.path.unlink()
    with pytest.raises(DataError, match=r"1 of \d images are not in the folder, first \['.*'\]; restore them") as caught:
        read_examples(tmp_path)
    assert table_of(tmp_path, name).name in str(caught.value)
    assert first.image_id in str(caught.value)


@pytest.mark.parametrize("name", RELEASES)
def test_a_duplicated_id_is_named(name: str, tmp_path: Path) -> None:
    edited(table_of(RELEASES[name][0](tmp_path), name), lambda lines: [*lines, lines[1]])
    with pytest.raises(DataError, match=r"1 ids occur twice, first '.+'; keep one row each"):
        read_examples(tmp_path)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("ham10000", "dx"),
        ("isic2017", "seborrheic_keratosis"),
        ("isic2018", "AKIEC"),
        ("isic2019", "UNK"),
        ("isic2020", "patient_id"),
        ("fitzpatrick17k", "label"),
        ("ddi", "disease"),
        ("scin", "image_2_path"),
        ("derm7pt", "clinic"),
        ("ph2", "Clinical Diagnosis"),
    ],
)
def test_a_missing_column_is_named(name: str, column: str, tmp_path: Path) -> None:
    table = table_of(RELEASES[name][0](tmp_path), name)
    edited(table, lambda lines: [lines[0].replace(column, "other"), *lines[1:]])
    with pytest.raises(DataError, match=rf"{table.name}: no column {column}; it has .*other"):
        read_examples(tmp_path)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("ham10000", "bkl"),
        ("isic2020", "melanoma"),
        ("pad_ufes_20", "NEV"),
        ("fitzpatrick17k", "drug induced pigmentary changes"),
        ("ddi", "melanoma-in-situ"),
        ("derm7pt", "basal cell carcinoma"),
    ],
)
def test_an_unknown_label_is_named(name: str, label: str, tmp_path: Path) -> None:
    table = table_of(RELEASES[name][0](tmp_path), name)
    edited(table, lambda lines: [line.replace(f",{label},", ",sunspot,").replace(f",{label}", ",sunspot") for line in lines])
    with pytest.raises(TaxonomyError, match=rf"[1-9] rows have labels that {name} does not know: 'sunspot'"):
        read_examples(tmp_path)


@pytest.mark.parametrize(
    "marks", ["0.0,0.0,0.0,0.0,0.0,0.0,0.0", "1.0,1.0,0.0,0.0,0.0,0.0,0.0", "0.3,0.7,0.0,0.0,0.0,0.0,0.0", "x,1,,,,,"]
)
def test_a_row_that_marks_not_one_label_is_named(marks: str, tmp_path: Path) -> None:
    edited(table_of(isic2018(tmp_path), "isic2018"), lambda lines: [*lines[:2], f"ISIC_0024307,{marks}", lines[3]])
    with pytest.raises(DataError, match=r"image 'ISIC_0024307' does not mark one of MEL, .*VASC"):
        read_examples(tmp_path)


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("isic2018", "ISIC2018_Task3_Training_LesionGroupings.csv"),
        ("isic2019", "ISIC_2019_Training_Metadata.csv"),
        ("scin", "dataset/scin_labels.csv"),
    ],
)
def test_a_second_table_that_is_missing_or_faulty_is_named(name: str, second: str, tmp_path: Path) -> None:
    other = RELEASES[name][0](tmp_path) / second
    edited(other, lambda lines: [*lines, lines[1]])
    with pytest.raises(DataError, match=rf"{other.name}: 1 ids occur twice"):
        read_examples(tmp_path)
    other.unlink()
    with pytest.raises(DataError, match=rf"{other.name}: no such label file"):
        read_examples(tmp_path)


def test_the_same_picture_in_two_releases_of_the_archive_is_refused(tmp_path: Path) -> None:
    isic2018(tmp_path / "isic2018")
    write(
        tmp_path / "ham10000" / "HAM10000_metadata",
        "lesion_id,image_id,dx",
        "HAM_0000550,ISIC_0024306,nv",
    )
    draw(tmp_path / "ham10000", "ISIC_0024306.jpg")
    with pytest.raises(DataError, match=r"1 images are in two of its folders, first .*ham10000:ISIC_0024306.*ISIC 2018 task 3"):
        read_examples(tmp_path)
    shutil.rmtree(tmp_path / "ham10000")
    assert len(read_examples(tmp_path)) == 3
