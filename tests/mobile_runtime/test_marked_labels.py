"""Tables with a column of zeros and ones for each label."""

from __future__ import annotations

import pytest

from mobile_runtime.errors import DataError
from mobile_runtime.marked_labels import marked_columns, refuse_other_marks
from mobile_runtime.taxonomy import default_taxonomy

ISIC2018 = ("image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")


def test_every_label_needs_its_column() -> None:
    tree = default_taxonomy()
    assert marked_columns("isic2018", ISIC2018, tree) is not None
    assert marked_columns("isic2018", ISIC2018[:-1], tree) is None
    assert marked_columns("unknown", ISIC2018, tree) is None
    assert marked_columns("isic2017", ("image_id", "melanoma"), tree) is None


def test_exactly_one_mark_is_a_label_and_none_may_be_the_rest() -> None:
    tree = default_taxonomy()
    many = marked_columns("isic2018", ISIC2018, tree)
    assert many is not None
    row = dict.fromkeys(ISIC2018[1:], "0.0")
    assert many.label_of({**row, "NV": "1"}, "x") == "NV"
    for wrong in (row, {**row, "NV": "1", "DF": "1.0"}, {**row, "NV": "1", "DF": ""}, {**row, "NV": "yes"}):
        with pytest.raises(DataError, match="x does not mark one of MEL, NV"):
            many.label_of(wrong, "x")
    two = marked_columns("isic2017", ("image_id", "melanoma", "seborrheic_keratosis"), tree)
    assert two is not None
    assert two.label_of({"melanoma": "0", "seborrheic_keratosis": "0.0"}, "x") == "nevus"
    with pytest.raises(DataError, match="x does not mark at most one"):
        two.label_of({"melanoma": "0", "seborrheic_keratosis": ""}, "x")


def test_every_label_that_a_mark_stands_for_is_in_the_taxonomy() -> None:
    tree = default_taxonomy()
    found = marked_columns("isic2017", ("melanoma", "seborrheic_keratosis"), tree)
    assert found is not None and found.rest is not None
    assert {*found.labels.values(), found.rest} <= set(tree.datasets["isic2017"])


def test_a_column_of_other_marks_is_no_column_of_labels() -> None:
    refuse_other_marks("t.csv", "isic2017", "melanoma")
    refuse_other_marks("t.csv", "isic2018", "MEL")
    for melanoma in ("label", "target", "mel", "annotation"):
        refuse_other_marks("t.csv", "isic2017", melanoma)
    for other in ("seborrheic_keratosis", "benign", "Nevus", "not_melanoma", "non-melanoma"):
        with pytest.raises(DataError, match=f"'{other}' does not say which"):
            refuse_other_marks("t.csv", "isic2017", other)
