"""Logits keep their means when a graph is quantized."""

from __future__ import annotations

import numpy as np

from compress.correction import correct_logits
from compress.flatbuffer import with_shifted_logits
from compress.quantization import quantize
from compress.rounding import round_weights
from tests.compress.conftest import SmallGraph
from tests.compress.graphs import run

RECIPE = "static_wi8_ai8"


def centred(model: bytes, images: np.ndarray) -> np.ndarray:
    logits = np.log(run(model, images)["probabilities"].astype(np.float64))
    return logits - logits.mean(axis=1, keepdims=True)


def test_the_int8_graph_has_the_mean_logits_of_the_float_one(small: SmallGraph) -> None:
    skewed = with_shifted_logits(small.model, np.linspace(-0.4, 0.6, 7).astype(np.float32))
    corrected = correct_logits(small.model, skewed, RECIPE, small.ranges, small.images)
    wanted = centred(small.model, small.images)
    before, after = (centred(quantize(graph, RECIPE, small.ranges), small.images) for graph in (skewed, corrected))
    assert np.abs(before.mean(0) - wanted.mean(0)).max() > 0.3
    np.testing.assert_allclose(after.mean(0), wanted.mean(0), atol=1e-4)  # float32 probabilities, the smallest near 1e-6
    # Nothing but the means moves: what is left is the noise that was there.
    np.testing.assert_allclose(after - after.mean(0), before - before.mean(0), atol=1e-4)


def test_releases_are_corrected(small: SmallGraph) -> None:
    from compress.conversion import prepare_static

    graph, recipe, ranges = prepare_static(small.model, small.images, seed=1)
    assert recipe == RECIPE
    assert graph != round_weights(small.model, list(small.images), seed=1)
    int8 = centred(quantize(graph, recipe, ranges), small.images)
    np.testing.assert_allclose(int8.mean(0), centred(small.model, small.images).mean(0), atol=1e-4)
