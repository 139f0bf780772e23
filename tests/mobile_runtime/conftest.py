"""Bundles for the runtime's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mobile_runtime import bundle as bundles


@pytest.fixture(scope="session")
def sample_bundle() -> Path:
    """The bundle that ships with the runtime. Read it, never change it."""
    return bundles.DEFAULT_BUNDLE


@pytest.fixture
def own_bundle(sample_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the sample bundle that a test may change."""
    return Path(shutil.copytree(sample_bundle, tmp_path / "own"))


@pytest.fixture(scope="session", params=["sample_bundle", pytest.param("tiny_bundle", marks=pytest.mark.slow)])
def each_bundle(request: pytest.FixtureRequest) -> Path:
    """The sample bundle, which may hold one variant, then a tiny one that holds all. Read it, never change it."""
    made: Path = request.getfixturevalue(request.param)
    return made
