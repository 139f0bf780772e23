"""PyTorch to TFLite through litert-torch."""

from __future__ import annotations

from compress.conversion import convert
from compress.conversion import quiet as quiet  # every converter here is silenced in the same way
from compress.flatbuffer import GraphError
from export.deployed import DeployedNetwork
from export.errors import ExportError

INPUT_NAME = "args_0"


def write_tflite(network: DeployedNetwork, size: int) -> bytes:
    """Convert to a float32 TFLite flatbuffer: input `args_0` uint8 [1, S, S, 3], outputs by name.

    Raises:
        ExportError: an operation that litert-torch cannot convert; the message has its report.
    """
    try:
        return convert(network, size)
    except GraphError as error:
        raise ExportError(str(error)) from error
