"""Bundles that tests may change, and kits."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def own(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may change."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "own"))


@pytest.fixture(scope="session")
def android_kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Android kit of the default bundle. Read it, never change it."""
    pytest.importorskip("jinja2")
    from export.kits import write_kit
    from mobile_runtime import Bundle

    folder = tmp_path_factory.mktemp("kits") / "android"
    write_kit(Bundle.load(), "android", folder)
    return folder
