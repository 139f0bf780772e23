"""Activation ranges of a float TFLite model over a calibration set."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from compress.interpreter import open_interpreter

Ranges = dict[str, tuple[float, float]]
"""Tensor name -> smallest and largest value seen."""


def collect_ranges(model: bytes, images: Iterable[npt.NDArray[np.uint8]]) -> Ranges:
    """True minimum and maximum of every float activation.

    ai-edge-quantizer's own `calibrate` keeps a moving average, which cuts off the tails that decide rare classes: on
    MobileNetV2 it moved probabilities by up to 0.6. The true range does not.

    Args:
        model: a float TFLite flatbuffer with one uint8 input.
        images: prepared uint8 RGB images [S, S, 3].
    """
    interpreter = open_interpreter(model, keep=True)
    interpreter.allocate_tensors()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    produced = {int(index) for op in interpreter._get_ops_details() for index in op["outputs"]}
    watched = [i for i in sorted(produced) if i in details and details[i]["dtype"] is np.float32]
    source = interpreter.get_input_details()[0]["index"]
    ranges: Ranges = {}
    for image in images:
        interpreter.set_tensor(source, image[None])
        interpreter.invoke()
        for index in watched:
            values = interpreter.get_tensor(index)
            low, high = ranges.get(details[index]["name"], (np.inf, -np.inf))
            ranges[details[index]["name"]] = (min(low, float(values.min())), max(high, float(values.max())))
    return ranges
