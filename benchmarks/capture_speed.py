"""From the bytes of a 12-megapixel JPEG to the model's input: `python -m benchmarks.capture_speed`.

Both sides end in S x S uint8 RGB on one core. The other side is the usual recipe: decode in full with Pillow, then
torchvision's `Resize(S)` and `CenterCrop(S)`. Ours is `capture.prepare`, with every check it makes. Runs alternate, so that
a busy machine slows both. How much faster depends on the file: Huffman decoding of all its bytes is common to both sides
and cannot be skipped, so the more bytes, the smaller the gain.
"""

from __future__ import annotations

import importlib.util
import io
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.table import Table

from benchmarks.capture_scenes import encode
from benchmarks.environment import environment
from mobile_runtime.capture import prepare
from mobile_runtime.console import guard, out
from mobile_runtime.cores import pinned
from mobile_runtime.errors import MissingExtraError
from mobile_runtime.files import write_json
from mobile_runtime.synthetic import lesion

RESULT = Path(__file__).parent / "results" / "capture_speed.json"
SIZE = 144
"""The shipped model's input size."""
REPEATS = 15
WIDTH, HEIGHT = 4000, 3000
# Noise of the scene (standard deviation in levels), JPEG quality: from a smooth photo to a noisy one at high quality.
FILES = ((0.0, 85), (2.0, 85), (2.0, 90), (4.0, 90), (4.0, 95))


def photograph(noise: float, quality: int) -> bytes:
    """A 4000x3000 JPEG (4:2:0) of a synthetic lesion, its grain as wide as a demosaicing sensor's."""
    square = cv2.resize(lesion("mel", 1, 800), (WIDTH, WIDTH), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).standard_normal((HEIGHT, WIDTH, 3), dtype=np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.8).astype(np.float32)
    picture = square[500 : 500 + HEIGHT] + noise * grain / grain.std()
    picture = picture.round().clip(0, 255).astype(np.uint8)
    return encode(picture, "JPEG", quality=quality)


def baseline(data: bytes, transform: Callable[[Any], Any]) -> npt.NDArray[np.uint8]:
    """Decode in full with Pillow, resize with torchvision."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(transform(image.convert("RGB")))


def measure(data: bytes) -> dict[str, Any]:
    """Alternate both sides; times in milliseconds, and what DCT scaling changed against full decoding, in levels of 255.

    CPU time is the figure to quote: both sides run in one thread, and other processes do not count in it.
    """
    from torchvision import transforms

    transform = transforms.Compose([transforms.Resize(SIZE), transforms.CenterCrop(SIZE)])
    sides: dict[str, Callable[[], npt.NDArray[np.uint8]]] = {
        "skintriage": lambda: prepare(data, SIZE),
        "pillow_torchvision": lambda: baseline(data, transform),
    }
    wall: dict[str, list[float]] = {side: [] for side in sides}
    cpu: dict[str, list[float]] = {side: [] for side in sides}
    outputs = {side: run() for side, run in sides.items()}
    with pinned():
        for _ in range(REPEATS):
            for side, run in sides.items():
                wall_start, cpu_start = time.perf_counter(), time.process_time()
                run()
                cpu[side].append((time.process_time() - cpu_start) * 1000)
                wall[side].append((time.perf_counter() - wall_start) * 1000)
    left = (WIDTH - HEIGHT) // 2
    levels = np.abs(outputs["skintriage"].astype(np.int16) - prepare(data, SIZE, (left, 0, left + HEIGHT, HEIGHT)))
    return {
        "file_bytes": len(data),
        **_summary("cpu", cpu),
        **_summary("wall", wall),
        "largest_difference_to_full_decoding": int(levels.max()),
        "mean_difference_to_full_decoding": round(float(levels.mean()), 4),
    }


def _summary(clock: str, times: dict[str, list[float]]) -> dict[str, Any]:
    ours, theirs = times.values()
    return {
        f"median_{clock}_ms": {side: round(statistics.median(values), 2) for side, values in times.items()},
        f"fastest_{clock}_ms": {side: round(min(values), 2) for side, values in times.items()},
        f"ratio_of_median_{clock}": round(statistics.median(theirs) / statistics.median(ours), 2),
        f"ratio_of_fastest_{clock}": round(min(theirs) / min(ours), 2),
    }


def main() -> None:
    """Measure, print the table, write the JSON.

    Raises:
        MissingExtraError: torchvision is not installed.
    """
    if importlib.util.find_spec("torchvision") is None:
        raise MissingExtraError("this comparison needs torchvision: in skintriage's folder, pip install '.[train]'")
    described = environment().model_dump(mode="json")
    table = Table("noise", "quality", "MB", "ours, CPU ms", "theirs, CPU ms", "ratio", "of fastest", "of wall", "differs")
    rows = []
    photographs = [photograph(noise, quality) for noise, quality in FILES]
    # A process of its own for each file: what earlier files left in the allocator decides whether big buffers are new pages.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        measured = pool.map(measure, photographs, chunksize=1)
    for (noise, quality), figures in zip(FILES, measured, strict=True):
        row = {"noise": noise, "quality": quality, **figures}
        rows.append(row)
        ours, theirs = row["median_cpu_ms"].values()
        ratios = (row["ratio_of_median_cpu"], row["ratio_of_fastest_cpu"], row["ratio_of_median_wall"])
        differs = row["largest_difference_to_full_decoding"]
        cells = (noise, quality, round(row["file_bytes"] / 1e6, 2), round(ours, 1), round(theirs, 1), *ratios, differs)
        table.add_row(*map(str, cells))
    out.print(table)
    result = {
        "what": f"{WIDTH}x{HEIGHT} JPEG bytes to {SIZE}x{SIZE} uint8 RGB, one core, {REPEATS} alternating runs a side",
        "pinned_to_one_core": hasattr(os, "sched_setaffinity"),
        "torchvision": version("torchvision"),
        "environment": described,
        "files": rows,
    }
    write_json(RESULT, result)


if __name__ == "__main__":
    guard(main)
