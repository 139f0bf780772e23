"""Damage to colours: what it changes, and what it leaves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.colour_damage import draw_ring, grain_over_blur, redden, smear_colours
from mobile_runtime.quality import luma, measure
from mobile_runtime.synthetic import lesion

PICTURE = lesion("mel", 3, 96)
CHANCE = np.random.default_rng(0)


def test_red_light_is_a_gain_of_each_channel() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    assert redden(grey, 0.25, CHANCE)[0, 0].tolist() == [125, 80, 75]


def test_smeared_colours_leave_the_brightness() -> None:
    found = smear_colours(PICTURE, 0.05, CHANCE)
    # Two conversions round to whole levels, colours that are cut at 0 or 255 change more.
    assert np.percentile(np.abs(luma(found) - luma(PICTURE)), 90) <= 3
    assert measure(found).colour < measure(PICTURE).colour


def test_grain_makes_a_blurred_picture_look_sharp() -> None:
    blurred = cv2.GaussianBlur(PICTURE, (0, 0), 0.015 * 96)
    found = grain_over_blur(PICTURE, 0.015, np.random.default_rng(0))
    assert measure(found).sharpness > 1.5 * measure(blurred).sharpness
    assert (found.astype(int) - blurred).std() == pytest.approx(6, rel=0.05)  # 400 levels times 0.015


def test_a_ring_leaves_what_is_inside_and_outside() -> None:
    changed = (draw_ring(PICTURE, 0.02, CHANCE) != PICTURE).any(axis=2)
    assert 0 < changed.mean() < 0.2
    assert not changed[28:68, 28:68].any() and not changed[:5].any()
