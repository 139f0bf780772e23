"""Checkpoints come back as they went, in half precision too, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mobile_runtime.errors import DataError
from tests.train.factories import example
from train.checkpoint import FORMAT, load_checkpoint, logits_of, refuse_other_split, save_checkpoint, split_of
from train.network import LesionNetwork
from train.recipe import Recipe
from train.splits import split_digest

RECIPE = Recipe.model_validate(
    {"name": "r", "backbone": "mobilenetv2_035", "input_size": 32, "seed": 3, "augmentation": {"shift": 0.25}}
)


@pytest.fixture(scope="module")
def network() -> LesionNetwork:
    """Weights and BatchNorm statistics that are not those of a fresh network."""
    torch.manual_seed(4)
    made = LesionNetwork(RECIPE.backbone, 7, drop_rate=0.5)
    made(torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8))
    return made


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def rewritten(source: Path, target: Path, metadata: dict[str, str] | None = None, drop: str = "") -> Path:
    """A copy with another header, or without a tensor."""
    with safe_open(source, framework="pt") as file:
        header = dict(file.metadata()) | (metadata or {})
        state = {name: file.get_tensor(name) for name in file.keys() if name != drop}  # noqa: SIM118
    save_file(state, target, metadata=header)
    return target


def test_full_precision_is_exact(network: LesionNetwork, pixels: torch.Tensor, tmp_path: Path) -> None:
    loaded, recipe = load_checkpoint(save_checkpoint(network, RECIPE, tmp_path / "deep" / "model.safetensors"))
    assert recipe == RECIPE
    assert not loaded.training
    assert torch.equal(logits_of(loaded, pixels), logits_of(network, pixels))


def test_equal_networks_make_equal_files(network: LesionNetwork, tmp_path: Path) -> None:
    """Their hashes are compared: in a release's record, and when a run goes on."""
    files = {save_checkpoint(network, RECIPE, tmp_path / f"{i}.safetensors").read_bytes() for i in range(8)}
    assert len(files) == 1


def test_a_network_stays_with_the_split_that_it_was_trained_by(network: LesionNetwork, tmp_path: Path) -> None:
    split = {"train": [example(1), example(2)], "val": [example(3)], "test": [example(4)]}
    noted = save_checkpoint(network, RECIPE, tmp_path / "noted.safetensors", split_sha256=split_digest(split))
    assert split_of(noted) == split_digest(split)
    refuse_other_split(noted, {name: part[::-1] for name, part in split.items()})
    moved = {**split, "train": [example(1)], "test": [example(4), example(2)]}
    with pytest.raises(DataError, match=r"noted\.safetensors: was trained by another split .*; put back the splits\.csv"):
        refuse_other_split(noted, moved)
    silent = save_checkpoint(network, RECIPE, tmp_path / "silent.safetensors")
    assert split_of(silent) is None
    refuse_other_split(silent, moved)


def test_half_precision_loses_only_the_rounding(network: LesionNetwork, pixels: torch.Tensor, tmp_path: Path) -> None:
    full = save_checkpoint(network, RECIPE, tmp_path / "full.safetensors")
    half = save_checkpoint(network, RECIPE, tmp_path / "half.safetensors", half=True)
    assert half.stat().st_size < 0.6 * full.stat().st_size
    loaded, _ = load_checkpoint(half)
    own = network.state_dict()
    for name, value in loaded.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert value.dtype == torch.float32
            assert torch.equal(value, own[name].half().float() if value.ndim > 1 else own[name]), name
    # float16 keeps 11 bits (relative 5e-4); through 50 layers the logits, here about 0.1 to 1, move by some of that.
    torch.testing.assert_close(logits_of(loaded, pixels), logits_of(network, pixels), atol=5e-3, rtol=0)
    again = save_checkpoint(loaded, RECIPE, tmp_path / "again.safetensors", half=True)
    first, second = load_file(half), load_file(again)
    assert all(torch.equal(value, second[name]) for name, value in first.items()), "a second round trip loses nothing"


def test_evaluation_needs_no_gradients_and_no_chance(network: LesionNetwork, pixels: torch.Tensor) -> None:
    network.train()
    logits = logits_of(network, pixels)
    assert not logits.requires_grad
    assert torch.equal(logits_of(network, pixels), logits), "dropout is off"


@pytest.mark.parametrize("content", [None, b"", b"junk" * 10])
def test_what_is_no_checkpoint_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"model\.safetensors: not a readable safetensors checkpoint"):
        load_checkpoint(path)
    with pytest.raises(DataError, match="not a readable"):
        load_checkpoint(tmp_path)


def test_plain_weights_are_not_a_checkpoint(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "plain.safetensors")
    with pytest.raises(DataError, match=rf"plain\.safetensors: no {FORMAT} header; .*train fit"):
        load_checkpoint(tmp_path / "plain.safetensors")


def test_a_recipe_of_an_older_or_newer_version_is_read_by_defaults(network: LesionNetwork, tmp_path: Path) -> None:
    good = save_checkpoint(network, RECIPE, tmp_path / "good.safetensors")
    other = tmp_path / "other.safetensors"
    document = RECIPE.model_dump(mode="json")
    for name in ("schedule", "mixup", "max_class_size", "gradient_clip"):
        del document[name]
    del document["augmentation"]["inscribed_rotation"]
    document |= {"colour_space": "lab", "augmentation": {**document["augmentation"], "fog": 0.1}}
    rewritten(good, other, {"recipe": json.dumps(document)})
    assert load_checkpoint(other)[1] == RECIPE


def test_a_checkpoint_that_contradicts_itself_is_refused(network: LesionNetwork, tmp_path: Path) -> None:
    good = save_checkpoint(network, RECIPE, tmp_path / "good.safetensors")
    bad = tmp_path / "bad.safetensors"
    for text in ('{"name": "r", "epochs": "many"}', "[1]", "{"):
        rewritten(good, bad, {"recipe": text})
        with pytest.raises(DataError, match=r"bad\.safetensors: its recipe is not readable"):
            load_checkpoint(bad)
    rewritten(good, bad, drop="head.bias")
    with pytest.raises(DataError, match=r"bad\.safetensors: does not fit backbone mobilenetv2_035.*head\.bias"):
        load_checkpoint(bad)
    fewer = RECIPE.model_copy(update={"classes": ("benign", "malignant")})
    rewritten(good, bad, {"recipe": fewer.model_dump_json()})
    with pytest.raises(DataError, match=r"bad\.safetensors: does not fit backbone mobilenetv2_035.*head\.weight") as caught:
        load_checkpoint(bad)
    assert "\n" not in str(caught.value)
    other = RECIPE.model_copy(update={"backbone": "mobilenet_v9"})
    rewritten(good, bad, {"recipe": other.model_dump_json()})
    with pytest.raises(DataError, match="mobilenet_v9"):
        load_checkpoint(bad)


def test_a_failed_write_leaves_the_old_file(network: LesionNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("train.checkpoint.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(network, RECIPE, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
