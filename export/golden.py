"""Golden vectors: made here, replayed by `mobile_runtime.replay`; `mobile_runtime.golden` says what they are."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from export.golden_cases import Source, draw_sources
from export.mil import open_coreml
from export.rewriting import rewrite
from mobile_runtime import capture
from mobile_runtime.bundle import Bundle
from mobile_runtime.engines import open_engine
from mobile_runtime.files import sha256, write_json
from mobile_runtime.golden import (
    GOLDEN,
    Case,
    GoldenVectors,
    Recording,
    Rule,
    Tolerance,
    VariantVectors,
    decide_case,
    decide_rule,
    figures,
    machine,
    open_source,
)
from mobile_runtime.manifest import FileEntry, Manifest, Variant
from mobile_runtime.quality import ADVICE, judge
from mobile_runtime.resample import MIN_SIDE

QUALITY_TOLERANCE = 1e-6
"""Figures are ratios and roots of integer sums: only the last bits of a double may differ."""
SAME_FLOOR, OTHER_FLOOR = 1e-4, 1e-3
"""Float rounding in another order of summation; the larger one also covers float16 arithmetic on weights that are float16."""
HALF_FLOOR, INT8_FLOOR = 0.02, 0.06
"""Core ML against an evaluation of its program: float16 sums in another order. Int8 kernels against others: other
rounding, which moved a score by up to 0.045 between LiteRT's plain kernels on x86 and on ARM64."""

Outputs = dict[str, npt.NDArray[np.float32]]


def write_golden(folder: Path, manifest: Manifest) -> list[FileEntry]:
    """Write `golden/` into a bundle's folder.

    Args:
        folder: the folder, with every model in place.
        manifest: its manifest; of the files listed there, the models must be as they are on disk.

    Returns:
        The entries to add to the manifest's list of files.

    Raises:
        EngineError: a variant cannot be run here, or its Core ML program not be evaluated.
        BundleError: a model is not the one in the manifest.
    """
    bundle = Bundle(folder, manifest, "under construction")
    shutil.rmtree(folder / "golden", ignore_errors=True)
    (folder / "golden").mkdir()
    side = max(manifest.input.size * 7 // 6, manifest.quality.region_px_min + 2) | 1
    sources = draw_sources(side, max(MIN_SIDE, manifest.quality.region_px_min - 1))
    cases = [_write_case(bundle, source) for source in sources]
    prepared = np.stack([np.load(folder / case.prepared, allow_pickle=False) for case in cases])
    variants = {name: _write_variant(bundle, variant, cases, prepared) for name, variant in manifest.variants.items()}
    vectors = GoldenVectors(input_size=manifest.input.size, cases=cases, quality_tolerance=QUALITY_TOLERANCE, variants=variants)
    write_json(folder / GOLDEN, vectors.model_dump(mode="json"))
    return [
        FileEntry(path=file.relative_to(folder).as_posix(), sha256=sha256(file), size_bytes=file.stat().st_size, role="golden")
        for file in sorted((folder / "golden").iterdir())
    ]


def add_golden(path: Path) -> Bundle:
    """Give a finished bundle golden vectors in place of any that it has; see `rewrite`.

    Raises:
        BundleError: the bundle is not intact.
        EngineError: see `write_golden`.
    """

    def change(folder: Path, manifest: Manifest) -> list[FileEntry]:
        return [entry for entry in manifest.files if entry.role != "golden"] + write_golden(folder, manifest)

    return rewrite(path, change)


def _write_case(bundle: Bundle, source: Source) -> Case:
    path = f"golden/{source.name}.{source.suffix}"
    (bundle.path / path).write_bytes(source.data)
    upright = capture.acquire(open_source(source.data, source.frame))
    captured = capture.normalize(upright, bundle.manifest.input.size)
    quality = judge(captured.image, bundle.manifest.quality, captured.region_px)
    return Case(
        name=source.name,
        about=source.about,
        source=path,
        frame=source.frame,
        upright=_save(bundle.path, f"{source.name}.upright", upright),
        upright_tolerance=source.tolerance,
        prepared=_save(bundle.path, f"{source.name}.prepared", captured.image),
        region_px=captured.region_px,
        quality=figures(quality),
        reasons=list(quality.reasons),
    )


def _write_variant(bundle: Bundle, variant: Variant, cases: list[Case], prepared: npt.NDArray[np.uint8]) -> VariantVectors:
    runs = _run(bundle, variant, prepared)
    least = INT8_FLOOR if "ai8" in variant.name else 0.0
    floors = (least or HALF_FLOOR,) * 2 if variant.runtime == "coreml" else (SAME_FLOOR, OTHER_FLOOR)
    recordings = []
    for recording, outputs in runs:
        stem = f"{recording.variant}.{recording.kernels}"
        paths = {role: _save(bundle.path, f"{stem}.{role}", values) for role, values in outputs.items()}
        recordings.append(recording.model_copy(update={"outputs": paths}))
    decisions = {}
    if runs:
        for point in variant.operating_points:
            rows = [{role: values[row] for role, values in runs[0][1].items()} for row in range(len(cases))]
            decisions[point] = [
                decide_case(bundle, variant, point, case.reasons, row) for case, row in zip(cases, rows, strict=True)
            ]
    return VariantVectors(
        recordings=recordings,
        tolerance=_tolerances([outputs for _, outputs in runs], *floors, least),
        decisions=decisions,
        rules=_rules(variant, bundle.manifest.default_operating_point),
    )


def _run(bundle: Bundle, variant: Variant, prepared: npt.NDArray[np.uint8]) -> list[tuple[Recording, Outputs]]:
    if variant.runtime == "coreml":
        # The last one: Core ML itself where it can run.
        engines = open_coreml(bundle.model_folder(variant), variant)[-1:]
    else:
        kinds = (True, False) if variant.runtime == "litert" else (True,)
        engines = [open_engine(bundle, variant, xnnpack=xnnpack) for xnnpack in kinds]
    runs = []
    for engine in engines:
        recording = Recording(variant=variant.name, kernels=engine.kernels, engine=engine.name, machine=machine(), outputs={})
        runs.append((recording, engine.run(prepared)))
    return runs


def _tolerances(runs: list[Outputs], same: float, other: float, least: float) -> dict[str, Tolerance]:
    tolerances = {}
    for role in runs[0] if runs else ():
        values = np.stack([outputs[role] for outputs in runs]).astype(np.float64)
        spread = float(np.ptp(values, axis=0).max())
        # Probabilities and their sums reach 1; an outlier score has a scale of its own.
        scale = max(1.0, float(np.abs(values).max()))
        # Kernels of another processor lie farther apart than the two of this one: on ARM64, by up to twice as much.
        apart = max(other * scale, spread * 2.5, least)
        tolerances[role] = Tolerance(spread=spread, same=max(same * scale, spread / 4), other=apart)
    return tolerances


def _rules(variant: Variant, first: str) -> list[Rule]:
    """Inputs on and next to each limit, in float32 as graphs give them. A manifest just made and one read from its file have
    the operating points in different orders: here one comes first, then the others by name."""
    limit = variant.abstention.limit if variant.abstention else None
    ordinary = None if limit is None else _below(limit)
    rules = []
    for name, point in sorted(variant.operating_points.items(), key=lambda item: (item[0] != first, item[0])):
        edge = _at_least(point.threshold)
        inputs: list[tuple[list[str], float, float | None]] = [
            ([], edge, ordinary),
            ([], _below(point.threshold), ordinary),
            ([], 1.0, ordinary),
            ([next(iter(ADVICE))], 1.0, ordinary),
        ]
        if limit is not None:
            inputs += [([], 1.0, _above(limit)), ([], 1.0, _at_most(limit)), ([next(iter(ADVICE))], 1.0, _above(limit))]
        for reasons, malignancy, outlier in inputs:
            made = decide_rule(variant, name, reasons, malignancy, outlier)
            rules.append(Rule(operating_point=name, reasons=reasons, malignancy=malignancy, outlier=outlier, decision=made))
    return rules


def _at_least(value: float) -> float:
    nearest = np.float32(value)
    return float(nearest if float(nearest) >= value else np.nextafter(nearest, np.float32(np.inf)))


def _at_most(value: float) -> float:
    return -_at_least(-value)


def _below(value: float) -> float:
    return float(np.nextafter(np.float32(_at_least(value)), np.float32(-np.inf)))


def _above(value: float) -> float:
    return -_below(-value)


def _save(folder: Path, stem: str, array: npt.NDArray[Any]) -> str:
    path = f"golden/{stem}.npy"
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    np.save(folder / path, little, allow_pickle=False)
    return path
