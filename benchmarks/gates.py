"""What the gates do on real images: false retakes, degradations, pictures that are not skin, flips, coverage and risk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import not_skin
from benchmarks.corruptions import SEVERITIES, Pixels, blend, blur, expose, fade, flatten, lighten, reflect, smear, warp
from benchmarks.coverage import coverage_curve
from benchmarks.decision_results import CoveragePoint
from benchmarks.gates_results import Flips
from benchmarks.labelled import LabelledSet, Truth
from benchmarks.results import Unreadable
from benchmarks.scoring import unreadable
from mobile_runtime.burst import combine
from mobile_runtime.capture import acquire
from mobile_runtime.decision import Decision
from mobile_runtime.errors import CaptureError, DataError
from mobile_runtime.intervals import wilson
from mobile_runtime.manifest import Estimate
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.proportions import proportion
from mobile_runtime.quality import judge
from mobile_runtime.resample import centre_square, resample
from mobile_runtime.statistics import Integers

BURST = 5


def _glare(image: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    size = len(image)
    mask = np.zeros((size, size), np.float32)
    centre = (int(rng.uniform(0.3, 0.7) * size), int(rng.uniform(0.3, 0.7) * size))
    axes = (max(1, int(size * 0.24 * level)), max(1, int(size * 0.17 * level)))
    cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    return blend(image, np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5)), 252)


FAULTS: dict[str, Callable[[Pixels, float, np.random.Generator], Pixels]] = {
    "blur": lambda image, level, _: blur(image, 0.006 + 0.034 * level),
    "motion": lambda image, level, rng: smear(image, 0.02 + 0.13 * level, rng),
    "dark": lambda image, level, _: expose(image, 1 - 0.93 * level),
    "bright": lambda image, level, _: lighten(image, 190.0 * level),
    "clipped": lambda image, level, _: expose(image, 1 + 2.2 * level),
    "glare": _glare,
    "reflection": lambda image, level, rng: reflect(image, 0.02 + 0.18 * level, rng, faintest=225 + 25 * level),
    "no lesion": lambda image, level, _: flatten(image, 1 - 0.97 * level),
    "no colour": lambda image, level, _: fade(image, level),
    "haze": lambda image, level, _: blend(image, np.full(image.shape[:2], 0.85 * level, np.float32), 190),
    "blue cast": lambda image, level, _: np.clip(image * (1 + level * np.array([-0.4, 0, 0.4])), 0, 255).astype(np.uint8),
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


def _look(square: Pixels, view: View) -> Pixels:
    seen = square[:, ::-1] if view.mirrored else square
    if view.degrees % 90 == 0 and view.shift == (0.0, 0.0):
        seen = np.rot90(seen, int(view.degrees // 90))
    else:
        seen = warp(seen, view.degrees, view.shift)
    return expose(seen, view.gain)


@dataclass(frozen=True)
class Measured:
    """The images that could be read, the others with the reason, and the measured fields of a `GatesReport`."""

    labelled: LabelledSet
    unreadable: tuple[Unreadable, ...]
    fields: dict[str, Any]


def measure_gates(
    pipeline: TriagePipeline,
    labelled: LabelledSet,
    seed: int = 0,
    drawings: int = 40,
    advance: Callable[[int], None] = lambda count: None,
) -> Measured:
    """Run every measurement.

    Args:
        pipeline: the variant at its locked operating point.
        labelled: the images.
        seed: of the views.
        drawings: pictures of each kind that is not skin.
        advance: called with the number of images done since the last call; twice each.

    Raises:
        DataError: no image at all is readable.
    """
    rng = np.random.default_rng(seed)
    kept, skipped = [], []
    prepared: list[Pixels] = []
    region_px: list[int] = []
    seen: list[_Seen] = []
    # One photograph at a time: hundreds of them at their own resolution would fill a computer's memory.
    for item in labelled.images:
        try:
            square = _square(item.path, 2 * pipeline.input_size)
        except CaptureError as error:
            skipped.append(unreadable(item, error))
        else:
            kept.append(item)
            prepared.append(pipeline.prepare(square))
            region_px.append(len(square))
            seen.append(_look_again(pipeline, _no_larger(square, pipeline.input_size), rng))
        advance(1)
    if not kept:
        raise DataError(f"none of the {len(labelled)} images can be read; the first: {skipped[0].reason}")
    readable = replace(labelled, images=tuple(kept))
    groups, limits = Truth.of(readable).groups, pipeline.manifest.quality
    reasons = [judge(image, limits, side).reasons for image, side in zip(prepared, region_px, strict=True)]

    def share(hits: list[bool]) -> Estimate:
        found = proportion(np.array(hits, bool), groups)
        assert found is not None
        return found

    caught = {
        name: [
            share([not judge(fault(x, s / 5, np.random.default_rng(i)), limits).acceptable for i, x in enumerate(prepared)])
            for s in SEVERITIES
        ]
        for name, fault in FAULTS.items()
    }
    verdicts = [pipeline.assess_prepared(image, side) for image, side in zip(prepared, region_px, strict=True)]
    strange, refused = _not_skin(pipeline, drawings)
    advance(len(labelled))
    fields = {
        "false_retakes": share([bool(found) for found in reasons]),
        "retake_reasons": {code: sum(code in found for found in reasons) for code in sorted({c for r in reasons for c in r})},
        "caught_by_severity": caught,
        "abstained_in_distribution": share([v.decision is Decision.ABSTAIN for v in verdicts]),
        "not_skin": strange,
        "not_skin_not_scored": refused,
        "coverage_risk": _coverage(pipeline, np.stack(prepared), readable),
        "flips": _flips(seen, groups),
    }
    return Measured(readable, tuple(skipped), fields)


def _square(path: Path, least: int) -> Pixels:
    """The centre square of an image file as the runtime decodes it, uint8 RGB [H, H, 3]: of a big JPEG at a reduced scale."""
    pixels = acquire(path, least)
    left, top, right, bottom = centre_square(pixels.shape[1], pixels.shape[0])
    return pixels[top:bottom, left:right]


def _no_larger(square: Pixels, size: int) -> Pixels:
    """A square that views can be taken of in little time: twice the model's input, where it is over four times that."""
    return resample(square, 2 * size) if len(square) > 4 * size else square


def _not_skin(pipeline: TriagePipeline, drawings: int) -> tuple[dict[str, dict[str, int]], Estimate]:
    found: dict[str, dict[str, int]] = {}
    for kind in not_skin.KINDS:
        verdicts = Counter(pipeline.assess(not_skin.draw(kind, seed)).decision for seed in range(drawings))
        found[kind] = {verdict.value: verdicts[verdict] for verdict in Decision}
    refused = sum(counts["retake"] + counts["abstain"] for counts in found.values())
    share = wilson(refused, drawings * len(not_skin.KINDS))
    assert share is not None
    return found, share


def _coverage(pipeline: TriagePipeline, prepared: Pixels, labelled: LabelledSet) -> list[CoveragePoint]:
    """Risk among the images kept when the most outlying ones are refused."""
    prediction, truth = pipeline.predict(prepared), Truth.of(labelled)
    if prediction.outlier is None or not truth.decided.any():
        return []
    outlier, score = (values.astype(np.float64)[truth.decided] for values in (prediction.outlier, prediction.malignancy))
    malignant, groups = truth.malignant[truth.decided], truth.groups[truth.decided]
    return coverage_curve(outlier, score, malignant, groups, pipeline.point.threshold)


@dataclass(frozen=True)
class _Seen:
    """Whether the verdict (refer or not) of one picture flips; a view is absent, a burst None, where there is none of both."""

    by_view: dict[str, bool]
    burst: bool | None


def _look_again(pipeline: TriagePipeline, square: Pixels, rng: np.random.Generator) -> _Seen:
    """Single frames and bursts of five of one picture, each against another view of it."""

    def verdict(view: View) -> Decision:
        return pipeline.assess(_look(square, view)).decision

    def burst_verdict(view: View) -> Decision:
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
            frames.append(pipeline.assess(_look(square, turned)))
        return combine(frames).decision

    scored = (Decision.REFER, Decision.LOW_CONCERN)
    base, again = verdict(View("as taken")), {view.name: verdict(view) for view in VIEWS}
    by_view = {name: base is not found for name, found in again.items() if base in scored and found in scored}
    first, second = (burst_verdict(view) for view in (View("as taken"), VIEWS[int(rng.integers(len(VIEWS)))]))
    return _Seen(by_view, first is not second if first in scored and second in scored else None)


def _flips(seen: list[_Seen], groups: Integers) -> Flips:
    """Share of images whose verdict changes with the view."""
    pictures = list(zip(seen, groups.tolist(), strict=True))
    single = {view.name: [(s.by_view[view.name], g) for s, g in pictures if view.name in s.by_view] for view in VIEWS}
    return Flips(
        single_frame=_grouped_share([flip for flips in single.values() for flip in flips]),
        single_frame_by_view={name: _grouped_share(flips) for name, flips in single.items()},
        burst_of_five=_grouped_share([(s.burst, g) for s, g in pictures if s.burst is not None]),
    )


def _grouped_share(flips: list[tuple[bool, int]]) -> Estimate | None:
    """Views of one lesion or patient are not independent."""
    return proportion(np.array([flip for flip, _ in flips], bool), np.array([group for _, group in flips], np.int64))
