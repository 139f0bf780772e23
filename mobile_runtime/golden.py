"""Golden vectors: the pipeline stage by stage on synthetic images, for this runtime and for ports to replay.

`golden/golden.json` in a bundle has the shape of `GoldenVectors`; arrays are .npy files (version 1.0, C order, little-endian),
all paths are relative to the bundle. Each stage starts from what is recorded of the stage before, not from a port's own
result, so that one fault shows in one stage only:

1. `upright`: `source` (file bytes, or a camera frame's buffer and description) to uint8 RGB [H, W, 3]. Largest difference in
   levels of 255 against `tolerance`, which is above 0 for lossy formats, whose decoders differ.
2. `prepared`: centre square of the recorded upright image, resampled to uint8 RGB [S, S, 3]; integers, so the difference is 0.
3. `quality`: figures of the recorded prepared image and `region_px`, each within `quality_tolerance`; the same `reasons` in the
   same order.
4. `outputs`: of each variant on all recorded prepared images in the order of `cases`, float32 [N, ...] by role. A variant has a
   recording for each kind of kernels: a port compares with the one of its own kernels. `tolerance.same` is for the recording's
   kernels and machine; every other combination takes `tolerance.other` (and any recording, if none is of its kernels).
5. `decision`: of each variant and operating point from recorded reasons and recorded outputs of the first recording, exactly;
   and `rules`, made-up inputs on and around every threshold and outlier limit, exactly.

Tolerances of quantized variants rest on a measurement: two sets of kernels that round differently (XNNPACK's and LiteRT's own)
are run on the same images, and their largest difference is `spread`. Another machine's kernels round in a third way, so they
are allowed 1.5 times that; the same kernels on the same machine repeat integer arithmetic and are allowed a quarter, for
activations on the edge between two steps. For float variants the floors of 1e-3 and 1e-4 decide.
"""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from mobile_runtime import decision
from mobile_runtime.bundle import Bundle
from mobile_runtime.decision import Decision
from mobile_runtime.errors import BundleError
from mobile_runtime.frames import CameraFrame, Layout, Matrix, Range
from mobile_runtime.manifest import Variant
from mobile_runtime.manifest_file import strict_json
from mobile_runtime.planes import Plane
from mobile_runtime.quality import Quality

GOLDEN = "golden/golden.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PlaneSpec(_Part):
    """Where a plane lies in the buffer, in bytes."""

    offset: int
    length: int
    row_stride: int
    pixel_stride: int


class FrameSpec(_Part):
    """A camera frame; see `mobile_runtime.frames.CameraFrame`."""

    layout: Layout
    width: int
    height: int
    planes: list[PlaneSpec]
    matrix: Matrix | None
    value_range: Range | None
    rotation: int
    mirrored: bool


class Case(_Part):
    """One image and what the stages before the model make of it.

    Attributes:
        source: path of the file's bytes, or of the frame's buffer.
        frame: what the buffer is; None for an image file.
        upright_tolerance: levels of 255.
        quality: figure -> value; None where a figure is not defined.
    """

    name: str
    about: str
    source: str
    frame: FrameSpec | None
    upright: str
    upright_tolerance: int
    prepared: str
    region_px: int
    quality: dict[str, float | None]
    reasons: list[str]


class Tolerance(_Part):
    """Largest absolute difference of one output."""

    spread: float
    same: float
    other: float


class Recording(_Part):
    """Outputs of a variant; of `variant` where the variant itself cannot run where golden vectors are made (Core ML)."""

    variant: str
    kernels: str
    engine: str
    machine: str
    outputs: dict[str, str]


class Rule(_Part):
    """A made-up input of the decision and what it gives."""

    operating_point: str
    reasons: list[str]
    malignancy: float
    outlier: float | None
    decision: Decision


class VariantVectors(_Part):
    """What one variant makes of the cases; `decisions` is operating point -> one decision for each case."""

    recordings: list[Recording]
    tolerance: dict[str, Tolerance]
    decisions: dict[str, list[Decision]]
    rules: list[Rule]


class GoldenVectors(_Part):
    """The content of golden/golden.json."""

    schema_version: Literal[1] = 1
    input_size: int
    cases: list[Case]
    quality_tolerance: float
    variants: dict[str, VariantVectors]


def machine() -> str:
    """The processor's architecture, by one name on every system."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(name, name)


def has_vectors(bundle: Bundle) -> bool:
    """Whether a bundle lists golden vectors."""
    return GOLDEN in {entry.path for entry in bundle.manifest.files}


def load_vectors(bundle: Bundle) -> GoldenVectors:
    """The golden vectors of a bundle.

    Raises:
        BundleError: it has none, or they are malformed.
    """
    file = bundle.path / GOLDEN
    if not has_vectors(bundle):
        raise BundleError(f"{file}: the bundle has no golden vectors; make them with `python -m export golden`")
    try:
        vectors = GoldenVectors.model_validate(strict_json(file.read_bytes()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise BundleError(f"{file}: {where}: {first['msg']}; get the bundle again") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{file}: malformed ({error}); get the bundle again") from error
    wanted = bundle.manifest.input.size
    if vectors.input_size != wanted or not vectors.cases:
        found = f"images of {vectors.input_size} pixels" if vectors.cases else "no cases"
        raise BundleError(f"{file}: {found}, the manifest's model takes {wanted}; get the bundle again")
    for name, variant in vectors.variants.items():
        if any(len(each) != len(vectors.cases) for each in variant.decisions.values()):
            raise BundleError(f"{file}: variant {name} has not one decision for each case; get the bundle again")
        points = bundle.variants[name].operating_points if name in bundle.variants else {}
        if unsaid := [*(point for point in points if point not in variant.decisions), *([] if variant.rules else ["rules"])]:
            raise BundleError(f"{file}: variant {name} has no decisions at {', '.join(unsaid)}; get the bundle again")
    return vectors


def read_array(folder: Path, path: str, listed: set[str], *shape: int | None) -> npt.NDArray[Any]:
    """An array of the golden vectors.

    Args:
        folder: of the bundle.
        path: in the bundle.
        listed: paths of the bundle's files.
        shape: length of its first axes; None where any will do.

    Raises:
        BundleError: the path is not one of the bundle's files, or no plain .npy file, or of another shape.
    """
    if path not in listed:
        raise BundleError(f"{folder / path}: named by {GOLDEN} but not in the manifest; get the bundle again")
    try:
        array: npt.NDArray[Any] = np.load(folder / path, allow_pickle=False)
        if not isinstance(array, np.ndarray) or array.dtype not in (np.uint8, np.float32):
            raise ValueError("not of bytes or float32")
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise BundleError(f"{folder / path}: not an array ({error}); get the bundle again") from error
    fits = [length in (None, found) for length, found in zip(shape, array.shape, strict=False)]
    if array.ndim < len(shape) or not all(fits):
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise BundleError(f"{folder / path}: an array {list(array.shape)} instead of [{wanted}]; get the bundle again")
    return array


def open_source(data: bytes, frame: FrameSpec | None) -> bytes | CameraFrame:
    """A case's source as `capture.acquire` takes it."""
    if frame is None:
        return data
    planes = tuple(
        Plane(data[plane.offset : plane.offset + plane.length], plane.row_stride, plane.pixel_stride) for plane in frame.planes
    )
    size = (frame.width, frame.height)
    return CameraFrame(frame.layout, *size, planes, frame.matrix, frame.value_range, frame.rotation, frame.mirrored)


def figures(quality: Quality) -> dict[str, float | None]:
    """The figures of a quality judgement, without the reasons."""
    return {name: value for name, value in asdict(quality).items() if name != "reasons"}


def decide_case(
    bundle: Bundle, variant: Variant, point: str, reasons: list[str], outputs: dict[str, npt.NDArray[np.float32]]
) -> Decision:
    """The decision that follows from a case's reasons and its row of a variant's outputs."""
    malignancy = float(outputs["scores"][[score.name for score in bundle.manifest.scores].index("malignancy")])
    outlier = float(outputs["outlier"].reshape(-1)[0]) if "outlier" in outputs else None
    return decide_rule(variant, point, reasons, malignancy, outlier)


def decide_rule(variant: Variant, point: str, reasons: list[str], malignancy: float, outlier: float | None) -> Decision:
    """The decision that follows from quality reasons and scores."""
    quality = with_reasons(reasons)
    return decision.decide(quality, malignancy, decision.operating_point(variant, point), outlier, variant.abstention)


def with_reasons(reasons: list[str]) -> Quality:
    """A quality of these reasons; every figure is 0, as decisions do not look at them."""
    names = [name for name in Quality.__dataclass_fields__ if name != "reasons"]
    return Quality(**dict.fromkeys(names, 0), reasons=tuple(reasons))
