"""Calibration sets: training images that fix activation ranges, apart from everything that is evaluated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from mobile_runtime.errors import DataError
from train.datasets import Example

MIN_IMAGES = 32


def draw_calibration_set(
    train: Sequence[Example], evaluation: Collection[Example], count: int = 256, seed: int = 0
) -> list[Example]:
    """Draw images from the training split, every label in turn, so that rare classes widen the ranges too.

    Args:
        train: the training split.
        evaluation: images that must not be in the set.
        count: how many to draw; all of `train` if it has fewer.
        seed: of the draw.

    Raises:
        DataError: under 32 images, a single label, or images shared with the evaluation (by image or lesion).
    """
    if shared := {e.group for e in train} & {e.group for e in evaluation}:
        raise DataError(
            f"{len(shared)} lesions are both in the calibration images and in the evaluation, first "
            f"{sorted(shared)[:3]}; calibrate on training images only"
        )
    rng = np.random.default_rng(seed)
    queues: dict[str, list[Example]] = {}
    for index in rng.permutation(len(train)):
        queues.setdefault(f"{train[index].dataset}:{train[index].label}", []).append(train[index])
    wanted = min(count, len(train))
    if wanted < MIN_IMAGES:
        raise DataError(f"{wanted} calibration images are too few; give at least {MIN_IMAGES}")
    if len(queues) < 2:
        raise DataError("all calibration images have one label; give images of at least two")
    drawn: list[Example] = []
    while len(drawn) < wanted:
        for label in sorted(queues):
            if queues[label] and len(drawn) < wanted:
                drawn.append(queues[label].pop())
    return drawn


def second_half(chosen: Sequence[Example]) -> npt.NDArray[np.bool_]:
    """Cut a calibration set into two halves that share no lesion or patient and have alike shares of every label.

    Returns:
        bool [M]: which images are of the second half. Where all are of one lesion or patient, one half is empty.
    """
    groups: dict[str, list[int]] = {}
    for row, example in enumerate(chosen):
        groups.setdefault(example.group, []).append(row)
    second = np.zeros(len(chosen), bool)
    halves: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    # The large ones first, so that the small ones even out what they leave; each goes where its labels are rarer.
    for rows in sorted(groups.values(), key=len, reverse=True):
        labels = Counter(f"{chosen[row].dataset}:{chosen[row].label}" for row in rows)
        loads = [(sum(half[label] * count for label, count in labels.items()), half.total()) for half in halves]
        side = int(loads[1] < loads[0])
        halves[side].update(labels)
        second[rows] = side
    return second
