"""`python -m train taxonomy` and `partition`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.train.factories import call, write


def test_the_tree_is_drawn_with_what_a_data_sets_labels_mean(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capfd, "taxonomy", "--dataset", "pad_ufes_20")
    assert status == 0, err
    assert "Actinic keratosis actinic_keratosis" in out
    assert "pad_ufes_20: ACK" in out
    assert "haemangioma" not in out
    assert "pad_ufes_20: 6 labels" in out


def test_labels_without_a_node_are_listed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = write(tmp_path / "labels.csv", "image,diagnosis", "1,scabies", "2,wart", "3,wart", "4,melanoma")
    words = ("taxonomy", "--dataset", "fitzpatrick17k", "--labels", table, "--label-column", "diagnosis")
    status, out, err = call(capfd, *words, "--json")
    assert status == 0, err
    document = json.loads(out)
    assert document["unmapped"] == {"wart": 2}
    assert "scabies" in document["outside_shipped_classes"]["fitzpatrick17k"]
    assert "melanoma" not in document["outside_shipped_classes"]["fitzpatrick17k"]
    (melanoma,) = [node for node in document["nodes"] if node["id"] == "melanoma"]
    assert melanoma["labels"] == ["fitzpatrick17k: malignant melanoma", "fitzpatrick17k: melanoma"]
    assert melanoma["parent"] == "melanocytic_malignant"
    status, out, _ = call(capfd, *words)
    assert status == 0
    assert "not in the map of fitzpatrick17k: 'wart' (2 rows)" in out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--dataset", "ph3"), "no label map for data set 'ph3'; there are ham10000"),
        (("--labels", "labels.csv"), "--labels needs --dataset"),
        (("--dataset", "ddi", "--labels", "absent.csv"), "absent.csv: no such label file"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capfd, "taxonomy", *words)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert reason in err


def test_the_partition_of_a_data_set(synthetic_data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # 16 images of each of seven labels: malignant holds 48, epidermal_malignant 32, everything else fewer than 33.
    status, out, err = call(capfd, "partition", "--data", synthetic_data, "--max-class-size", 33, "--json")
    assert status == 0, err
    classes = {row["node"]: row["images"] for row in json.loads(out)["classes"]}
    assert classes == {
        "dermal_benign": 32,
        "epidermal_benign": 16,
        "melanocytic_benign": 16,
        "epidermal_malignant": 32,
        "melanocytic_malignant": 16,
    }
    status, out, _ = call(capfd, "partition", "--data", synthetic_data, "--max-class-size", 10)
    assert status == 0
    assert "over the limit" in out
    status, out, _ = call(capfd, "partition", "--data", synthetic_data, "--max-class-size", 10, "--oversized", "drop")
    assert status == 0
    assert "16 images of melanoma are in no class" in out
