"""PyTorch to TFLite through litert-torch."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from export.deployed import OUTPUTS, DeployedNetwork
from export.errors import ExportError


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence converters that write to the process's own standard streams; their errors still raise."""
    logging.getLogger().setLevel(logging.ERROR)
    saved = os.dup(1), os.dup(2)
    with open(os.devnull, "w", encoding="utf-8") as sink:
        try:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            yield
        finally:
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])


def write_tflite(network: DeployedNetwork, size: int) -> bytes:
    """Convert to a float32 TFLite flatbuffer: input `args_0` uint8 [1, S, S, 3], outputs by name.

    Raises:
        ExportError: an operation that litert-torch cannot convert; the message has its report.
    """
    import litert_torch

    sample = (torch.zeros((1, size, size, 3), dtype=torch.uint8),)
    try:
        with quiet(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.tflite"
            litert_torch.convert(network.eval(), sample).export(str(path))
            return path.read_bytes()
    except Exception as error:  # the converter raises whatever its stages raise
        raise ExportError(f"litert-torch cannot convert the network: {type(error).__name__}: {error}") from error


INPUT_NAME = "args_0"
OUTPUT_NAMES = {name: name for name in OUTPUTS}
