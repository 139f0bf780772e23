"""Outlier score: how unlike the training images a picture's texture is, as a few float ops beside the head of the graph.

Principal components of the training textures (`LesionNetwork.embed_with_textures`) split a texture into a part that the
training images span and a residual; each is measured in its own training variance. This is the Mahalanobis distance under a
probabilistic PCA covariance (Tipping & Bishop 1999, section 3.1; Lee et al. 2018 for its use on features of a network).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import nn

from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256_bytes, write_atomically

COMPONENTS = 48


@dataclass(frozen=True)
class OutlierModel:
    """Fitted parameters, float32.

    Attributes:
        mean: [D].
        scale: standard deviations, [D]; what follows is in their units.
        components: orthonormal rows [K, D].
        variances: of the components, [K].
        residual_variance: mean variance of the other D - K directions.
    """

    mean: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    components: npt.NDArray[np.float32]
    variances: npt.NDArray[np.float32]
    residual_variance: float


def fit_outliers(textures: npt.NDArray[np.float32], datasets: Sequence[str]) -> OutlierModel:
    """Fit on textures of training images, every data set with the same weight, so that a small one is no outlier.

    Args:
        textures: float32 [N, D].
        datasets: name of each row's data set.
    """
    names, index, counts = np.unique(list(datasets), return_inverse=True, return_counts=True)
    weights = 1 / (len(names) * counts[index])[:, None]
    data = textures.astype(np.float64)
    mean = (weights * data).sum(axis=0)
    scale = np.sqrt((weights * (data - mean) ** 2).sum(axis=0)) + 1e-6
    centred = np.sqrt(weights) * (data - mean) / scale
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    variances = singular**2
    kept = min(COMPONENTS, len(rows) - 1)
    residual = float(variances[kept:].sum() / (data.shape[1] - kept))
    return OutlierModel(
        mean.astype(np.float32),
        scale.astype(np.float32),
        rows[:kept].astype(np.float32),
        np.maximum(variances[:kept], 1e-12).astype(np.float32),
        max(residual, 1e-12),
    )


def save_outliers(model: OutlierModel, path: Path) -> None:
    """Write fitted parameters as safetensors."""
    with write_atomically(path) as temporary:
        temporary.write_bytes(save(_tensors(model)))


def _tensors(model: OutlierModel) -> dict[str, npt.NDArray[Any]]:
    return {
        "mean": model.mean,
        "scale": model.scale,
        "components": model.components,
        "variances": model.variances,
        "residual_variance": np.array([model.residual_variance], np.float64),
    }


def outliers_digest(model: OutlierModel) -> str:
    """SHA-256 of the file that `save_outliers` writes."""
    return sha256_bytes(save(_tensors(model)))


def load_outliers(path: Path) -> OutlierModel:
    """Read fitted parameters.

    Raises:
        DataError: missing or not such a file.
    """
    try:
        tensors = load_file(path)
        residual = float(tensors.pop("residual_variance")[0])
        return OutlierModel(residual_variance=residual, **tensors)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no fitted outlier score ({error}); make one with `python -m export bundle`") from error


class OutlierScore(nn.Module):
    """Mean squared distance per dimension, near 1 on training images: textures [N, D] to [N, 1].

    |y|^2 / r - sum_k z_k^2 (1 / r - 1 / v_k), divided by D: three matrix products and five elementwise ops, kept in float.
    """

    def __init__(self, model: OutlierModel) -> None:
        super().__init__()
        dimension = len(model.mean)
        total = np.full((1, dimension), 1 / (model.residual_variance * dimension), np.float32)
        spanned = ((1 / model.residual_variance - 1 / model.variances) / dimension).astype(np.float32)[None]
        self.mean: torch.Tensor
        self.inverse_scale: torch.Tensor
        self.register_buffer("mean", torch.from_numpy(model.mean))
        self.register_buffer("inverse_scale", torch.from_numpy(1 / model.scale))
        self.project = _linear(model.components)
        self.total = _linear(total)
        self.spanned = _linear(spanned)

    def forward(self, textures: torch.Tensor) -> torch.Tensor:
        centred = (textures - self.mean) * self.inverse_scale
        inside = self.project(centred)
        score: torch.Tensor = self.total(centred * centred) - self.spanned(inside * inside)
        return score


def _linear(weight: npt.NDArray[np.float32]) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(torch.from_numpy(np.ascontiguousarray(weight)), requires_grad=False)
    return layer
