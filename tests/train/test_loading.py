"""Batches: each view a function of seed, epoch and index; shares of several machines complete and disjoint."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_runtime.capture import prepare
from mobile_runtime.taxonomy import HAM10000_CLASSES, default_taxonomy
from tests.train.factories import example
from train.cache import open_cache
from train.datasets import Example
from train.loading import EpochSampler, LesionViews, label_masks, plain_loader, train_loader
from train.recipe import Recipe


@pytest.fixture(scope="module")
def views(few_examples: list[Example], quick_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> LesionViews:
    store = open_cache(few_examples, tmp_path_factory.mktemp("store"))
    return LesionViews(few_examples, store, quick_recipe, default_taxonomy())


def test_masks_say_which_classes_a_label_may_be() -> None:
    examples = [example(0, "mel"), example(1, "0", dataset="isic2017"), example(2, "SCC", dataset="pad_ufes_20")]
    masks = label_masks(examples, HAM10000_CLASSES, default_taxonomy())
    #                           akiec bcc bkl df mel nv vasc
    assert masks.tolist() == [[0, 0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1, 0], [1, 1, 0, 0, 0, 0, 0]]
    assert masks.dtype == torch.float32


def test_the_plain_view_is_the_phones(views: LesionViews) -> None:
    # Bit for bit: what a network is validated on is what it will be given.
    for index in (0, 7, 41):
        pixels, mask, position = views[-1, index]
        np.testing.assert_array_equal(pixels.permute(1, 2, 0).numpy(), prepare(views.examples[index].path, 32))
        assert position == index
        assert HAM10000_CLASSES[int(mask.argmax())] in views.examples[index].nodes


def test_a_view_depends_on_seed_epoch_and_index_alone(views: LesionViews) -> None:
    other_seed = LesionViews(views.examples, views.pixels, views.recipe.model_copy(update={"seed": 9}), default_taxonomy())
    first = views[3, 5][0]
    _ = views[4, 5], views[3, 6]
    assert torch.equal(views[3, 5][0], first)
    assert not torch.equal(views[4, 5][0], first)
    assert not torch.equal(other_seed[3, 5][0], first)
    assert first.dtype == torch.uint8
    assert first.shape == (3, 32, 32)


def test_plain_batches_come_in_order_and_whole(views: LesionViews) -> None:
    indices = torch.cat([batch[2] for batch in plain_loader(views, batch_size=16)])
    assert indices.tolist() == list(range(len(views)))


def test_worker_processes_change_nothing(views: LesionViews) -> None:
    here, there = (list(train_loader(views, workers)) for workers in (0, 1))
    assert len(here) == len(there) == len(views) // views.recipe.batch_size, "an incomplete batch is dropped"
    for (pixels, masks, indices), (other_pixels, other_masks, other_indices) in zip(here, there, strict=True):
        assert pixels.shape == (4, 3, 32, 32)
        assert torch.equal(pixels, other_pixels)
        assert torch.equal(masks, other_masks)
        assert torch.equal(indices, other_indices)


def test_starting_workers_leaves_the_global_generator_alone(views: LesionViews) -> None:
    # A resumed run starts its workers at another time than one that was never stopped; dropout must not notice.
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    next(iter(train_loader(views, 0)))
    assert torch.equal(torch.rand(3), expected)


_REPEATS = st.fixed_dictionaries({}, optional={"ham10000": st.integers(1, 4), "isic2017": st.integers(0, 64)})


@settings(max_examples=100)
@given(
    *(st.integers(1, 30), st.integers(0, 5), _REPEATS, st.integers(1, 7), st.integers(1, 4)),
    *(st.integers(0, 20), st.integers(0, 2**32 - 1)),
)
def test_ranks_together_take_the_batches_of_a_single_process(
    ham: int, isic: int, repeats: dict[str, int], world: int, share: int, epoch: int, seed: int
) -> None:
    examples = [example(i) for i in range(ham)] + [example(i, "1", dataset="isic2017") for i in range(isic)]
    recipe = Recipe(name="any", repeats=repeats, seed=seed)
    alone, *samplers = [EpochSampler(examples, recipe), *(EpochSampler(examples, recipe, rank, world) for rank in range(world))]
    for sampler in (alone, *samplers):
        sampler.set_epoch(epoch)
    order = list(alone)
    keys = Counter(order)
    assert len(keys) == len(order), "repeats of an image are different views"
    wanted = {i: repeats.get(e.dataset, 1) for i, e in enumerate(examples)}
    assert Counter(index for _, index in keys) == {i: times for i, times in wanted.items() if times}

    # Whole batches only, as `train_loader` takes them: as many on every rank as for one process, and of the same images.
    batch = share * world
    steps = [
        [list(sampler)[start : start + share] for start in range(0, len(sampler) - share + 1, share)] for sampler in samplers
    ]
    assert {len(own) for own in steps} == {len(order) // batch}
    for step, shares in enumerate(zip(*steps, strict=True)):
        assert Counter(chain.from_iterable(shares)) == Counter(order[step * batch : (step + 1) * batch])

    # No view of one epoch comes back in another.
    alone.set_epoch(epoch + 1)
    assert not set(alone) & keys.keys()


def test_a_global_batch_is_shared_by_the_ranks(views: LesionViews) -> None:
    whole = [set(indices.tolist()) for _, _, indices in train_loader(views, 0)]
    halves = [[set(indices.tolist()) for _, _, indices in train_loader(views, 0, rank, 2)] for rank in (0, 1)]
    assert [len(half) for half in chain(*halves)] == [2] * 2 * len(whole)
    assert [one | other for one, other in zip(*halves, strict=True)] == whole


@pytest.mark.parametrize("world", [2, 4, 5])
def test_ranks_validate_equal_shares_that_hold_every_image(views: LesionViews, world: int) -> None:
    # 42 images: ranks run equal numbers of batches, since each batch is a meeting of all.
    shares = [torch.cat([b[2] for b in plain_loader(views, batch_size=4, rank=r, world_size=world)]) for r in range(world)]
    assert {len(share) for share in shares} == {-(-len(views) // world)}
    assert set(torch.cat(shares).tolist()) == set(range(len(views)))


def test_the_order_is_shuffled_anew_each_epoch() -> None:
    sampler = EpochSampler([example(i) for i in range(50)], Recipe(name="any"))
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        orders.append([index for _, index in sampler])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == list(range(50)) != orders[0]


def test_repeats_of_an_image_are_different_views(views: LesionViews, tmp_path: Path) -> None:
    recipe = views.recipe.model_copy(update={"repeats": {"ham10000": 3}})
    repeated = LesionViews(views.examples[:4], views.pixels, recipe, default_taxonomy())
    drawn = [repeated[key] for key in EpochSampler(repeated.examples, recipe)]
    assert Counter(index for _, _, index in drawn) == {0: 3, 1: 3, 2: 3, 3: 3}
    assert len({pixels.numpy().tobytes() for pixels, _, _ in drawn}) == 12
