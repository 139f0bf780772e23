"""What a network's int8 form adds to each logit on average, found on the calibration set and taken off again.

Rounding weights keeps each layer's mean (`compress.rounding`), but rounded activations pass through bends and add up. Left as
it is, a class that comes out too high moves every verdict near a threshold the same way. It is the bias correction of Nagel et
al. 2019 ("Data-Free Quantization", section 4.2) once more, end to end, and costs nothing: the head's bias stays in float.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from compress.flatbuffer import with_shifted_logits
from compress.interpreter import probabilities
from compress.quantization import quantize
from compress.ranges import Ranges

_SMALLEST = 1e-30


def correct_logits(base: bytes, rounded: bytes, recipe: str, ranges: Ranges, images: npt.NDArray[np.uint8]) -> bytes:
    """Shift the logits of a graph such that, quantized, they have the means of the float network's.

    Args:
        base: float32 TFLite flatbuffer with an output `probabilities` [1, C], at temperature 1.
        rounded: the graph that is going to be quantized, of the same network.
        recipe: the static recipe that it is going to be quantized by.
        ranges: activation ranges of `rounded`.
        images: prepared uint8 RGB images [M, S, S, 3] of the calibration set.

    Returns:
        `rounded` with another bias in its head.

    Raises:
        GraphError: its softmax is not fed by a float fully connected layer with a bias.
    """
    wanted, found = (_logits(graph, images) for graph in (base, quantize(rounded, recipe, ranges)))
    return with_shifted_logits(rounded, (wanted - found).mean(0).astype(np.float32))


def _logits(model: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Logits [M, C] less their mean over the classes, which a softmax does not see."""
    logits = np.log(np.maximum(probabilities(model, images).astype(np.float64), _SMALLEST))
    centred: npt.NDArray[np.float64] = logits - logits.mean(axis=1, keepdims=True)
    return centred
