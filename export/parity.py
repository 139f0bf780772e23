"""Parity: how far a variant may be from PyTorch, and from float32, and whether it is at export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field, RootModel

from export.deployed import OUTPUTS, DeployedNetwork
from export.errors import ExportError
from export.variants import ONNX_VARIANT, STATIC_ONNX_VARIANT, STATIC_VARIANT, open_model
from mobile_runtime.manifest import Variant
from train.yaml_files import read_yaml

Floats = npt.NDArray[np.float32]


class Limits(NamedTuple):
    """What a variant must keep to.

    Attributes:
        largest, mean: probability difference, 0..1. Those of float variants are rounding; those of quantized ones only catch
            broken graphs (a wrong scale or offset moves the mean by far more). `largest` also holds for scores, which are sums
            of probabilities.
        agreement: least share of labelled images with the decision of float32.
        auc_loss: largest loss of malignancy AUC against float32 on labelled images, non-inferiority margin.
        outlier: largest `outlier_error`. The released network's show 1e-5 in float32, 0.005 in float16 (0.009 in Core ML), up
            to 0.17 with 8 bits and 4.4 with 4 on golden images; a score stuck at 0 is off by at least 0.6.
    """

    largest: float
    mean: float
    agreement: float = 0.95
    auc_loss: float = 0.005
    outlier: float = 0.35


PARITY_LIMITS = {
    "float32": Limits(1e-4, 1e-5, 0.999, 0.001, outlier=1e-3),
    ONNX_VARIANT: Limits(1e-4, 1e-5, 0.999, 0.001, outlier=1e-3),
    "float16": Limits(1e-3, 1e-4, 0.999, 0.001, outlier=0.05),
    "dynamic_wi8_afp32": Limits(0.25, 0.02),
    STATIC_VARIANT: Limits(0.35, 0.02),
    STATIC_ONNX_VARIANT: Limits(0.35, 0.02),
    "float16_coreml": Limits(0.02, 1e-3, 0.99, 0.002, outlier=0.1),
    "wi8_afp16_coreml": Limits(0.25, 0.02),
    "wi8_ai8_coreml": Limits(0.35, 0.02),
    "palette6_coreml": Limits(0.5, 0.03),
    # With 4 bits outlier scores become several times as large; the variant's own abstention limit knows that.
    "palette4_coreml": Limits(0.9, 0.1, 0.85, 0.02, outlier=10),
}
"""Variant -> its limits. Against PyTorch at export, against the bundle's float32 variant in `export.check`."""


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    largest: float | None = Field(None, gt=0, le=1)
    mean: float | None = Field(None, gt=0, le=1)
    agreement: float | None = Field(None, ge=0, le=1)
    auc_loss: float | None = Field(None, gt=0, le=1)
    outlier: float | None = Field(None, gt=0)


class _Changes(RootModel[dict[str, _Change]]):
    pass


def read_limits(path: Path) -> dict[str, Limits]:
    """`PARITY_LIMITS` with the changes that a YAML file makes: variant -> limit -> value.

    Raises:
        DataError: no YAML mapping, or a limit that is misspelt or out of range.
        ExportError: no such variant.
    """
    changes = read_yaml(path, _Changes).root
    if unknown := sorted(changes.keys() - PARITY_LIMITS.keys()):
        raise ExportError(f"{path}: no variant {', '.join(unknown)}; there are {', '.join(PARITY_LIMITS)}")
    changed = {name: PARITY_LIMITS[name]._replace(**change.model_dump(exclude_none=True)) for name, change in changes.items()}
    return PARITY_LIMITS | changed


def own_limits(variant: Variant) -> list[str]:
    """In words, which of a variant's stated limits are not those of `PARITY_LIMITS`."""
    usual = PARITY_LIMITS.get(variant.name)
    stated = {} if usual is None else {name: variant.parity.get(f"{name}_limit") for name in Limits._fields}
    return [
        f"{name} {value:g} instead of {getattr(usual, name):g}"
        for name, value in stated.items()
        if value is not None and value != getattr(usual, name)
    ]


def outlier_error(found: Floats, expected: Floats, limit: float) -> float:
    """Largest difference of outlier scores [N, 1], as a share of the abstention limit, or of the score where that is larger.

    Far above the limit, where a verdict is withheld whatever the score, rounding is as large as the score lets it be.
    """
    return float((np.abs(found.astype(np.float64) - expected) / np.maximum(limit, np.abs(expected))).max())


_STOPPED = "the export is stopped (--parity-limits sets other limits, which the bundle then states)"


@dataclass(frozen=True)
class Parity:
    """Difference of a variant's probabilities to PyTorch's on the same images, and the limits that it was held to."""

    largest: float
    mean: float
    images: int
    limits: Limits

    def to_manifest(self) -> dict[str, float]:
        """As `mobile_runtime.manifest.Variant.parity` states it."""
        limits = {f"{name}_limit": value for name, value in self.limits._asdict().items()}
        return {"largest": self.largest, "mean": self.mean, "images": float(self.images), **limits}


def torch_outputs(network: DeployedNetwork, images: npt.NDArray[np.uint8], temperature: float) -> dict[str, Floats]:
    """PyTorch's outputs [N, ...] by role at a temperature."""
    network.temperature = temperature
    with torch.inference_mode():
        batches = [network(torch.from_numpy(images[i : i + 64])) for i in range(0, len(images), 64)]
    return {role: torch.cat([batch[role] for batch in batches]).numpy() for role in OUTPUTS}


def check_parity(
    name: str,
    path: Path,
    network: DeployedNetwork,
    temperature: float,
    images: npt.NDArray[np.uint8],
    abstention: float,
    limits: dict[str, Limits] | None = None,
) -> Parity:
    """Compare a variant with PyTorch on the same images, by every engine that can run it here; the worst one counts.

    Args:
        abstention: the variant's limit of the outlier score.

    Raises:
        ExportError: it is off; the message says which variant and by how much.
    """
    expected = torch_outputs(network, images, temperature)
    found = [engine.run(images) for engine in open_model(name, path)]
    apart = {role: [np.abs(outputs[role] - expected[role]) for outputs in found] for role in ("probabilities", "scores")}
    # NumPy's maximum keeps a NaN, Python's drops it where it comes second.
    largest = float(np.max(apart["probabilities"]))
    mean = float(np.max([difference.mean() for difference in apart["probabilities"]]))
    scores = float(np.max(apart["scores"]))
    outlier = float(np.max([outlier_error(outputs["outlier"], expected["outlier"], abstention) for outputs in found]))
    parity = Parity(largest, mean, len(images), (limits or PARITY_LIMITS)[name])
    if not (largest <= parity.limits.largest and mean <= parity.limits.mean):
        raise ExportError(
            f"variant {name} differs from PyTorch by up to {largest:.2g} (limit {parity.limits.largest:g}), "
            f"{mean:.2g} on average (limit {parity.limits.mean:g}); {_STOPPED}"
        )
    if not (scores <= parity.limits.largest and outlier <= parity.limits.outlier):
        raise ExportError(
            f"variant {name} differs from PyTorch in scores by up to {scores:.2g} (limit {parity.limits.largest:g}), in the "
            f"outlier score by {outlier:.2g} of the abstention limit (limit {parity.limits.outlier:g}); {_STOPPED}"
        )
    return parity
