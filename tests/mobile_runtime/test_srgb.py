"""Colours: profiles that do not fit, transparency and depth, conversion in bands."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmarks.capture_scenes import encode, scene
from mobile_runtime import colour_profiles, srgb
from mobile_runtime.capture import acquire

SMALL = scene()[200:248, 300:364]


def test_a_profile_of_another_colour_space_is_ignored() -> None:
    np.testing.assert_array_equal(acquire(encode(SMALL, "PNG", icc_profile=colour_profiles.cmyk_profile())), SMALL)


def test_grey_transparency_in_16_bits() -> None:
    values = SMALL[..., 0].astype(np.uint16) * 257
    key = int(values[4, 4])
    pixels = acquire(encode(Image.fromarray(values), "PNG", transparency=key))
    np.testing.assert_array_equal(pixels[..., 1], np.where(values == key, 255, SMALL[..., 0]))


def test_dark_16_bit_pictures_stay_dark() -> None:
    assert not acquire(encode(Image.fromarray(np.full((20, 20), 255, np.uint16)), "PNG")).any()


def test_bands_are_converted_as_the_whole_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clear = np.dstack([SMALL, np.arange(SMALL[..., 0].size).reshape(SMALL.shape[:2]) % 256]).astype(np.uint8)
    profile = colour_profiles.rgb_profile(colour_profiles.DISPLAY_P3)
    data = encode(clear, "PNG", icc_profile=profile)
    whole = acquire(data)
    monkeypatch.setattr(srgb, "_BAND_PIXELS", 5 * SMALL.shape[1])
    np.testing.assert_array_equal(acquire(data), whole)
