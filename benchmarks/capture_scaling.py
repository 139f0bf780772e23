"""What DCT-scaled decoding of big JPEGs does to the score: `python -m benchmarks.capture_scaling --images DIR`.

Real photographs are enlarged to 12 megapixels (no set of that size is at hand), given a sensor's grain, and encoded as JPEG.
Each is prepared once as the runtime does it, with scaled decoding, and once from all its pixels.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import numpy.typing as npt
import typer

from benchmarks.capture_scenes import encode
from benchmarks.environment import environment
from benchmarks.image_files import list_images
from benchmarks.options import place_of_file
from mobile_runtime import Bundle, TriagePipeline
from mobile_runtime.capture import acquire, prepare
from mobile_runtime.console import guard, out, track
from mobile_runtime.files import write_json
from mobile_runtime.options import BundleOption
from mobile_runtime.resample import centre_square

RESULT = Path(__file__).parent / "results" / "capture_scaling.json"
SIZES = ((4000, 3000), (4032, 3024))
"""Of common cameras, in turns; at an eighth, the middle of the first is half a pixel."""
QUALITY, GRAIN = 90, 2.0
app = typer.Typer(add_completion=False)


def enlarged(pixels: npt.NDArray[np.uint8], width: int, height: int, rng: np.random.Generator) -> bytes:
    """A JPEG (4:2:0) of the picture's middle."""
    scale = max(width / pixels.shape[1], height / pixels.shape[0])
    whole = (max(width, round(pixels.shape[1] * scale)), max(height, round(pixels.shape[0] * scale)))
    big = cv2.resize(pixels, whole, interpolation=cv2.INTER_CUBIC)
    top, left = (big.shape[0] - height) // 2, (big.shape[1] - width) // 2
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * GRAIN
    big = np.clip(big[top : top + height, left : left + width] + grain, 0, 255).astype(np.uint8)
    return encode(big, "JPEG", quality=QUALITY)


def measure(pipeline: TriagePipeline, files: list[Path], seed: int) -> dict[str, Any]:
    """Scores of scaled and full decoding, and how far they are apart."""
    size = pipeline.bundle.manifest.input.size
    rng = np.random.default_rng(seed)
    pairs = []
    for path, camera in zip(track(files, "decode twice"), itertools.cycle(SIZES)):
        data = enlarged(acquire(path), *camera, rng)
        scaled, full = prepare(data, size), prepare(data, size, centre_square(*camera))
        scores = pipeline.predict(np.stack([scaled, full])).malignancy
        pairs.append((float(scores[0]), float(scores[1]), int(np.abs(scaled.astype(int) - full).max())))
    scores = np.array(pairs)
    apart = np.abs(scores[:, 0] - scores[:, 1])
    sides = scores[:, :2] >= pipeline.point.threshold
    return {
        "images": len(files),
        "mean_malignancy_difference": float(apart.mean()),
        "largest_malignancy_difference": float(apart.max()),
        "changed_verdicts": int((sides[:, 0] != sides[:, 1]).sum()),
        "largest_difference_in_levels": int(scores[:, 2].max()),
    }


@app.command(epilog="Example: python -m benchmarks.capture_scaling --images DIR --limit 200")
def main(
    images: Annotated[Path, typer.Option(help="Folder of photographs.")],
    limit: Annotated[int, typer.Option(min=1, help="How many to take.")] = 200,
    bundle: BundleOption = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the choice and of the grain.")] = 0,
    result: Annotated[Path, typer.Option("--out", callback=place_of_file, help="JSON to write.")] = RESULT,
) -> None:
    """Measure the drift that scaled decoding causes, and store it."""
    files = list_images(images)
    chosen = [files[i] for i in np.random.default_rng(seed).permutation(len(files))[:limit]]
    pipeline = TriagePipeline(Bundle.load(bundle))
    found = measure(pipeline, chosen, seed)
    cameras = " and ".join(f"{width}x{height}" for width, height in SIZES)
    write_json(
        result,
        {
            "what": f"photographs enlarged to {cameras} in turns, JPEG quality {QUALITY}: DCT-scaled against full decoding",
            "command": f"python -m benchmarks.capture_scaling --images {images.name} --limit {limit} --seed {seed}",
            "bundle": pipeline.bundle.id,
            "environment": environment().model_dump(mode="json"),
            **found,
        },
    )
    out.print(
        f"{found['images']} images: malignancy differs by {found['mean_malignancy_difference']:.4f} on average, "
        f"{found['largest_malignancy_difference']:.4f} at most; {found['changed_verdicts']} verdicts differ; wrote {result}",
        soft_wrap=True,
    )


if __name__ == "__main__":
    guard(app)
