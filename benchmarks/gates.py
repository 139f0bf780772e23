"""What the gates do on real images: false retakes, degradations, pictures that are not skin, flips, coverage and risk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks import not_skin
from benchmarks.labelled import LabelledSet
from mobile_runtime.burst import combine
from mobile_runtime.capture import acquire
from mobile_runtime.decision import Decision
from mobile_runtime.errors import CaptureError
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.quality import judge
from mobile_runtime.resample import centre_square
from mobile_runtime.statistics import auc, wilson

Pixels = npt.NDArray[np.uint8]
SEVERITIES = (1, 2, 3, 4, 5)
BURST = 5


def _blurred(image: Pixels, level: float, _: np.random.Generator) -> Pixels:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), len(image) * (0.006 + 0.034 * level)), np.uint8)


def _dark(image: Pixels, level: float, _: np.random.Generator) -> Pixels:
    return (image * (1 - 0.93 * level)).astype(np.uint8)


def _bright(image: Pixels, level: float, _: np.random.Generator) -> Pixels:
    return np.clip(image + 190.0 * level, 0, 255).astype(np.uint8)


def _clipped(image: Pixels, level: float, _: np.random.Generator) -> Pixels:
    return np.clip(image * (1 + 2.2 * level), 0, 255).astype(np.uint8)


def _uniform(image: Pixels, level: float, _: np.random.Generator) -> Pixels:
    mean = image.mean(axis=(0, 1), keepdims=True)
    return (mean + (image - mean) * (1 - 0.97 * level)).astype(np.uint8)


def _glare(image: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    size = len(image)
    mask = np.zeros((size, size), np.float32)
    centre = (int(rng.uniform(0.3, 0.7) * size), int(rng.uniform(0.3, 0.7) * size))
    axes = (max(1, int(size * 0.24 * level)), max(1, int(size * 0.17 * level)))
    cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5))[..., None]
    return (image * (1 - soft) + 252 * soft).astype(np.uint8)


FAULTS: dict[str, Callable[[Pixels, float, np.random.Generator], Pixels]] = {
    "blur": _blurred,
    "dark": _dark,
    "bright": _bright,
    "clipped": _clipped,
    "glare": _glare,
    "no lesion": _uniform,
}
"""Degradations of a prepared image [S, S, 3]; level 0..1."""


@dataclass(frozen=True)
class View:
    """A way of taking the same picture again: degrees, mirroring, shift as a share of the square, and brightness."""

    name: str
    degrees: float = 0.0
    mirrored: bool = False
    shift: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0


VIEWS = (
    *(View(f"rotated {d}", degrees=d) for d in (90, 180, 270)),
    *(View(f"rotated {d}", degrees=d) for d in (-15, 15, 45)),
    View("mirrored", mirrored=True),
    *(View(f"shifted {x:+.0%} {y:+.0%}", shift=(x, y)) for x, y in ((0.04, 0), (-0.04, 0), (0, 0.04), (0, -0.04))),
    *(View(f"brightness {gain:.0%}", gain=gain) for gain in (0.85, 0.93, 1.07, 1.15)),
)


def _look(square: Pixels, view: View, size: int) -> Pixels:
    side = len(square)
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), view.degrees, 1.0)
    turn[:, 2] += np.asarray(view.shift) * side
    seen = square[:, ::-1] if view.mirrored else square
    if view.degrees % 90 == 0 and view.shift == (0.0, 0.0):
        seen = np.rot90(seen, int(view.degrees // 90))
    else:
        seen = np.asarray(cv2.warpAffine(seen, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101), np.uint8)
    return np.clip(seen * view.gain, 0, 255).astype(np.uint8)


def measure_gates(
    pipeline: TriagePipeline,
    labelled: LabelledSet,
    seed: int = 0,
    limit: int = 400,
    drawings: int = 40,
    advance: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Run every measurement on up to `limit` images; plain JSON types.

    Raises:
        CaptureError: no image could be read.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labelled))[:limit]
    images = [labelled.images[i] for i in sorted(order)]
    squares = []
    for item in images:
        pixels = acquire(item.path)
        left, top, right, bottom = centre_square(pixels.shape[1], pixels.shape[0])
        squares.append(pixels[top:bottom, left:right])
        advance(1)
    if not squares:
        raise CaptureError("no image to measure on")
    prepared = [pipeline.prepare(square) for square in squares]
    limits = pipeline.manifest.quality
    reasons = [judge(image, limits).reasons for image in prepared]
    clean = sum(not found for found in reasons)
    caught = {
        name: [
            float(
                np.mean(
                    [not judge(fault(x, s / 5, np.random.default_rng(i)), limits).acceptable for i, x in enumerate(prepared)]
                )
            )
            for s in SEVERITIES
        ]
        for name, fault in FAULTS.items()
    }
    advance(len(images))
    verdicts = [pipeline.assess_prepared(image) for image in prepared]
    abstained = sum(v.decision is Decision.ABSTAIN for v in verdicts)
    outcome: dict[str, Any] = {
        "images": len(images),
        "false_retakes": _share(len(images) - clean, len(images)),
        "retake_reasons": {code: sum(code in found for found in reasons) for code in sorted({c for r in reasons for c in r})},
        "caught_by_severity": caught,
        "abstained_in_distribution": _share(abstained, len(images)),
        "not_skin_not_scored": _not_skin(pipeline, drawings),
        "coverage_risk": _coverage(pipeline, np.stack(prepared), [item.malignant for item in images]),
        "flips": _flips(pipeline, squares, rng, advance),
    }
    return outcome


def _share(hits: int, n: int) -> dict[str, float | int] | None:
    found = wilson(hits, n)
    return None if found is None else found.model_dump()


def _not_skin(pipeline: TriagePipeline, drawings: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    total = 0
    for kind in not_skin.KINDS:
        verdicts = [pipeline.assess(not_skin.draw(kind, seed)).decision for seed in range(drawings)]
        found[kind] = {d.value: sum(v is d for v in verdicts) for d in Decision}
        total += sum(v in (Decision.RETAKE, Decision.ABSTAIN) for v in verdicts)
    found["all"] = _share(total, drawings * len(not_skin.KINDS))
    return found


def _coverage(pipeline: TriagePipeline, prepared: Pixels, malignant: list[bool | None]) -> list[dict[str, float]]:
    """Missed malignant lesions and AUC among the images kept when the most outlying ones are refused."""
    prediction = pipeline.predict(prepared)
    if prediction.outlier is None:
        return []
    known = np.array([m is not None for m in malignant])
    truth = np.array([bool(m) for m in malignant])[known]
    score, outlier = prediction.malignancy[known], prediction.outlier[known]
    order = np.argsort(outlier)
    rows = []
    for coverage in (1.0, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5):
        kept = order[: max(2, round(coverage * len(order)))]
        missed = truth[kept] & (score[kept] < pipeline.point.threshold)
        curve = auc(truth[kept], score[kept])
        row = {"coverage": coverage, "missed_share_of_malignant": float(missed.sum() / max(1, truth[kept].sum()))}
        rows.append({**row, "auc_malignancy": curve.value} if curve else row)
    return rows


def _flips(
    pipeline: TriagePipeline, squares: list[Pixels], rng: np.random.Generator, advance: Callable[[int], None]
) -> dict[str, Any]:
    """Share of images whose verdict (refer or not) changes with the view: single frames, and bursts of five."""
    size = pipeline.input_size
    single: dict[str, list[bool]] = {view.name: [] for view in VIEWS}
    burst: list[bool] = []

    def verdict(square: Pixels, view: View) -> Decision:
        return pipeline.assess(_look(square, view, size)).decision

    def burst_verdict(square: Pixels, view: View) -> Decision:
        frames = []
        for _ in range(BURST):
            dx, dy = (float(v) for v in np.asarray(view.shift) + rng.uniform(-0.02, 0.02, 2))
            turned = View(
                "",
                view.degrees + float(rng.uniform(-4, 4)),
                view.mirrored,
                (dx, dy),
                view.gain * float(rng.uniform(0.97, 1.03)),
            )
            frames.append(pipeline.assess(_look(square, turned, size)))
        return combine(frames).decision

    scored = (Decision.REFER, Decision.LOW_CONCERN)
    for square in squares:
        base = verdict(square, View("as taken"))
        for view in VIEWS:
            again = verdict(square, view)
            if base in scored and again in scored:
                single[view.name].append(base is not again)
        first, second = (burst_verdict(square, view) for view in (View("as taken"), VIEWS[int(rng.integers(len(VIEWS)))]))
        if first in scored and second in scored:
            burst.append(first is not second)
        advance(1)
    every = [flip for flips in single.values() for flip in flips]
    return {
        "single_frame": _share(sum(every), len(every)),
        "single_frame_by_view": {name: _share(sum(flips), len(flips)) for name, flips in single.items()},
        "burst_of_five": _share(sum(burst), len(burst)),
    }
