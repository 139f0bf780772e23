"""Post-training quantization of a float TFLite model; recipes carry ai-edge-quantizer's names."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Collection

import numpy as np
from ai_edge_quantizer import qtyping, quantizer
from ai_edge_quantizer.algorithm_manager import AlgorithmName

from compress.flatbuffer import GraphError, is_float32, read, with_quantized_input, write
from compress.ranges import Ranges
from mobile_runtime.errors import DataError
from train.network import PIXEL_RANGE

RECIPES = {
    "float16": "float16",
    "dynamic_wi8_afp32": "int8 weights, float32 activations",
    "static_wi8_ai8": "int8 weights (per channel) and activations",
    "static_wi8_ai16": "int8 weights (per channel), int16 activations",
    "weight_only_wi8_afp32": "int8 weights, dequantized to float32",
    "weight_only_wi4_afp32": "int4 weights, dequantized to float32",
}
"""Recipe -> what its numbers are."""

_Op = qtyping.TFLOperationName
# The head decides probabilities and sums them: 36 KiB in float cost nothing and keep small probabilities.
_HEAD = (_Op.FULLY_CONNECTED, _Op.SOFTMAX)
_NORMALIZATION = (_Op.SUB, _Op.MUL)


def quantize(model: bytes, recipe: str, ranges: Ranges | None = None, keep_float: Collection[str] = ()) -> bytes:
    """Quantize a float32 graph that takes uint8 pixels.

    Args:
        model: float32 TFLite flatbuffer from `compress.conversion`.
        recipe: one of `RECIPES`.
        ranges: activation ranges; only for static recipes.
        keep_float: names of output tensors of layers that stay as they are.

    Returns:
        The quantized flatbuffer; input and outputs keep their names and types.

    Raises:
        DataError: an unknown recipe, or a static recipe without ranges.
        GraphError: no TFLite model, one that is quantized already, or for static recipes one of another beginning.
    """
    if recipe not in RECIPES:
        raise DataError(f"no quantization recipe {recipe!r}; there are {', '.join(RECIPES)}")
    if not is_float32(model):
        raise GraphError("the model is quantized already; start from the float32 graph")
    work = quantizer.Quantizer(model)
    statistics = None
    if recipe == "float16":
        weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        config = qtyping.OpQuantizationConfig(weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.FLOAT)
        work.update_quantization_recipe(".*", _Op.ALL_SUPPORTED, config, AlgorithmName.FLOAT_CASTING)
        kept: tuple[qtyping.TFLOperationName, ...] = ()
    elif recipe == "dynamic_wi8_afp32":
        work.add_dynamic_config(".*", _Op.ALL_SUPPORTED, num_bits=8)
        kept = _HEAD
    elif recipe.startswith("weight_only"):
        work.add_weight_only_config(".*", _Op.ALL_SUPPORTED, num_bits=4 if "wi4" in recipe else 8)
        kept = _HEAD
    else:
        if not ranges:
            raise DataError(f"{recipe} needs activation ranges from a calibration set")
        bits = 16 if recipe.endswith("ai16") else 8
        work.add_static_config(".*", _Op.ALL_SUPPORTED, activation_num_bits=bits, weight_num_bits=8)
        kept = (*_HEAD, *_NORMALIZATION, _Op.INPUT, _Op.OUTPUT)
        statistics = {
            name: {"min": np.array([[low]], np.float32), "max": np.array([[high]], np.float32)}
            for name, (low, high) in _with_full_input_range(ranges).items()
        }
    for operation in kept:
        work.update_quantization_recipe(".*", operation, algorithm_key=AlgorithmName.NO_QUANTIZE)
    for name in keep_float:
        work.update_quantization_recipe(f"^{re.escape(name)};$", _Op.ALL_SUPPORTED, algorithm_key=AlgorithmName.NO_QUANTIZE)
    with contextlib.redirect_stderr(io.StringIO()):  # the library draws its own progress bar
        result = work.quantize(statistics, enable_progress_report=False)
    quantized = bytes(result.quantized_model)
    return with_quantized_input(quantized) if recipe.endswith("ai8") else write(read(quantized))


def _with_full_input_range(ranges: Ranges) -> Ranges:
    """Give the normalized pixels the whole range of uint8, whatever the calibration images held.

    They are the third activation, after CAST, SUB and MUL; a PAD that passes them on has the same range.
    """
    normalized = list(ranges.values())[2]
    return {name: PIXEL_RANGE if found == normalized else found for name, found in ranges.items()}
