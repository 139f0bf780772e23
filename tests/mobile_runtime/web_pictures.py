"""Pictures for the page's browser tests, with Python's verdicts: `python -m tests.mobile_runtime.web_pictures OUT`."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.device_browser import write_video
from mobile_runtime import TriagePipeline, synthetic
from mobile_runtime.files import write_json


def find_verdicts(pipeline: TriagePipeline) -> dict[str, npt.NDArray[np.uint8]]:
    """Decision -> a drawn lesion that gets it; a model that is sure about drawings may give fewer than four."""
    found: dict[str, npt.NDArray[np.uint8]] = {}
    for seed, label in product(range(12), synthetic.LABELS):
        picture = synthetic.lesion(label, seed, 400)
        found.setdefault(pipeline.assess(picture).decision.value, picture)
    found["retake"] = cv2.GaussianBlur(synthetic.lesion("nv", 7, 400), (0, 0), 9).astype(np.uint8) // 2
    return found


def write_pictures(folder: Path) -> None:
    """Fill the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pipeline = TriagePipeline()
    expected = {}
    for decision, picture in find_verdicts(pipeline).items():
        Image.fromarray(picture).save(folder / f"{decision}.png")
        expected[f"{decision}.png"] = pipeline.assess(folder / f"{decision}.png").to_dict()
    lesion = synthetic.lesion("nv", 7, 400)
    write_video(folder / "camera.y4m", lesion)
    big = np.asarray(Image.fromarray(lesion).resize((3000, 3000), Image.Resampling.BICUBIC))
    wide = np.pad(big, ((0, 0), (500, 500), (0, 0)), mode="edge")
    Image.fromarray(wide).save(folder / "12mp.jpg", quality=90)
    expected["12mp.jpg"] = pipeline.assess(folder / "12mp.jpg").to_dict()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.pad(lesion, ((0, 0), (0, 200), (0, 0)), mode="edge")).save(folder / "turned.jpg", exif=exif, quality=95)
    expected["turned.jpg"] = pipeline.assess(folder / "turned.jpg").to_dict()
    Image.fromarray(lesion[:12, :12]).save(folder / "tiny.png")
    (folder / "cut.jpg").write_bytes((folder / "turned.jpg").read_bytes()[:-2000])
    (folder / "text.jpg").write_text("not a picture", encoding="utf-8")
    write_json(folder / "expected.json", expected)


if __name__ == "__main__":
    write_pictures(Path(sys.argv[1]))
