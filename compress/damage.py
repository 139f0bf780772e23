"""What befalls a student's pictures and not its teachers': haze, odd colours and light, grain, marks, and a hand farther away.

A teacher that sees the picture whole says what the student should still make out ("noisy student", Xie et al. 2020, section 2:
the noise is the student's alone).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

LUMA = (0.299, 0.587, 0.114)
KIND_SHARE = 1 / 4
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


def tint(pixels: torch.Tensor) -> torch.Tensor:
    """Red, pink, green or bluish light: each channel by up to a quarter brighter or darker against the others."""
    gains = torch.cat([_between(len(pixels), -0.24, 0.24, pixels) for _ in range(3)], 1)
    return pixels * (gains - 0.7 * gains.mean(1, keepdim=True)).exp()


def _soften(pixels: torch.Tensor, deviation: float) -> torch.Tensor:
    reach, channels = max(1, int(3 * deviation)), pixels.shape[1]
    weights = (-0.5 * ((torch.arange(2 * reach + 1, device=pixels.device) - reach) / deviation) ** 2).exp()
    weights = (weights / weights.sum()).expand(channels, 1, 1, -1)
    padded = F.pad(pixels, (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, weights, groups=channels), weights.transpose(2, 3), groups=channels)


def smudge(pixels: torch.Tensor) -> torch.Tensor:
    """Colours, not brightness, blurred by up to 6 % of the side: what a camera's noise reduction and poor video leave."""
    grey = (pixels * torch.tensor(LUMA, device=pixels.device).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    return grey + _soften(pixels - grey, pixels.shape[-1] * float(0.01 + 0.05 * torch.rand(())))


def grain(pixels: torch.Tensor) -> torch.Tensor:
    """Noise of up to 8 levels, grey or coloured, mostly over a picture that is a little out of focus: it hides that."""
    count, _, side, _ = pixels.shape
    if torch.rand(()) < 0.7:
        pixels = _soften(pixels, side * float(0.003 + 0.014 * torch.rand(())))
    noise = torch.randn(count, 1 if torch.rand(()) < 0.5 else 3, side, side).to(pixels.device)
    noise = _soften(noise, float(0.5 + 0.4 * torch.rand(())))
    return pixels + noise / noise.std() * _between(count, 1, 8, pixels)


def mark(pixels: torch.Tensor) -> torch.Tensor:
    """A ring or an arc around the lesion, thin or thick, more often red: a pen's, or drawn in an app."""
    count, _, side, _ = pixels.shape
    axis = torch.linspace(-1, 1, side, device=pixels.device)
    y, x = (
        place - _between(count, -0.15, 0.15, pixels) for place in (axis.reshape(1, 1, side, 1), axis.reshape(1, 1, 1, side))
    )
    wide, high, radius = (_between(count, *range_, pixels) for range_ in ((0.8, 1.2), (0.8, 1.2), (0.55, 0.95)))
    off = (((x / wide) ** 2 + (y / high) ** 2).sqrt() - radius).abs()
    ink = ((_between(count, 0.01, 0.05, pixels) - off) / 0.02).clamp(0, 1) * _between(count, 0.5, 1, pixels)
    arc = (torch.atan2(y, x) + _between(count, -3.1, 3.1, pixels)).cos() < _between(count, 0.3, 1.6, pixels)
    colour = torch.rand(count, 3, 1, 1).to(pixels.device)
    red = (torch.rand(count, 1, 1) < 0.5).to(pixels.device)
    colour[:, 0] = torch.where(red, 0.8 + 0.2 * colour[:, 0], colour[:, 0])
    colour = 255 * (colour - 0.7 * colour.amin(1, keepdim=True))
    return torch.lerp(pixels, colour.expand_as(pixels), ink * arc)


def vignette(pixels: torch.Tensor) -> torch.Tensor:
    """Corners darkened by up to 80 %."""
    axis = torch.linspace(-1, 1, pixels.shape[-1], device=pixels.device) ** 2
    return pixels * (1 - _between(len(pixels), 0, 0.8, pixels) * (axis[:, None] + axis[None, :]).clamp(max=1))


def _plain_skin(pixels: torch.Tensor) -> torch.Tensor:
    """Skin without a lesion, coloured as the lighter half of the pictures' rims: uneven and rough to various degrees."""
    count, _, side, _ = pixels.shape
    rim = torch.cat([pixels[..., 0, :], pixels[..., -1, :], pixels[..., 0], pixels[..., -1]], 2)
    brightness = rim.mean(1, keepdim=True)
    lighter = (brightness >= brightness.median(2, keepdim=True).values).float()
    colour = ((rim * lighter).sum(2) / lighter.sum(2))[..., None, None]
    spots, grain = (torch.randn(count, 1, size, size).to(pixels.device) for size in (5, side // 2))
    spots, grain = (F.interpolate(noise, (side, side), mode="bicubic") for noise in (spots, grain))
    return colour + spots * _between(count, 0, 10, pixels) + grain * _between(count, 0, 6, pixels)


def framing(pixels: torch.Tensor) -> torch.Tensor:
    """Seen from up to three times as far, or a little nearer, and up to a quarter of the side off centre.

    Around half of the pictures there is plain skin, around the others their outermost strip goes on, to and fro. A picture
    mirrored as a whole would show its lesion over again, and who sees eight halves beside it learns nothing of a small one.
    """
    count, channels, side, _ = pixels.shape
    scale = _between(count, -0.1, 1.1, pixels).exp().reshape(count)
    place = torch.zeros(count, 2, 3, device=pixels.device)
    place[:, 0, 0] = place[:, 1, 1] = scale
    place[:, :, 2] = scale[:, None] * (torch.rand(count, 2) - 0.5).to(pixels.device)
    grid = F.affine_grid(place, [count, channels, 2 * side, 2 * side], align_corners=False)  # twice as fine, then averaged
    strip, beyond = _between(count, 0.06, 0.4, pixels), grid.abs() - 1
    phase = beyond.clamp(min=0) % (2 * strip)
    folded = torch.where(beyond > 0, (1 - torch.minimum(phase, 2 * strip - phase)) * grid.sign(), grid)
    seen = F.avg_pool2d(F.grid_sample(pixels, folded, padding_mode="border", align_corners=False), 2)
    seam = _between(count, 0.1, 0.5, pixels)
    inside = F.avg_pool2d(((1 - grid.square().square().sum(3).sqrt().sqrt()[:, None]) / seam).clamp(0, 1), 2)
    bare = (torch.rand(count, 1, 1, 1) < 0.5).to(pixels.device)
    return torch.where(bare, torch.lerp(_plain_skin(pixels), seen, inside), seen)


KINDS: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (
    framing,
    mark,
    vignette,
    light,
    balance,
    tint,
    fade,
    veil,
    smudge,
    grain,
)
"""In the order in which a picture meets them: where the hand is, the skin, the light, what the camera makes of it."""


def damaged(pixels: torch.Tensor, share: float) -> torch.Tensor:
    """Pictures of which a share is damaged, each in its own way.

    Args:
        pixels: [N, 3, S, S], 0..255, any dtype.
        share: of the pictures, 0..1. Chance is torch's: `torch.manual_seed` makes it the same.

    Returns:
        float32 [N, 3, S, S], 0..255.
    """
    views = pixels.float().clone()
    chosen = torch.rand(len(views)) < share
    for kind in KINDS:
        met = (chosen & (torch.rand(len(views)) < KIND_SHARE)).to(views.device)
        if bool(met.any()):
            views[met] = kind(views[met]).clamp(0, 255)
    return views
