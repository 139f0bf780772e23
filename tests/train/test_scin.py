"""SCIN as published: the weightiest conditions, what is left out, and labels that are no mapping."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_runtime.errors import DataError
from tests.train.releases import by_id, edited, scin
from train.datasets import read_examples


def test_scin_takes_the_weightiest_conditions_and_says_what_it_leaves_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = by_id(scin(tmp_path))
    said = capfd.readouterr().err
    assert "1 cases without a diagnosis and 1 with one outside the label map are left out; these: 'Unheard of' (1)" in said
    assert found["-1.png"] == found["-2.png"] == ("Eczema", ("eczema",), "scin:-10")
    tie = ("basal_cell_carcinoma", "squamous_cell_carcinoma", "bowen_disease")
    assert found["3.png"] == ("Basal Cell Carcinoma | SCC/SCCIS", tie, "scin:11"), "a photograph of two cases counts once"
    assert found["6.png"][0] == "Melanoma"


def test_a_cancer_that_the_label_map_of_scin_lacks_is_named_before_what_is_frequent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labels = scin(tmp_path) / "dataset" / "scin_labels.csv"
    edited(labels, lambda lines: [*lines[:3], "12,x,{'Merkel Cell Carcinoma': 1.0}", *lines[4:]])
    by_id(tmp_path)
    said = capfd.readouterr().err
    assert (
        "2 with one outside the label map are left out; cancer by name: 'Merkel Cell Carcinoma' (1); others: 'Unheard" in said
    )


def test_sites_of_scin_are_those_that_were_ticked(tmp_path: Path) -> None:
    assert read_examples(scin(tmp_path))[0].attributes["site"] == "arm, back of hand"


def test_labels_of_scin_that_are_no_mapping_are_refused(tmp_path: Path) -> None:
    labels = scin(tmp_path) / "dataset" / "scin_labels.csv"
    for cell in ("['Eczema']", "{'Eczema'", "__import__('os').getcwd()", "\"{1: 2, 3: 'a'}\""):
        edited(labels, lambda lines, cell=cell: [lines[0], f"-10,x,{cell}", *lines[2:]])
        with pytest.raises(DataError, match=r"scin_cases\.csv: the label of case '-10' is not a mapping"):
            read_examples(tmp_path)
