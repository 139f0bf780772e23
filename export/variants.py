"""Every exported form of a network, from weights and a release record, checked against PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from compress.flatbuffer import with_temperature
from compress.quantization import RECIPES, quantize
from compress.rounding import graft_weights
from export import coreml, onnx, tflite
from export.deployed import OUTPUTS, DeployedNetwork
from export.errors import ExportError
from mobile_runtime.engines import LiteRTEngine, OnnxEngine
from mobile_runtime.manifest import OperatingPoint, Runtime, Variant

STATIC_VARIANT = "static_wi8_ai8"
TFLITE_VARIANTS = ("float32", "float16", "dynamic_wi8_afp32", STATIC_VARIANT)
ONNX_VARIANT = "float32_onnx"
COREML_VARIANT = "float16_coreml"
ALL_VARIANTS = (*TFLITE_VARIANTS, ONNX_VARIANT, COREML_VARIANT)

PARITY_LIMITS = {
    "float32": (1e-4, 1e-5),
    ONNX_VARIANT: (1e-4, 1e-5),
    "float16": (0.05, 0.005),
    "dynamic_wi8_afp32": (0.25, 0.02),
    "static_wi8_ai8": (0.35, 0.02),
}
"""Variant -> largest and mean probability difference to PyTorch that an export may have. Float limits are rounding; the
quantized ones only catch broken graphs (a wrong scale or offset moves the mean by far more): whether a quantized variant may
ship is decided by AUC and decisions on labelled images."""


@dataclass(frozen=True)
class Parity:
    """Difference of a variant's probabilities to PyTorch's on the same images."""

    largest: float
    mean: float


def precision_of(name: str) -> str:
    """What a variant's numbers are, for people."""
    return {"float32": "float32", ONNX_VARIANT: "float32", COREML_VARIANT: "float16"}.get(name) or RECIPES[name]


def runtime_of(name: str) -> Runtime:
    """Which runtime opens a variant."""
    runtimes: dict[str, Literal["onnx", "coreml"]] = {ONNX_VARIANT: "onnx", COREML_VARIANT: "coreml"}
    return runtimes.get(name, "litert")


def write_tflite_variant(base: bytes, name: str, temperature: float, int8: bytes) -> bytes:
    """One TFLite variant.

    Args:
        base: the float32 graph at temperature 1.
        name: one of `TFLITE_VARIANTS`.
        temperature: what to divide the logits by.
        int8: the finished static int8 graph, which holds the rounded weights.
    """
    if name == STATIC_VARIANT:
        return int8
    if name == "float32":
        return with_temperature(base, temperature)
    source = base if name == "float16" else graft_weights(base, int8)
    return quantize(with_temperature(source, temperature), name)


def describe(
    name: str, path: str, size_bytes: int, temperature: float, points: dict[str, OperatingPoint], **rest: object
) -> Variant:
    """The manifest entry of a variant."""
    inputs = {"litert": tflite.INPUT_NAME, "onnx": onnx.INPUT_NAME, "coreml": coreml.INPUT_NAME}
    return Variant.model_validate(
        {
            "name": name,
            "runtime": runtime_of(name),
            "precision": precision_of(name),
            "path": path,
            "size_bytes": size_bytes,
            "input_name": inputs[runtime_of(name)],
            "outputs": {output: output for output in OUTPUTS},
            "temperature": temperature,
            "operating_points": points,
            **rest,
        }
    )


def run_variant(name: str, model: bytes, images: npt.NDArray[np.uint8], threads: int = 2) -> dict[str, npt.NDArray[np.float32]]:
    """Outputs of a LiteRT or ONNX variant on prepared images uint8 [N, S, S, 3]."""
    spec = describe(name, "model", 1, 1.0, {})
    engine = OnnxEngine(model, spec, threads) if name == ONNX_VARIANT else LiteRTEngine(model, spec, threads)
    return engine.run(images)


def torch_probabilities(network: DeployedNetwork, images: npt.NDArray[np.uint8], temperature: float) -> npt.NDArray[np.float32]:
    """PyTorch's probabilities [N, C] at a temperature."""
    network.temperature = temperature
    with torch.inference_mode():
        batches = [network(torch.from_numpy(images[i : i + 64]))["probabilities"] for i in range(0, len(images), 64)]
    return torch.cat(batches).numpy()


def check_parity(
    name: str,
    model: bytes,
    network: DeployedNetwork,
    temperature: float,
    images: npt.NDArray[np.uint8],
    limits: dict[str, tuple[float, float]] | None = None,
) -> Parity:
    """Compare a variant with PyTorch on the same images.

    Raises:
        ExportError: it is off; the message says which variant and by how much.
    """
    difference = np.abs(run_variant(name, model, images)["probabilities"] - torch_probabilities(network, images, temperature))
    parity = Parity(float(difference.max()), float(difference.mean()))
    largest, mean = (limits or PARITY_LIMITS)[name]
    if not (parity.largest <= largest and parity.mean <= mean):
        raise ExportError(
            f"variant {name} differs from PyTorch by up to {parity.largest:.2g} (limit {largest:g}), "
            f"{parity.mean:.2g} on average (limit {mean:g}); the export is stopped"
        )
    return parity


def write_other(name: str, network: DeployedNetwork, temperature: float, size: int, folder: Path, licence: str) -> Path:
    """Write the ONNX or Core ML variant into a folder."""
    network.temperature = temperature
    if name == ONNX_VARIANT:
        return onnx.write_onnx(network, size, folder / "float32.onnx")
    description = "Skin-lesion triage. Not a medical device and not a diagnosis. Input: RGB image."
    return coreml.write_coreml(network, size, folder / "float16.mlpackage", description, licence)
