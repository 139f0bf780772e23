"""The store of decoded images: the phone's pixels, decoded once, never stale."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

import train.cache
from mobile_runtime.capture import acquire
from mobile_runtime.errors import CaptureError
from mobile_runtime.files import cache_root
from tests.conftest import REPOSITORY
from tests.train.factories import example
from train.cache import MAX_SHORT_SIDE, DecodedPixels, open_cache
from train.datasets import Example


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved(folder: Path, number: int, pixels: np.ndarray, **options: object) -> Example:
    path = folder / f"i{number}.png"
    Image.fromarray(pixels).save(path, **options)
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


@pytest.mark.parametrize(("file", "kept"), [("pixels.bin", 100), ("pixels.bin", 0), ("index.json", 20), ("index.json", 0)])
def test_a_store_of_which_a_part_is_lost_is_made_anew(tmp_path: Path, file: str, kept: int) -> None:
    one = saved(tmp_path, 0, noise(20, 30))
    open_cache([one], tmp_path / "stores")
    (damaged,) = (tmp_path / "stores").glob(f"*/{file}")
    os.truncate(damaged, kept)
    np.testing.assert_array_equal(open_cache([one], tmp_path / "stores")[one.key], acquire(one.path))


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


def test_images_that_change_places_are_decoded_again(tmp_path: Path) -> None:
    """As two of one size are that an archive gave one time."""
    examples = [saved(tmp_path, number, noise(20, 20, number), compress_level=0) for number in (0, 1)]
    for one in examples:
        os.utime(one.path, ns=(1, 1))
    assert len({one.path.stat().st_size for one in examples}) == 1
    open_cache(examples, tmp_path / "stores")
    first, second = (one.path for one in examples)
    first.rename(tmp_path / "aside")
    second.rename(first)
    (tmp_path / "aside").rename(second)
    np.testing.assert_array_equal(open_cache(examples, tmp_path / "stores")[examples[0].key], noise(20, 20, 1))


def test_a_damaged_or_missing_image_is_named_and_no_store_is_left(tmp_path: Path) -> None:
    good, bad = saved(tmp_path, 0, noise(20, 20)), saved(tmp_path, 1, noise(20, 20))
    bad.path.write_bytes(bad.path.read_bytes()[:100])
    stores = tmp_path / "stores"
    with pytest.raises(CaptureError, match=r"i1\.png"):
        open_cache([good, bad], stores)
    assert not list(stores.glob("[!.]*"))
    with pytest.raises(CaptureError, match=r"i7\.jpg: No such file"):
        open_cache([good, example(7)], stores)


def test_pixels_without_a_store_are_the_same(tmp_path: Path) -> None:
    large = saved(tmp_path, 0, noise(400, 600))
    store = open_cache([large], tmp_path / "stores")
    np.testing.assert_array_equal(DecodedPixels([large])[large.key], store[large.key])


def test_a_process_that_is_sent_a_store_opens_the_file(tmp_path: Path) -> None:
    one = saved(tmp_path, 0, noise(300, 300))
    store = open_cache([one], tmp_path / "stores")
    sent = pickle.dumps(store)
    assert len(sent) < 1000, "270,000 bytes of pixels stay where they are"
    np.testing.assert_array_equal(pickle.loads(sent)[one.key], store[one.key])


# Decoding is slowed down so that the second process surely comes in its middle.
OPENER = """
import sys, time
from pathlib import Path
import numpy as np
import train.cache
from tests.train.test_cache import noise
from train.datasets import Example

folder, fast = Path(sys.argv[1]), train.cache.acquire

def slow(*arguments, **options):
    print("decoding", flush=True)
    time.sleep(0.3)
    return fast(*arguments, **options)

train.cache.acquire = slow
examples = [Example(f"i{n}", folder / f"i{n}.png", "ham10000", "nv", (), f"g{n}") for n in range(int(sys.argv[2]))]
store = train.cache.open_cache(examples, folder / "stores")
for number, example in enumerate(examples):
    np.testing.assert_array_equal(store[example.key], noise(20, 20, number))
print("read", flush=True)
"""


def opener(folder: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OPENER, str(folder), str(count)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_that_open_a_missing_store_at_once_all_read_it(tmp_path: Path) -> None:
    for number in range(4):
        saved(tmp_path, number, noise(20, 20, number))
    ended = [process.communicate(timeout=300) for process in [opener(tmp_path, 4) for _ in range(2)]]
    for out, err in ended:
        assert out.endswith("read\n"), err
    assert "".join(out for out, _ in ended).count("decoding") == 4, "one of them decodes, the other waits"


def test_a_store_in_use_is_not_replaced(tmp_path: Path) -> None:
    # What once went wrong: another process finds no store, and has one of its own ready when the first is already in use.
    one = saved(tmp_path, 0, noise(20, 20))
    stores = tmp_path / "stores"
    folder = stores / train.cache._fingerprint([one])
    stores.mkdir()
    with FileLock(stores / f".{folder.name}.lock"):
        late = opener(tmp_path, 1)
        assert late.stderr is not None
        assert "waiting" in late.stderr.readline()
        train.cache._build([one], folder)
        before = folder.stat().st_ino
    assert late.wait(timeout=300) == 0
    assert folder.stat().st_ino == before


def test_half_a_store_is_built_again(tmp_path: Path) -> None:
    one = saved(tmp_path, 0, noise(20, 20))
    stores = tmp_path / "stores"
    open_cache([one], stores)
    (found,) = stores.glob("*/pixels.bin")
    found.unlink()
    np.testing.assert_array_equal(open_cache([one], stores)[one.key], noise(20, 20))


READER = """
import sys
from pathlib import Path
from train.cache import PixelStore

def anonymous_mb():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(fields["RssAnon"].split()[0]) / 1024

store = PixelStore(Path(sys.argv[1]))
before, peak, total = anonymous_mb(), 0, 0
for number in range(int(sys.argv[2])):
    total += int(store[f"set:{number}"].sum(dtype="int64"))
    peak = max(peak, anonymous_mb())
assert total == 0
print(peak - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux's account of a process's memory")
def test_reading_a_store_needs_no_memory_of_its_own(tmp_path: Path) -> None:
    # 512 MB on paper: a file of holes takes no room on the disk, and is read like any other.
    count, side = 128, 1182
    size = side * side * 3
    (tmp_path / "index.json").write_text(json.dumps({f"set:{n}": (n * size, side, side) for n in range(count)}))
    with (tmp_path / "pixels.bin").open("wb") as stream:
        stream.truncate(count * size)
    command = [sys.executable, "-c", READER, str(tmp_path), str(count)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=300)
    # One image is 4 MB. Pages of the file count as the system's, which it takes back when memory is short.
    assert float(ended.stdout) < 16


def test_building_a_store_holds_few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.cache, "_CHUNK", 3)
    examples = [saved(tmp_path, number, noise(20, 20, number)) for number in range(10)]
    written: list[int] = []
    ahead: list[int] = []
    shrunk = train.cache._shrunk

    def watched(path: Path) -> np.ndarray:
        written.append(1)
        return shrunk(path)

    monkeypatch.setattr(train.cache, "_shrunk", watched)
    monkeypatch.setattr(train.cache, "track", lambda pairs, *_, **__: (ahead.append(len(written)) or pair for pair in pairs))
    store = open_cache(examples, tmp_path / "stores")
    for done, begun in enumerate(ahead):
        assert begun <= done + 3
    for number, one in enumerate(examples):
        np.testing.assert_array_equal(store[one.key], noise(20, 20, number))


def test_where_stores_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKINTRIAGE_CACHE", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    one = saved(tmp_path, 0, noise(20, 20))
    open_cache([one])
    assert len(list((tmp_path / "own").glob("[!.]*"))) == 1
    monkeypatch.delenv("SKINTRIAGE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "skintriage"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "skintriage"
