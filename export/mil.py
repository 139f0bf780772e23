"""Core ML programs evaluated in PyTorch: what a saved .mlpackage computes, on any machine.

This checks the saved program, not Apple's runtime: compressed weights are taken as the values that they stand for, every op is
computed in float32 and rounded to the type that the program declares for its result. Core ML on a phone sums in another order
and may keep more or fewer bits between ops. On macOS `open_coreml` runs Core ML itself, too.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from compress.conversion import quiet
from compress.ranges import Ranges
from mobile_runtime.engines import CoreMLEngine, Engine, Outputs
from mobile_runtime.errors import EngineError
from mobile_runtime.manifest import Variant
from train.network import PIXEL_RANGE

Tensor = torch.Tensor
_INTEGERS = {"int8": (-128, 127), "uint8": (0, 255)}


class MilEngine:
    """Evaluates the program of a .mlpackage; an `Engine` like those of `mobile_runtime.engines`.

    Args:
        model: the .mlpackage.
        variant: names of its input and outputs.
        threads: stated only; PyTorch's own setting decides.

    Raises:
        EngineError: no Core ML program, one with ops that are not known here (they are named), with another input than an
            image, or without a stated input or output.
    """

    def __init__(self, model: Path, variant: Variant, threads: int = 1) -> None:
        try:
            with quiet():
                import coremltools
                from coremltools.converters.mil.frontend.milproto.load import load
                from coremltools.converters.mil.mil import types

                package = coremltools.models.MLModel(str(model), skip_model_load=True)
                spec = package.get_spec()
                program = load(spec, spec.specificationVersion, file_weights_dir=package.weights_dir)
        except Exception as error:  # the loader raises whatever it stumbles over
            reason = " ".join(str(error).split())
            raise EngineError(f"variant {variant.name}: no Core ML program ({reason}); get the bundle again") from error
        self._variant = variant
        function = program.functions["main"]
        self._constants = {op.outputs[0].name: _constant(op) for op in function.operations if _is_constant(op)}
        self._ops = [op for op in function.operations if not _is_constant(op)]
        if unknown := sorted({op.op_type for op in self._ops} - OPS.keys()):
            raise EngineError(f"variant {variant.name}: export/mil.py does not know {', '.join(unknown)}; add them there")
        self._halves = {op.outputs[0].name for op in self._ops if op.outputs[0].dtype == types.fp16}
        inputs = {feature.name: feature.type for feature in spec.description.input}
        given = {feature.name for feature in spec.description.output}
        if missing := ({variant.input_name} - inputs.keys()) | (set(variant.outputs.values()) - given):
            raise EngineError(f"variant {variant.name}: the model has no {', '.join(sorted(missing))}; rebuild the bundle")
        image = inputs[variant.input_name].imageType
        colours = image.ColorSpace.Name(image.colorSpace)
        if colours not in ("RGB", "BGR"):
            raise EngineError(f"variant {variant.name}: the input is no colour image ({colours}); rebuild the bundle")
        self._channels = [0, 1, 2] if colours == "RGB" else [2, 1, 0]
        self._shape = (image.height, image.width, 3)
        self.threads = threads
        self.kernels = "mil"
        self.name = f"Core ML program in PyTorch {torch.__version__.split('+')[0]}, not Core ML"

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        """See `Engine.run`."""
        rows: dict[str, list[npt.NDArray[np.float32]]] = {role: [] for role in self._variant.outputs}
        for image in batch:
            found = dict(self._evaluate(image))
            for role, name in self._variant.outputs.items():
                rows[role].append(found[name].numpy())
        return {role: np.concatenate(parts) for role, parts in rows.items()}

    def ranges(self, images: npt.NDArray[np.uint8]) -> Ranges:
        """True minimum and maximum of every value of the program over images uint8 [N, S, S, 3]."""
        ranges: Ranges = {}
        for image in images:
            for name, value in self._evaluate(image):
                low, high = ranges.get(name, (np.inf, -np.inf))
                ranges[name] = (min(low, float(value.min())), max(high, float(value.max())))
        # What the first convolution takes are normalized pixels: every uint8 image, whatever the calibration images held.
        first = next(op.inputs["x"].name for op in self._ops if op.op_type == "conv")
        return ranges | {first: PIXEL_RANGE}

    def _evaluate(self, image: npt.NDArray[np.uint8]) -> Iterator[tuple[str, Tensor]]:
        """Every value of the program by name, in the order of its ops."""
        if image.shape != self._shape or image.dtype != np.uint8:
            raise EngineError(
                f"variant {self._variant.name}: the program fails on an image ({image.dtype} {list(image.shape)}, "
                f"it takes uint8 {list(self._shape)})"
            )
        pixels = torch.from_numpy(image[None, ..., self._channels].copy()).permute(0, 3, 1, 2).float()
        values: dict[str, Any] = self._constants | {self._variant.input_name: pixels}
        with torch.inference_mode():
            for op in self._ops:
                arguments = {key: _resolve(values, var) for key, var in op.inputs.items() if var is not None}
                try:
                    result = OPS[op.op_type](**arguments)
                except (RuntimeError, TypeError, ValueError) as error:
                    reason = " ".join(str(error).split())
                    raise EngineError(f"variant {self._variant.name}: op {op.op_type} fails ({reason})") from error
                if op.outputs[0].name in self._halves:
                    result = result.half().float()
                values[op.outputs[0].name] = result
                yield op.outputs[0].name, result


def open_coreml(model: Path, variant: Variant, threads: int = 1) -> list[Engine]:
    """What can vouch for a .mlpackage here: the evaluator everywhere, and Core ML itself on macOS.

    Raises:
        EngineError: see `MilEngine` and `CoreMLEngine`.
    """
    engines: list[Engine] = [MilEngine(model, variant, threads)]
    if platform.system() == "Darwin":
        engines.append(CoreMLEngine(model, variant, threads))
    return engines


def _is_constant(op: Any) -> bool:
    return op.op_type == "const" or op.op_type.startswith("constexpr_")


def _constant(op: Any) -> Any:
    value = op.outputs[0].val if op.op_type == "const" else op.materialized_val_inference()
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return torch.from_numpy(np.array(value, np.float32))
    return value.item() if isinstance(value, np.generic) else value


def _resolve(values: dict[str, Any], var: Any) -> Any:
    return [values[item.name] for item in var] if isinstance(var, (list, tuple)) else values[var.name]


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Any = (1, 1),
    dilations: Any = (1, 1),
    groups: int = 1,
    pad_type: str = "valid",
    pad: Any = (0, 0, 0, 0),
) -> Tensor:
    if pad_type not in ("valid", "custom"):
        raise EngineError(f"conv with pad_type {pad_type} is not known to export/mil.py; add it there")
    if pad_type == "custom":
        top, bottom, left, right = (int(side) for side in pad)
        x = functional.pad(x, (left, right, top, bottom))
    return functional.conv2d(x, weight, bias, [int(s) for s in strides], 0, [int(d) for d in dilations], int(groups))


def _quantize(input: Tensor, scale: Any, output_dtype: str, zero_point: Any = 0, axis: Any = None) -> Tensor:  # noqa: A002
    low, high = _INTEGERS[output_dtype]
    return (torch.round(input / _scalar(scale)) + _scalar(zero_point)).clamp(low, high)


def _dequantize(input: Tensor, scale: Any, zero_point: Any = 0, axis: Any = None) -> Tensor:  # noqa: A002
    return (input - _scalar(zero_point)) * _scalar(scale)


def _scalar(value: Any) -> float:
    # One step for the whole tensor: activations are never quantized per channel.
    return float(np.asarray(value).reshape(()))


OPS: dict[str, Callable[..., Tensor]] = {
    "add": lambda x, y: x + y,
    "cast": lambda x, dtype: x,
    "clip": lambda x, alpha, beta: x.clamp(alpha, beta),
    "concat": lambda values, axis, interleave=False: torch.cat(values, int(axis)),
    "conv": _conv,
    "dequantize": _dequantize,
    "identity": lambda x: x,
    "linear": functional.linear,
    "mul": lambda x, y: x * y,
    "quantize": _quantize,
    "real_div": lambda x, y: x / y,
    "reduce_mean": lambda x, axes, keep_dims=False: x.mean([int(axis) for axis in axes], keepdim=bool(keep_dims)),
    "relu": lambda x: x.relu(),
    "relu6": lambda x: x.clamp(0, 6),
    "reshape": lambda x, shape: x.reshape([int(side) for side in shape]),
    "reverse": lambda x, axes: x.flip([int(axis) for axis in axes]),
    "softmax": lambda x, axis=-1: x.softmax(int(axis)),
    "sub": lambda x, y: x - y,
}
"""Op of a MIL program -> what it computes, on float32 tensors whose values the declared types can hold."""
