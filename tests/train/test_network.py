"""The classifier: raw pixels in, and weights from files that fit or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from mobile_runtime.errors import DataError
from train.checkpoint import save_checkpoint
from train.network import LesionNetwork, initialize, turned, turned_back
from train.recipe import Recipe

BACKBONE = "mobilenetv2_035"


def state_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}


@pytest.fixture
def network() -> LesionNetwork:
    torch.manual_seed(0)
    return LesionNetwork(BACKBONE, 7).eval()


def test_pixels_are_scaled_inside(network: LesionNetwork) -> None:
    fed: list[torch.Tensor] = []
    network.backbone.register_forward_pre_hook(lambda _, arguments: fed.append(arguments[0]))
    ramp = torch.arange(256, dtype=torch.uint8).repeat(3, 12)[:, : 32 * 32].reshape(1, 3, 32, 32)
    with torch.inference_mode():
        logits = network(ramp)
    assert logits.shape == (1, 7)
    # Exact: these are the values that a uint8 tensor of scale 1/127.5 and zero point 128 stands for.
    assert torch.equal(fed[0], (ramp.float() - 128) / 127.5)
    assert fed[0].min() == -128 / 127.5
    assert fed[0].max() == 127 / 127.5


@pytest.mark.parametrize(("backbone", "width"), [(BACKBONE, 1280), ("mobilenetv3_small_100", 1024)])
def test_the_embedding_is_what_the_head_sees(backbone: str, width: int) -> None:
    network = LesionNetwork(backbone, 7).eval()
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        embedding = network.embed(pixels)
        assert torch.equal(network.head(embedding), network(pixels))
        torch.testing.assert_close(network.embed_with_textures(pixels)[0], embedding)
    assert embedding.shape == (2, network.width) == (2, width)


@pytest.mark.parametrize("orientations", [2, 4, 8])
def test_the_mean_over_orientations_does_not_depend_on_the_orientation(orientations: int) -> None:
    torch.manual_seed(1)
    network = LesionNetwork(BACKBONE, 7, orientations=orientations).eval()
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    views = turned(pixels, orientations)
    assert len({view.numpy().tobytes() for view in views[::3]}) == orientations
    one = LesionNetwork(BACKBONE, 7).eval()
    one.load_state_dict(network.state_dict())
    with torch.inference_mode():
        expected = torch.stack([one(part) for part in views.chunk(orientations)]).mean(0)
        embedding, textures = network.embed_with_textures(pixels)
        # Sums in another order: float32 rounding.
        torch.testing.assert_close(network(pixels), expected)
        torch.testing.assert_close(network.head(embedding), expected)
        for part in views.chunk(orientations):
            torch.testing.assert_close(network(part), expected)
        assert textures.shape[0] == 3
        assert not torch.allclose(one(pixels), expected)


def test_training_looks_at_one_orientation() -> None:
    network = LesionNetwork(BACKBONE, 7, orientations=8).train()
    fed: list[torch.Tensor] = []
    network.backbone.register_forward_pre_hook(lambda _, arguments: fed.append(arguments[0]))
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert fed[0].shape == (2, 3, 32, 32)


@pytest.mark.parametrize("orientations", [1, 2, 4, 8])
def test_maps_are_turned_back(orientations: int) -> None:
    pictures = torch.rand(2, 3, 5, 5)
    torch.testing.assert_close(turned_back(turned(pictures, orientations), orientations), pictures)


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(DataError, match="'mobilenet_v9'"):
        LesionNetwork("mobilenet_v9", 7)


def test_a_hub_out_of_reach_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="backbone 'mobilenetv2_100'") as caught:
        LesionNetwork("mobilenetv2_100", 7, pretrained=True)
    assert "\n" not in str(caught.value)


def test_timms_own_naming_fills_the_backbone_and_leaves_the_head(network: LesionNetwork, tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = state_of(timm.create_model(BACKBONE, num_classes=1000))
    save_file({name: value.half() for name, value in source.items()}, tmp_path / "imagenet.safetensors")
    head = network.head.weight.clone()
    taken = initialize(network, tmp_path / "imagenet.safetensors")
    own = state_of(network.backbone)
    assert taken == len(own)
    for name, value in own.items():
        assert torch.equal(value, source[name].half().float()), name  # half precision in the file is all that is lost
    assert torch.equal(network.head.weight, head)


def test_our_own_checkpoint_fills_everything(network: LesionNetwork, tmp_path: Path) -> None:
    torch.manual_seed(1)
    trained = LesionNetwork(BACKBONE, 7)
    path = save_checkpoint(trained, Recipe(name="r", backbone=BACKBONE), tmp_path / "model.safetensors")
    assert initialize(network, path) == len(state_of(network))
    for name, value in state_of(trained).items():
        assert torch.equal(state_of(network)[name], value), name


def test_a_checkpoint_of_other_classes_fills_the_backbone_only(network: LesionNetwork, tmp_path: Path) -> None:
    other = LesionNetwork(BACKBONE, 2)
    recipe = Recipe(name="r", backbone=BACKBONE, classes=("benign", "malignant"))
    path = save_checkpoint(other, recipe, tmp_path / "model.safetensors")
    head = network.head.weight.clone()
    assert initialize(network, path) == len(state_of(network)) - 2
    assert torch.equal(network.head.weight, head)
    assert torch.equal(network.backbone.conv_stem.weight, other.backbone.conv_stem.weight)


def test_weights_that_do_not_fit_are_refused_and_change_nothing(network: LesionNetwork, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in state_of(network).items()}
    wider = timm.create_model("mobilenetv2_050", num_classes=0)
    save_file(state_of(wider), tmp_path / "wider.safetensors")
    with pytest.raises(
        DataError, match=r"wider\.safetensors: does not fit this backbone, \d+ tensors differ, first .'backbone\."
    ):
        initialize(network, tmp_path / "wider.safetensors")
    partial = dict(list(state_of(network.backbone).items())[1:])
    save_file(partial, tmp_path / "partial.safetensors")
    with pytest.raises(DataError, match=r"1 tensors differ, first .'backbone.conv_stem.weight'"):
        initialize(network, tmp_path / "partial.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in state_of(network).items())


@pytest.mark.parametrize("content", [None, b"", b"not a weight file", b"\x80\x04cos\nsystem\n"])
def test_a_file_that_is_no_weight_file_is_named(network: LesionNetwork, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.safetensors: not a readable safetensors file"):
        initialize(network, path)
