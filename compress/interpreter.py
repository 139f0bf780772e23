"""TFLite graphs opened in LiteRT without its warnings, and asked."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt


def open_interpreter(model: bytes, *, keep: bool = False, threads: int | None = None) -> Any:
    """LiteRT's interpreter of a flatbuffer, tensors not yet allocated.

    Args:
        model: the flatbuffer.
        keep: leave every tensor readable after an inference, which XNNPACK and a shared arena else would not.
        threads: None leaves it to LiteRT.
    """
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of `keep`, which is what is asked for
        return Interpreter(model_content=model, experimental_preserve_all_tensors=keep, num_threads=threads)


def probabilities(model: bytes, images: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    """Class probabilities [N, C] of uint8 images [S, S, 3], by the output of that name."""
    runner = open_interpreter(model).get_signature_runner()
    source = next(iter(runner.get_input_details()))
    found: npt.NDArray[np.float32] = np.concatenate([runner(**{source: image[None]})["probabilities"] for image in images])
    return found
