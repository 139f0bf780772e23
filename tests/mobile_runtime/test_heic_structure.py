"""HEIC files whose coded picture is cut short or has a hole."""

from __future__ import annotations

import numpy as np
import pytest

from mobile_runtime.capture import acquire
from mobile_runtime.errors import CaptureError
from tests.mobile_runtime.grainy import PICTURE, heic, interrupted


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_heic_of_which_the_rest_is_zeros_is_refused(share: float) -> None:
    data = heic(PICTURE)
    assert acquire(data).shape == PICTURE.shape
    with pytest.raises(CaptureError, match="its rest is missing"):
        acquire(interrupted(data, share))


def test_a_hole_in_a_heic_is_found_and_zeros_elsewhere_are_not() -> None:
    data = heic(PICTURE)
    begin = data.index(b"mdat") + 100
    with pytest.raises(CaptureError, match="its rest is missing"):
        acquire(data[:begin] + bytes(40) + data[begin + 40 :])
    assert acquire(data + bytes(1000)).shape == PICTURE.shape
    assert acquire(heic(np.zeros((64, 64, 3), np.uint8))).shape == (64, 64, 3)


def test_an_erased_part_of_a_heic_is_found() -> None:
    data = heic(PICTURE)
    at = data.index(b"mdat") + 100
    with pytest.raises(CaptureError, match="its rest is missing"):
        acquire(data[:at] + b"\xff" * (len(data) - at))
