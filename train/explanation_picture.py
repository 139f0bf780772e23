"""The picture of an explanation: what the network was given beside what it looked at, with titles, large enough to see."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

MIN_SIDE = 224
"""Fewest pixels a side of each panel."""
NO_EVIDENCE = "no evidence for this node"
_GAP, _TEXT, _LINE = 8, 14, 22
_PAPER, _INK = (255, 255, 255), (26, 26, 26)

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def overlay(pixels: Pixels, heat: Floats) -> Pixels:
    """A map laid over a grey copy of a picture, scaled to its 99th percentile.

    Args:
        pixels: uint8 RGB [S, S, 3].
        heat: float32 [S, S], at least 0.

    Returns:
        uint8 RGB [S, S, 3]; grey where the map is zero.
    """
    grey = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    shown = np.clip(heat / max(float(np.percentile(heat, 99)), 1e-12), 0, 1)
    colours = cv2.applyColorMap((shown * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    share = 0.8 * shown[..., None]
    return (grey * (1 - share) + colours * share).astype(np.uint8)


def panels(pixels: Pixels, heats: Mapping[str, Floats], caption: str) -> Image.Image:
    """A picture and each map over it side by side, titled, with a line below.

    Args:
        pixels: uint8 RGB [S, S, 3].
        heats: title -> float32 [S, S], at least 0; of one that is zero everywhere it is said.
        caption: what the maps explain.

    Returns:
        RGB; panels are the smallest whole multiple of S that has at least `MIN_SIDE` pixels a side.
    """
    size = pixels.shape[0]
    side = size * -(-MIN_SIDE // size)
    tiles = {"picture": (pixels, "")}
    tiles |= {title: (overlay(pixels, heat), "" if heat.any() else NO_EVIDENCE) for title, heat in heats.items()}
    sheet = Image.new("RGB", (len(tiles) * (side + _GAP) + _GAP, side + 2 * _LINE + 2 * _GAP), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for number, (title, (tile, remark)) in enumerate(tiles.items()):
        left, top = _GAP + number * (side + _GAP), _GAP + _LINE
        pen.text((left, _GAP), title, _INK, font)
        sheet.paste(Image.fromarray(tile).resize((side, side), Image.Resampling.BICUBIC), (left, top))
        if remark:
            box = pen.textbbox((left + side // 2, top + side // 2), remark, font, anchor="mm")
            pen.rectangle((box[0] - 6, box[1] - 4, box[2] + 6, box[3] + 4), _PAPER)
            pen.text((left + side // 2, top + side // 2), remark, _INK, font, anchor="mm")
    pen.text((_GAP, side + _LINE + _GAP + 4), caption, _INK, font)
    return sheet
