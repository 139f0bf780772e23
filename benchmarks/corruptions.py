"""What befalls a photograph, in five severities: optics, light, compression, what lies on the skin, and framing.

Strengths are shares of the picture's side, so that they mean the same at any resolution. The kinds that photographs of
any subject meet follow Hendrycks and Dietterich 2019 (ICLR); hair, marks and bubbles are those that dermatologists' pictures
add. All of it is drawn from the generator that is given: the same generator draws the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.capture_scenes import encode
from benchmarks.colour_damage import Pixels, draw_ring, grain_over_blur, redden, smear_colours
from mobile_runtime.capture import acquire
from mobile_runtime.quality import luma

SEVERITIES = (1, 2, 3, 4, 5)


def _levels(values: npt.NDArray[np.floating]) -> Pixels:
    return np.clip(values, 0, 255).astype(np.uint8)


def blur(image: Pixels, sigma: float) -> Pixels:
    """Gaussian blur; sigma as a share of the side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), len(image) * sigma), np.uint8)


def lighten(image: Pixels, levels: float) -> Pixels:
    """Add levels of 255."""
    return _levels(image + levels)


def expose(image: Pixels, factor: float) -> Pixels:
    """Multiply and clip."""
    return _levels(image * factor)


def flatten(image: Pixels, share: float) -> Pixels:
    """Keep a share of the contrast around the mean colour."""
    mean = image.mean(axis=(0, 1), keepdims=True)
    return _levels(mean + (image - mean) * share)


def fade(image: Pixels, share: float) -> Pixels:
    """Lose a share of the colour: 1 leaves greys of the same luma."""
    grey = luma(image)[..., None]
    return _levels(image + (grey - image) * share)


def _tint(image: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """Lose a share of the colour to one warm or cool cast, as sepia and other filters do: 1 leaves greys under it."""
    warmth = 0.12 * rng.choice((-1, 1))
    cast = luma(image)[..., None] * np.array([1 + warmth, 1, 1 - warmth])
    return _levels(image + (cast - image) * share)


def blend(image: Pixels, mask: npt.NDArray[np.floating], colour: npt.ArrayLike) -> Pixels:
    """Lay a colour over the picture where the mask [H, W], 0..1, says so."""
    soft = mask[..., None]
    return _levels(image * (1 - soft) + np.asarray(colour, np.float64) * soft)


def warp(image: Pixels, degrees: float = 0.0, shift: tuple[float, float] = (0.0, 0.0), scale: float = 1.0) -> Pixels:
    """Turn, scale and shift (as shares of the side) about the centre; what comes in from outside is mirrored."""
    side = len(image)
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), degrees, scale)
    turn[:, 2] += np.asarray(shift) * side
    return np.asarray(cv2.warpAffine(image, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def smear(image: Pixels, length: float, rng: np.random.Generator) -> Pixels:
    """A hand that moves in any direction; length as a share of the side."""
    reach = max(3, round(length * len(image)) | 1)
    line = np.zeros((reach, reach), np.float32)
    line[reach // 2] = 1
    centre = ((reach - 1) / 2, (reach - 1) / 2)
    turned = cv2.warpAffine(line, cv2.getRotationMatrix2D(centre, float(rng.uniform(0, 180)), 1.0), (reach, reach))
    return np.asarray(cv2.filter2D(image, -1, turned / turned.sum(), borderType=cv2.BORDER_REFLECT_101), np.uint8)


def _noise(image: Pixels, deviation: float, rng: np.random.Generator) -> Pixels:
    return _levels(image + rng.normal(0, deviation, image.shape))


def _jpeg(image: Pixels, quality: float, _: np.random.Generator) -> Pixels:
    return acquire(encode(image, "JPEG", quality=int(quality)))


def _light(image: Pixels, change: float, rng: np.random.Generator) -> Pixels:
    return expose(image, 1 + change if rng.random() < 0.5 else 1 / (1 + change))


def _contrast(image: Pixels, share: float, _: np.random.Generator) -> Pixels:
    return flatten(image, share)


def _white_balance(image: Pixels, change: float, rng: np.random.Generator) -> Pixels:
    warm = 1 + change if rng.random() < 0.5 else 1 / (1 + change)
    return _levels(image * np.array([warm, 1.0, 1 / warm]))


def _blank(image: Pixels) -> npt.NDArray[np.float32]:
    return np.zeros(image.shape[:2], np.float32)


def _hair(image: Pixels, count: float, rng: np.random.Generator) -> Pixels:
    side, mask = len(image), _blank(image)
    for _ in range(int(count)):
        start, heading = rng.uniform(0, side, 2), rng.uniform(0, 2 * np.pi)
        bends = heading + np.cumsum(rng.normal(0, 0.15, 12))
        steps = np.stack([np.cos(bends), np.sin(bends)], 1) * side * 0.06
        points = (start + np.cumsum(steps, 0)).round().astype(np.int32)
        cv2.polylines(mask, [points], False, 1.0, max(1, round(side * 0.007)), cv2.LINE_AA)
    return blend(image, mask * 0.9, rng.uniform(15, 70) * np.array([1.0, 0.8, 0.65]))


def _ruler(image: Pixels, reach: float, rng: np.random.Generator) -> Pixels:
    side, mask = len(image), _blank(image)
    gap, thick = max(3, round(side * 0.045)), max(1, round(side * 0.008))
    for i, at in enumerate(range(gap // 2, side, gap)):
        length = round(side * reach * (1.0 if i % 5 == 0 else 0.55))
        cv2.line(mask, (at, side), (at, side - length), 1.0, thick)
    return blend(image, np.rot90(mask, int(rng.integers(4))) * 0.85, (20, 20, 25))


def _ink(image: Pixels, radius: float, rng: np.random.Generator) -> Pixels:
    side, mask = len(image), _blank(image)
    turn = rng.uniform(0, 2 * np.pi)
    for at in turn + np.arange(4) * np.pi / 2:
        centre = side / 2 + 0.42 * side * np.array([np.cos(at), np.sin(at)])
        cv2.circle(mask, (int(centre[0]), int(centre[1])), max(1, round(radius * side)), 1.0, -1, cv2.LINE_AA)
    return blend(image, mask * 0.75, (75, 40, 140))


def _bubbles(image: Pixels, count: float, rng: np.random.Generator) -> Pixels:
    side, rings, fill = len(image), _blank(image), _blank(image)
    for _ in range(int(count)):
        centre, radius = rng.integers(0, side, 2).tolist(), max(2, int(rng.uniform(0.015, 0.06) * side))
        cv2.circle(fill, centre, radius, 0.25, -1, cv2.LINE_AA)
        cv2.circle(rings, centre, radius, 0.7, max(1, round(side * 0.006)), cv2.LINE_AA)
    return blend(blend(image, fill, (235, 235, 235)), rings, (250, 250, 250))


def reflect(image: Pixels, radius: float, rng: np.random.Generator, faintest: float = 225) -> Pixels:
    """A lamp's reflection, burnt out or faint, white or warm, sharp or soft.

    Args:
        image: what it falls on.
        radius: as a share of the side.
        rng: of its place, form and colour.
        faintest: least level of its red, which is its brightest channel, at its middle.
    """
    side, mask = len(image), _blank(image)
    centre = (rng.uniform(0.4, 0.6, 2) * side).astype(int).tolist()
    axes = [max(1, round(radius * share * side)) for share in (1.0, float(rng.uniform(0.6, 1.0)))]
    cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    warmth, edge = rng.uniform(0, 0.1), rng.uniform(0.01, 0.04)
    colour = rng.uniform(faintest, 255) * np.array([1, 1 - warmth / 3, 1 - warmth])
    return blend(image, np.asarray(cv2.GaussianBlur(mask, (0, 0), side * edge)), colour)


def _ghost(image: Pixels, shift: float, rng: np.random.Generator) -> Pixels:
    """Two exposures, half of each: the hand moved between them, and turned a little."""
    angle = rng.uniform(0, 2 * np.pi)
    other = warp(image, float(rng.uniform(-2, 2)), (shift * np.cos(angle), shift * np.sin(angle)))
    return _levels((image.astype(np.float64) + other) / 2)


def _smoothing(image: Pixels, strength: float, _: np.random.Generator) -> Pixels:
    """A filter that paints over detail and keeps edges, as for faces (Gastal and Oliveira 2011)."""
    smooth = cv2.edgePreservingFilter(image, flags=cv2.RECURS_FILTER, sigma_s=0.2 * len(image), sigma_r=strength)
    return np.asarray(smooth, np.uint8)


def _vignette(image: Pixels, depth: float, _: np.random.Generator) -> Pixels:
    axis = np.linspace(-1, 1, len(image)) ** 2
    return _levels(image * (1 - depth * np.minimum(1, (axis[:, None] + axis[None, :]) / 2))[..., None])


def _bare_skin(image: Pixels, rng: np.random.Generator, side: int) -> npt.NDArray[np.float32]:
    """Skin without a lesion, of the median colour of the lighter half of a picture's rim: a little rough and uneven."""
    rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]).astype(np.float32)
    brightness = rim.mean(1)
    skin = np.zeros((side, side, 3), np.float32) + np.median(rim[brightness >= np.median(brightness)], axis=0)
    for width, levels in ((0.008, 3), (0.17, 5)):
        noise = cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), max(0.5, width * side))
        skin += levels * (noise / noise.std())[..., None]
    return skin


def place(image: Pixels, scale: float, shift: tuple[float, float], rng: np.random.Generator) -> Pixels:
    """Seen from farther away, at a share of its size, and off centre by shares of the side, with bare skin around.

    Mirrored skin would bring the lesion in again, and eight halves of it are not what a hand too far away sees.
    """
    side = len(image)
    small = max(16, round(side * scale))
    left, top = (round((side - small) / 2 + share * side) for share in shift)
    columns, rows = (slice(max(0, start), min(side, start + small)) for start in (left, top))
    shrunk = np.asarray(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA))
    seen, there, seam = np.zeros_like(image), _blank(image), max(1, small // 8)
    seen[rows, columns] = shrunk[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    there[rows, columns] = 1
    inner = cv2.erode(there, np.ones((2 * seam + 1, 2 * seam + 1), np.uint8))
    soft = np.asarray(cv2.GaussianBlur(inner, (0, 0), seam / 2, borderType=cv2.BORDER_REPLICATE))[..., None]
    return _levels(_bare_skin(shrunk, rng, side) * (1 - soft) + seen * soft)


def _shift(image: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    turn = rng.uniform(0, 2 * np.pi)
    return place(image, 1, (share * float(np.cos(turn)), share * float(np.sin(turn))), rng)


def _distance(image: Pixels, scale: float, rng: np.random.Generator) -> Pixels:
    return place(image, scale, (0, 0), rng)


@dataclass(frozen=True)
class Corruption:
    """One kind of damage.

    Attributes:
        about: what it is, and the unit of `strengths`.
        strengths: of severities 1 to 5.
        damage: square uint8 RGB [A, A, 3], strength and generator to the damaged picture of the same shape.
    """

    about: str
    strengths: tuple[float, float, float, float, float]
    damage: Callable[[Pixels, float, np.random.Generator], Pixels]

    def apply(self, image: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
        """The picture at a severity of 1 to 5."""
        return self.damage(image, self.strengths[severity - 1], rng)


CORRUPTIONS: dict[str, Corruption] = {
    "blur": Corruption("out of focus; sigma, share of the side", (0.004, 0.008, 0.013, 0.02, 0.03), lambda x, s, _: blur(x, s)),
    "motion": Corruption("camera moved; length, share of the side", (0.02, 0.04, 0.06, 0.09, 0.13), smear),
    "ghost": Corruption("moved and turned between two exposures; share of the side", (0.02, 0.04, 0.08, 0.12, 0.16), _ghost),
    "smoothing": Corruption("painted smooth by a filter; strength", (0.05, 0.1, 0.2, 0.3, 0.5), _smoothing),
    "noise": Corruption("sensor noise; levels of 255", (4, 8, 14, 22, 32), _noise),
    "jpeg": Corruption("compression; quality", (75, 50, 30, 18, 10), _jpeg),
    "brightness": Corruption("under- or overexposed; factor - 1", (0.1, 0.2, 0.35, 0.5, 0.75), _light),
    "contrast": Corruption("haze; contrast left", (0.85, 0.7, 0.55, 0.4, 0.25), _contrast),
    "white_balance": Corruption("too warm or too cold; factor - 1", (0.04, 0.08, 0.13, 0.2, 0.3), _white_balance),
    "fading": Corruption("pale colours; share lost", (0.1, 0.25, 0.5, 0.75, 1), lambda x, s, _: fade(x, s)),
    "tint": Corruption("one warm or cool cast for colours; share lost", (0.1, 0.25, 0.5, 0.75, 1), _tint),
    "red_light": Corruption("light redder than the camera takes it for; gain - 1", (0.05, 0.1, 0.15, 0.2, 0.25), redden),
    "colour_smear": Corruption("colours blurred; share of the side", (0.005, 0.01, 0.02, 0.035, 0.05), smear_colours),
    "grain": Corruption("grain over blur; share of the side", (0.005, 0.0075, 0.01, 0.0125, 0.015), grain_over_blur),
    "ring": Corruption("red ring of ink around; share of the side", (0.006, 0.012, 0.02, 0.03, 0.04), draw_ring),
    "hair": Corruption("hairs; number", (3, 7, 13, 22, 35), _hair),
    "ruler_marks": Corruption("ruler at one edge; length, share of the side", (0.04, 0.07, 0.11, 0.16, 0.22), _ruler),
    "ink_marks": Corruption("surgeon's marks around; radius, share of the side", (0.02, 0.035, 0.05, 0.07, 0.1), _ink),
    "gel_bubbles": Corruption("bubbles in the gel; number", (4, 9, 16, 26, 40), _bubbles),
    "reflection": Corruption(
        "lamp reflected on the spot, faint to burnt out; radius, share of the side", (0.03, 0.06, 0.1, 0.15, 0.22), reflect
    ),
    "vignette": Corruption("dark corners; darkening there", (0.2, 0.4, 0.6, 0.8, 1.0), _vignette),
    "shift": Corruption("off centre, partly outside; share of the side", (0.04, 0.08, 0.14, 0.22, 0.35), _shift),
    "zoom": Corruption(
        "too near, partly outside; factor - 1", (0.1, 0.2, 0.35, 0.5, 0.75), lambda x, s, _: warp(x, scale=1 + s)
    ),
    "distance": Corruption("too far away; size left", (0.85, 0.7, 0.55, 0.4, 0.3), _distance),
}
