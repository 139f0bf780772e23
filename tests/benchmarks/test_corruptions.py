"""Damage to photographs: what each does, that it grows with severity, and that a seed repeats it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import corruptions
from benchmarks.corruptions import CORRUPTIONS
from mobile_runtime.quality import luma
from mobile_runtime.synthetic import lesion

PICTURE = lesion("mel", 3, 96)


def damaged(name: str, severity: int, seed: int = 0) -> corruptions.Pixels:
    return CORRUPTIONS[name].apply(PICTURE, severity, np.random.default_rng(seed))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_damage_grows_with_severity_and_repeats(name: str) -> None:
    before = PICTURE.copy()
    changes = []
    for severity in corruptions.SEVERITIES:
        found = damaged(name, severity)
        assert found.shape == PICTURE.shape and found.dtype == np.uint8
        assert np.array_equal(found, damaged(name, severity))
        drawn = [damaged(name, severity, seed) for seed in range(4)]
        changes.append(float(np.mean([np.abs(each.astype(int) - PICTURE).mean() for each in drawn])))
    assert np.array_equal(PICTURE, before)
    assert changes == sorted(changes) and 0 < changes[0] < changes[-1] / 2


def test_noise_has_the_stated_deviation() -> None:
    grey = np.full((128, 128, 3), 128, np.uint8)
    found = CORRUPTIONS["noise"].apply(grey, 3, np.random.default_rng(0))
    # 14 levels; rounding down adds 1/12 to the variance and moves the mean by half a level.
    assert found.std() == pytest.approx(14, rel=0.02) and found.mean() == pytest.approx(127.5, abs=0.3)


def test_a_shift_moves_the_middle_and_a_zoom_keeps_it() -> None:
    dot = np.zeros((101, 101, 3), np.uint8)
    dot[50, 50] = 255
    moved = corruptions.warp(dot, shift=(0.1, -0.05))
    y, x = np.unravel_index(int(moved[..., 0].argmax()), (101, 101))
    assert (x, y) == (60, 45)
    assert corruptions.warp(dot, scale=1.5)[50, 50].tolist() == [255, 255, 255]


def test_distance_makes_everything_smaller_around_the_same_middle() -> None:
    square = np.full((100, 100, 3), (200, 150, 120), np.uint8)
    square[30:70, 30:70] = 10
    seen = corruptions.place(square, 0.5, (0, 0), np.random.default_rng(0))
    assert seen.shape == (100, 100, 3) and (seen[40:60, 40:60] == 10).all()
    around = np.ones((100, 100), bool)
    around[39:61, 39:61] = False
    # Bare skin of the rim's colour and nothing else: noise of 3 and 5 levels, of which 36 are over six deviations.
    assert np.abs(seen[around].astype(int) - (200, 150, 120)).max() < 36
    assert corruptions.place(square, 0.001, (0, 0), np.random.default_rng(0)).shape == square.shape
    moved = corruptions.place(square, 1, (0.25, -0.5), np.random.default_rng(0))
    assert (moved[:18, 57:93] <= 10).all() and np.abs(moved[25:].astype(int) - (200, 150, 120)).max() < 36


def test_without_colour_the_luma_stays() -> None:
    found = corruptions.fade(PICTURE, 1)
    assert np.array_equal(found, np.repeat(luma(PICTURE)[..., None], 3, axis=2))
    pale = corruptions.fade(PICTURE, 0.5)
    assert 0 < np.ptp(pale, axis=2).mean() < np.ptp(PICTURE, axis=2).mean()


def test_flattening_keeps_the_mean_colour() -> None:
    found = corruptions.flatten(PICTURE, 0.25)
    assert found.mean((0, 1)) == pytest.approx(PICTURE.mean((0, 1)), abs=1)  # rounded down
    assert found.std() < PICTURE.std()
