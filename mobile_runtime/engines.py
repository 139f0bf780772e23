"""Inference engines behind one protocol: uint8 batches in, named float32 outputs out.

An engine may be called from several threads: LiteRT's and Core ML's calls take turns, ONNX Runtime's run side by side; each
call gets what it would get alone. Results are the same bits for any number of threads, with one exception that LiteRT's own
kernels (`xnnpack=False`) make: there, float sums are split by thread and may differ in the last digits.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import EngineError, MissingEngineError
from mobile_runtime.manifest import Manifest, Variant

MAX_THREADS = 256
SUM_TOLERANCE = 0.01
"""Of a score, and of all probabilities; half precision is off by 2e-4 in a score."""
Outputs = dict[str, npt.NDArray[np.float32]]


class Engine(Protocol):
    """Runs one variant.

    Attributes:
        name: package, version and kernels, such as "ai-edge-litert 2.3.0 (XNNPACK)".
        kernels: what does the arithmetic: `xnnpack`, `builtin`, `onnxruntime` or `coreml`.
        threads: inference threads.
    """

    name: str
    kernels: str
    threads: int

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        """Run images one by one, as on the phone.

        Args:
            batch: uint8 RGB [N, S, S, 3], N at least 1.

        Returns:
            Role of the manifest -> float32 [N, ...].

        Raises:
            EngineError: the runtime fails on them.
        """
        ...


class LiteRTEngine:
    """LiteRT (`ai-edge-litert`), or `tflite-runtime` where only that is installed.

    Args:
        model: bytes of a .tflite file.
        variant: names of its input and outputs.
        threads: inference threads.
        xnnpack: False runs LiteRT's own optimized kernels, as devices without XNNPACK do; int8 results differ a little.
        size: S that the input must have; None takes any.

    Raises:
        MissingEngineError: no interpreter is installed.
        EngineError: it refuses the model, or the model lacks an input or output, or its input is not uint8 [1, S, S, 3].
    """

    def __init__(self, model: bytes, variant: Variant, threads: int = 1, xnnpack: bool = True, size: int | None = None) -> None:
        module, package = _litert()
        # tflite-runtime hands float graphs to XNNPACK, and int8 graphs to its own kernels whatever it is told.
        xnnpack = xnnpack and not (package.startswith("tflite-runtime") and variant.precision.startswith("int8"))
        resolver = module.OpResolverType.AUTO if xnnpack else module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self._interpreter = module.Interpreter(
                model_content=model, num_threads=threads, experimental_op_resolver_type=resolver
            )
            self._runner = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"variant {variant.name}: LiteRT refuses it ({error}); get the bundle again") from error
        inputs = self._runner.get_input_details()
        _check_names(variant, set(inputs), set(self._runner.get_output_details()))
        tensor = inputs[variant.input_name]
        # LiteRT would resize its input to whatever it is handed.
        _check_input(variant, [int(side) for side in tensor["shape"]], np.dtype(tensor["dtype"]).name, size)
        self._variant = variant
        self._lock = threading.Lock()
        self.threads = threads
        self.kernels = "xnnpack" if xnnpack else "builtin"
        self.name = f"{package} ({'XNNPACK' if xnnpack else 'builtin kernels'})"

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        """See `Engine.run`."""
        rows = []
        with self._lock:  # one interpreter has one set of tensors
            for image in batch:
                try:
                    rows.append(self._runner(**{self._variant.input_name: image[None]}))
                except (ValueError, RuntimeError) as error:
                    raise EngineError(f"variant {self._variant.name}: LiteRT fails on an image ({error})") from error
        return _stacked(self._variant, rows)


class OnnxEngine:
    """ONNX Runtime on the CPU (extra `onnx`).

    Raises:
        MissingEngineError: it is not installed.
        EngineError: it refuses the model, or the model lacks an input or output, or its input is not uint8 [1, S, S, 3].
    """

    def __init__(self, model: bytes, variant: Variant, threads: int = 1, size: int | None = None) -> None:
        try:
            onnxruntime = import_module("onnxruntime")
        except ImportError as error:
            raise MissingEngineError("ONNX Runtime is not installed; in skintriage's folder, pip install '.[onnx]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Its log would write to standard error in the middle of a command's output.
        options.log_severity_level = 3
        # Sums of signed weights would saturate on x86 processors without VNNI; those of older bundles are signed.
        options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the package has an exception class for every status code
            raise EngineError(f"variant {variant.name}: ONNX Runtime refuses it ({error}); get the bundle again") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        _check_names(variant, {node.name for node in inputs}, {node.name for node in outputs})
        tensor = next(node for node in inputs if node.name == variant.input_name)
        _check_input(variant, tensor.shape, tensor.type.removeprefix("tensor(").removesuffix(")"), size)
        self._variant = variant
        self.threads = threads
        self.kernels = "onnxruntime"
        self.name = f"onnxruntime {onnxruntime.__version__} (CPU)"

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        """See `Engine.run`."""
        names = list(self._variant.outputs.values())
        rows = []
        for image in batch:
            try:
                values = self._session.run(names, {self._variant.input_name: image[None]})
            except Exception as error:  # see above
                raise EngineError(f"variant {self._variant.name}: ONNX Runtime fails on an image ({error})") from error
            rows.append(dict(zip(names, values, strict=True)))
        return _stacked(self._variant, rows)


class CoreMLEngine:
    """Core ML through coremltools, on macOS only. Core ML decides on threads and on CPU, GPU or Neural Engine itself.

    Raises:
        MissingEngineError: another system, or coremltools is missing.
        EngineError: it refuses the model.
    """

    def __init__(self, model: Path, variant: Variant, threads: int = 1) -> None:
        if platform.system() != "Darwin":
            where = "which runs on macOS and iOS only"
            raise MissingEngineError(f"variant {variant.name} is for Core ML, {where}; choose another one")
        try:
            coremltools = import_module("coremltools")
        except ImportError as error:
            raise MissingEngineError("coremltools is not installed; pip install coremltools") from error
        try:
            self._model = coremltools.models.MLModel(str(model))
        except Exception as error:  # compiling raises whatever the framework reports
            raise EngineError(f"variant {variant.name}: Core ML refuses it ({error}); get the bundle again") from error
        self._variant = variant
        self._lock = threading.Lock()
        self.threads = threads
        self.kernels = "coreml"
        self.name = f"coremltools {coremltools.__version__} (Core ML)"

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        """See `Engine.run`."""
        rows = []
        with self._lock:
            for image in batch:
                try:
                    rows.append(self._model.predict({self._variant.input_name: Image.fromarray(image)}))
                except Exception as error:  # see above
                    raise EngineError(f"variant {self._variant.name}: Core ML fails on an image ({error})") from error
        return _stacked(self._variant, rows)


def open_engine(bundle: Bundle, variant: Variant, threads: int = 1, xnnpack: bool = True) -> Engine:
    """Open the engine that a variant needs.

    Args:
        bundle: where the model is.
        variant: one of the bundle's.
        threads: inference threads, 1 to `MAX_THREADS`.
        xnnpack: see `LiteRTEngine`; other runtimes do not have the choice.

    Raises:
        MissingEngineError: the runtime is not installed, or not for this machine.
        EngineError: it refuses the model.
        BundleError: the model file is not the one in the manifest.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
        raise EngineError(f"threads is {threads!r}; give a whole number from 1 to {MAX_THREADS}")
    if variant.runtime == "litert":
        return LiteRTEngine(bundle.model_bytes(variant), variant, threads, xnnpack, bundle.manifest.input.size)
    if variant.runtime == "onnx":
        return OnnxEngine(bundle.model_bytes(variant), variant, threads, bundle.manifest.input.size)
    return CoreMLEngine(bundle.model_folder(variant), variant, threads)


def _litert() -> tuple[Any, str]:
    for module, package in (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime")):
        try:
            interpreter = import_module(f"{module}.interpreter")
        except ImportError:
            continue
        try:
            return interpreter, f"{package} {version(package)}"
        except PackageNotFoundError:  # vendored without its metadata, as some app builders do
            return interpreter, package
    raise MissingEngineError("no TFLite interpreter; pip install ai-edge-litert")


def _check_names(variant: Variant, inputs: set[str], outputs: set[str]) -> None:
    missing = ({variant.input_name} - inputs) | (set(variant.outputs.values()) - outputs)
    if missing:
        raise EngineError(f"variant {variant.name}: the model has no {', '.join(sorted(missing))}; rebuild the bundle")


def _check_input(variant: Variant, shape: Sequence[Any], dtype: str, size: int | None) -> None:
    if size is not None and (list(shape)[1:] != [size, size, 3] or dtype != "uint8"):
        raise EngineError(
            f"variant {variant.name}: the model takes {dtype} {list(shape)}, the manifest says uint8 [1, {size}, {size}, 3]; "
            "rebuild the bundle"
        )


def check_outputs(manifest: Manifest, variant: Variant, outputs: Outputs, count: int) -> None:
    """Compare outputs with what the manifest says of them: a probability for each class, 1 in all, scores that are their sums,
    one outlier score if any.

    Raises:
        EngineError: they do not fit. Were they taken in another order, a verdict would rest on another number; were they
            all zero, it would reassure.
    """
    wanted = {"probabilities": (count, len(manifest.classes)), "scores": (count, len(manifest.scores)), "outlier": (count,)}
    for role, shape in wanted.items():
        if role not in outputs and role == "outlier":
            continue
        found = outputs[role].shape
        if found != shape and (role, found) != ("outlier", (count, 1)):
            raise EngineError(f"variant {variant.name}: {role} are {list(found)} instead of {list(shape)}; rebuild the bundle")
        if bad := int((~np.isfinite(outputs[role])).reshape(count, -1).any(1).sum()):
            raise EngineError(f"variant {variant.name}: {role} of {bad} images are not finite numbers; get the bundle again")
    probabilities, scores = outputs["probabilities"].astype(np.float64), outputs["scores"].astype(np.float64)
    if (np.abs(probabilities - probabilities.clip(0, 1)) > SUM_TOLERANCE).any():
        raise EngineError(f"variant {variant.name}: probabilities are not from 0 to 1; rebuild the bundle")
    sums = probabilities @ np.array([score.weights for score in manifest.scores]).T
    for column, score in enumerate(manifest.scores):
        if (np.abs(scores[:, column] - sums[:, column]) > SUM_TOLERANCE).any():
            raise EngineError(f"variant {variant.name}: {score.name} is not the sum of its classes; rebuild the bundle")
    if (np.abs(probabilities.sum(1) - 1) > SUM_TOLERANCE).any():
        raise EngineError(f"variant {variant.name}: probabilities do not sum to 1; rebuild the bundle")


def _stacked(variant: Variant, rows: list[dict[str, Any]]) -> Outputs:
    return {role: np.concatenate([np.asarray(row[name], np.float32) for row in rows]) for role, name in variant.outputs.items()}
