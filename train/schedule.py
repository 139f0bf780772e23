"""Optimizers and learning-rate schedules by recipe."""

from __future__ import annotations

import math
from typing import Any

import torch
from timm.optim import RMSpropTF
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from train.recipe import Recipe


def make_optimizer(recipe: Recipe, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """The recipe's optimizer.

    `rmsprop` is TensorFlow's form, with epsilon under the root: with an epsilon of 0.1, as in Esteva et al. 2017, the other
    form takes steps up to three times as long.

    Args:
        recipe: what to do.
        groups: parameter groups with their weight decay.
    """
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate)
    return RMSpropTF(groups, lr=recipe.learning_rate, alpha=recipe.rms_decay, eps=recipe.epsilon, momentum=recipe.momentum)


def make_schedule(recipe: Recipe, optimizer: torch.optim.Optimizer, total_steps: int) -> LRScheduler:
    """The recipe's schedule, to be advanced after every step."""
    if recipe.schedule == "one_cycle":
        return OneCycleLR(optimizer, max_lr=recipe.learning_rate, total_steps=total_steps, pct_start=recipe.warmup)
    return LambdaLR(optimizer, lambda step: learning_rate_factor(recipe, step, total_steps))


def learning_rate_factor(recipe: Recipe, step: int, total_steps: int) -> float:
    """What the learning rate is multiplied by at a step, 0..1, for `cosine` and `steps`.

    `steps` counts whole epochs of `total_steps / epochs` steps; `cosine` rises linearly over the share `warmup` of all steps
    and then falls to zero along half a cosine (Loshchilov & Hutter 2017, SGDR, eq. 5).
    """
    if recipe.schedule == "steps":
        epoch = step * recipe.epochs // total_steps
        return recipe.step_factor ** -(epoch // recipe.step_epochs)
    rise = recipe.warmup * total_steps
    if step < rise:
        return (step + 1) / (math.ceil(rise) + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / (total_steps - rise))))
