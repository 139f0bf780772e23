"""Near-duplicates: planted ones are found in every position, graphs join what belongs together, repairs leave no leak."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mobile_runtime.errors import DataError
from mobile_runtime.synthetic import lesion
from tests.conftest import TrainedRun
from tests.train.factories import call, example, write
from train import duplicates
from train.datasets import Example, read_examples
from train.duplicates import Pair, audit, components, merge, perceptual_hash, repair, same_embedding, same_hash
from train.splits import SPLITS, Split, load_split, save_split


def recompressed(image: np.ndarray, size: tuple[int, int], quality: int = 60) -> np.ndarray:
    """What a copy on another site looks like: another size, stronger compression."""
    stream = io.BytesIO()
    Image.fromarray(image).resize(size).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def photograph(seed: int) -> np.ndarray:
    """Smooth random colours in 100 x 140 pixels: unlike any other, and like a photograph in its falling spectrum."""
    coarse = np.random.default_rng(seed).integers(0, 256, (10, 14, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((140, 100), Image.Resampling.BICUBIC))


def test_a_copy_is_found_in_every_position_and_nothing_else_is() -> None:
    originals = [photograph(seed) for seed in range(30)]
    copy = recompressed(originals[7], (98, 70))
    positions = [np.rot90(side, quarter) for side in (copy, copy[:, ::-1]) for quarter in range(4)]
    for turned in positions:
        hashes = np.stack([perceptual_hash(image) for image in [*originals, turned]])
        pairs = same_hash(hashes)
        assert [(pair.first, pair.second) for pair in pairs] == [(7, 30)]


def test_a_copy_of_a_drawn_lesion_is_found() -> None:
    images = [lesion(label, seed, 96) for label in ("mel", "nv", "bcc") for seed in range(5)]
    copy = recompressed(images[2], (80, 80))
    pairs = same_hash(np.stack([perceptual_hash(image) for image in [*images, copy]]))
    assert (2, 15) in {(pair.first, pair.second) for pair in pairs}


def test_the_limit_counts_differing_bits() -> None:
    signs = np.ones((3, 8, 255), np.float32)
    signs[1, :, :10] = -1
    signs[2] = np.random.default_rng(0).choice([-1, 1], (8, 255))
    assert same_hash(signs, 10) == [Pair(0, 1, distance=10)]
    assert same_hash(signs, 9) == []


def test_embeddings_are_compared_by_angle() -> None:
    vectors = np.array([[1, 0], [5, 0.1], [0, 3], [0, 0]], np.float32)
    (pair,) = same_embedding(vectors, 0.99)
    assert (pair.first, pair.second) == (0, 1)
    assert pair.similarity == pytest.approx(5 / np.hypot(5, 0.1))
    both = merge([Pair(0, 1, distance=3), Pair(0, 2, distance=1)], [pair])
    assert both == [Pair(0, 1, 3, pair.similarity), Pair(0, 2, 1)]


def test_copies_are_found_in_whichever_blocks_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_CHUNK", 4)
    vectors = np.eye(12, dtype=np.float32)
    vectors[9], vectors[6] = vectors[1], vectors[5]  # two blocks on, and in the same one
    assert [(pair.first, pair.second) for pair in same_embedding(vectors)] == [(1, 9), (5, 6)]


@given(
    st.lists(st.integers(0, 7), min_size=3, max_size=20),
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=15),
    st.integers(0, 2**32 - 1),
)
def test_after_a_repair_nothing_that_belongs_together_straddles(
    groups: list[int], raw: list[tuple[int, int]], seed: int
) -> None:
    examples = [example(i, group=f"g{group}") for i, group in enumerate(groups)]
    count = len(examples)
    pairs = [Pair(min(a, b) % count, max(a, b) % count) for a, b in raw]
    members = components(examples, pairs)
    for pair in pairs:
        assert members[pair.first] == members[pair.second]
    for group in set(groups):
        assert len({int(m) for m, g in zip(members, groups, strict=True) if g == group}) == 1
    place = np.random.default_rng(seed).integers(0, 3, count)
    split: Split = {name: [e for e, p in zip(examples, place, strict=True) if p == k] for k, name in enumerate(SPLITS)}
    try:
        mended = repair(examples, split, members)
    except DataError:  # a part is left empty
        return
    home = {e.key: name for name, part in mended.items() for e in part}
    assert home.keys() == {e.key for e in examples}
    for number in range(members.max() + 1):
        inside = [e for e, m in zip(examples, members, strict=True) if m == number]
        assert len({home[e.key] for e in inside}) == 1
        before = [next(name for name in SPLITS if e in split[name]) for e in inside]
        assert before.count(home[inside[0].key]) == max(map(before.count, before))
    assert not audit(examples, mended, pairs).leaks


def test_a_chain_is_one_component() -> None:
    examples = [example(i) for i in range(5)]
    members = components(examples, [Pair(0, 1), Pair(1, 2)])
    assert members[0] == members[1] == members[2]
    assert len(set(members.tolist())) == 3


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Twelve different pictures in the layout of HAM10000, and three copies under other lesion numbers."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(12):
        Image.fromarray(photograph(number)).save(folder / "images" / f"i{number}.png")
        rows.append(f"l{number},i{number},{'mel' if number % 2 else 'nv'}")
    for number, original in enumerate((2, 5, 8)):
        copy = recompressed(photograph(original), (112, 80), quality=80)
        Image.fromarray(np.rot90(copy, number)).save(folder / "images" / f"c{number}.jpg", quality=85)
        rows.append(f"k{number},c{number},nv")
    write(folder / "metadata.csv", "lesion_id,image_id,dx", *rows)
    return folder


def test_planted_copies_are_found_and_the_split_is_repaired(
    planted: Path, tmp_path: Path, tiny_run: TrainedRun, capfd: pytest.CaptureFixture[str]
) -> None:
    examples = {e.image_id: e for e in read_examples(planted)}
    parts: dict[str, list[Example]] = {
        "train": [e for name, e in examples.items() if name not in {"i2", "c0", "c1", "i0", "i1"}],
        "val": [examples["c1"], examples["i0"]],
        "test": [examples["c0"], examples["i2"], examples["i1"]],
    }
    save_split(parts, tmp_path / "splits.csv")
    words = ("data", "audit", "--data", planted, "--split", tmp_path / "splits.csv")
    status, out, err = call(capfd, *words, "--json")
    assert status == 1, err
    report = json.loads(out)
    assert {(row["first"], row["second"]) for row in report["pairs"]} == {
        ("ham10000:i2", "ham10000:c0"),
        ("ham10000:i5", "ham10000:c1"),
        ("ham10000:i8", "ham10000:c2"),
    }
    assert (report["images"], report["components"]) == (15, 12)
    assert (report["leaks"], report["contradictions"]) == (1, 1)  # c0 is beside i2, c2 beside i8; c1 and i5 are apart

    mended = tmp_path / "mended.csv"
    status, out, err = call(capfd, *words, "--repair", mended)
    assert status == 0, err
    assert "1 of them straddle" in " ".join(out.split())
    homes = {e.image_id: name for name, part in load_split(mended, list(examples.values())).items() for e in part}
    assert homes["c1"] == homes["i5"] == "train"
    assert {name for name in homes if homes[name] == "test"} == {"c0", "i2", "i1"}
    status, out, err = call(capfd, "data", "audit", "--data", planted, "--split", mended, "--json")
    assert (status, json.loads(out)["leaks"]) == (0, 0)

    status, out, err = call(capfd, *words, "--checkpoint", tiny_run.checkpoint, "--min-similarity", "0.9", "--json")
    assert status == 1, err
    assert all(row["similarity"] is None or row["similarity"] >= 0.9 for row in json.loads(out)["pairs"])
