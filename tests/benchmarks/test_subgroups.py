"""Groups by columns of the labels: cuts, the floor, the worst group."""

from __future__ import annotations

import pytest

from benchmarks import subgroups
from mobile_runtime.decision import Decision
from mobile_runtime.errors import DataError
from tests.benchmarks.made_up_verdicts import ABSTAIN, LOW, REFER, RETAKE, judged

# Melanomas and nevi of women and men: all of the women's melanomas are found, half of the men's.
LABELS = ["mel"] * 20 + ["nv"] * 20
SEX = ["female"] * 10 + ["male"] * 10 + ["female"] * 10 + ["male"] * 9 + [""]
AGES = [str(30 + i) for i in range(20)] + ["39.5", "40", *["55"] * 17, ""]
VERDICTS: list[Decision] = [REFER] * 15 + [LOW] * 5 + [LOW] * 20


def found(columns: list[str], cuts: list[str], floor: int = 5) -> dict[str, subgroups.Subgrouping]:
    values = [{"sex": sex, "age": age} for sex, age in zip(SEX, AGES, strict=True)]
    return subgroups.subgroup(judged(LABELS, VERDICTS, values=values), columns, subgroups.parse_cuts(cuts), floor)


def test_figures_are_of_the_group_alone() -> None:
    sex = found(["sex"], [])["sex"]
    assert list(sex.groups) == ["female", "male"] and sex.withheld == {subgroups.BLANK: 1}
    male = sex.groups["male"]
    assert (male.images, male.malignant, male.benign) == (19, 10, 9)
    assert male.sensitivity is not None and male.sensitivity.value == 0.5 and male.sensitivity.n == 10
    assert male.specificity is not None and male.specificity.value == 1.0
    gap = sex.gaps["sensitivity"]
    assert gap is not None and (gap.best, gap.worst, gap.difference.value) == ("female", "male", 0.5)
    assert 0 < gap.difference.low < 0.5 < gap.difference.high <= 1


def test_numbers_are_cut_at_the_edges() -> None:
    age = found(["age"], ["age=40,50"], floor=1)["age"]
    assert list(age.groups) == ["< 40", "40 to < 50", ">= 50", subgroups.BLANK] and age.edges == [40, 50]
    assert [group.images for group in age.groups.values()] == [11, 11, 17, 1]


def test_what_rests_on_too_few_is_named_and_not_reported() -> None:
    both = found(["sex", "age"], ["age=40,50"], floor=10)
    assert both["age"].withheld == {subgroups.BLANK: 1}
    assert both["sex"].groups["male"].specificity is None  # nine benign images
    assert both["sex"].groups["male"].sensitivity is not None and both["sex"].groups["male"].auc_malignancy is None
    assert both["sex"].gaps["specificity"] is None  # one group left
    notes = " ".join(subgroups.notes_of(both, 10))
    assert "sex: not reported, fewer than 10 images: (blank) (1)" in notes and "by chance" in notes


def test_numbers_without_edges_are_refused() -> None:
    with pytest.raises(DataError, match=r"different numbers from 30 to 55; state where to cut it with --cut age="):
        found(["age"], [])
    with pytest.raises(DataError, match="holds 'female'"):
        found(["sex"], ["sex=1,2"])
    with pytest.raises(DataError, match="add --subgroup age"):
        found(["sex"], ["age=40"])


@pytest.mark.parametrize("text", ["age", "age=", "age=50,40", "=40", "age=40,x", "age=nan", "age=1,1"])
def test_cuts_are_columns_with_rising_edges(text: str) -> None:
    with pytest.raises(DataError, match="for example --cut age=40,60"):
        subgroups.parse_cuts([text])


def test_a_column_of_few_numbers_needs_no_edges() -> None:
    values = [{"type": str(1 + i % 3)} for i in range(len(LABELS))]
    grouping = subgroups.subgroup(judged(LABELS, VERDICTS, values=values), ["type"], {}, 1)["type"]
    assert list(grouping.groups) == ["1", "2", "3"]


def test_an_image_without_a_verdict_is_neither_found_nor_reassured() -> None:
    verdicts = [REFER] * 5 + [LOW] * 3 + [RETAKE, ABSTAIN] + [LOW] * 6 + [REFER] + [RETAKE] * 2 + [ABSTAIN]
    values = [{"sex": "female"}] * 20
    group = subgroups.subgroup(judged(["mel"] * 10 + ["nv"] * 10, verdicts, values=values), ["sex"], {}, 5)["sex"].groups[
        "female"
    ]
    assert group.sensitivity is not None and group.specificity is not None
    assert (group.sensitivity.value, group.sensitivity.n) == (0.5, 10)
    assert (group.specificity.value, group.specificity.n) == (0.6, 10)
