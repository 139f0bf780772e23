"""The deployed network: what is taken back of an adjustment in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.deployed import aggregation, deploy, undo_adjustment
from export.outliers import fit_outliers
from mobile_runtime import Bundle
from mobile_runtime.bundle import wrong_scores
from mobile_runtime.manifest import ClassSpec, ScoreSpec
from mobile_runtime.taxonomy import HAM10000_CLASSES, default_taxonomy
from tests.conftest import TrainedRun
from train.checkpoint import load_checkpoint
from train.datasets import read_examples
from train.network import LesionNetwork
from train.recipe import Recipe
from train.splits import load_split


@pytest.mark.parametrize(("tau", "share"), [(0.8, 0.5), (0.8, 0.0), (0.0, 1.0)])
def test_a_share_of_the_adjustment_is_taken_back_from_every_logit(tiny_run: TrainedRun, tau: float, share: float) -> None:
    network, recipe = load_checkpoint(tiny_run.checkpoint)
    train = load_split(tiny_run.folder / "splits.csv", read_examples(tiny_run.data))["train"]
    adjusted = Recipe.model_validate({**recipe.model_dump(), "logit_adjustment": tau})
    pixels = torch.randint(0, 256, (2, 3, recipe.input_size, recipe.input_size), dtype=torch.uint8)
    with torch.inference_mode():
        before = network(pixels).numpy()
    undo_adjustment(network, adjusted, train, share)
    with torch.inference_mode():
        after = network(pixels).numpy()
    # Synthetic lesions carry one of seven labels each, in known numbers; one is added to every class.
    counts = np.array([1 + sum(node in e.nodes for e in train) for node in recipe.classes])
    np.testing.assert_allclose(after - before, np.tile(share * tau * np.log(counts / counts.sum()), (2, 1)), atol=1e-5)


COARSE = ("benign", "malignant")


@pytest.mark.parametrize(("classes", "scores"), [(HAM10000_CLASSES, ["malignancy", "cancer"]), (COARSE, ["malignancy"])])
def test_a_score_that_the_classes_cannot_tell_is_left_out(classes: tuple[str, ...], scores: list[str]) -> None:
    assert list(aggregation(classes, default_taxonomy())) == scores
    network = LesionNetwork("mobilenetv2_035", len(classes)).eval()
    pixels = torch.randint(0, 256, (64, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        textures = network.embed_with_textures(pixels.permute(0, 3, 1, 2))[1].numpy()
        outliers = fit_outliers(textures, ["noise"] * len(textures))
        outputs = deploy(network, classes, outliers, default_taxonomy())(pixels[:2])
    assert outputs["scores"].shape == (2, len(scores))


def test_a_bundle_whose_cancer_includes_premalignant_lesions_is_found_out() -> None:
    specs = [ClassSpec(node=node, label=node, name=node) for node in COARSE]
    scores = [ScoreSpec(name=name, weights=[0, 1]) for name in ("malignancy", "cancer")]
    manifest = Bundle.load().manifest.model_copy(update={"classes": specs, "scores": scores})
    assert "class 'malignant' holds premalignant_epidermal, which cancer leaves out" in str(wrong_scores(manifest))
    assert wrong_scores(manifest.model_copy(update={"scores": scores[:1]})) is None
