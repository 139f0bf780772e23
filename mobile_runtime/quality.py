"""Quality of a capture, judged on the S x S image before the model sees it.

All figures are ratios of integer sums, so that every port gets the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mobile_runtime.manifest import QualityLimits

ADVICE = {
    "too_small": "The spot is too small in the picture. Move closer or crop less tightly from a larger photo.",
    "too_dark": "The picture is too dark. Move to brighter, even light.",
    "too_bright": "The picture is too bright. Step out of direct light or lower the exposure.",
    "clipped": "Parts of the picture are burnt out. Turn the flash off or lower the exposure.",
    "glare": "There is glare on the skin. Tilt the phone, or turn the flash off.",
    "blurred": "The picture shows too little detail. Clean the lens, hold still, tap to focus on the spot, turn filters off.",
    "doubled": "The picture shows the skin twice. Hold still, turn night mode and HDR off, and take it again.",
    "uniform": "No spot can be made out. Bring the spot to the middle of the frame.",
    "colourless": "The picture has hardly any colour. Turn black-and-white modes and filters off, and take it again.",
    "blue_cast": "The picture is bluer than skin is. Use daylight or the flash, and turn filters off.",
}
"""Reason code -> advice to show. Codes are stable."""

_LUMA, _LUMA_BITS = (77, 150, 29), 8
_BLOCK, _COLOUR_BLOCK = 8, 4
_NOISE = 8.0
_WHITE, _GLARE_FLOOR, _GLARE_TINT, _GLARE_STEP = 250, 200, 40, 48
_HIGHLIGHT_STEP, _SURROUND_TENTHS = 20, 9
_ECHO_SHARE = 4
_RING = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if 4 <= y * y + x * x <= 5]


@dataclass(frozen=True)
class Quality:
    """Quality figures of one S x S image.

    Attributes:
        sharpness: root mean square of the 4-neighbour Laplacian of the luma's 2 x 2 means (single pixels would count the
            rounding of a blurred image as detail), over the standard deviation of the luma plus 8.
        least_sharpness: the same of the second difference along one of four directions, the one where it is least.
        evenness: that sharpness as a share of the direction's where it is greatest, 0..1. A hand that moves blurs along its
            way only: both figures are then low, which few sharp pictures are.
        detail: root mean square of the Laplacian alone, over 255, 0..4. Haze, a veil of stray light, and filters that paint
            over skin leave so little as hardly any skin has; sharpness, which is relative to contrast, does not show it.
        echo: how much more the picture resembles itself when moved by some way than by ways next to that one, as a share of
            perfect likeness, 0 or more: the autocorrelation of the signs of that Laplacian, at up to a quarter of the side. Two
            exposures between which the hand moved show every detail twice, that far apart. Skin, hairs and rulers hardly do;
            the ridges of palms and soles may.
        brightness: mean luma, 0..1.
        clipped: share of pixels whose three channels are all >= 250, 0..1.
        highlight: share of the middle of the picture, half of it a side, that a reflection hides, 0..1: such pixels,
            or near white and at least 20 levels of luma above nine tenths of what is around the middle. As few as leave
            `clipped` and `glare` low may hide what a spot would be referred for, burnt out or not.
        glare: share of pixels that are near white and at least 48 levels above the mean luma, 0..1.
        contrast: standard deviation of the mean luma of 8 x 8 blocks, 0..1.
        colour: how differently the three channels vary over the picture, relative to its brightness, 0..1. It is 0 where each
            channel is a straight line of the others, as in grey, sepia and otherwise tinted pictures, of which a model that
            judges colours must not say anything.
        warmth: the channels' means, red less blue over red plus blue, -1..1. Skin of any shade is redder than blue, so that
            this is low under a cold cast, and where a caller has swapped red and blue.
        region_px: side of the square that was resampled, in pixels of the source; None if unknown.
        reasons: codes of `ADVICE` for each limit that is not kept; empty for a good image.
    """

    sharpness: float
    least_sharpness: float
    evenness: float
    detail: float
    echo: float
    brightness: float
    clipped: float
    highlight: float
    glare: float
    contrast: float
    colour: float
    warmth: float
    region_px: int | None = None
    reasons: tuple[str, ...] = ()

    @property
    def acceptable(self) -> bool:
        return not self.reasons


def luma(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Integer luma (77 R + 150 G + 29 B + 128) >> 8 of a uint8 RGB image, 0..255."""
    rgb = image.astype(np.int64)
    red, green, blue = _LUMA
    rounding = 1 << (_LUMA_BITS - 1)
    weighted: npt.NDArray[np.int64] = (red * rgb[..., 0] + green * rgb[..., 1] + blue * rgb[..., 2] + rounding) >> _LUMA_BITS
    return weighted


def _deviation(values: npt.NDArray[np.int64]) -> float:
    """Population standard deviation from integer sums."""
    n, total, squares = values.size, int(values.sum()), int((values * values).sum())
    return float(np.sqrt((n * squares - total * total) / (n * n)))


def _block_sums(values: npt.NDArray[np.int64], side: int) -> npt.NDArray[np.int64]:
    """Sums over side x side blocks; rows and columns that do not fill a block are left out."""
    whole = len(values) // side * side
    sums: npt.NDArray[np.int64] = values[:whole, :whole].reshape(whole // side, side, whole // side, side).sum(axis=(1, 3))
    return sums


def _bends(pairs: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], tuple[int, int, int, int]]:
    """The 4-neighbour Laplacian, and sums of squares of twice the second differences along rows, columns and diagonals.

    Diagonal neighbours are farther by the root of 2, hence the axes' squares count twice.
    """
    centre = 2 * pairs[1:-1, 1:-1]
    across = centre - pairs[1:-1, :-2] - pairs[1:-1, 2:]
    down = centre - pairs[:-2, 1:-1] - pairs[2:, 1:-1]
    falling, rising = centre - pairs[:-2, :-2] - pairs[2:, 2:], centre - pairs[:-2, 2:] - pairs[2:, :-2]
    return across + down, (2 * _squares(across), 2 * _squares(down), _squares(falling), _squares(rising))


def _squares(values: npt.NDArray[np.int64]) -> int:
    return int((values * values).sum())


def _echo(laplacian: npt.NDArray[np.int64], reach: int) -> float:
    """How far the highest peak of the autocorrelation of signs [n, n] stands above the ring around it.

    Signs, since a few strong edges would outweigh the texture of the skin.
    """
    side, far = len(laplacian), reach + 2
    spectrum = np.fft.rfft2(np.sign(laplacian), (side + far, side + far))
    counts = np.rint(np.fft.irfft2(np.abs(spectrum) ** 2, (side + far, side + far)))  # whole numbers, as the ports add them up
    if reach < 2 or not counts[0, 0]:
        return 0.0
    ways = np.arange(-far, far + 1)
    likeness = counts[np.ix_(ways, ways)] / np.multiply.outer(side - abs(ways), side - abs(ways))
    inner = 2 * reach + 1
    around = np.max([likeness[2 + y : 2 + y + inner, 2 + x : 2 + x + inner] for y, x in _RING], axis=0)
    lengths = np.add.outer(ways[2:-2] ** 2, ways[2:-2] ** 2)
    peaks = (likeness[2:-2, 2:-2] - around)[(lengths >= 4) & (lengths <= reach * reach)]
    return max(0.0, float(peaks.max())) / float(counts[0, 0] / (side * side))


def _colour(image: npt.NDArray[np.uint8]) -> float:
    """Root mean square over pairs of channels of what is left of their difference once both have mean 0 and the same deviation.

    Sums over 4 x 4 blocks, since the noise of single pixels and the chroma blocks of JPEG would count as colour.
    """
    channels = [_block_sums(image[..., c].astype(np.int64), _COLOUR_BLOCK).ravel() for c in range(3)]
    n, totals = len(channels[0]), [int(channel.sum()) for channel in channels]

    def spread(a: int, b: int) -> int:
        return n * int((channels[a] * channels[b]).sum()) - totals[a] * totals[b]

    deviations = [np.sqrt(float(spread(c, c))) for c in range(3)]
    apart = 0.0  # not sum(): from Python 3.12 on, it rounds sums of floats otherwise than the ports do
    for a, b in ((0, 1), (0, 2), (1, 2)):
        apart += max(0.0, float(deviations[a] * deviations[b]) - float(spread(a, b)))
    return min(1.0, float(np.sqrt(6.0 * apart)) / max(1, sum(totals)))


def _warmth(image: npt.NDArray[np.uint8]) -> float:
    red, blue = int(image[..., 0].sum(dtype=np.int64)), int(image[..., 2].sum(dtype=np.int64))
    return (red - blue) / max(1, red + blue)


def _highlight(y: npt.NDArray[np.int64], low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> float:
    quarter = len(y) // 4
    middle = np.zeros(y.shape, bool)
    middle[quarter : len(y) - quarter, quarter : len(y) - quarter] = True
    upto = np.bincount(y[~middle], minlength=256).cumsum()
    around = int((10 * upto >= _SURROUND_TENTHS * upto[-1]).argmax())  # the level that nine tenths are not above
    shining = (low >= _GLARE_FLOOR) & (high - low <= _GLARE_TINT) & (y >= around + _HIGHLIGHT_STEP)
    return int((shining | (low >= _WHITE))[middle].sum()) / int(middle.sum())


def measure(image: npt.NDArray[np.uint8]) -> Quality:
    """Quality figures of a uint8 RGB image [S, S, 3], without limits."""
    y = luma(image)
    pairs = _block_sums(y, 2)
    laplacian, bends = _bends(pairs)
    least, most, spread = min(bends), max(bends), _deviation(y) + _NOISE
    low, high = image.min(axis=2).astype(np.int64), image.max(axis=2).astype(np.int64)
    bright = (low >= _GLARE_FLOOR) & (high - low <= _GLARE_TINT) & (y * y.size >= int(y.sum()) + _GLARE_STEP * y.size)
    blocks, cells = _block_sums(y, _BLOCK), laplacian.size
    edges = float(np.sqrt(_squares(laplacian) / (16 * cells)))
    return Quality(
        sharpness=edges / spread,
        least_sharpness=float(np.sqrt(least / (32 * cells))) / spread,
        evenness=float(np.sqrt(least / most)) if most else 1.0,
        detail=edges / 255.0,
        echo=_echo(laplacian, len(pairs) // _ECHO_SHARE),
        brightness=int(y.sum()) / (255.0 * y.size),
        clipped=int((low >= _WHITE).sum()) / y.size,
        highlight=_highlight(y, low, high),
        glare=int(bright.sum()) / y.size,
        contrast=_deviation(blocks) / (255.0 * _BLOCK * _BLOCK),
        colour=_colour(image),
        warmth=_warmth(image),
    )


def judge(image: npt.NDArray[np.uint8], limits: QualityLimits, region_px: int | None = None) -> Quality:
    """Measure an image [S, S, 3] and name the limits that it does not keep.

    Args:
        image: what `capture.prepare` made.
        limits: from the bundle.
        region_px: side of the square that was resampled, in pixels of the source; None skips that limit.
    """
    figures = measure(image)
    uniform = figures.contrast < limits.contrast_min
    faults = {
        "too_small": region_px is not None and region_px < limits.region_px_min,
        "too_dark": figures.brightness < limits.brightness_min,
        "too_bright": figures.brightness > limits.brightness_max,
        "clipped": figures.clipped > limits.clipped_max,
        "glare": figures.glare > limits.glare_max or figures.highlight > limits.highlight_max,
        "blurred": figures.sharpness < limits.sharpness_min
        or figures.detail < limits.detail_min
        or (figures.least_sharpness < limits.least_sharpness_min and figures.evenness < limits.evenness_min),
        "doubled": figures.echo > limits.echo_max,
        "uniform": uniform,
        "colourless": figures.colour < limits.colour_min and not uniform,  # where nothing varies, neither do colours
        "blue_cast": figures.warmth < limits.warmth_min,
    }
    return replace(figures, region_px=region_px, reasons=tuple(code for code, found in faults.items() if found))
