"""A fake bundle and a small synthetic data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_runtime import pipeline
from mobile_runtime.synthetic import write_dataset
from tests.benchmarks import fakes


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """42 synthetic images of 28 lesions in the layout of HAM10000's release."""
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder, images_per_class=6, size=48)
    return folder


@pytest.fixture
def bundle_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle with a float32, an int8, an ONNX and a Core ML variant."""
    monkeypatch.setattr(pipeline, "open_engine", fakes.open_fake_engine)
    variants = [
        fakes.variant("int8", precision="int8"),
        fakes.variant("float32"),
        fakes.variant("onnx_float32", "onnx", "float32"),
        fakes.variant("coreml_float16", "coreml", "float16"),
    ]
    return fakes.write_bundle(tmp_path / "bundle", variants)
