"""A network as TFLite graphs: converted by litert-torch, and quantized as releases are."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from compress.correction import correct_logits
from compress.flatbuffer import GraphError
from compress.quantization import quantize
from compress.ranges import Ranges, collect_ranges
from compress.rounding import round_weights
from train.network import LesionNetwork

STATIC = "static_wi8_ai8"


@dataclass(frozen=True)
class Forms:
    """One network as float32 and as static int8 TFLite: uint8 [1, S, S, 3] to `probabilities` [1, C] at temperature 1."""

    float32: bytes
    int8: bytes


class Probabilities(nn.Module):
    """uint8 RGB [N, S, S, 3] to class probabilities [N, C] at temperature 1."""

    def __init__(self, network: LesionNetwork) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"probabilities": torch.softmax(self.network(pixels.permute(0, 3, 1, 2)), dim=1)}


def make_forms(network: LesionNetwork, size: int, calibration: npt.NDArray[np.uint8], seed: int = 0) -> Forms:
    """Convert and quantize a network as a release does: data-aware rounding, then true ranges.

    Args:
        network: a fitted network.
        size: S, pixels a side.
        calibration: prepared images of the calibration set, uint8 [M, S, S, 3].
        seed: of the rounding's draw.

    Raises:
        GraphError: the network cannot be converted or quantized.
    """
    base = convert(Probabilities(network), size)
    return Forms(base, quantize(*prepare_static(base, calibration, seed)))


def prepare_static(base: bytes, calibration: npt.NDArray[np.uint8], seed: int = 0) -> tuple[bytes, str, Ranges]:
    """What `quantize` is to be given for the static int8 form: graph, name of the recipe, ranges of activations.

    The graph has its weights on their int8 grid, and biases that make up for what quantization does to the means.

    Args:
        base: float32 TFLite flatbuffer with an output `probabilities`, at temperature 1.
        calibration: prepared images of the calibration set, uint8 [M, S, S, 3].
        seed: of the rounding's draw.
    """
    rounded = round_weights(base, list(calibration), seed)
    ranges = collect_ranges(rounded, calibration)
    return correct_logits(base, rounded, STATIC, ranges, calibration), STATIC, ranges


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


_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from compress.conversion import convert_here; convert_here()"
_UNKNOWN = re.compile(r"Lowering not found: (\S+)")
_REPORTED = 3
"""Exit status of a child that says what the converter raised."""


def convert(module: nn.Module, size: int) -> bytes:
    """Convert to a float32 TFLite flatbuffer: input `args_0` uint8 [1, S, S, 3], outputs by name.

    In a process of its own: where the converter cannot write, to a full temporary folder say, it ends its process.

    Raises:
        GraphError: an operation that litert-torch cannot convert, with its layer where that is known; or it ended.
    """
    with tempfile.TemporaryDirectory() as folder:  # here, since a child that is ended leaves it
        path = Path(folder) / "model.tflite"
        asked = pickle.dumps((module.eval(), size, path))
        done = subprocess.run([sys.executable, "-c", _CHILD, *sys.path], input=asked, capture_output=True, check=False)
        if not done.returncode:
            return path.read_bytes()
    if done.returncode == _REPORTED:
        said = done.stdout.decode(errors="replace")
    else:
        lines = done.stderr.decode(errors="replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        said = f"it ended with status {done.returncode}: {last}"
    raise GraphError(f"litert-torch cannot convert the network: {said}")


def convert_here() -> None:
    """The child of `convert`: a pickled network, its size and the file to write on standard input."""
    report = os.dup(1)
    os.dup2(2, 1)  # the converter writes to its standard streams
    module, size, path = pickle.load(sys.stdin.buffer)  # noqa: S301 - the parent's own
    sample = (torch.zeros((1, size, size, 3), dtype=torch.uint8),)
    try:
        import litert_torch

        litert_torch.convert(module, sample).export(str(path))
    except Exception as error:  # the converter raises whatever its stages raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        if unknown := _UNKNOWN.search(said):
            said = f"it knows no {unknown[1]}, which {_layer_with(unknown[1], module, sample)} needs; take another layer there"
        with os.fdopen(report, "wb") as stream:
            stream.write(said.encode(errors="replace"))
        sys.exit(_REPORTED)


def _layer_with(operation: str, module: nn.Module, sample: tuple[torch.Tensor]) -> str:
    """The innermost layer that an ATen operation is in."""
    with contextlib.suppress(Exception):  # what cannot even be traced
        for node in torch.export.export(module, sample).run_decompositions().graph.nodes:
            if str(node.target) == operation and (layers := node.meta.get("nn_module_stack")):
                path, kind = list(layers.values())[-1]
                return f"layer {path.removeprefix('network.')} ({str(kind).rsplit('.', 1)[-1]})"
    return "the network"
