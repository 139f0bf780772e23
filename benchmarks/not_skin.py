"""Pictures that are not skin, drawn here: what an app's camera sees when it points anywhere else."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Pixels = npt.NDArray[np.uint8]
_WORDS = ("invoice", "report", "total", "amount", "patient", "signed", "date", "page", "with", "for", "and", "the", "of")


def _colour(rng: np.random.Generator, low: int = 0, high: int = 256) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(low, high, 3))
    return red, green, blue


def _document(rng: np.random.Generator, size: int) -> Pixels:
    page = Image.new("RGB", (size, size), _colour(rng, 225, 256))
    pen = ImageDraw.Draw(page)
    y, height = int(rng.integers(2, 20)), int(rng.integers(9, 22))
    font = ImageFont.load_default(height)
    while y < size:
        pen.text((int(rng.integers(4, 16)), y), " ".join(rng.choice(_WORDS, 14)), fill=_colour(rng, 0, 70), font=font)
        y += int(height * rng.uniform(1.1, 1.9))
    return np.asarray(page.rotate(rng.uniform(-8, 8), Image.Resampling.BILINEAR, fillcolor=_colour(rng, 200, 256)))


def _room(rng: np.random.Generator, size: int) -> Pixels:
    picture = np.full((size, size, 3), _colour(rng, 120, 240), np.uint8)
    horizon = int(size * rng.uniform(0.5, 0.75))
    picture[horizon:] = _colour(rng, 60, 180)
    for _ in range(int(rng.integers(4, 12))):
        left, top = (int(v) for v in rng.integers(-20, size, 2))
        right, bottom = left + int(rng.integers(20, size // 2)), top + int(rng.integers(20, size // 2))
        cv2.rectangle(picture, (left, top), (right, bottom), _colour(rng), -1)
        cv2.rectangle(picture, (left, top), (right, bottom), _colour(rng, 0, 90), int(rng.integers(1, 4)))
    light = np.linspace(rng.uniform(0.6, 1), rng.uniform(0.6, 1.2), size)[None, :, None]
    return np.clip(picture * light, 0, 255).astype(np.uint8)


def _food(rng: np.random.Generator, size: int) -> Pixels:
    picture = np.full((size, size, 3), _colour(rng, 60, 200), np.uint8)
    centre = (size // 2 + int(rng.integers(-20, 20)), size // 2 + int(rng.integers(-20, 20)))
    cv2.circle(picture, centre, int(size * 0.44), _colour(rng, 215, 256), -1, cv2.LINE_AA)
    cv2.circle(picture, centre, int(size * 0.36), _colour(rng, 200, 240), 2, cv2.LINE_AA)
    palette = [(200, 40, 30), (60, 140, 40), (240, 200, 60), (150, 90, 40), (250, 240, 220), (230, 120, 30)]
    for _ in range(int(rng.integers(12, 40))):
        offset = rng.normal(0, size * 0.13, 2)
        spot = (int(centre[0] + offset[0]), int(centre[1] + offset[1]))
        axes = (int(rng.integers(5, size // 10)), int(rng.integers(4, size // 14)))
        colour = palette[int(rng.integers(len(palette)))]
        cv2.ellipse(picture, spot, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def _plain(rng: np.random.Generator, size: int) -> Pixels:
    ramp = np.linspace(0, rng.uniform(0, 60), size)
    plane = np.asarray(_colour(rng), float) + (ramp[None, :, None] if rng.random() < 0.5 else ramp[:, None, None])
    return np.clip(np.broadcast_to(plane, (size, size, 3)), 0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, size: int) -> Pixels:
    cell = int(rng.choice([1, 2, 4, 8, 16]))
    channels = int(rng.choice([1, 3]))
    grid = rng.integers(0, 256, (size // cell + 1, size // cell + 1, channels), dtype=np.uint8)
    grid = np.repeat(grid, 3 // channels, axis=2)
    return np.repeat(np.repeat(grid, cell, 0), cell, 1)[:size, :size].copy()


def _screen(rng: np.random.Generator, size: int) -> Pixels:
    page = Image.new("RGB", (size, size), _colour(rng, 235, 256) if rng.random() < 0.5 else _colour(rng, 10, 45))
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, size, size // 8), fill=_colour(rng))
    for row in range(int(rng.integers(3, 7))):
        top = size // 6 + row * size // 7
        pen.rounded_rectangle((12, top, 12 + size // 9, top + size // 9), 8, fill=_colour(rng))
        for line in range(2):
            right = size // 5 + int(rng.uniform(0.3, 0.75) * size)
            pen.rectangle((size // 5, top + 6 + line * 12, right, top + 12 + line * 12), fill=_colour(rng, 90, 190))
    return np.asarray(page)


def _foliage(rng: np.random.Generator, size: int) -> Pixels:
    picture = np.full((size, size, 3), (30, 60, 25), np.uint8)
    for _ in range(250):
        green = int(rng.integers(70, 220))
        colour = (int(green * rng.uniform(0.3, 0.9)), green, int(green * rng.uniform(0.1, 0.5)))
        spot = tuple(int(v) for v in rng.integers(0, size, 2))
        axes = (int(rng.integers(4, 22)), int(rng.integers(2, 8)))
        cv2.ellipse(picture, spot, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def _fabric(rng: np.random.Generator, size: int) -> Pixels:
    first, second = np.asarray(_colour(rng), float), np.asarray(_colour(rng), float)
    period, angle = rng.uniform(6, 40), rng.uniform(0, np.pi)
    y, x = np.mgrid[:size, :size]
    wave = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period))
    if rng.random() < 0.5:
        wave = (wave + (0.5 + 0.5 * np.sign(np.sin(2 * np.pi * (y * np.cos(angle) - x * np.sin(angle)) / period)))) / 2
    picture = first * wave[..., None] + second * (1 - wave[..., None]) + rng.normal(0, 6, (size, size, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


KINDS: dict[str, Callable[[np.random.Generator, int], Pixels]] = {
    "document": _document,
    "room": _room,
    "food": _food,
    "plain": _plain,
    "noise": _noise,
    "screen": _screen,
    "foliage": _foliage,
    "fabric": _fabric,
}


def draw(kind: str, seed: int, size: int = 300) -> Pixels:
    """Draw one picture of a kind; the same seed draws the same picture.

    Returns:
        uint8 RGB [size, size, 3], softened a little as a camera would.
    """
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    picture = KINDS[kind](rng, size)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.0)), np.uint8)
