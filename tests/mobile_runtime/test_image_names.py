"""Fingerprints of the images that made a bundle: found under every name, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_runtime.image_names import pack_names, packed_among

PACKED = pack_names(["ham10000:ISIC_0000001", "pad_ufes_20:PAT_1.jpg", "taxonomy:benign/1", "taxonomy:7"])


@pytest.mark.parametrize(
    ("dataset", "image_id"),
    [
        ("ham10000", "ISIC_0000001"),
        ("isic2019", "train/ISIC_0000001_downsampled.jpg"),
        ("ham10000", "sub\\ISIC_0000001.JPG"),
        ("pad_ufes_20", "images/PAT_1.png"),
        ("taxonomy", "benign/1.png"),
        ("taxonomy", "photos/benign/1.png"),
        ("taxonomy", "photos/7.webp"),
    ],
)
def test_an_image_is_known_by_any_of_its_names(dataset: str, image_id: str) -> None:
    assert packed_among(PACKED, dataset, ["another", image_id]) == [image_id]


def test_other_images_are_not() -> None:
    assert packed_among(PACKED, "taxonomy", ["1", "malignant/1", "benign/2", "benign/1/3", "ISIC_0000002"]) == []
    assert packed_among(PACKED, "ham10000", ["PAT_1.jpg"]) == []
    assert packed_among("", "ham10000", ["ISIC_0000001"]) == []


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), unique=True))
def test_whatever_it_is_called(names: list[str]) -> None:
    names = [name for name in names if name.strip("./\\")]
    assert packed_among(pack_names(f"taxonomy:{name}" for name in names), "taxonomy", names) == names
    assert pack_names(f"taxonomy:{name}" for name in names[::-1]) == pack_names(f"taxonomy:{name}" for name in names)
