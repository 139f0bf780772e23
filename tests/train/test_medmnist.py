"""DermaMNIST's arrays as a folder that every command reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.labelled import read_labelled
from mobile_runtime.errors import DataError
from train.commands import app
from train.datasets import read_examples
from train.medmnist import LABELS, extract

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 20, 20, 3), dtype=np.uint8)


def archive(folder: Path, **changed: Any) -> Path:
    arrays = {
        f"{part}_{kind}": value
        for part in ("train", "val", "test")
        for kind, value in (("images", IMAGES), ("labels", NUMBERS))
    }
    np.savez_compressed(folder / "derma.npz", **{**arrays, **changed})
    return folder / "derma.npz"


NUMBERS = np.arange(7, dtype=np.uint8)[:, None]


def test_pixels_and_labels_are_those_of_the_arrays(tmp_path: Path) -> None:
    assert extract(archive(tmp_path, test_labels=NUMBERS[::-1]), tmp_path / "out", "test") == 7
    examples = read_examples(tmp_path / "out")
    assert [example.label for example in examples] == list(LABELS[::-1])
    for example, image in zip(examples, IMAGES, strict=True):
        assert np.array_equal(cv2.imread(str(example.path))[..., ::-1], image)
        assert example.attributes["acquisition"] == "dermoscopy"
    labelled = read_labelled(tmp_path / "out" / "images", tmp_path / "out" / "labels.csv")
    assert [image.malignant for image in labelled.images] == [label in ("akiec", "bcc", "mel") for label in LABELS[::-1]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"test_images": IMAGES[..., 0]}, r"not uint8 \[N, S, S, 3\]"),
        ({"test_images": IMAGES / 255}, r"float64 \[7, 20, 20, 3\]"),
        ({"test_labels": NUMBERS[:6]}, "with 6 labels"),
        ({"test_labels": NUMBERS + 1}, "not numbers from 0 to 6"),
        ({"test_labels": NUMBERS == 0}, "not numbers from 0 to 6"),
        ({"test_images": IMAGES[:0], "test_labels": NUMBERS[:0]}, "this is not DermaMNIST"),
        ({"test_images": np.array([None])}, "not a whole .npz"),
    ],
)
def test_other_arrays_are_refused_and_nothing_is_written(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        extract(archive(tmp_path, **changed), tmp_path / "out", "test")
    assert [path.name for path in tmp_path.iterdir()] == ["derma.npz"]


def test_what_is_no_archive_or_incomplete_is_named(tmp_path: Path) -> None:
    whole = archive(tmp_path)
    for content in (b"", b"text", whole.read_bytes()[:2000]):
        cut = tmp_path / "cut.npz"
        cut.write_bytes(content)
        with pytest.raises(DataError, match=r"cut\.npz: not a whole \.npz"):
            extract(cut, tmp_path / "out", "test")
    np.save(tmp_path / "bare.npy", IMAGES)
    with pytest.raises(DataError, match=r"bare\.npy: not a whole \.npz"):
        extract(tmp_path / "bare.npy", tmp_path / "out", "test")
    with pytest.raises(DataError, match="no such file"):
        extract(tmp_path / "absent.npz", tmp_path / "out", "test")
    with pytest.raises(DataError, match="no part 'all'; there are train, val, test"):
        extract(whole, tmp_path / "out", "all")
    with pytest.raises(DataError, match="is there already"):
        extract(whole, tmp_path, "test")


def test_the_command_says_what_comes_next(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["data", "extract", str(archive(tmp_path)), str(tmp_path / "out")])
    assert found.exit_code == 0 and "7 images, part test" in found.stdout
    assert f"benchmarks drift --images {tmp_path / 'out' / 'images'}" in found.stderr
    found = CliRunner().invoke(
        app, ["data", "extract", str(tmp_path / "derma.npz"), str(tmp_path / "val"), "--part", "val", "--json"]
    )
    assert json.loads(found.stdout) == {"folder": str(tmp_path / "val"), "part": "val", "images": 7}
