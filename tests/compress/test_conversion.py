"""Conversion in a process of its own: what the converter says and leaves behind when it cannot go on."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from torch import nn

from compress.conversion import convert
from compress.flatbuffer import GraphError, read

resource = pytest.importorskip("resource", reason="needs limits of a process")
pytest.importorskip("litert_torch")


class Wide(nn.Module):
    """A megabyte of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 100_000)

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.layer(pixels.float().mean((1, 2)))}


class Unconvertible(nn.Module):
    """Nothing that can be exported."""

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        raise ValueError("first line\nsecond line")


class Decomposition(nn.Module):
    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svd(maps)[1]


class Odd(nn.Module):
    """With one layer that no TFLite operator stands for."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), Decomposition())

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"probabilities": self.body(pixels.permute(0, 3, 1, 2).float()).flatten(1)}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(temporary: Path) -> None:
    assert read(convert(Wide(), 8))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        with pytest.raises(GraphError, match=r"ended with status 1: .*File too large"):
            convert(Wide(), 8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(temporary.iterdir())


def test_an_operation_that_is_not_known_is_named_with_its_layer(temporary: Path) -> None:
    with pytest.raises(
        GraphError, match=r"knows no aten\._linalg_svd\.default, which layer body\.1 \(Decomposition\) needs"
    ) as found:
        convert(Odd(), 16)
    assert len(str(found.value).splitlines()) == 1


def test_what_the_converter_raises_is_said(temporary: Path) -> None:
    with pytest.raises(GraphError, match=r"cannot convert the network: .*first line"):
        convert(Unconvertible(), 8)
    assert not list(temporary.iterdir())
