"""Shared by all tests: synthetic images, one briefly trained network, and caches of their own.

Heavy libraries are imported inside the fixtures, so that the tests of `mobile_runtime` run on the base install.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from tests.sharing import made_once

# A busy machine is no failure.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

# Before torch is imported, here and in child processes: threads that wait for each other make the small networks of the tests
# several times slower on a machine that is busy, and one thread adds up floats in one order.
os.environ["OMP_NUM_THREADS"] = "1"
# A test that would reach for the network fails instead.
os.environ["HF_HUB_OFFLINE"] = "1"
# Children import the same large packages again and again; without compiled files that alone takes half a minute each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

pytest_plugins = ["tests.bundles"]

REPOSITORY = Path(__file__).parent.parent


@dataclass(frozen=True)
class TrainedRun:
    """A finished run of recipe `tiny`, as it comes.

    Attributes:
        folder: splits.csv, logs, last.ckpt, metrics.json, model.safetensors.
        data: the synthetic data set that it was trained on.
        cache: the folder of decoded images.
    """

    folder: Path
    data: Path
    cache: Path

    @property
    def checkpoint(self) -> Path:
        return self.folder / "model.safetensors"


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Decoded images go into a folder of this session, never into the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKINTRIAGE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def synthetic_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the layout of HAM10000's release: 16 synthetic images of each of the seven classes."""
    pytest.importorskip("pandas")
    from train.datasets import write_synthetic

    return made_once("synthetic", lambda folder: write_synthetic(folder, images_per_class=16, seed=1), tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_run(synthetic_data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """Recipe `tiny` on the synthetic data, never interrupted: seconds, hence no figure of it means anything."""
    pytest.importorskip("lightning")
    from train.datasets import read_examples
    from train.fitting import fit
    from train.recipe import load_recipe

    def make(folder: Path) -> None:
        fit(load_recipe("tiny"), read_examples(synthetic_data), folder / "tiny", workers=0, cache=folder / "cache")

    folder = made_once("run", make, tmp_path_factory)
    return TrainedRun(folder / "tiny", synthetic_data, folder / "cache")
