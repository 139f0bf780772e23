"""Weights under other names: renamed by order, and refused where the networks differ."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file

from mobile_runtime.errors import DataError
from train.network import LesionNetwork, initialize
from train.weights import convert_weights

BACKBONE = "mobilenetv2_035"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    state = timm.create_model(BACKBONE, pretrained=False).state_dict()
    renamed = {f"_layer{i}.{name.rsplit('.', 1)[-1]}": value for i, (name, value) in enumerate(state.items())}
    torch.save(renamed, tmp_path / "foreign.pth")
    return tmp_path / "foreign.pth"


def test_renamed_weights_start_a_network(foreign: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "weights.safetensors"
    count = convert_weights(foreign, BACKBONE, target)
    assert count == len(load_file(target))
    network = LesionNetwork(BACKBONE, 7)
    assert initialize(network, target) > 0
    stem = next(iter(torch.load(foreign, weights_only=True).values()))
    assert torch.equal(network.backbone.conv_stem.weight, stem)


def test_another_network_is_refused_with_the_misfit(foreign: Path, tmp_path: Path) -> None:
    target = tmp_path / "weights.safetensors"
    with pytest.raises(DataError, match="stands where mobilenetv2_050 has"):
        convert_weights(foreign, "mobilenetv2_050", target)
    with pytest.raises(DataError, match="another network"):
        convert_weights(foreign, "efficientnet_lite0", target)
    with pytest.raises(DataError, match="no_such_net"):
        convert_weights(foreign, "no_such_net", target)
    assert not target.exists()


def test_what_is_renamed_is_not_replaced(foreign: Path) -> None:
    before = foreign.read_bytes()
    with pytest.raises(DataError, match=r"foreign\.pth: the state dict itself"):
        convert_weights(foreign, BACKBONE, foreign.parent / "." / foreign.name)
    assert foreign.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02cos\nsystem\n."])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "source.pth"
    source.write_bytes(content)
    with pytest.raises(DataError, match="not a PyTorch state dict"):
        convert_weights(source, BACKBONE, tmp_path / "weights.safetensors")
    with pytest.raises(DataError, match="not a PyTorch state dict"):
        convert_weights(tmp_path / "missing.pth", BACKBONE, tmp_path / "weights.safetensors")
