"""Objectives: the marginal likelihood of partial labels, perhaps on mixtures of images."""

from __future__ import annotations

from collections.abc import Callable

import torch

from mobile_runtime.taxonomy import Taxonomy
from train.datasets import Example
from train.loading import label_masks
from train.network import LesionNetwork
from train.recipe import Recipe


def marginal_loss(
    logits: torch.Tensor, masks: torch.Tensor, log_prior: torch.Tensor, tau: float, smoothing: float
) -> torch.Tensor:
    """Mean negative log of the probability that the class is one of those the label allows.

    Logit adjustment (Menon et al. 2021, eq. 10) adds tau * log prior during training only; label smoothing mixes in the
    uniform cross-entropy.

    Args:
        logits: [N, C].
        masks: [N, C] of zeros and ones.
        log_prior: [C].
    """
    log_p = torch.log_softmax(logits + tau * log_prior, dim=1)
    marginal = torch.logsumexp(log_p.masked_fill(masks == 0, -torch.inf), dim=1)
    return -((1 - smoothing) * marginal + smoothing * log_p.mean(dim=1)).mean()


Objective = Callable[[LesionNetwork, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""(network, pixels [N, 3, S, S], class masks [N, C], log prior [C]) -> the loss to make small."""


def mixture(pixels: torch.Tensor, alpha: float) -> tuple[torch.Tensor, float, torch.Tensor]:
    """Convex mixtures of pairs of images (mixup, Zhang et al. 2018, eq. 1), one share for the whole batch.

    Args:
        pixels: [N, 3, S, S].
        alpha: both parameters of the Beta distribution that the share is drawn from.

    Returns:
        The mixtures float32 [N, 3, S, S], each image's share in 0..1, and who its partner is, int64 [N].
    """
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    partner = torch.randperm(len(pixels)).to(pixels.device)
    return share * pixels + (1 - share) * pixels[partner], share, partner


def likelihood(recipe: Recipe) -> Objective:
    """The marginal likelihood of the labels, as the recipe weights it, perhaps on mixtures of images."""

    def loss(logits: torch.Tensor, masks: torch.Tensor, log_prior: torch.Tensor) -> torch.Tensor:
        return marginal_loss(logits, masks, log_prior, recipe.logit_adjustment, recipe.label_smoothing)

    def objective(network: LesionNetwork, pixels: torch.Tensor, masks: torch.Tensor, log_prior: torch.Tensor) -> torch.Tensor:
        if not recipe.mixup:
            return loss(network(pixels), masks, log_prior)
        mixed, share, partner = mixture(pixels, recipe.mixup)
        logits = network(mixed)
        return share * loss(logits, masks, log_prior) + (1 - share) * loss(logits, masks[partner], log_prior)

    return objective


def class_log_prior(examples: list[Example], recipe: Recipe, taxonomy: Taxonomy) -> torch.Tensor:
    """Log of the share of each class among the labels, partial labels spread evenly; [C]."""
    masks = label_masks(examples, recipe.classes, taxonomy)
    counts = (masks / masks.sum(1, keepdim=True)).sum(0) + 1
    return torch.log(counts / counts.sum())
