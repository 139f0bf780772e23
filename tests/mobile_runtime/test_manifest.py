"""What a manifest says of its own training."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mobile_runtime import DataError
from mobile_runtime.image_names import pack_names
from mobile_runtime.manifest import Provenance

PROVENANCE = Provenance(
    datasets={},
    split_sha256="",
    recipe={},
    calibration_ids=[
        "ham10000:ISIC_0000001",
        "pad_ufes_20:PAT_1.jpg",
        "folder:benign/1",
        "folder:benign/2",
        "folder:malignant/2",
        "ph2:IMD003.bmp",
    ],
    checkpoint_sha256="",
)


@pytest.mark.parametrize(
    ("dataset", "image_id"),
    [
        ("ham10000", "ISIC_0000001"),
        ("ham10000", "ISIC_0000001.JPG"),
        ("isic2019", "train/ISIC_0000001_downsampled.jpg"),
        ("ham10000", "sub\\ISIC_0000001.jpg"),
        ("folder", "images\\benign\\1.png"),
        ("pad_ufes_20", "PAT_1"),
        ("folder", "benign/1.png"),
        ("folder", "images/benign/1.png"),
        ("folder", "1"),
        ("pad_ufes_20", "images/PAT_1.png"),
        ("ph2", "IMD003"),
        ("ph2", "images/IMD003/IMD003.heic"),
    ],
)
def test_images_that_fixed_activation_ranges_are_refused_by_any_of_their_names(dataset: str, image_id: str) -> None:
    with pytest.raises(DataError, match=r"1 of the labelled images calibrated this bundle, first '.*'; take their rows out"):
        PROVENANCE.refuse_calibration_images(dataset, ["another", image_id])


def test_images_that_made_the_bundle_are_told() -> None:
    made = PROVENANCE.model_copy(update={"seen_images": pack_names(["ham10000:ISIC_0000009"])})
    assert made.seen("ham10000", ["ISIC_0000009.jpg", "ISIC_0000008.jpg"]) == ["ISIC_0000009.jpg"]
    assert PROVENANCE.seen("ham10000", ["ISIC_0000009.jpg"]) is None  # nothing is known
    photographs = made.model_copy(update={"datasets": {"pad_ufes_20": 1}, "seen_images": pack_names(["pad_ufes_20:PAT_1.png"])})
    assert photographs.seen("taxonomy", ["PAT_1.jpg", "PAT_2.png"]) == ["PAT_1.jpg"]
    for damaged in ("A", "A===", "AAAA AAAA", "AAAA\n"):
        with pytest.raises(ValidationError, match="seen_images"):
            Provenance.model_validate(made.model_dump() | {"seen_images": damaged})


def test_other_images_pass() -> None:
    PROVENANCE.refuse_calibration_images("folder", ["malignant/1.png", "2", "other/2.png", "3", "ISIC_0000002"])
    PROVENANCE.refuse_calibration_images("ham10000", ["PAT_1.jpg"])
