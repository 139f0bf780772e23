"""The network as apps run it: raw pixels in, calibrated probabilities and aggregate scores out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from export.outliers import OutlierModel, OutlierScore
from mobile_runtime.errors import TaxonomyError
from mobile_runtime.taxonomy import Taxonomy, default_taxonomy
from train.datasets import Example
from train.network import LesionNetwork
from train.objective import class_log_prior
from train.recipe import Recipe

OUTPUTS = ("probabilities", "scores", "outlier")
NEEDED, *OPTIONAL = "malignancy", "cancer"


class DeployedNetwork(nn.Module):
    """Normalization, network, temperature, softmax and aggregation in one graph.

    Args:
        network: the trained network.
        aggregation: float32 [C, K], column k the 0/1 weights of score k.
        outliers: fitted on textures of the training images.

    Attributes:
        temperature: divides the logits; 1 unless it is set.
    """

    def __init__(self, network: LesionNetwork, aggregation: torch.Tensor, outliers: OutlierModel) -> None:
        super().__init__()
        self.network = network.eval()
        self.temperature = 1.0
        self.outlier_score = OutlierScore(outliers)
        self.aggregation: torch.Tensor
        self.register_buffer("aggregation", aggregation)

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """uint8 RGB [N, S, S, 3] to probabilities [N, C], scores [N, K] and outlier [N, 1], float32."""
        embeddings, textures = self.network.embed_with_textures(pixels.permute(0, 3, 1, 2))
        probabilities = torch.softmax(self.network.head(embeddings) / self.temperature, dim=1)
        return {
            "probabilities": probabilities,
            "scores": probabilities @ self.aggregation,
            "outlier": self.outlier_score(textures),
        }


def deploy(network: LesionNetwork, classes: tuple[str, ...], outliers: OutlierModel, taxonomy: Taxonomy) -> DeployedNetwork:
    """The deployed form of a trained network at temperature 1."""
    rows = [torch.from_numpy(weights) for weights in aggregation(classes, taxonomy).values()]
    return DeployedNetwork(network, torch.stack(rows, dim=1), outliers)


def aggregation(classes: Sequence[str], taxonomy: Taxonomy) -> dict[str, npt.NDArray[np.float32]]:
    """Name of each score -> its 0/1 weights [C], in the order of the graph's output `scores`.

    Malignancy, by which verdicts are made, always is there. Cancer is not where the classes are too coarse for it: if a class
    holds premalignant lesions, too, its probability is no cancer's.

    Raises:
        TaxonomyError: a class is not in the taxonomy.
    """
    found = {NEEDED: taxonomy.aggregate_vector(NEEDED, classes)}
    for name in OPTIONAL:
        try:
            found[name] = taxonomy.aggregate_vector(name, classes)
        except TaxonomyError:
            continue
    return found


def undo_adjustment(network: LesionNetwork, recipe: Recipe, train: list[Example], share: float) -> None:
    """Give the classes back a share of their frequencies among the training images, in the head's bias.

    Logit adjustment trains outputs that take every class for equally frequent (Menon et al. 2021, section 4.2); adding
    tau * log prior to them gives the posterior of the training mix. In between, rare classes are still found and the malignancy
    score ranks better.

    Args:
        network: changed in place.
        recipe: by which it was trained; where its `logit_adjustment` is 0 nothing changes.
        train: the images that it was trained on.
        share: 0 leaves the outputs as trained, 1 undoes the adjustment.
    """
    prior = class_log_prior(train, recipe, default_taxonomy())
    with torch.no_grad():
        network.head.bias.add_(prior.to(network.head.bias), alpha=share * recipe.logit_adjustment)
