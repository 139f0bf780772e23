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
        # Each once, where it is first met: its output tells which layer of the network it is of.
        first = {op.op_type: op.outputs[0].name for op in reversed(self._ops)}
        if unknown := [f"{kind} (output {first[kind]})" for kind in sorted(first.keys() - OPS.keys())]:
            raise EngineError(
                f"variant {variant.name}: export/mil.py does not know {', '.join(unknown)}; add them there, or take a backbone "
                "without, such as mobilenetv2_100: no bundle is made without this check"
            )
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
                    where = f"op {op.op_type} (output {op.outputs[0].name})"
                    raise EngineError(f"variant {self._variant.name}: {where} fails ({reason})") from error
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
    steps, spread = [int(s) for s in strides], [int(d) for d in dilations]
    reach = [(taps - 1) * d + 1 for taps, d in zip(weight.shape[2:], spread, strict=True)]
    x = functional.pad(x, _sides(x, reach, steps, pad_type, pad))
    return functional.conv2d(x, weight, bias, steps, 0, spread, int(groups))


def _max_pool(
    x: Tensor,
    kernel_sizes: Any,
    pad_type: str,
    *,
    strides: Any = (1, 1),
    pad: Any = (0, 0, 0, 0),
    ceil_mode: bool = False,
) -> Tensor:
    kernel, steps = [int(k) for k in kernel_sizes], [int(s) for s in strides]
    sides = _sides(x, kernel, steps, pad_type, pad)
    if ceil_mode:  # as PyTorch's, whose last window begins in the picture or the padding before it; sides are equal here
        return functional.max_pool2d(x, kernel, steps, (sides[2], sides[0]), ceil_mode=True)
    return functional.max_pool2d(functional.pad(x, sides, value=-torch.inf), kernel, steps)


def _avg_pool(
    x: Tensor,
    kernel_sizes: Any,
    pad_type: str,
    *,
    strides: Any = (1, 1),
    pad: Any = (0, 0, 0, 0),
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    kernel, steps = [int(k) for k in kernel_sizes], [int(s) for s in strides]
    sides = _sides(x, kernel, steps, pad_type, pad)
    alone = bool(exclude_padding_from_average)
    if ceil_mode:  # see above
        return functional.avg_pool2d(x, kernel, steps, (sides[2], sides[0]), ceil_mode=True, count_include_pad=not alone)
    means = functional.avg_pool2d(functional.pad(x, sides), kernel, steps)
    if not alone:
        return means
    inside = torch.ones(1, 1, *x.shape[2:])
    return means / functional.avg_pool2d(functional.pad(inside, sides), kernel, steps)


def _sides(x: Tensor, kernel: list[int], strides: list[int], pad_type: str, pad: Any) -> list[int]:
    """Rows and columns around x [N, C, H, W]: left, right, top, bottom, as `functional.pad` takes them."""
    if pad_type == "valid":
        return [0, 0, 0, 0]
    if pad_type == "custom":
        top, bottom, left, right = (int(side) for side in pad)
        return [left, right, top, bottom]
    if pad_type not in ("same", "same_lower"):
        raise ValueError(f"pad_type {pad_type} is not known to export/mil.py; add it there")
    sides = []
    for length, taps, step in zip(x.shape[:1:-1], kernel[::-1], strides[::-1], strict=True):
        whole = max(0, step * -(-length // step) - length + taps - step)
        less, more = whole // 2, whole - whole // 2
        sides += [less, more] if pad_type == "same" else [more, less]
    return sides


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
    "avg_pool": _avg_pool,
    "cast": lambda x, dtype: x,
    "clip": lambda x, alpha, beta: x.clamp(alpha, beta),
    "concat": lambda values, axis, interleave=False: torch.cat(values, int(axis)),
    "conv": _conv,
    "dequantize": _dequantize,
    "identity": lambda x: x,
    "linear": functional.linear,
    "max_pool": _max_pool,
    "mul": lambda x, y: x * y,
    "quantize": _quantize,
    "real_div": lambda x, y: x / y,
    "reduce_mean": lambda x, axes, keep_dims=False: x.mean([int(axis) for axis in axes], keepdim=bool(keep_dims)),
    "relu": lambda x: x.relu(),
    "relu6": lambda x: x.clamp(0, 6),
    "reshape": lambda x, shape: x.reshape([int(side) for side in shape]),
    "reverse": lambda x, axes: x.flip([int(axis) for axis in axes]),
    "sigmoid": lambda x: x.sigmoid(),
    "sigmoid_hard": lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1),
    "silu": lambda x: functional.silu(x),
    "softmax": lambda x, axis=-1: x.softmax(int(axis)),
    "sub": lambda x, y: x - y,
    "thresholded_relu": lambda x, alpha: x * (x >= alpha),
    "transpose": lambda x, perm: x.permute([int(axis) for axis in perm]),
}
"""Op of a MIL program -> what it computes, on float32 tensors whose values the declared types can hold."""
