"""Inference engines behind one protocol: uint8 batches in, named float32 outputs out."""

from __future__ import annotations

import threading
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import EngineError
from mobile_runtime.manifest import Variant

Outputs = dict[str, npt.NDArray[np.float32]]


class Engine(Protocol):
    """Runs one variant. Safe to call from several threads: calls take turns."""

    name: str
    threads: int

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        """uint8 RGB [N, S, S, 3] to float32 outputs [N, ...] by role."""
        ...


class LiteRTEngine:
    """LiteRT (`ai-edge-litert`), or `tflite-runtime` where only that is installed."""

    def __init__(self, model: bytes, variant: Variant, threads: int = 1) -> None:
        interpreter, package = _litert_interpreter()
        try:
            self._interpreter = interpreter(model_content=model, num_threads=threads)
            self._runner = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"variant {variant.name}: LiteRT refuses the model ({error})") from error
        self._variant = variant
        self._lock = threading.Lock()
        self.threads = threads
        self.name = f"{package} (XNNPACK)"

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        """See `Engine.run`; images go through one by one, as on the phone."""
        rows: dict[str, list[npt.NDArray[np.float32]]] = {role: [] for role in self._variant.outputs}
        with self._lock:
            for image in batch:
                outputs = self._runner(**{self._variant.input_name: image[None]})
                for role, name in self._variant.outputs.items():
                    rows[role].append(outputs[name])
        return {role: np.concatenate(parts) for role, parts in rows.items()}


class OnnxEngine:
    """ONNX Runtime on the CPU (extra `onnx`)."""

    def __init__(self, model: bytes, variant: Variant, threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError("ONNX Runtime is not installed; pip install 'skintriage[onnx]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._variant = variant
        self.threads = threads
        self.name = f"onnxruntime {onnxruntime.__version__} (CPU)"

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        """See `Engine.run`."""
        roles = list(self._variant.outputs)
        names = [self._variant.outputs[role] for role in roles]
        rows = [self._session.run(names, {self._variant.input_name: image[None]}) for image in batch]
        return {role: np.concatenate([row[i] for row in rows]) for i, role in enumerate(roles)}


def _litert_interpreter() -> tuple[Any, str]:
    try:
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, f"ai-edge-litert {getattr(ai_edge_litert, '__version__', '')}".strip()
    except ImportError:
        pass
    try:
        from tflite_runtime.interpreter import Interpreter as LegacyInterpreter

        return LegacyInterpreter, "tflite-runtime"
    except ImportError as error:
        raise EngineError("no TFLite interpreter; pip install ai-edge-litert") from error


def open_engine(bundle: Bundle, variant: Variant, threads: int = 1) -> Engine:
    """Open the engine that a variant needs.

    Raises:
        EngineError: the runtime is not installed, not for this machine, or refuses the model.
        BundleError: the model file is not the one in the manifest.
    """
    if threads < 1:
        raise EngineError(f"threads must be at least 1, not {threads}")
    if variant.runtime == "litert":
        return LiteRTEngine(bundle.model_bytes(variant), variant, threads)
    if variant.runtime == "onnx":
        return OnnxEngine(bundle.model_bytes(variant), variant, threads)
    raise EngineError(f"variant {variant.name} is for Core ML, which runs on macOS and iOS only")
