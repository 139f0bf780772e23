"""The store of decoded images: the phone's pixels, decoded once, never stale."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train.cache
from mobile_runtime.capture import acquire
from mobile_runtime.errors import CaptureError
from tests.train.factories import example
from train.cache import MAX_SHORT_SIDE, cache_root, open_cache
from train.datasets import Example


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved(folder: Path, number: int, pixels: np.ndarray, **options: object) -> Example:
    path = folder / f"i{number}.png"
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return Example(f"i{number}", path, "ham10000", "nv", ("melanocytic_nevus",), f"ham10000:{number}")


def test_small_images_keep_their_pixels(tmp_path: Path) -> None:
    pictures = [noise(20, 30, 1), noise(MAX_SHORT_SIDE, 400, 2), noise(50, 16, 3)]
    examples = [saved(tmp_path, number, pixels) for number, pixels in enumerate(pictures)]
    store = open_cache(examples, tmp_path / "stores")
    for one, pixels in zip(examples, pictures, strict=True):
        np.testing.assert_array_equal(store[one.key], pixels)
    with pytest.raises(KeyError):
        store["ham10000:other"]


def test_images_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to see it upright
    turned = saved(tmp_path, 0, noise(20, 40), exif=exif)
    stored = open_cache([turned], tmp_path / "stores")[turned.key]
    assert stored.shape == (40, 20, 3)
    np.testing.assert_array_equal(stored, acquire(turned.path))


@pytest.mark.parametrize(("height", "width"), [(400, 600), (640, 321), (1000, 1000)])
def test_large_images_shrink_to_the_short_side(tmp_path: Path, height: int, width: int) -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, width), (height, width))
    large = saved(tmp_path, 0, np.stack([ramp] * 3, -1).astype(np.uint8))
    stored = open_cache([large], tmp_path / "stores")[large.key]
    assert min(stored.shape[:2]) == MAX_SHORT_SIDE
    assert stored.shape[1] / stored.shape[0] == pytest.approx(width / height, rel=0.005)  # half a pixel in 320
    # An even ramp stays one; two grey levels are the rounding of the ramp and of the resampling.
    expected = np.interp(np.arange(stored.shape[1]) + 0.5, [0.5, stored.shape[1] - 0.5], [0, 255])
    np.testing.assert_allclose(stored[5, :, 0], expected, atol=2)


def test_a_second_opening_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = saved(tmp_path, 0, noise(20, 20))
    first = open_cache([one], tmp_path / "stores")[one.key]

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(train.cache, "acquire", fail)
    np.testing.assert_array_equal(open_cache([one], tmp_path / "stores")[one.key], first)
    with pytest.raises(AssertionError, match="decoded again"):
        open_cache([one], tmp_path / "elsewhere")


def test_a_changed_image_is_decoded_again(tmp_path: Path) -> None:
    before = saved(tmp_path, 0, noise(20, 20, 1))
    open_cache([before], tmp_path / "stores")
    after = saved(tmp_path, 0, noise(20, 20, 2))
    os.utime(after.path, ns=(1, 1))
    np.testing.assert_array_equal(open_cache([after], tmp_path / "stores")[after.key], noise(20, 20, 2))


def test_a_damaged_or_missing_image_is_named_and_no_store_is_left(tmp_path: Path) -> None:
    good, bad = saved(tmp_path, 0, noise(20, 20)), saved(tmp_path, 1, noise(20, 20))
    bad.path.write_bytes(bad.path.read_bytes()[:100])
    stores = tmp_path / "stores"
    with pytest.raises(CaptureError, match=r"i1\.png"):
        open_cache([good, bad], stores)
    assert not list(stores.iterdir())
    with pytest.raises(CaptureError, match=r"i7\.jpg: No such file"):
        open_cache([good, example(7)], stores)


def test_where_stores_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKINTRIAGE_CACHE", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    one = saved(tmp_path, 0, noise(20, 20))
    open_cache([one])
    assert len(list((tmp_path / "own").iterdir())) == 1
    monkeypatch.delenv("SKINTRIAGE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "skintriage"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "skintriage"
