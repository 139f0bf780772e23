"""How a variant bears damaged photographs and mistakes in the capture pipeline, and which of those golden vectors catch."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from benchmarks.corruptions import CORRUPTIONS, SEVERITIES
from benchmarks.labelled import LabelledImage, LabelledSet, Truth
from benchmarks.pipeline_faults import FAULTS, PipelineFault, feeds_otherwise
from benchmarks.results import Unreadable
from benchmarks.robustness_results import Condition, Corrupted, Faulted, GoldenCheck
from benchmarks.scoring import unreadable
from mobile_runtime.capture import Capture, acquire, normalize
from mobile_runtime.decision import Decision, decide
from mobile_runtime.errors import CaptureError, DataError
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.proportions import proportion
from mobile_runtime.quality import judge
from mobile_runtime.replay import Replay, replay
from mobile_runtime.resample import centre_square
from mobile_runtime.statistics import auc, paired_difference

Pixels = npt.NDArray[np.uint8]
Key = tuple[str, int]
UNDAMAGED: Key = ("undamaged", 0)
KEYS: tuple[Key, ...] = (UNDAMAGED, *((name, s) for name in CORRUPTIONS for s in SEVERITIES), *((name, 0) for name in FAULTS))
_BATCH = 16


@dataclass
class _Outputs:
    malignancy: list[float] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)


@dataclass(frozen=True)
class Measured:
    """The images that could be read, with what was found on them."""

    labelled: LabelledSet
    unreadable: tuple[Unreadable, ...]
    undamaged: Condition
    corruptions: dict[str, Corrupted]
    faults: dict[str, Faulted]


def measure(
    pipeline: TriagePipeline, labelled: LabelledSet, seed: int, advance: Callable[[int], None] = lambda count: None
) -> Measured:
    """Run every condition on every image.

    Args:
        pipeline: the variant at its locked operating point.
        labelled: the images.
        seed: what is drawn depends on it, on the image's place and on the condition only.
        advance: called with the number of images done since the last call.

    Raises:
        DataError: no image at all is readable.
    """
    kept: list[LabelledImage] = []
    skipped: list[Unreadable] = []
    outputs: dict[Key, _Outputs] = {key: _Outputs() for key in KEYS}
    for start in range(0, len(labelled), _BATCH):
        pictures: list[tuple[int, Pixels]] = []
        for number, image in enumerate(labelled.images[start : start + _BATCH], start):
            try:
                pictures.append((number, acquire(image.path, 2 * pipeline.input_size)))
                kept.append(image)
            except CaptureError as error:
                skipped.append(unreadable(image, error))
        if pictures:
            for key in KEYS:
                _run(pipeline, key, pictures, seed, outputs[key])
        advance(len(labelled.images[start : start + _BATCH]))
    if not kept:
        raise DataError(f"none of the {len(labelled)} images can be read; the first: {skipped[0].reason}")
    readable = replace(labelled, images=tuple(kept))
    found = _conditions(pipeline, Truth.of(readable), outputs)
    return Measured(
        readable,
        tuple(skipped),
        found[UNDAMAGED],
        {
            name: Corrupted(about=each.about, strengths=list(each.strengths), severities=[found[name, s] for s in SEVERITIES])
            for name, each in CORRUPTIONS.items()
        },
        {name: Faulted(about=fault.about, condition=found[name, 0], golden=None) for name, fault in FAULTS.items()},
    )


def _run(pipeline: TriagePipeline, key: Key, pictures: list[tuple[int, Pixels]], seed: int, outputs: _Outputs) -> None:
    name, severity = key
    captured = [_capture(name, severity, picture, pipeline.input_size, (seed, number)) for number, picture in pictures]
    prepared = np.stack([each.image for each in captured])
    prediction = pipeline.predict(FAULTS[name].port.feed(prepared) if name in FAULTS else prepared)
    outlier = prediction.outlier
    for i, each in enumerate(captured):
        score = float(prediction.malignancy[i])
        quality = judge(each.image, pipeline.manifest.quality, each.region_px)
        unusual = None if outlier is None else float(outlier[i])
        outputs.malignancy.append(score)
        outputs.decisions.append(decide(quality, score, pipeline.point, unusual, pipeline.variant.abstention))


def _capture(name: str, severity: int, picture: Pixels, size: int, seeds: tuple[int, int]) -> Capture:
    if name in FAULTS:
        fault = FAULTS[name]
        return fault.port.normalize(fault.photograph(picture), size)
    if name not in CORRUPTIONS:
        return normalize(picture, size)
    left, top, right, bottom = centre_square(picture.shape[1], picture.shape[0])
    rng = np.random.default_rng([*seeds, zlib.crc32(name.encode()), severity])
    square = np.ascontiguousarray(picture[top:bottom, left:right])
    return normalize(CORRUPTIONS[name].apply(square, severity, rng), size)


def _conditions(pipeline: TriagePipeline, truth: Truth, outputs: dict[Key, _Outputs]) -> dict[Key, Condition]:
    decided, threshold = truth.decided, pipeline.point.threshold
    clean = np.array(outputs[UNDAMAGED].malignancy)
    _, groups = np.unique(truth.groups[decided], return_inverse=True)
    reference = auc(truth.malignant[decided], clean[decided])
    found_ill = truth.malignant & np.array([verdict is Decision.REFER for verdict in outputs[UNDAMAGED].decisions])
    found = {}
    for key, each in outputs.items():
        scores = np.array(each.malignancy)
        curve = auc(truth.malignant[decided], scores[decided])
        referred = truth.malignant & (clean >= threshold)
        flips = proportion((scores >= threshold) != (clean >= threshold), truth.groups)
        away = proportion(
            np.array([verdict in (Decision.RETAKE, Decision.ABSTAIN) for verdict in each.decisions]), truth.groups
        )
        calmed = np.array([verdict is Decision.LOW_CONCERN for verdict in each.decisions])
        assert flips is not None and away is not None
        found[key] = Condition(
            auc_malignancy=curve.estimate(groups) if curve else None,
            change=paired_difference(curve, reference, groups) if curve and reference else None,
            flips=flips,
            lost=proportion(scores[referred] < threshold, truth.groups[referred]),
            reassured=proportion(calmed[found_ill], truth.groups[found_ill]),
            turned_away=away,
        )
    return found


def check_golden(
    pipeline: TriagePipeline, faults: dict[str, Faulted], advance: Callable[[int], None] = lambda count: None
) -> dict[str, Faulted]:
    """Replay the bundle's golden vectors through each faulty port.

    Raises:
        BundleError: the bundle has no golden vectors, or malformed ones.
    """
    name = pipeline.variant.name
    sound = _failures(replay(pipeline.bundle, variants=[name]))
    checked = {}
    for key, faulted in faults.items():
        checked[key] = faulted.model_copy(update={"golden": golden_check(pipeline, FAULTS[key], sound)})
        advance(1)
    return checked


def golden_check(pipeline: TriagePipeline, fault: PipelineFault, sound: set[tuple[str, str]]) -> GoldenCheck:
    """What golden vectors show of one fault.

    Args:
        pipeline: the bundle and variant.
        fault: the mistake.
        sound: (stage, case) that fail here without any fault; they do not count.
    """
    # Models are the slow part, and only a fault behind the capture pipeline changes what they are handed.
    found = replay(pipeline.bundle, fault.port, [pipeline.variant.name] if feeds_otherwise(fault) else [])
    failures = _failures(found) - sound
    stages = [check.stage for check in found.checks if (check.stage, check.case) in failures]
    return GoldenCheck(
        caught=bool(failures),
        stage=stages[0] if stages else None,
        cases=list(dict.fromkeys(check.case for check in found.checks if (check.stage, check.case) in failures)),
    )


def _failures(found: Replay) -> set[tuple[str, str]]:
    return {(check.stage, check.case) for check in found.checks if not check.passed}


def notes_of(faults: dict[str, Faulted]) -> list[str]:
    """What a reader must know: what the figures are of, and which mistakes go unnoticed."""
    notes = [
        "Flips and losses compare the score with the locked threshold, the gates aside; 'turned away' says what the gates do, "
        "'reassured' what gets past them.",
        "Leaving normalization out is no fault here: the graph scales raw bytes itself.",
    ]
    if all(fault.golden is None for fault in faults.values()):
        return [*notes, "The bundle has no golden vectors: whether they catch the faults is unknown."]
    if unseen := [name for name, fault in faults.items() if fault.golden is not None and not fault.golden.caught]:
        notes.append(f"Golden vectors do not catch: {', '.join(unseen)}.")
    return notes
