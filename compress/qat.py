"""Quantization-aware training: a finished network learns to live with int8 before it is quantized.

A few epochs with fake quantization at a low learning rate, batch normalization frozen (Krishnamoorthi 2018, "Quantizing deep
convolutional networks for efficient inference", section 3.2), taught by the float network itself or by given teachers. What is
written is an ordinary float checkpoint whose weights lie on their int8 grid, so that the usual export finds nothing to round.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, ValidationError
from torch import nn

from compress.calibration_set import MIN_IMAGES, draw_calibration_set
from compress.distillation import Distillation, keep_note, load_teachers
from compress.fake_quantization import FakeQuantization, snap
from compress.recipe import StudentRecipe
from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256
from train.cache import open_cache
from train.checkpoint import load_checkpoint, save_checkpoint, split_of
from train.datasets import Example
from train.fitting import fit
from train.loading import prepared_images
from train.network import LesionNetwork
from train.objective import Objective
from train.recipe import Recipe
from train.splits import Split, refuse_seen


class QatRecipe(StudentRecipe):
    """What quantization-aware training changes in the recipe that the network was trained by.

    Attributes:
        calibration_images: how many training images fix the ranges of activations.
        calibration_steps: after so many steps the ranges are found anew.
    """

    calibration_images: int = Field(256, ge=MIN_IMAGES)
    calibration_steps: int = Field(200, ge=1)


class QuantizationAware(nn.Module):
    """Any loss of a network that computes as its int8 form does.

    Args:
        network: gets fake quantization, in place.
        loss: what to make small.
        images: calibration images, uint8 [M, S, S, 3].
        interval: steps between two calibrations.
    """

    def __init__(self, network: LesionNetwork, loss: Objective, images: npt.NDArray[np.uint8], interval: int) -> None:
        super().__init__()
        self.loss, self.interval = loss, interval
        self.quantization = FakeQuantization(network, images)
        self.steps: torch.Tensor
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))  # a resumed run calibrates when this one would

    def forward(
        self, network: LesionNetwork, pixels: torch.Tensor, masks: torch.Tensor, log_prior: torch.Tensor
    ) -> torch.Tensor:
        """(network, pixels uint8 [N, 3, S, S], masks [N, C], log prior [C]) -> the loss."""
        with torch.autocast(pixels.device.type, enabled=False):  # half precision is coarser than the grid of int8
            self.steps += 1
            if self.steps % self.interval == 0:
                self.quantization.calibrate(network)
            return self.loss(network, pixels, masks, log_prior)


def adapt(recipe: QatRecipe, theirs: Recipe) -> QatRecipe:
    """The network's own recipe with everything that the recipe for quantization-aware training says.

    Raises:
        DataError: the two contradict each other.
    """
    try:
        return QatRecipe.model_validate({**theirs.model_dump(), **recipe.model_dump(exclude_unset=True)})
    except ValidationError as error:
        raise DataError(
            f"recipe {recipe.name!r} does not fit recipe {theirs.name!r}: {error.errors()[0]['msg']}; set it there"
        ) from error


def finetune(
    recipe: QatRecipe,
    examples: list[Example],
    out: Path,
    start: Path,
    teachers: Sequence[Path] = (),
    *,
    split: Split,
    workers: int = 1,
    resume: bool = True,
    cache: Path | None = None,
) -> Path:
    """Train a finished network with fake quantization.

    Args:
        recipe: what to change in the network's own recipe.
        examples: all labelled images.
        out: run folder, as `train.fitting.fit` writes it; validation figures in it are those of the int8 arithmetic.
        start: checkpoint to start from, whole or pruned.
        teachers: checkpoints; none takes the start, in float.
        split: the split that the start was trained by.
        workers: loader processes.
        resume: go on with what is in `out`.
        cache: folder of decoded images.

    Returns:
        Path of `model.safetensors`, weights on the int8 grid.

    Raises:
        DataError: as `load_teachers` and `fit`, a network without known int8 arithmetic, a folder begun with others, or
            networks that were trained on what is for validation or test here.
    """
    network, theirs = load_checkpoint(start)
    plan = adapt(recipe, theirs)
    for checkpoint in [start, *teachers]:
        refuse_seen(checkpoint, split)
    chosen = draw_calibration_set(split["train"], [*split["val"], *split["test"]], plan.calibration_images, plan.seed)
    images = prepared_images(chosen, open_cache(examples, cache), plan.input_size)
    torch.manual_seed(plan.seed)  # the projections' first weights
    taught = Distillation(plan, load_teachers(teachers or [start], plan), network.width)
    objective = QuantizationAware(network, taught, images, plan.calibration_steps)
    noted = sha256(start)
    keep_note(out, teachers or [start], noted, resume)
    network.dropout.p = plan.drop_rate
    path = fit(
        plan, examples, out, network=network, start=noted, objective=objective, split=split, workers=workers, resume=resume,
        cache=cache,
    )  # fmt: skip
    snap(network)
    return save_checkpoint(network, plan, path, split_sha256=split_of(path))
