"""Which file an id means, and what is said where it means none."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_runtime.errors import DataError
from tests.train.factories import draw, write
from train.datasets import Example, read_examples


def described(root: Path, *ids: str) -> list[Example]:
    write(root / "metadata.csv", "image_id,dx", *(f"{i},nv" for i in ids))
    write(root / "dataset.yaml", "dataset: ham10000")
    return read_examples(root)


def test_folders_of_an_id_may_be_parted_as_windows_does(tmp_path: Path) -> None:
    for folder in ("north", "south"):
        draw(tmp_path / folder, "1.jpg")
    examples = described(tmp_path, "north\\1.jpg", "south\\1")
    assert [example.path.parent.name for example in examples] == ["north", "south"]


def test_linked_folders_are_searched_once_each(tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere" / "m", "1.jpg")
    root = draw(tmp_path / "own", "2.jpg")
    (root / "malignant").symlink_to(tmp_path / "elsewhere" / "m")
    (root / "round").symlink_to(root)
    (tmp_path / "elsewhere" / "m" / "back").symlink_to(root)
    examples = described(root, "malignant/1.jpg", "2")
    assert [example.path for example in examples] == [root / "malignant" / "1.jpg", root / "2.jpg"]


@pytest.mark.parametrize(
    ("image_id", "remedy"),
    [
        ("north/img_1.jpg", r"'north/img_1.jpg' fits .*North/IMG_001\.jpg but for capitals or leading zeros"),
        ("img_1", r"'img_1' fits .*North/IMG_001\.jpg but for"),
        ("other.jpg", r"restore them or take their rows out; looked in .*own, where IMG_001\.jpg is$"),
    ],
)
def test_a_missing_image_is_named_with_the_file_that_is_nearly_it(image_id: str, remedy: str, tmp_path: Path) -> None:
    draw(tmp_path / "own" / "North", "IMG_001.jpg")
    with pytest.raises(DataError, match=rf"1 of 1 images are not in the folder, first \['{image_id}'\]; {remedy}"):
        described(tmp_path / "own", image_id)


def test_pictures_of_a_format_that_is_not_read_are_not_called_missing(tmp_path: Path) -> None:
    for name in ("1.TIF", "2.tiff"):
        (tmp_path / name).write_bytes(b"II*\x00")
    with pytest.raises(DataError, match=r"2 are there as \.tif, \.tiff, which is not read: convert them to JPEG or PNG; "):
        described(tmp_path, "1.TIF", "2")


def test_heic_photographs_are_read_as_others_are(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(b"")
    (example,) = described(tmp_path, "IMG_1.HEIC")
    assert example.path == tmp_path / "IMG_1.HEIC"


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00", "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        ("image_id,dx\n1,nv\n".encode("utf-16"), "text in UTF-16"),
        ("image_id,dx\n1,nv\nü,nv\n".encode("latin-1"), r"text in another encoding, .* \(byte 0xfc on line 3\)"),
    ],
)
def test_a_table_of_another_form_is_told_by_it(content: bytes, form: str, tmp_path: Path) -> None:
    draw(tmp_path, "1.jpg")
    described(tmp_path, "1")
    (tmp_path / "metadata.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"metadata\.csv: not a readable CSV but {form}; save it as CSV UTF-8"):
        read_examples(tmp_path)
