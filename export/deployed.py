"""The network as apps run it: raw pixels in, calibrated probabilities and aggregate scores out."""

from __future__ import annotations

import torch
from torch import nn

from export.outliers import OutlierModel, OutlierScore
from mobile_runtime.taxonomy import Taxonomy
from train.network import LesionNetwork

OUTPUTS = ("probabilities", "scores", "outlier")
AGGREGATES = ("malignancy", "cancer")


class DeployedNetwork(nn.Module):
    """Normalization, network, temperature, softmax and aggregation in one graph.

    Args:
        network: the trained network.
        aggregation: float32 [C, K], column k the 0/1 weights of score k.
        outliers: fitted on textures of the training images.
        temperature: divides the logits.
    """

    def __init__(
        self, network: LesionNetwork, aggregation: torch.Tensor, outliers: OutlierModel, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.network = network.eval()
        self.temperature = temperature
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
    rows = [torch.from_numpy(taxonomy.aggregate_vector(name, classes)) for name in AGGREGATES]
    return DeployedNetwork(network, torch.stack(rows, dim=1), outliers)
