"""`python -m train data speed`: every row is there, and a store is not slower than its absence in a rigged race."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import train.cache
from tests.train.factories import call
from train.cache import DecodedPixels, open_cache
from train.datasets import Example
from train.loading_speed import measure
from train.recipe import Recipe


def test_each_way_is_measured_and_the_result_is_stored(
    few_examples: list[Example], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = few_examples[0].path.parent.parent
    recipe = tmp_path / "quick.yaml"
    recipe.write_text("input_size: 32\nbatch_size: 4\n", encoding="utf-8")
    words = ("data", "speed", "--data", data, "--recipe", recipe, "--images", 24, "--repeats", 1)
    status, out, err = call(capfd, *words, "--workers", 0, "--workers", 1, "--out", tmp_path / "speed.json", "--json")
    assert status == 0, err
    document = json.loads(out)
    assert json.loads((tmp_path / "speed.json").read_text()) == document
    assert [(row["pixels_from"], row["workers"]) for row in document["rows"]] == [
        *(("store", 0), ("files", 0), ("store", 1), ("files", 1)),
    ]
    assert all(row["images_per_second"] > 0 for row in document["rows"])
    assert document["store_mb"] == 0.2  # 24 images of 48 x 48 x 3 bytes
    status, _, err = call(capfd, *words[:-4], "--images", 7)
    assert status == 2
    assert "7 images are fewer than two batches of 4" in err


def test_decoding_counts_only_without_the_store(
    few_examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_cache(few_examples, tmp_path)
    fast = train.cache.acquire

    def slow(*arguments: object, **options: object) -> object:
        time.sleep(0.05)
        return fast(*arguments, **options)

    monkeypatch.setattr(train.cache, "acquire", slow)
    recipe = Recipe(name="quick", input_size=32, batch_size=4)
    stored, _ = measure(recipe, few_examples, store, workers=0)
    decoded, _ = measure(recipe, few_examples, DecodedPixels(few_examples), workers=0)
    assert decoded < 20, "each image waits 50 ms"
    assert stored > decoded
