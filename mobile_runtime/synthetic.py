"""Procedural lesions of the seven classes: for tests and the demo only, never for claims about accuracy.

Each class has a look that a small network can learn (colour, outline, texture), on skin of varied tone.
"""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

# label: (inner colour, outer colour, irregularity of the outline, texture)
_LOOKS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], float, str]] = {
    "akiec": ((196, 120, 104), (214, 150, 130), 0.25, "scales"),
    "bcc": ((205, 140, 140), (150, 120, 140), 0.12, "vessels"),
    "bkl": ((140, 105, 75), (165, 125, 92), 0.10, "cysts"),
    "df": ((235, 205, 190), (160, 110, 85), 0.05, "smooth"),
    "mel": ((45, 32, 38), (110, 72, 60), 0.35, "blotches"),
    "nv": ((120, 78, 52), (150, 104, 74), 0.04, "smooth"),
    "vasc": ((150, 24, 44), (190, 60, 70), 0.08, "lacunae"),
}
LABELS = tuple(_LOOKS)


def _outline(rng: np.random.Generator, size: int, irregularity: float) -> npt.NDArray[np.float32]:
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    radius = np.full_like(angles, rng.uniform(0.2, 0.32) * size)
    for wave in range(2, 8):
        radius *= 1 + irregularity / wave * rng.normal() * np.cos(wave * angles + rng.uniform(0, 2 * np.pi))
    centre = size / 2 + rng.uniform(-0.08, 0.08, 2) * size
    stretch = rng.uniform(0.8, 1.2)
    points = np.stack([centre[0] + radius * np.cos(angles) * stretch, centre[1] + radius * np.sin(angles) / stretch], 1)
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [points.round().astype(np.int32)], 255)
    soft: npt.NDArray[np.float32] = cv2.GaussianBlur(mask, (0, 0), size * 0.012).astype(np.float32) / 255
    return soft


def _spots(
    rng: np.random.Generator, canvas: npt.NDArray[np.float32], count: int, colour: tuple[int, int, int], scale: float
) -> None:
    size = canvas.shape[0]
    for _ in range(count):
        centre = rng.uniform(0.25, 0.75, 2) * size
        radius = max(1, int(rng.uniform(0.5, 1.5) * scale * size))
        cv2.circle(canvas, (int(centre[0]), int(centre[1])), radius, colour, -1, cv2.LINE_AA)


def _flush(rng: np.random.Generator, size: int) -> npt.NDArray[np.float32]:
    """How much blood shines through, standard deviation 1, [size, size, 1]: skin and lesions are never of one hue."""
    patches = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), size / 12)
    even: npt.NDArray[np.float32] = ((patches - patches.mean()) / patches.std())[..., None]
    return even


def lesion(label: str, seed: int, size: int = 256) -> npt.NDArray[np.uint8]:
    """Draw one synthetic lesion.

    Args:
        label: one of `LABELS` (HAM10000's abbreviations).
        seed: the same seed draws the same picture.
        size: side in pixels.

    Returns:
        uint8 RGB [size, size, 3].
    """
    inner, outer, irregularity, texture = _LOOKS[label]
    rng = np.random.default_rng([seed, LABELS.index(label)])
    tone = rng.uniform(0.55, 1.0)
    skin = np.array([236, 188, 164], np.float32) * tone
    grain = cv2.GaussianBlur(rng.normal(0, 1, (size, size, 1)).astype(np.float32), (0, 0), size / 90)
    picture = skin + 40 * grain[..., None].reshape(size, size, 1) * np.array([1, 0.9, 0.8], np.float32)

    depth = _outline(rng, size, irregularity)
    core = cv2.GaussianBlur(depth, (0, 0), size * 0.05)[..., None] ** 2
    body = np.array(inner, np.float32) * core + np.array(outer, np.float32) * (1 - core)
    body = np.ascontiguousarray(body * (0.6 + 0.4 * tone))
    if texture == "scales":
        _spots(rng, body, 40, (240, 225, 210), 0.008)
    elif texture == "vessels":
        for _ in range(7):
            walk = np.cumsum(rng.normal(0, size * 0.03, (8, 2)), 0) + size / 2
            cv2.polylines(body, [walk.astype(np.int32)], False, (170, 40, 60), max(1, size // 120), cv2.LINE_AA)
    elif texture == "cysts":
        _spots(rng, body, 25, (225, 195, 150), 0.01)
        _spots(rng, body, 12, (70, 48, 36), 0.012)
    elif texture == "blotches":
        _spots(rng, body, 8, (70, 80, 110), 0.04)
        _spots(rng, body, 8, (25, 18, 20), 0.045)
    elif texture == "lacunae":
        _spots(rng, body, 14, (120, 8, 36), 0.035)
    body = cv2.GaussianBlur(body, (0, 0), size / 200)
    picture = picture * (1 - depth[..., None]) + body * depth[..., None]
    flush = _flush(np.random.default_rng([seed, LABELS.index(label), 1]), size)
    picture = picture + flush * np.array([7, -3, -3], np.float32) * tone
    left, right = (float(edge) for edge in rng.uniform(0.92, 1.08, 2))
    light = np.linspace(left, right, size, dtype=np.float32)[None, :, None]
    drawn: npt.NDArray[np.uint8] = np.clip(picture * light + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
    return drawn


def write_dataset(root: Path, images_per_class: int, seed: int = 0, size: int = 160) -> Path:
    """Write a synthetic data set in the layout of HAM10000's public release; every second lesion has two images.

    Returns:
        The path of `HAM10000_metadata.csv`.
    """
    folders = [root / "HAM10000_images_part_1", root / "HAM10000_images_part_2"]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    table = root / "HAM10000_metadata.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"])
        for index in range(images_per_class * len(LABELS)):
            label, number = LABELS[index % len(LABELS)], index // len(LABELS)
            image_id = f"SYN_{index:07d}"
            picture = lesion(label, seed * 1_000_003 + number, size)
            cv2.imwrite(str(folders[index % 2] / f"{image_id}.jpg"), picture[..., ::-1])
            lesion_id = f"LES_{label}_{(number + 1) // 3 * 2 + (number % 3 == 2):05d}"
            writer.writerow([lesion_id, image_id, label, "synthetic", 50, "unknown", "unknown"])
    return table
