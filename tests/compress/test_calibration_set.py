"""Calibration sets: of training images only, every label in turn, reproducible."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.calibration_set import MIN_IMAGES, draw_calibration_set, second_half
from mobile_runtime.errors import DataError
from tests.train.factories import example
from train.datasets import Example
from train.recipe import SplitPlan
from train.splits import split_examples

LABELS = ("akiec", "bcc", "mel", "nv", "vasc")


def labelled(counts: dict[str, int], first: int = 0) -> list[Example]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return [example(first + i, label) for i, label in enumerate(labels)]


@settings(max_examples=80)
@given(
    st.dictionaries(st.sampled_from(LABELS), st.integers(1, 60), min_size=2).filter(lambda c: sum(c.values()) >= MIN_IMAGES),
    st.integers(MIN_IMAGES, 200),
    st.integers(0, 2**32 - 1),
)
def test_labels_are_drawn_in_turn(counts: dict[str, int], count: int, seed: int) -> None:
    train = labelled(counts)
    drawn = draw_calibration_set(train, labelled({"nv": 5}, first=1000), count, seed)
    assert len(drawn) == min(count, len(train))
    assert len({e.key for e in drawn}) == len(drawn)
    assert {e.key for e in drawn} <= {e.key for e in train}
    taken = Counter(e.label for e in drawn)
    most = max(taken.values())
    # A label falls behind the others by more than the last, unfinished round only when it has no more images.
    assert all(taken[label] >= most - 1 or taken[label] == counts[label] for label in counts)
    assert draw_calibration_set(train, [], count, seed) == drawn


def test_the_seed_decides_which() -> None:
    train = labelled({"nv": 100, "mel": 100})
    first, second = (draw_calibration_set(train, [], 40, seed) for seed in (1, 2))
    assert {e.key for e in first} != {e.key for e in second}


def test_a_set_drawn_from_a_split_is_apart_from_its_evaluation() -> None:
    examples = [example(i, LABELS[i % 5], f"L{i // 2}") for i in range(300)]
    split = split_examples(examples, SplitPlan(folds=5, test_folds=1, val_folds=1))
    evaluation = [*split["val"], *split["test"]]
    drawn = draw_calibration_set(split["train"], evaluation, 64)
    assert not {e.group for e in drawn} & {e.group for e in evaluation}


def test_an_image_or_lesion_that_is_evaluated_is_refused() -> None:
    train = labelled({"nv": 40, "mel": 40})
    with pytest.raises(DataError, match=r"1 lesions are both in the calibration images and in the evaluation.*'ham10000:7'"):
        draw_calibration_set(train, [train[7]])
    with pytest.raises(DataError, match="calibrate on training images only"):
        draw_calibration_set(train, [example(999, "mel", group="7")])


def test_too_few_images_or_labels_are_refused() -> None:
    with pytest.raises(DataError, match="31 calibration images are too few; give at least 32"):
        draw_calibration_set(labelled({"nv": 20, "mel": 11}), [])
    with pytest.raises(DataError, match="16 calibration images are too few; give at least 32"):
        draw_calibration_set(labelled({"nv": 50, "mel": 50}), [], count=16)
    with pytest.raises(DataError, match="all calibration images have one label"):
        draw_calibration_set(labelled({"nv": 50}), [])
    with pytest.raises(DataError, match="0 calibration images"):
        draw_calibration_set([], [])


@given(
    st.dictionaries(st.sampled_from(LABELS), st.integers(1, 40), min_size=2).filter(lambda c: sum(c.values()) >= MIN_IMAGES),
    st.integers(1, 3),
)
def test_halves_share_no_lesion_and_each_has_every_label(counts: dict[str, int], shots: int) -> None:
    train = [
        example(1000 * number + i, label, f"{label}{i // shots}")
        for number, (label, count) in enumerate(counts.items())
        for i in range(count)
    ]
    drawn = draw_calibration_set(train, [], 256)
    second = second_half(drawn)
    halves = [[e for e, other in zip(drawn, second, strict=True) if other == which] for which in (False, True)]
    assert not {e.group for e in halves[0]} & {e.group for e in halves[1]}
    taken = [Counter(e.label for e in half) for half in halves]
    assert all(abs(taken[0][label] - taken[1][label]) <= shots for label in counts)
    assert abs(len(halves[0]) - len(halves[1])) <= shots + len(counts)
    assert all(taken[0][label] and taken[1][label] for label, count in counts.items() if count > shots)


def test_a_patient_with_several_labels_stays_whole() -> None:
    patients = [example(i, LABELS[i % 2], f"P{i // 4}") for i in range(40)]
    second = second_half(patients)
    assert [len(set(second[i : i + 4])) for i in range(0, 40, 4)] == [1] * 10
    assert second.sum() == 20
    assert second_half([example(i, LABELS[i % 2], "one") for i in range(40)]).sum() in (0, 40)
