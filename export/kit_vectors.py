"""Port vectors: what golden vectors leave out because it does not depend on the model, for ports in other languages.

`port.json` in a kit has eight lists; bytes are hex digits:

- `frames`: every camera layout, matrix, range, rotation and mirroring, with padded strides; `rgb` is null where a frame must
  be refused;
- `captures`: upright pictures with a box (null: centre square) and a size; `prepared` is null where the box must be refused;
- `bursts`: frames with recorded outputs or reasons, and the one verdict;
- `outputs`: what an engine may give, and whether a verdict may rest on it; what JSON has no number for is a string ("NaN");
- `manifests`: see `kit_manifests`;
- `files` and `edges`: see `kit_files`;
- `turned`: see `kit_turned`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from export.golden import QUALITY_TOLERANCE
from export.kit_files import edge_vectors, file_vectors
from export.kit_manifests import manifest_vectors
from export.kit_turned import turned_vectors
from mobile_runtime import burst, capture
from mobile_runtime.assessment import Assessment
from mobile_runtime.bundle import Bundle
from mobile_runtime.decision import Decision
from mobile_runtime.engines import SUM_TOLERANCE, check_outputs
from mobile_runtime.errors import CaptureError, EngineError
from mobile_runtime.frames import COEFFICIENTS
from mobile_runtime.golden import FrameSpec, PlaneSpec, decide_rule, figures, open_source, with_reasons
from mobile_runtime.manifest import Variant
from mobile_runtime.pipeline import within_one
from mobile_runtime.quality import ADVICE, judge
from mobile_runtime.resample import MIN_SIDE, Box

Pixels = npt.NDArray[np.uint8]


def port_vectors(bundle: Bundle, variant: Variant) -> dict[str, Any]:
    """The content of port.json, the same for the same bundle and variant."""
    generator = np.random.default_rng(0)
    return {
        "quality_tolerance": QUALITY_TOLERANCE,
        "frames": [_frame(*source) for source in _frame_sources(generator)],
        "captures": [_capture(bundle, *source) for source in _capture_sources(generator)],
        "bursts": [
            _burst(bundle, variant, point, draw)
            for point in variant.operating_points
            for draw in _burst_draws(bundle, variant, point, generator)
        ],
        "outputs": _outputs(bundle, variant),
        "manifests": manifest_vectors(bundle),
        "files": file_vectors(),
        "edges": edge_vectors(),
        "turned": turned_vectors(),
    }


def _planes(sizes: list[tuple[int, int, int]]) -> list[PlaneSpec]:
    """Planes one behind the other, given as rows, row stride and pixel stride; the last row is whole."""
    planes, offset = [], 0
    for rows, row_stride, pixel_stride in sizes:
        length = rows * row_stride
        planes.append(PlaneSpec(offset=offset, length=length, row_stride=row_stride, pixel_stride=pixel_stride))
        offset += length
    return planes


def _frame_sources(generator: np.random.Generator) -> list[tuple[FrameSpec, bytes]]:
    width, height = MIN_SIDE + 4, MIN_SIDE + 2
    turns = [(rotation, mirrored) for rotation in (0, 90, 180, 270) for mirrored in (False, True)]
    layouts: list[tuple[str, list[tuple[int, int, int]]]] = [
        ("rgb", [(height, 3 * width + 5, 3)]),
        ("rgba", [(height, 4 * width, 4)]),
        ("bgra", [(height, 4 * width + 12, 4)]),
        ("yuv_420_888", [(height, width + 6, 1), (height // 2, width // 2, 1), (height // 2, width // 2 + 3, 1)]),
        ("yuv_420_888", [(height, width, 1), (height // 2, width + 4, 2), (height // 2, width + 2, 2)]),
        ("nv21", [(height * 3 // 2, width + 2, 1)]),
        ("nv12", [(height, width + 2, 1), (height // 2, width + 8, 2)]),
    ]
    sources = []
    for number, (layout, sizes) in enumerate(layouts):
        colours: list[tuple[Any, Any]] = list(COEFFICIENTS) if "v" in layout else [(None, None)]
        for offset, (matrix, value_range) in enumerate(colours * (2 if "v" in layout else len(turns))):
            rotation, mirrored = turns[(number + offset) % len(turns)]
            fields = {"layout": layout, "width": width, "height": height, "matrix": matrix, "value_range": value_range}
            planes = _planes(sizes)
            frame = FrameSpec.model_validate(fields | {"planes": planes, "rotation": rotation, "mirrored": mirrored})
            noise = generator.integers(0, 256, planes[-1].offset + planes[-1].length, dtype=np.uint8)
            if layout in ("rgba", "bgra"):  # cameras are opaque; what pads a row may be anything
                noise.reshape(height, -1)[:, 3 : 4 * width : 4] = 255
            sources.append((frame, noise.tobytes()))
    good, data = next(source for source in sources if source[0].layout == "yuv_420_888")
    short = [*good.planes[:2], good.planes[2].model_copy(update={"length": good.planes[2].length - 4})]
    narrow = [good.planes[0].model_copy(update={"row_stride": width - 1}), *good.planes[1:]]
    for faulty in ({"width": width - 1}, {"height": MIN_SIDE - 2}, {"planes": short}, {"planes": narrow}, {"rotation": 45}):
        sources.append((good.model_copy(update=faulty), data))
    for layout in ("rgba", "bgra"):
        frame, opaque = next(source for source in sources if source[0].layout == layout)
        sources.append((frame, opaque[:3] + b"\xfe" + opaque[4:]))
    return sources


def _frame(frame: FrameSpec, data: bytes) -> dict[str, Any]:
    shape: tuple[int, ...] = (0, 0)
    try:
        upright: Pixels | None = capture.acquire(open_source(data, frame))
        assert upright is not None
        shape = upright.shape
    except CaptureError:
        upright = None
    return {
        "frame": frame.model_dump(mode="json"),
        "data": data.hex(),
        "width": shape[1],
        "height": shape[0],
        "rgb": None if upright is None else upright.tobytes().hex(),
    }


def _capture_sources(generator: np.random.Generator) -> list[tuple[Pixels, int, Box | None]]:
    shapes: list[tuple[int, int, int, Box | None]] = [
        (61, 47, 32, None),
        (40, 97, 33, None),
        (33, 33, 33, None),
        (MIN_SIDE, 20, 40, None),
        (90, 80, 36, (3, 7, 68, 71)),
        (90, 80, 36, (0, 0, 80, 80)),
        (60, 60, 32, (-1, 0, 30, 31)),
        (60, 60, 32, (40, 40, 61, 60)),
        (60, 60, 32, (10, 10, 10 + MIN_SIDE - 1, 10 + MIN_SIDE)),
        (60, 60, 32, (10, 10, 40, 42)),
        (60, 60, 32, (30, 10, 10, 30)),
    ]
    sources = []
    for width, height, size, box in shapes:
        noise = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        sources.append((noise, size, box))
    # Half of it near white on mid-grey: glare, clipping and blur are away from zero.
    spot = np.full((70, 70, 3), 120, np.uint8)
    spot[20:50, 20:50] = generator.integers(235, 256, (30, 30, 3), dtype=np.uint8)
    return [*sources, (spot, 48, None), (spot // 9, 37, (1, 1, 65, 66))]


def _capture(bundle: Bundle, image: Pixels, size: int, box: Box | None) -> dict[str, Any]:
    case: dict[str, Any] = {"width": image.shape[1], "height": image.shape[0], "rgb": image.tobytes().hex()}
    case |= {"size": size, "box": box, "prepared": None}
    try:
        found = capture.normalize(image, size, box)
    except CaptureError:
        return case
    quality = judge(found.image, bundle.manifest.quality, found.region_px)
    return case | {
        "prepared": found.image.tobytes().hex(),
        "region_px": found.region_px,
        "quality": figures(quality),
        "reasons": list(quality.reasons),
    }


def _burst_draws(bundle: Bundle, variant: Variant, point: str, generator: np.random.Generator) -> list[list[dict[str, Any]]]:
    """Bursts of 1 to 6 frames, each above or below the threshold, poor or an outlier with some chance; then bursts of four good
    low frames and one on a limit or just below it; then a frame with a class a little over 1 and another a little below 0."""
    threshold = variant.operating_points[point].threshold
    limit = variant.abstention.limit if variant.abstention else None

    weights = {spec.name: np.array(spec.weights) for spec in bundle.manifest.scores}
    ill = weights["malignancy"] > 0

    def frame(malignancy: float, usual: bool, good: bool) -> dict[str, Any]:
        probabilities = generator.dirichlet(np.ones(len(ill)))
        probabilities[ill] *= malignancy / probabilities[ill].sum()
        probabilities[~ill] *= (1 - malignancy) / probabilities[~ill].sum()
        # Exactly the malignancy asked for, which may be on a threshold: rounding is within what is allowed of sums.
        scores = [malignancy if name == "malignancy" else own @ probabilities for name, own in weights.items()]
        outputs = {"probabilities": probabilities, "scores": scores}
        if limit is not None:
            outputs["outlier"] = [limit * generator.uniform(0.5, 1) if usual else 2 * limit + 1]
        rounded = {role: np.asarray(values, np.float32).tolist() for role, values in outputs.items()}
        return {"reasons": [] if good else [next(iter(ADVICE))], "outputs": rounded}

    def any_frame() -> dict[str, Any]:
        malignancy = generator.uniform(0, threshold) if generator.random() < 0.6 else generator.uniform(threshold, 1)
        return frame(malignancy, usual=generator.random() < 0.8, good=generator.random() < 0.75)

    limits = [np.float32(threshold), np.float32(burst.ALARM)]
    limits += [np.nextafter(edge, np.float32(0)) for edge in limits]
    draws = [[any_frame() for _ in range(number % 6 + 1)] for number in range(24)]
    draws += [[frame(score, True, True) for score in [threshold / 2] * 4 + [float(edge)]] for edge in limits]
    for over, under in ((ill, ~ill), (~ill, ill)):
        rounded = frame(0.5, True, True)
        probabilities = 1.004 * np.eye(len(ill))[over.argmax()] - 0.004 * np.eye(len(ill))[under.argmax()]
        rounded["outputs"]["probabilities"] = np.float32(probabilities).tolist()
        rounded["outputs"]["scores"] = [float(np.float32(own @ probabilities)) for own in weights.values()]
        draws.append([rounded])
    return draws


def _burst(bundle: Bundle, variant: Variant, point: str, draw: list[dict[str, Any]]) -> dict[str, Any]:
    found = burst.combine([_assessment(bundle, variant, point, **frame) for frame in draw])
    assessment = found.assessment
    verdict = {
        "decision": assessment.decision.value,
        "malignancy": assessment.malignancy,
        "cancer": assessment.cancer,
        "outlier": assessment.outlier,
        "probabilities": assessment.probabilities,
        "usable": found.usable,
        "spread": found.spread,
        "agreement": found.agreement,
        "advice": list(assessment.advice),
    }
    return {"variant": variant.name, "operating_point": point, "frames": draw, "verdict": verdict}


def _outputs(bundle: Bundle, variant: Variant) -> list[dict[str, Any]]:
    """Outputs within the tolerance and outside it, each in one respect."""
    weights = np.array([spec.weights for spec in bundle.manifest.scores])
    count = weights.shape[1]
    even = np.full(count, 1 / count)
    first, last = np.eye(count)[0], np.eye(count)[-1]
    beyond = even + first - last
    rounded = 1.004 * first - 0.004 * last
    one_less = np.eye(len(weights))[0]
    draws = {
        "right": (even, weights @ even),
        "all zero": (even * 0, weights @ even * 0),
        "a little short of 1": (even * (1 - SUM_TOLERANCE / 2), weights @ even),
        "short of 1": (even * (1 - 2 * SUM_TOLERANCE), weights @ even * (1 - 2 * SUM_TOLERANCE)),
        "over 1": (even * (1 + 2 * SUM_TOLERANCE), weights @ even * (1 + 2 * SUM_TOLERANCE)),
        "below 0": (beyond, weights @ beyond),
        "a little over 1 and below 0": (rounded, weights @ rounded),
        "one score a little off": (even, weights @ even - one_less * SUM_TOLERANCE / 2),
        "one score off": (even, weights @ even - one_less * 2 * SUM_TOLERANCE),
        "a class fewer": (even[1:] * count / (count - 1), weights @ even),
        "a score fewer": (even, (weights @ even)[1:]),
    }
    usual = {"outlier": [0.0]} if "outlier" in variant.outputs else {}
    cases = [(name, {"probabilities": row, "scores": scores} | usual) for name, (row, scores) in draws.items()]
    if usual:
        right = {"probabilities": even, "scores": weights @ even}
        outliers = {"two": [0.0, 0.0], "none": [], "NaN": [np.nan], "infinity": [np.inf], "negative infinity": [-np.inf]}
        cases += [(f"outlier: {name}", right | {"outlier": values}) for name, values in outliers.items()]
    return [_outputs_case(bundle, variant, name, outputs) for name, outputs in cases]


def _outputs_case(bundle: Bundle, variant: Variant, name: str, outputs: dict[str, Any]) -> dict[str, Any]:
    batch = {role: np.array([values], np.float32) for role, values in outputs.items()}
    try:
        check_outputs(bundle.manifest, variant, batch, 1)
        accepted = True
    except EngineError:
        accepted = False
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    row = {role: [words.get(str(value), value) for value in values[0].tolist()] for role, values in batch.items()}
    return {"name": name, "variant": variant.name, "outputs": row, "accepted": accepted}


def _assessment(
    bundle: Bundle, variant: Variant, point: str, reasons: list[str], outputs: dict[str, list[float]]
) -> Assessment:
    """As `TriagePipeline` makes it of these reasons and outputs."""
    names = [spec.name for spec in bundle.manifest.scores]
    scores = dict(zip(names, map(within_one, outputs["scores"]), strict=True))
    labels = [spec.label for spec in bundle.manifest.classes]
    outlier = outputs["outlier"][0] if "outlier" in outputs else None
    verdict = decide_rule(variant, point, reasons, scores["malignancy"], outlier)
    scored = verdict is not Decision.RETAKE
    return Assessment(
        decision=verdict,
        malignancy=scores["malignancy"] if scored else None,
        cancer=scores.get("cancer") if scored else None,
        probabilities=dict(zip(labels, map(within_one, outputs["probabilities"]), strict=True)) if scored else {},
        quality=with_reasons(reasons),
        operating_point=point,
        point=variant.operating_points[point],
        bundle_id=bundle.id,
        variant=variant.name,
        engine="recorded",
        threads=1,
        outlier=outlier if scored else None,
    )
