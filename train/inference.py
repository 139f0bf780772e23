"""A trained network over examples: embeddings and probabilities of the plain views, as the phone makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from mobile_runtime.console import track
from train.cache import Pixels
from train.checkpoint import load_checkpoint
from train.datasets import Example
from train.loading import plain_view
from train.network import LesionNetwork
from train.recipe import Recipe

_BATCH = 64
Floats = npt.NDArray[np.float32]


def outputs(network: LesionNetwork, recipe: Recipe, examples: Sequence[Example], pixels: Pixels) -> tuple[Floats, Floats]:
    """Embeddings and class probabilities, with a progress bar on standard error; labels play no part.

    Returns:
        float32 [N, D] and [N, C].
    """
    embeddings, probabilities = [], []
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = network.eval().to(device)
    with torch.inference_mode():
        for start in track(range(0, len(examples), _BATCH), "network"):
            views = [plain_view(pixels[e.key], recipe.input_size) for e in examples[start : start + _BATCH]]
            batch = torch.from_numpy(np.stack(views).transpose(0, 3, 1, 2).copy())
            features = network.embed(batch.to(device))
            embeddings.append(features.float().cpu().numpy())
            probabilities.append(network.head(features).float().softmax(1).cpu().numpy())
    return np.concatenate(embeddings), np.concatenate(probabilities)


def embed(checkpoint: Path, examples: Sequence[Example], pixels: Pixels) -> Floats:
    """Embeddings float32 [N, D] by the network of a checkpoint."""
    network, recipe = load_checkpoint(checkpoint)
    return outputs(network, recipe, examples, pixels)[0]
