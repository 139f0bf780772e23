"""Every exported form of a network, from weights and fitted figures."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from compress.conversion import convert
from compress.flatbuffer import with_temperature
from compress.quantization import RECIPES, quantize
from compress.ranges import Ranges
from compress.rounding import convolution_weights, graft_weights
from export import coreml, onnx
from export.deployed import OUTPUTS, DeployedNetwork
from export.errors import ExportError
from export.mil import MilEngine, open_coreml
from mobile_runtime.engines import Engine, LiteRTEngine, OnnxEngine
from mobile_runtime.manifest import OperatingPoint, Runtime, Variant

STATIC_VARIANT = "static_wi8_ai8"
LITERT_INPUT = "args_0"
"""What litert-torch calls it."""
TFLITE_VARIANTS = ("float32", "float16", "dynamic_wi8_afp32", STATIC_VARIANT)
ONNX_VARIANT = "float32_onnx"
STATIC_ONNX_VARIANT = "static_wi8_ai8_onnx"
COREML_VARIANTS = tuple(coreml.RECIPES)
THREADS = 2
ALL_VARIANTS = (*TFLITE_VARIANTS, ONNX_VARIANT, STATIC_ONNX_VARIANT, *COREML_VARIANTS)


def precision_of(name: str) -> str:
    """What a variant's numbers are, for people."""
    if name in coreml.RECIPES:
        return coreml.RECIPES[name].precision
    return "float32" if name in ("float32", ONNX_VARIANT) else RECIPES[name.removesuffix("_onnx")]


def runtime_of(name: str) -> Runtime:
    """Which runtime opens a variant."""
    return "coreml" if name.endswith("_coreml") else "onnx" if name.endswith("_onnx") else "litert"


class VariantWriter:
    """Writes any variant of a network at any temperature; what several variants share is converted once.

    All variants with 8-bit weights take those of the static TFLite graph: one data-aware rounding serves every runtime.

    Args:
        network: its temperature is changed.
        size: S, pixels a side.
        metadata: for Core ML.
        base: the float32 TFLite graph at temperature 1; None converts the network when it is needed.
        int8: the finished static int8 TFLite graph, which holds the rounded weights.
        ranges: runtime -> activation ranges on calibration images, from `calibrate` or a release record.
    """

    def __init__(
        self,
        network: DeployedNetwork,
        size: int,
        metadata: coreml.Metadata,
        *,
        int8: bytes,
        base: bytes | None = None,
        ranges: dict[str, Ranges] | None = None,
    ) -> None:
        self._network = network
        self._size = size
        self._metadata = metadata
        self._base = base
        self._int8 = int8
        self.ranges = ranges or {}
        self._compressed: dict[str, Any] = {}

    @cached_property
    def base(self) -> bytes:
        """The float32 TFLite graph at temperature 1."""
        self._network.temperature = 1.0
        return self._base or convert(self._network, self._size)

    @cached_property
    def _onnx(self) -> Any:
        return onnx.convert(self._network, self._size)

    @cached_property
    def _onnx_rounded(self) -> Any:
        return onnx.graft(self._onnx, convolution_weights(self._int8))

    @cached_property
    def _coreml(self) -> Any:
        return coreml.convert(self._network, self._size)

    @cached_property
    def _coreml_rounded(self) -> Any:
        return coreml.graft(self._coreml, convolution_weights(self._int8))

    def calibrate(self, images: npt.NDArray[np.uint8]) -> None:
        """Set the activation ranges of ONNX and Core ML over prepared images uint8 [N, S, S, 3]."""
        with tempfile.TemporaryDirectory() as folder:
            path = coreml.save(self._coreml_rounded, Path(folder) / "x.mlpackage", "float16_coreml", 1.0, self._metadata)
            program = MilEngine(path, describe("float16_coreml", "model", 1, 1.0, {}))
            self.ranges = {"onnx": onnx.collect_ranges(self._onnx_rounded, images), "coreml": program.ranges(images)}

    def write(self, name: str, temperature: float, folder: Path) -> Path:
        """Write one variant into a folder.

        Returns:
            A file or, for Core ML, a folder.

        Raises:
            ExportError: a converter fails, or there are no ranges for a static variant.
        """
        runtime = runtime_of(name)
        if runtime == "litert":
            path = folder / f"{name}.tflite"
            path.write_bytes(self._tflite(name, temperature))
            return path
        if "ai8" in name and runtime not in self.ranges:
            raise ExportError(f"variant {name} needs activation ranges, which the release record lacks; make it again")
        stem = name.removesuffix(f"_{runtime}")
        if runtime == "onnx":
            model = self._onnx
            if name == STATIC_ONNX_VARIANT:
                model = self._kept(name, lambda: onnx.quantize(self._onnx_rounded, self.ranges["onnx"]))
            return onnx.save(model, folder / f"{stem}.onnx", temperature)
        source = self._coreml_rounded if stem.startswith("wi8") else self._coreml
        program = self._kept(name, lambda: coreml.compress(source, name, self.ranges.get("coreml", {})))
        return coreml.save(program, folder / f"{stem}.mlpackage", name, temperature, self._metadata)

    def _kept(self, name: str, make: Any) -> Any:
        if name not in self._compressed:
            self._compressed[name] = make()
        return self._compressed[name]

    def _tflite(self, name: str, temperature: float) -> bytes:
        if name == STATIC_VARIANT:
            return self._int8
        if name == "float32":
            return with_temperature(self.base, temperature)
        source = self.base if name == "float16" else graft_weights(self.base, self._int8)
        return quantize(with_temperature(source, temperature), name)


def describe(
    name: str, path: str, size_bytes: int, temperature: float, points: dict[str, OperatingPoint], **rest: object
) -> Variant:
    """The manifest entry of a variant."""
    inputs = {"litert": LITERT_INPUT, "onnx": onnx.INPUT_NAME, "coreml": coreml.INPUT_NAME}
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
            "abstention": None,
            **rest,
        }
    )


def open_model(name: str, path: Path) -> list[Engine]:
    """What runs a variant's file here: Core ML variants are evaluated in PyTorch and on macOS run by Core ML, too.

    Raises:
        EngineError: the runtime is missing or refuses the model.
    """
    spec = describe(name, "model", 1, 1.0, {})
    if spec.runtime == "coreml":
        return open_coreml(path, spec, THREADS)
    engine = OnnxEngine if spec.runtime == "onnx" else LiteRTEngine
    return [engine(path.read_bytes(), spec, THREADS)]


def run_variant(name: str, path: Path, images: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float32]]:
    """Outputs of a variant's file on prepared images uint8 [N, S, S, 3]; those of Core ML evaluated in PyTorch."""
    return open_model(name, path)[0].run(images)
