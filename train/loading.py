"""Batches for training and evaluation; every view depends on seed, epoch and index alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from mobile_runtime.resample import centre_square, resample
from mobile_runtime.taxonomy import Taxonomy
from train.augmentation import augment
from train.cache import Pixels
from train.datasets import Example
from train.recipe import Recipe

Item = tuple[torch.Tensor, torch.Tensor, int]
Key = tuple[int, int]
"""Epoch and index; epoch -1 asks for the plain view, as the phone makes it."""


def label_masks(examples: Sequence[Example], classes: Sequence[str], taxonomy: Taxonomy) -> torch.Tensor:
    """float32 [N, C]: which classes each label may be."""
    masks = {nodes: taxonomy.class_mask(nodes, classes) for nodes in {example.nodes for example in examples}}
    return torch.from_numpy(np.stack([masks[example.nodes] for example in examples]))


def plain_view(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """The view that the phone makes of an upright uint8 RGB image [H, W, 3]: uint8 [S, S, 3]."""
    left, top, right, bottom = centre_square(image.shape[1], image.shape[0])
    return resample(image[top:bottom, left:right], size)


class LesionViews(Dataset[Item]):
    """Views of examples: uint8 [3, S, S] (random ones of the recipe's `view_size`), the label's class mask [C], the index."""

    def __init__(self, examples: Sequence[Example], pixels: Pixels, recipe: Recipe, taxonomy: Taxonomy) -> None:
        self.examples, self.pixels, self.recipe = examples, pixels, recipe
        self.masks = label_masks(examples, recipe.classes, taxonomy)

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, key: Key) -> Item:
        epoch, index = key
        image = self.pixels[self.examples[index].key]
        if epoch < 0:
            view = plain_view(image, self.recipe.input_size)
        else:
            rng = np.random.default_rng([self.recipe.seed, epoch, index])
            view = augment(image, self.recipe.view_size, self.recipe.augmentation, rng)
        return torch.from_numpy(view.transpose(2, 0, 1).copy()), self.masks[index], index


class EpochSampler(Sampler[Key]):
    """Shuffles by seed and epoch, and hands the epoch on with each index, so that a resumed run sees the same views.

    In a distributed run every rank takes its share of the same order, every `world_size`-th of it: the batches of one step, all
    ranks together, are what a single process would take in that step. The tail that would make shares unequal is left out.
    """

    def __init__(self, examples: Sequence[Example], recipe: Recipe, rank: int = 0, world_size: int = 1, epoch: int = 0) -> None:
        self.order = np.repeat(np.arange(len(examples)), [recipe.repeats.get(e.dataset, 1) for e in examples])
        self.seed, self.epoch, self.rank, self.world_size = recipe.seed, epoch, rank, world_size
        self.fixed_views = recipe.fixed_views
        self.copies = np.concatenate([np.arange(n) for n in np.unique(self.order, return_counts=True)[1]])

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.order) // self.world_size

    def __iter__(self) -> Iterator[Key]:
        shuffled = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.order))
        for position in shuffled[: len(self) * self.world_size][self.rank :: self.world_size]:
            # Repeats of an image within an epoch are different views.
            view = self.epoch * 64 + int(self.copies[position]) % 64
            if self.fixed_views:
                view = (self.epoch + int(self.copies[position])) % self.fixed_views
            yield view, int(self.order[position])


def train_loader(views: LesionViews, workers: int, rank: int = 0, world_size: int = 1, epoch: int = 0) -> DataLoader[Item]:
    """Shuffled, augmented batches; the last incomplete batch is dropped (BatchNorm of one image is undefined).

    The recipe's batch size is that of a step over all ranks, so that a learning rate means the same on any number of them.
    A resumed run must say in which epoch it begins: Lightning starts the workers, which fetch at once, before it says so.
    """
    return DataLoader(
        views,
        batch_size=views.recipe.batch_size // world_size,
        sampler=EpochSampler(views.examples, views.recipe, rank, world_size, epoch),
        num_workers=workers,
        persistent_workers=workers > 0,
        drop_last=True,
        # Starting workers draws a number; drawn from the global generator it would shift the dropout of a resumed run.
        generator=torch.Generator(),
    )


def plain_loader(views: LesionViews, batch_size: int = 64, rank: int = 0, world_size: int = 1) -> DataLoader[Item]:
    """Plain views in order; in a distributed run a rank's share of them, filled up so that shares are equal."""
    share = np.arange(rank, rank + world_size * -(-len(views) // world_size), world_size) % len(views)
    keys = [(-1, int(index)) for index in share]
    return DataLoader(views, batch_size=batch_size, sampler=keys)


def prepared_images(examples: Sequence[Example], pixels: Pixels, size: int) -> npt.NDArray[np.uint8]:
    """The phone's view of cached images: uint8 [N, S, S, 3]."""
    return np.stack([plain_view(pixels[example.key], size) for example in examples])
