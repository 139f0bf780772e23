"""Classify images by MediaPipe's ImageClassifier; runs in the environment of mediapipe.txt.

Usage: mediapipe_classify.py MODEL.tflite IMAGES.npy OUT.json, where the images are uint8 RGB [N, H, W, 3].
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision


def main(model: str, images: str, out: str) -> None:
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    rows = []
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for image in np.load(images):
            found = classifier.classify(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image)))
            heads = {
                head.head_name: [(entry.category_name, entry.display_name, entry.score) for entry in head.categories]
                for head in found.classifications
            }
            rows.append(heads)
    Path(out).write_text(json.dumps({"version": version("mediapipe"), "images": rows}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
