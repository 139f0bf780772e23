"""PyTorch to Core ML (.mlpackage, ML program, float16). Conversion works anywhere, prediction on macOS and iOS only."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

from export.deployed import OUTPUTS, DeployedNetwork
from export.errors import ExportError
from export.tflite import quiet

DEPLOYMENT_TARGET = "iOS16"
INPUT_NAME = "image"


class _ImageInput(nn.Module):
    """Core ML hands images over as [1, 3, S, S] in 0..255; outputs as a tuple."""

    def __init__(self, network: DeployedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.network(image.permute(0, 2, 3, 1))
        return tuple(outputs[name] for name in OUTPUTS)


def write_coreml(network: DeployedNetwork, size: int, path: Path, description: str, licence: str) -> Path:
    """Write a float16 .mlpackage with an RGB `ImageType` input; scaling stays inside the graph.

    Raises:
        ExportError: an operation that coremltools cannot convert.
    """
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import coremltools as ct

            traced = torch.jit.trace(_ImageInput(network).eval(), torch.zeros(1, 3, size, size))
            model = ct.convert(
                traced,
                inputs=[ct.ImageType(name=INPUT_NAME, shape=(1, 3, size, size), color_layout=ct.colorlayout.RGB)],
                outputs=[ct.TensorType(name=name) for name in OUTPUTS],
                minimum_deployment_target=getattr(ct.target, DEPLOYMENT_TARGET),
                compute_precision=ct.precision.FLOAT16,
                convert_to="mlprogram",
            )
            model.short_description = description
            model.license = licence
            model.save(str(path))
    except Exception as error:  # the converter raises whatever its passes raise
        raise ExportError(f"coremltools cannot convert the network: {type(error).__name__}: {error}") from error
    return path
