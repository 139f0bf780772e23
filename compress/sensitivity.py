"""What each layer costs when it is quantized, and the fewest layers to leave in float for a bound on AUC."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from compress.calibration_set import draw_calibration_set, second_half
from compress.conversion import STATIC
from compress.flatbuffer import code, read
from compress.interpreter import open_interpreter
from compress.quantization import quantize
from compress.ranges import Ranges, collect_ranges
from mobile_runtime.errors import DataError
from mobile_runtime.statistics import auc
from mobile_runtime.taxonomy import default_taxonomy
from train.cache import open_cache
from train.loading import prepared_images
from train.metrics import truths
from train.splits import Split
from train.tables import group_numbers

_OPS = schema.BuiltinOperator
_LAYERS = {_OPS.CONV_2D: "CONV_2D", _OPS.DEPTHWISE_CONV_2D: "DEPTHWISE_CONV_2D"}
Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Layer:
    """A convolution of the float graph: its short name, its op, and its output tensor."""

    name: str
    op: str
    tensor: str


@dataclass(frozen=True)
class LayerCost:
    """What quantization does to one layer.

    Attributes:
        layer: which one.
        signal_to_noise_db: power of its float output over that of its error in the whole int8 graph, in decibels.
        auc_gain: malignancy AUC with this layer alone in float, less that of the whole int8 graph.
    """

    layer: Layer
    signal_to_noise_db: float
    auc_gain: float


@dataclass(frozen=True)
class Workbench:
    """Prepared images to measure on, and a calibration set that shares no lesion with them.

    Attributes:
        calibration: uint8 [M, S, S, 3].
        second: bool [M]: which calibration images are of the second of two halves, see `second_half`.
        images: uint8 [N, S, S, 3].
        malignant: bool [N].
        groups: int [N], 0..G-1: which images are of one lesion or patient.
    """

    calibration: Images
    second: npt.NDArray[np.bool_]
    images: Images
    malignant: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.int64]


def draw_workbench(split: Split, part: str, dataset: str, size: int, limit: int | None, seed: int) -> Workbench:
    """Draw images whose label decides malignancy from one part of a split, and a calibration set from its training part.

    A `limit` of None takes all of them.

    Raises:
        DataError: no such part, no such images, images of one kind only, or a calibration set that is too small or shares
            lesions with the rest.
    """
    if part not in ("val", "test"):
        raise DataError(f"part {part!r} cannot be measured; take val or test")
    truth = truths(split[part], "malignancy", default_taxonomy())
    known = [i for i, e in enumerate(split[part]) if e.dataset == dataset and not np.isnan(truth[i])]
    rows = np.random.default_rng(seed).permutation(known)[:limit]
    if not len(rows):
        raise DataError(f"the {part} split has no images of {dataset!r} whose label decides malignancy")
    if len(np.unique(truth[rows])) < 2:
        raise DataError(f"the {len(rows)} images of {dataset!r} drawn from the {part} split are of one kind only; draw more")
    measured = [split[part][i] for i in rows]
    chosen = draw_calibration_set(split["train"], [*split["val"], *split["test"]], seed=seed)
    pixels = open_cache([*chosen, *measured])
    images = prepared_images(measured, pixels, size)
    calibration = prepared_images(chosen, pixels, size)
    return Workbench(calibration, second_half(chosen), images, truth[rows] == 1, group_numbers(measured))


def calibration_spread(model: bytes, bench: Workbench) -> tuple[float, float]:
    """Mean and largest difference of malignancy between graphs calibrated on the two disjoint halves of a calibration set.

    Raises:
        DataError: the calibration images are all of one lesion or patient.
    """
    if bench.second.all() or not bench.second.any():
        raise DataError("the calibration images are all of one lesion or patient; two halves need others")
    halves = (collect_ranges(model, bench.calibration[bench.second == which]) for which in (False, True))
    one, two = (malignancy(quantize(model, STATIC, ranges), bench.images) for ranges in halves)
    apart = np.abs(one - two)
    return float(apart.mean()), float(apart.max())


def layers_of(model: bytes) -> list[Layer]:
    """The convolutions of a float32 graph, in order."""
    tree = read(model)
    tensors = tree.subgraphs[0].tensors
    found = []
    for op in tree.subgraphs[0].operators:
        if (kind := _LAYERS.get(code(tree, op))) is not None:
            tensor = tensors[op.outputs[0]].name.decode()
            found.append(Layer(_short(tensor), kind, tensor))
    return found


def malignancy_auc(model: bytes, images: Images, malignant: npt.NDArray[np.bool_]) -> float:
    """AUC of a graph's malignancy score.

    Raises:
        DataError: the images are all malignant or all benign.
    """
    measured = auc(malignant, malignancy(model, images))
    if measured is None:
        raise DataError("the images are all malignant or all benign; sensitivity needs both")
    return measured.value


def malignancy(model: bytes, images: Images) -> npt.NDArray[np.float64]:
    """The malignancy score, first column of the output `scores`, of uint8 images [N, S, S, 3]."""
    runner, source, target = opened(model)
    return np.array([float(runner(**{source: image[None]})[target][0, 0]) for image in images])


def noise(model: bytes, quantized: bytes, images: Images) -> list[float]:
    """Signal-to-noise ratio in decibels of each convolution's output in the quantized graph, in order."""
    clean, noisy = (_activations(graph, images) for graph in (model, quantized))
    ratios = []
    for signal, seen in zip(clean, noisy, strict=True):
        power, error = float((signal**2).mean()), float(((signal - seen) ** 2).mean())
        ratios.append(10 * float(np.log10(power / max(error, 1e-30))) if power > 0 else float("inf"))
    return ratios


def sensitivity(
    model: bytes,
    ranges: Ranges,
    images: Images,
    malignant: npt.NDArray[np.bool_],
    progress: Callable[[Sequence[Layer]], Any] = iter,
) -> list[LayerCost]:
    """Cost of every convolution under `static_wi8_ai8`, the one that gains most from float first.

    Args:
        model: float32 TFLite flatbuffer.
        ranges: activation ranges of a calibration set.
        images: uint8 [N, S, S, 3], none of which is in the calibration set.
        malignant: bool [N].
        progress: wraps the sequence of layers, to show how far the work is.
    """
    whole = quantize(model, STATIC, ranges)
    base = malignancy_auc(whole, images, malignant)
    layers = layers_of(model)
    ratios = noise(model, whole, images[:32])
    costs = []
    for layer, ratio in zip(progress(layers), ratios, strict=True):
        left = quantize(model, STATIC, ranges, [layer.tensor])
        costs.append(LayerCost(layer, ratio, malignancy_auc(left, images, malignant) - base))
    return sorted(costs, key=lambda cost: (-cost.auc_gain, cost.signal_to_noise_db))


def mixed(
    model: bytes,
    ranges: Ranges,
    images: Images,
    malignant: npt.NDArray[np.bool_],
    costs: Sequence[LayerCost],
    bound: float,
    original: bytes | None = None,
) -> tuple[bytes, list[Layer]]:
    """An int8 graph that loses no more AUC than the bound, with few layers in float.

    Layers join in the order of `sensitivity` until the bound holds, then those that are not needed go back, until none of the
    rest can be spared alone. This is greedy: another set may be smaller.

    Args:
        bound: largest loss of malignancy AUC against the float graph.
        original: the float graph before its weights were rounded by effect; None takes `model`.

    Returns:
        The graph, and the layers that stayed in float.

    Raises:
        DataError: the loss is above the bound even with all convolutions in float.
    """
    aim = malignancy_auc(original or model, images, malignant) - bound

    def graph(kept: Sequence[Layer]) -> bytes:
        return quantize(model, STATIC, ranges, [layer.tensor for layer in kept])

    def good(kept: Sequence[Layer]) -> bool:
        return malignancy_auc(graph(kept), images, malignant) >= aim

    order = [cost.layer for cost in costs]
    count = next((count for count in range(len(order) + 1) if good(order[:count])), None)
    if count is None:
        raise DataError(f"the loss of AUC is above {bound:g} even with all convolutions in float; allow more")
    kept = order[:count]
    untried, needed = kept[:-1], kept[-1:]  # without the last one, the bound did not hold
    while untried:
        layer = untried.pop(0)
        fewer = [other for other in kept if other is not layer]
        if good(fewer):
            kept, untried, needed = fewer, untried + needed, []  # what others could not do without, these perhaps can
        else:
            needed.append(layer)
    return graph(kept), kept


def _short(tensor: str) -> str:
    """`blocks.3.1.conv_dw` from the converter's name, which lists all modules that were fused, the convolution last."""
    last = tensor.split(";;")[-1]
    places = re.findall(r"_(\d+)/", last)
    module = re.search(r"Conv2d_(\w+)", last)
    return ".".join([*(["blocks"] if places else []), *places, module.group(1) if module else last])


def opened(model: bytes) -> tuple[Any, str, str]:
    """A graph's runner, and the names of its input and of its output `scores`, the first one where it has none."""
    runner = open_interpreter(model).get_signature_runner()
    outputs = {name: detail["shape"][-1] for name, detail in runner.get_output_details().items()}
    target = "scores" if "scores" in outputs else next(iter(outputs))
    return runner, next(iter(runner.get_input_details())), target


def _activations(model: bytes, images: Images) -> list[npt.NDArray[np.float32]]:
    tree = read(model)
    wanted = [int(op.outputs[0]) for op in tree.subgraphs[0].operators if code(tree, op) in _LAYERS]
    interpreter = open_interpreter(model, keep=True)
    interpreter.allocate_tensors()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    source = interpreter.get_input_details()[0]["index"]
    found: list[list[npt.NDArray[np.float32]]] = [[] for _ in wanted]
    for image in images:
        interpreter.set_tensor(source, image[None])
        interpreter.invoke()
        for rows, index in zip(found, wanted, strict=True):
            values = interpreter.get_tensor(index).astype(np.float32)
            scale, zero = details[index]["quantization"]
            rows.append((values - zero) * scale if scale else values)
    return [np.concatenate(rows) for rows in found]
