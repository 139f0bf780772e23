"""Tables of labels: which lesion or patient an image is of."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pandas")

from mobile_runtime.errors import DataError
from mobile_runtime.marked_labels import NAMELESS
from tests.train.factories import draw, write
from train.tables import Columns, group_column, read_table


@pytest.mark.parametrize("nameless", ["", *sorted(NAMELESS), "NA", "Unknown", "NaN", "NULL"])
def test_images_of_lesions_without_a_name_are_each_their_own(nameless: str, tmp_path: Path) -> None:
    images = draw(tmp_path / "images", "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    rows = (f"{nameless},a,nv", f"{nameless},b,nv", "L1,c,nv", "L1,d,nv")
    examples = read_table(write(tmp_path / "labels.csv", "lesion_id,image_id,dx", *rows), [images], "ham10000", Columns())
    assert [example.group for example in examples] == ["ham10000:a", "ham10000:b", "ham10000:L1", "ham10000:L1"]


def test_a_column_of_patients_with_blanks_is_taken_unless_another_column_might_know(tmp_path: Path) -> None:
    alone = write(tmp_path / "alone.csv", "patient_id,image_id,dx", "P1,a,nv", ",b,nv")
    assert group_column(alone) == "patient_id"
    both = write(tmp_path / "both.csv", "patient_id,lesion_id,image_id,dx", "P1,L1,a,nv", ",L1,b,nv")
    with pytest.raises(DataError, match=r"1 rows have no patient_id, and there is lesion_id, too; name the one"):
        group_column(both)
    full = write(tmp_path / "full.csv", "patient_id,lesion_id,image_id,dx", "P1,L1,a,nv", "P1,L2,b,nv")
    assert group_column(full) == "patient_id"
    empty = write(tmp_path / "empty.csv", "patient_id,lesion_id,image_id,dx", ",L1,a,nv", ",L1,b,nv")
    assert group_column(empty) == "lesion_id", "a column without any is none"
