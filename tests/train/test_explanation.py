"""Explanations: gradients against differences, heat where the evidence is, maps that repeat, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from mobile_runtime.errors import DataError
from tests.conftest import TrainedRun
from tests.train.factories import call, draw
from train.checkpoint import load_checkpoint
from train.explanation import embedding_map, grad_cam, saliency
from train.explanation_picture import MIN_SIDE, overlay, panels
from train.network import LesionNetwork, turned


class Corner(torch.nn.Module):
    """A backbone by hand: two feature maps, red and green in fields of 8 pixels; the classes are their means."""

    def forward_features(self, scaled: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(scaled[:, :2] + 1.01, 8)

    def forward_head(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.mean((2, 3)) * 5


def by_hand(backbone: torch.nn.Module, orientations: int = 1) -> LesionNetwork:
    network = LesionNetwork("mobilenetv2_035", 2, orientations=orientations).eval()
    network.backbone, network.head = backbone, torch.nn.Identity()
    return network


RED, GREEN = np.array([1, 0], np.float32), np.array([0, 1], np.float32)


@pytest.fixture
def spot() -> np.ndarray:
    """Black, red at the top left, green at the bottom right; [32, 32, 3]."""
    image = np.zeros((32, 32, 3), np.uint8)
    image[:8, :8, 0] = 255
    image[24:, 24:, 1] = 255
    return image


@pytest.mark.parametrize("orientations", [1, 4])
def test_heat_lies_where_the_class_has_its_evidence(spot: np.ndarray, orientations: int) -> None:
    network = by_hand(Corner(), orientations)
    for mask, corner in ((RED, (0, 0)), (GREEN, (31, 31))):
        heat = grad_cam(network, spot, mask)
        assert heat.shape == (32, 32)
        assert (heat.min(), heat.max()) == (pytest.approx(0, abs=0.02), 1)
        assert np.unravel_index(heat.argmax(), heat.shape) == corner or heat[corner] > 0.99
        assert heat[16, 4] < 0.1


def test_saliency_is_the_gradient_by_differences(tiny_run: TrainedRun) -> None:
    network, recipe = load_checkpoint(tiny_run.checkpoint)
    pixels = np.random.default_rng(3).integers(60, 200, (recipe.input_size, recipe.input_size, 3), dtype=np.uint8)
    mask = np.eye(7, dtype=np.float32)[4]
    found = saliency(network, pixels, mask)
    assert found.shape == pixels.shape[:2]

    doubled = network.double()
    row, column = np.unravel_index(found.argmax(), found.shape)
    total = 0.0
    for colour in range(3):
        ends = []
        for step in (-0.01, 0.01):
            batch = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).double()[None]
            batch[0, colour, row, column] += step
            features = doubled.averaged(doubled.backbone((turned(batch, recipe.orientations) - 128.0) / 127.5))
            ends.append(torch.log_softmax(doubled.head(features), 1)[0, 4].item())
        total += abs(ends[1] - ends[0]) / 0.02
    # The gradient was taken in float32; ReLU6 kinks within the step of 0.02 levels are rare.
    assert found.max() == pytest.approx(total, rel=0.02)


def test_a_backbone_without_maps_has_no_grad_cam(spot: np.ndarray) -> None:
    class Flat(Corner):
        def forward_features(self, scaled: torch.Tensor) -> torch.Tensor:
            return scaled.flatten(2).transpose(1, 2)

    with pytest.raises(DataError, match="no feature maps; leave it out with --no-cam"):
        grad_cam(by_hand(Flat()), spot, RED)


def test_an_overlay_greys_what_is_cold(spot: np.ndarray) -> None:
    heat = np.zeros((32, 32), np.float32)
    heat[:8, :8] = 2
    made = overlay(spot, heat)
    cold = made[8:, :, 0]
    np.testing.assert_array_equal(made[8:], np.repeat(cold[..., None], 3, -1))
    assert np.ptp(made[4, 4].astype(int)) > 20


def test_panels_are_large_enough_and_say_where_there_is_no_evidence(spot: np.ndarray) -> None:
    heat = np.zeros((32, 32), np.float32)
    cold = panels(spot, {"a": heat, "b": heat}, "Melanoma: probability 0.1")
    assert cold.width > 3 * MIN_SIDE and cold.height > MIN_SIDE
    heat[:8, :8] = 2
    warm = panels(spot, {"a": heat, "b": heat * 0}, "Melanoma: probability 0.1")

    def has_remark(sheet: Image.Image, number: int) -> bool:
        side, half = (sheet.width - 8) // 3, sheet.height // 2
        middle = np.asarray(sheet)[half - 12 : half + 12, number * side + 60 : (number + 1) * side - 60]
        return bool((middle == 255).all(-1).any())

    assert [has_remark(cold, number) for number in range(3)] == [False, True, True]
    assert [has_remark(warm, number) for number in range(3)] == [False, False, True]


def test_a_map_keeps_clusters_apart_and_repeats() -> None:
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(0, 1, (15, 8)), rng.normal(12, 1, (15, 8))]).astype(np.float32)
    points = embedding_map(vectors, seed=1)
    np.testing.assert_array_equal(points, embedding_map(vectors, seed=1))
    centres = points[:15].mean(0), points[15:].mean(0)
    near = [int(np.argmin([np.linalg.norm(p - c) for c in centres])) for p in points]
    assert near == [0] * 15 + [1] * 15
    with pytest.raises(DataError, match="9 images are too few"):
        embedding_map(vectors[:9])


def test_images_and_a_map_are_explained(tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    photo = next(tiny_run.data.rglob("*.jpg"))
    words = ("explain", tiny_run.folder, photo, "--out", tmp_path, "--data", tiny_run.data, "--node", "malignant", "--json")
    status, out, err = call(capfd, *words)
    assert status == 0, err
    document = json.loads(out)
    (row,) = document["images"]
    assert row["explained"] == "malignant"
    assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    with Image.open(row["picture"]) as picture:
        assert picture.width > 3 * MIN_SIDE and picture.height > MIN_SIDE
    titles = [e.text for e in ElementTree.parse(document["map"]).iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) >= 10
    assert all(title and title.startswith("ham10000:") for title in titles)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "nothing to explain: give images, or --data for a map"),
        (("absent.jpg",), "absent.jpg"),
        (("a/x.png", "b/x.png"), "two images are called x"),
        (("a/x.png", "--node", "wart2"), "wart2"),
    ],
)
def test_a_mistake_is_one_line(
    words: tuple[str, ...],
    reason: str,
    tiny_run: TrainedRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        draw(tmp_path / folder, "x.png")
    status, out, err = call(capfd, "explain", tiny_run.folder, *words)
    assert (status, out, len(err.splitlines())) == (2, "", 1), err
    assert reason in err
