"""Activation ranges: the true smallest and largest value, whatever the order of the images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compress.ranges import collect_ranges
from tests.compress.conftest import SmallGraph
from tests.compress.graphs import tensors_of


def name_of(model: bytes, operator: int) -> str:
    (tensor,) = tensors_of(model, operator)[1]
    return str(tensor.name.decode())


def test_ranges_are_those_of_pytorch(small: SmallGraph) -> None:
    seen: dict[str, tuple[float, float]] = {}

    def watch(name: str) -> object:
        return lambda _, __, out: seen.update({name: (float(out.min()), float(out.max()))})

    hooks = [small.network.features[i].register_forward_hook(watch(f"relu{i}")) for i in (1, 3, 5)]
    hooks.append(small.network.register_forward_hook(watch("logits")))
    with torch.inference_mode():
        small.network(torch.from_numpy(small.images))
    for hook in hooks:
        hook.remove()
    # CAST, SUB, MUL, PAD, CONV_2D, DEPTHWISE_CONV_2D, CONV_2D, MEAN, FULLY_CONNECTED, SOFTMAX, FULLY_CONNECTED
    for operator, name in ((4, "relu1"), (5, "relu3"), (6, "relu5"), (8, "logits")):
        # Two libraries sum the same float32 products in another order.
        assert small.ranges[name_of(small.model, operator)] == pytest.approx(seen[name], rel=1e-4, abs=1e-4)


def test_ranges_of_the_pixels_by_hand(small: SmallGraph) -> None:
    images = np.full((2, 32, 32, 3), 40, np.uint8)
    images[1] = 200
    ranges = collect_ranges(small.model, images)
    assert ranges[name_of(small.model, 0)] == (40, 200)
    assert ranges[name_of(small.model, 1)] == (-88, 72)
    assert ranges[name_of(small.model, 2)] == pytest.approx((-88 / 127.5, 72 / 127.5))
    low, high = ranges[name_of(small.model, 9)]
    assert 0 <= low <= high <= 1


def test_more_images_only_widen_and_the_order_does_not_matter(small: SmallGraph) -> None:
    few = collect_ranges(small.model, small.images[:5])
    many = collect_ranges(small.model, small.images[::-1])
    assert many == small.ranges
    assert few.keys() == many.keys()
    assert all(many[name][0] <= few[name][0] and few[name][1] <= many[name][1] for name in few)
    assert any(many[name] != few[name] for name in few)


def test_one_odd_image_counts_in_full(small: SmallGraph) -> None:
    # A moving average would hide it; this is what the true range is for.
    odd = np.zeros((1, 32, 32, 3), np.uint8)
    odd[:, ::2] = 255
    alone = collect_ranges(small.model, odd)
    together = collect_ranges(small.model, [*small.images, *odd, *small.images])
    assert together == {
        name: (min(low, alone[name][0]), max(high, alone[name][1])) for name, (low, high) in small.ranges.items()
    }


def test_without_images_there_are_no_ranges(small: SmallGraph) -> None:
    assert collect_ranges(small.model, []) == {}
