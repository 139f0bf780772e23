"""PyTorch to ONNX, with the same input and outputs as the TFLite graph."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch

from export.deployed import OUTPUTS, DeployedNetwork
from export.errors import ExportError
from export.tflite import quiet

OPSET = 18
INPUT_NAME = "pixels"


def write_onnx(network: DeployedNetwork, size: int, path: Path) -> Path:
    """Write one self-contained .onnx file.

    Raises:
        ExportError: an operation that the exporter does not know.
    """
    sample = torch.zeros((1, size, size, 3), dtype=torch.uint8)
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network.eval(),
                (sample,),
                input_names=[INPUT_NAME],
                output_names=list(OUTPUTS),
                opset_version=OPSET,
                dynamo=True,
            )
    except Exception as error:  # the exporter raises whatever its passes raise
        raise ExportError(f"torch.onnx cannot export the network: {type(error).__name__}: {error}") from error
    assert program is not None  # only torch.onnx.export(f=...) returns None
    model = program.model_proto
    onnx.checker.check_model(model)
    for node in model.graph.node:  # source locations would carry this machine's paths
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:]
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path
