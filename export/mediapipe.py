"""What MediaPipe's `ImageClassifier` reads of a bundle's TFLite files, and what it makes of them."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from export.errors import ExportError
from export.isolation import run_tool
from export.tflite_metadata import About, Head, with_metadata
from mobile_runtime.bundle import Bundle
from mobile_runtime.engines import LiteRTEngine
from mobile_runtime.manifest import Manifest, Variant

AUTHOR = "the skintriage authors"
SCORE_NAMES = {"malignancy": "Malignant or premalignant", "cancer": "Cancer"}


@dataclass(frozen=True)
class Agreement:
    """MediaPipe against this runtime on the same images.

    Attributes:
        mediapipe: its version.
        images: how many.
        same_class: images with the same likeliest class.
        largest: largest absolute difference of any value of any head; the outlier score is not limited to 0..1.
    """

    mediapipe: str
    images: int
    same_class: int
    largest: float


def about(manifest: Manifest, variant: Variant) -> About:
    """What the metadata says of a variant as a whole."""
    text = " ".join([manifest.intended_use, *manifest.limitations])
    return About(manifest.name, f"{manifest.version} {variant.name}", text, AUTHOR, manifest.licence)


def heads(manifest: Manifest, variant: Variant) -> tuple[Head, ...]:
    """The class probabilities first, so that `classifications[0]` has them; then the scores and the outlier score."""
    outputs, scores = variant.outputs, [score.name for score in manifest.scores]
    found = [
        Head(
            outputs["probabilities"],
            "probabilities",
            "Probability of each class.",
            [entry.label for entry in manifest.classes],
            [entry.name for entry in manifest.classes],
        ),
        Head(
            outputs["scores"],
            "scores",
            "Sums over classes; compare malignancy with a threshold of the bundle.",
            scores,
            [SCORE_NAMES.get(name, name) for name in scores],
        ),
    ]
    if "outlier" in outputs:
        text = "How unlike the training images the texture is; compare with the bundle's limit."
        found.append(Head(outputs["outlier"], "outlier", text, ["outlier"], ["Unlike the training images"]))
    return tuple(found)


def described(model: bytes, manifest: Manifest, variant: Variant) -> bytes:
    """A TFLite variant with labels, colours, ranges, description, author and licence; it computes what it computed before."""
    return with_metadata(model, about(manifest, variant), heads(manifest, variant))


def check_mediapipe(bundle: Bundle, images: npt.NDArray[np.uint8], name: str | None = None) -> Agreement:
    """Open a bundle's file in MediaPipe, in an environment of its own, and run it and this runtime on the same images.

    Args:
        bundle: with TFLite variants.
        images: prepared uint8 RGB [N, S, S, 3], so that MediaPipe's own resizing has nothing to do.
        name: of the variant; None takes the default one.

    Raises:
        BundleError: no such variant, or its file is altered.
        ExportError: the variant is not for LiteRT, MediaPipe or its environment fails, or the classifier's heads or labels are
            not those of the bundle.
    """
    variant = bundle.variant(name)
    if variant.runtime != "litert":
        able = ", ".join(v.name for v in bundle.variants.values() if v.runtime == "litert") or "none in this bundle"
        raise ExportError(f"variant {variant.name} is for {variant.runtime}; MediaPipe reads TFLite: {able}")
    model = bundle.model_bytes(variant)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "model.tflite").write_bytes(model)
        np.save(folder / "images.npy", images)
        run_tool("mediapipe", "mediapipe_classify.py", "model.tflite", "images.npy", "found.json", cwd=folder)
        found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    outputs = LiteRTEngine(model, variant).run(images)
    expected = heads(bundle.manifest, variant)
    largest, same = 0.0, 0
    for number, row in enumerate(found["images"]):
        if list(row) != [head.name for head in expected]:
            raise ExportError(f"MediaPipe finds heads {', '.join(row)}; write the bundle again, its file lacks metadata")
        for head in expected:
            scores = {label: score for label, _, score in row[head.name]}
            if sorted((label, text) for label, text, _ in row[head.name]) != sorted(zip(head.labels, head.names, strict=True)):
                raise ExportError(f"MediaPipe finds other labels for {head.name}; mend export/mediapipe.py")
            ours = outputs[head.name][number]
            largest = max(largest, *(abs(scores[label] - float(value)) for label, value in zip(head.labels, ours, strict=True)))
        same += row["probabilities"][0][0] == expected[0].labels[int(outputs["probabilities"][number].argmax())]
    return Agreement(found["version"], len(images), same, largest)
