"""What befalls a student's pictures and not its teachers': haze, pale colours, odd light, and a hand farther away.

A teacher that sees the picture whole says what the student should still make out ("noisy student", Xie et al. 2020, section 2:
the noise is the student's alone).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

LUMA = (0.299, 0.587, 0.114)
KIND_SHARE = 1 / 3
"""How many of the damaged pictures meet each kind; most meet one to three."""


def _between(count: int, low: float, high: float, like: torch.Tensor) -> torch.Tensor:
    return (low + (high - low) * torch.rand(count, 1, 1, 1)).to(like.device)


def veil(pixels: torch.Tensor) -> torch.Tensor:
    """A haze of up to 70 %, between the picture's mean colour and a light grey: a foggy lens, a film, stray light."""
    count = len(pixels)
    grey = _between(count, 110, 230, pixels)
    colour = torch.lerp(pixels.mean((2, 3), keepdim=True), grey.expand(count, 3, 1, 1), _between(count, 0, 1, pixels))
    return torch.lerp(pixels, colour.expand_as(pixels), _between(count, 0, 0.7, pixels))


def fade(pixels: torch.Tensor) -> torch.Tensor:
    """Up to 80 % of the colours lost to greys or to one warm or cool cast."""
    count = len(pixels)
    grey = (pixels * torch.tensor(LUMA, device=pixels.device).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    warmth = _between(count, -0.12, 0.12, pixels)
    cast = torch.cat([1 + warmth, torch.ones_like(warmth), 1 - warmth], 1)
    return torch.lerp(pixels, grey * cast, _between(count, 0, 0.8, pixels))


def light(pixels: torch.Tensor) -> torch.Tensor:
    """Up to half as bright again, or two thirds as bright."""
    return pixels * _between(len(pixels), -0.4, 0.4, pixels).exp()


def balance(pixels: torch.Tensor) -> torch.Tensor:
    """Too warm or too cold, by up to 25 %."""
    warmth = _between(len(pixels), -0.22, 0.22, pixels)
    return pixels * torch.cat([warmth, torch.zeros_like(warmth), -warmth], 1).exp()


def vignette(pixels: torch.Tensor) -> torch.Tensor:
    """Corners darkened by up to 80 %."""
    axis = torch.linspace(-1, 1, pixels.shape[-1], device=pixels.device) ** 2
    return pixels * (1 - _between(len(pixels), 0, 0.8, pixels) * (axis[:, None] + axis[None, :]).clamp(max=1))


def framing(pixels: torch.Tensor) -> torch.Tensor:
    """Seen from up to 1.7 times as far, or a little nearer, and up to 12 % off centre; the edges are mirrored outwards."""
    count = len(pixels)
    scale = _between(count, -0.1, 0.53, pixels).exp().reshape(count)
    place = torch.zeros(count, 2, 3, device=pixels.device)
    place[:, 0, 0] = place[:, 1, 1] = scale
    place[:, :, 2] = (0.48 * torch.rand(count, 2) - 0.24).to(pixels.device)
    grid = F.affine_grid(place, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


KINDS: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (framing, vignette, light, balance, fade, veil)
"""In the order in which a picture meets them: where the hand is, the light, what the camera makes of it."""


def damaged(pixels: torch.Tensor, share: float) -> torch.Tensor:
    """Pictures of which a share is damaged, each in its own way.

    Args:
        pixels: [N, 3, S, S], 0..255, any dtype.
        share: of the pictures, 0..1. Chance is torch's: `torch.manual_seed` makes it the same.

    Returns:
        float32 [N, 3, S, S], 0..255.
    """
    views = pixels.float()
    chosen = torch.rand(len(views)) < share
    for kind in KINDS:
        met = (chosen & (torch.rand(len(views)) < KIND_SHARE)).to(views.device)[:, None, None, None]
        views = torch.where(met, kind(views).clamp(0, 255), views)
    return views
