"""Data-aware rounding of weights to the int8 grid, with bias correction.

Rounding each weight to its nearest step shifts a convolution's output wherever inputs are large and kernels cancel: on
MobileNetV2 the first depthwise layer alone moved logits by a quarter of their spread. Here weights are rounded up or down such
that the error's variance over real activations is small (the layer-wise objective of Nagel et al. 2020, "Up or Down? Adaptive
Rounding", section 3; solved exactly for the nine taps of a depthwise kernel, by coordinate descent for more), and the error's
mean is taken off the bias (Nagel et al. 2019, "Data-Free Quantization", section 4.2).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from compress.flatbuffer import GraphError, code, constant, dequantized, read, set_constant, swept, write
from compress.interpreter import open_interpreter

Floats = npt.NDArray[np.float64]
_OPS = schema.BuiltinOperator
_STEPS = 127
_SWEEPS = 2
_ROWS = 10_000
_EXHAUSTIVE = 9
"""Taps up to which all roundings of a depthwise kernel are tried: 512 of them. Of a 5x5 kernel there are 33 million."""


def round_weights(model: bytes, images: Sequence[npt.NDArray[np.uint8]], seed: int = 0, memory: int = 1024**3) -> bytes:
    """Move every convolution's weights onto its per-channel int8 grid.

    Args:
        model: float32 TFLite flatbuffer with one uint8 input.
        images: prepared uint8 RGB images [S, S, 3] of the calibration set.
        seed: of the choice of activation rows.
        memory: bytes of activations to keep at a time, though never less than one layer's. Less takes more passes over the
            images and gives the same result.

    Returns:
        The float32 graph with rounded weights and corrected biases; symmetric per-channel quantization of it is exact.
    """
    tree = read(model)
    layers = _convolutions(tree)
    patches = _patches(model, tree, layers, images, seed, memory)
    for op in layers:
        weights, bias = constant(tree, op.inputs[1]), constant(tree, op.inputs[2])
        if code(tree, op) == _OPS.DEPTHWISE_CONV_2D:
            kernels = weights.reshape(-1, weights.shape[-1]).T.astype(np.float64)
            rounded, shift = _round_depthwise(kernels, next(patches))
            stored = rounded.T.reshape(weights.shape)
        else:
            kernels = weights.reshape(len(weights), -1).astype(np.float64)
            rounded, shift = _round_dense(kernels, next(patches))
            stored = rounded.reshape(weights.shape)
        set_constant(tree, op.inputs[1], stored.astype(np.float32))
        set_constant(tree, op.inputs[2], (bias - shift).astype(np.float32))
    return write(swept(tree))


def graft_weights(model: bytes, quantized: bytes) -> bytes:
    """Give a float graph the weights of its static int8 form, so that one rounding serves every int8 variant.

    Args:
        model: float32 TFLite flatbuffer.
        quantized: static int8 flatbuffer of the same network.

    Raises:
        GraphError: the graphs do not have the same convolutions.
    """
    tree, other = read(model), read(quantized)
    layers, sources = (_convolutions(t) for t in (tree, other))
    if [code(tree, op) for op in layers] != [code(other, op) for op in sources]:
        raise GraphError("the float and the int8 graph are not of one network")
    for op, source in zip(layers, sources, strict=True):
        for index in (1, 2):
            values = dequantized(other, source.inputs[index])
            if values.shape != constant(tree, op.inputs[index]).shape:
                raise GraphError("the float and the int8 graph are not of one network")
            set_constant(tree, op.inputs[index], values)
    return write(swept(tree))


def convolution_weights(quantized: bytes) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Weights [O, I / groups, H, W] and biases [O] of a static int8 graph's convolutions, dequantized, in order."""
    tree = read(quantized)
    found = []
    for op in _convolutions(tree):
        order = (3, 0, 1, 2) if code(tree, op) == _OPS.DEPTHWISE_CONV_2D else (0, 3, 1, 2)
        found.append((dequantized(tree, op.inputs[1]).transpose(order), dequantized(tree, op.inputs[2])))
    return found


def _convolutions(tree: Any) -> list[Any]:
    return [op for op in tree.subgraphs[0].operators if code(tree, op) in (_OPS.CONV_2D, _OPS.DEPTHWISE_CONV_2D)]


def _grid(kernels: Floats) -> tuple[Floats, Floats]:
    """Step [C, 1] and position [C, K] of weights on the symmetric int8 grid."""
    step = np.maximum(np.abs(kernels).max(axis=1, keepdims=True) / _STEPS, 1e-12)
    return step, kernels / step


def _round_depthwise(kernels: Floats, patches: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """kernels [C, K] and patches [N, C, K] -> rounded kernels, mean output shift [C]."""
    if kernels.shape[1] > _EXHAUSTIVE:
        parts = [_round_dense(kernels[[channel]], patches[:, channel]) for channel in range(len(kernels))]
        return np.concatenate([rounded for rounded, _ in parts]), np.concatenate([shift for _, shift in parts])
    step, position = _grid(kernels)
    floor = np.floor(position)
    choices = np.array(list(itertools.product((0.0, 1.0), repeat=kernels.shape[1])))
    rounded = np.empty_like(kernels)
    shift = np.empty(len(kernels))
    for channel in range(len(kernels)):
        x = patches[:, channel].astype(np.float64)
        mean, spread = x.mean(axis=0), np.cov(x, rowvar=False, bias=True)
        errors = floor[channel] + choices - position[channel]
        # Weights already on the grid (the largest one is) stay there.
        fixed = np.abs(position[channel] - np.rint(position[channel])) < 1e-6
        errors = errors[(np.abs(errors[:, fixed]) < 1e-3).all(axis=1)]
        cost = np.einsum("ik,kl,il->i", errors, spread, errors) + 1e-9 * (errors**2).sum(axis=1)
        best = errors[int(cost.argmin())]
        rounded[channel] = np.rint(position[channel] + best) * step[channel]
        shift[channel] = (rounded[channel] - kernels[channel]) @ mean
    return rounded, shift


def _round_dense(kernels: Floats, patches: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """kernels [C, K] and patches [N, K] -> rounded kernels, mean output shift [C]."""
    step, position = _grid(kernels)
    x = patches.astype(np.float64)
    mean = x.mean(axis=0)
    spread = np.cov(x, rowvar=False, bias=True).reshape(x.shape[1], x.shape[1])
    spread[np.diag_indices_from(spread)] += 1e-3 * spread.diagonal().mean() + 1e-12
    taken = np.rint(position)
    error = taken - position
    pull = error @ spread
    for _ in range(_SWEEPS):
        for k in range(kernels.shape[1]):
            # The best integer for weight k, all others fixed; never more than one step from where it was.
            wish = error[:, k] - pull[:, k] / spread[k, k]
            target = np.clip(np.rint(wish + position[:, k]), np.floor(position[:, k]), np.ceil(position[:, k]))
            move = np.clip(target, -_STEPS, _STEPS) - taken[:, k]
            taken[:, k] += move
            error[:, k] += move
            pull += move[:, None] * spread[k]
    rounded = taken * step
    # A row whose largest weight left the end of the grid would get another step from the quantizer.
    lost = np.abs(taken).max(axis=1) < _STEPS
    rounded[lost] = np.rint(position[lost]) * step[lost]
    return rounded, (rounded - kernels) @ mean


def _patches(
    model: bytes, tree: Any, layers: Sequence[Any], images: Sequence[npt.NDArray[np.uint8]], seed: int, memory: int
) -> Iterator[npt.NDArray[np.float32]]:
    """What each layer's kernels see on the images, layer by layer: [N, C, K] for depthwise layers, else [N, K]."""
    interpreter = open_interpreter(model, keep=True)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    rng = np.random.default_rng(seed)
    share = max(4, _ROWS // len(images))
    shapes = [
        _views(tree, op, np.zeros(tree.subgraphs[0].tensors[op.inputs[0]].shape, dtype=np.float32)).shape for op in layers
    ]
    # Drawn for all layers at once, so that what is drawn does not depend on how many passes the memory asks for.
    drawn = [[rng.integers(0, math.prod(shape[:3]), share) for shape in shapes] for _ in images]
    sizes = [4 * share * len(images) * math.prod(shape[3:]) for shape in shapes]
    start = 0
    while start < len(layers):
        stop = start + 1
        while stop < len(layers) and sum(sizes[start : stop + 1]) <= memory:
            stop += 1
        found: list[list[npt.NDArray[np.float32]]] = [[] for _ in range(start, stop)]
        for image, places in zip(images, drawn, strict=True):
            interpreter.set_tensor(source, image[None])
            interpreter.invoke()
            for rows, op, chosen in zip(found, layers[start:stop], places[start:stop], strict=True):
                rows.append(_windows(tree, op, interpreter.get_tensor(int(op.inputs[0])), chosen))
        while found:
            yield np.concatenate(found.pop(0))
        start = stop


def _views(tree: Any, op: Any, activation: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What a layer's kernel lies over in each place: [1, Y, X, C, H, W]."""
    options = op.builtinOptions
    height, width = tree.subgraphs[0].tensors[op.inputs[1]].shape[1:3]
    if options.padding == schema.Padding.SAME and (height, width) != (1, 1):
        activation = np.pad(activation, ((0, 0), (height // 2,) * 2, (width // 2,) * 2, (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(activation, (height, width), axis=(1, 2))
    return views[:, :: options.strideH, :: options.strideW]


def _windows(tree: Any, op: Any, activation: npt.NDArray[np.float32], places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    views = _views(tree, op, activation)
    rows = views[np.unravel_index(places, views.shape[:3])].reshape(len(places), views.shape[3], -1)
    return rows if code(tree, op) == _OPS.DEPTHWISE_CONV_2D else rows.transpose(0, 2, 1).reshape(len(places), -1)
