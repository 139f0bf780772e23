"""Two ways to TFLite side by side: PyTorch through litert-torch, which a bundle holds, and ONNX through onnx2tf.

The second path shares no converter with the first. Where both agree on the figures, neither converter is wrong; what then
decides is the graph: pieces for XNNPACK, stray operators, speed. One path ships all variants, because one rounding of weights
serves them all, and the bundle's default variant decides which.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from ai_edge_litert.interpreter import Interpreter

from export.check_images import golden_set
from export.errors import ExportError
from export.graphs import describe_graph
from export.isolation import run_tool
from export.path_comparison import FIRST, SECOND, Comparison, Errors, Pair, Side, alternate
from export.variants import ONNX_VARIANT, TFLITE_VARIANTS
from mobile_runtime import synthetic
from mobile_runtime.bundle import Bundle
from mobile_runtime.engines import LiteRTEngine, open_engine
from mobile_runtime.files import build_folder, is_replaceable
from mobile_runtime.manifest import Variant

DRAWINGS = 64
Pixels = npt.NDArray[np.uint8]
Advance = Callable[[str], None]


def compare_paths(
    bundle: Bundle, photographs: Pixels | None = None, keep: Path | None = None, advance: Advance = lambda step: None
) -> Comparison:
    """Convert a bundle's ONNX file by the second path and compare every TFLite variant.

    Args:
        bundle: with float32 ONNX, TFLite variants and golden vectors.
        photographs: prepared uint8 RGB [N, S, S, 3]; the even ones fix the second path's activation ranges, on the odd ones
            errors are measured. None calibrates on drawings, which favours the first path.
        keep: folder for the second path's models; an earlier one is replaced.
        advance: called with what begins.

    Raises:
        ExportError: no ONNX or TFLite variant, or the converter or its environment fails.
        BundleError, EngineError: a file of the bundle is altered or does not open, or there are no golden vectors.
    """
    names = [name for name in TFLITE_VARIANTS if name in bundle.variants]
    if ONNX_VARIANT not in bundle.variants or not names:
        missing = ONNX_VARIANT if names else "TFLite"
        raise ExportError(f"{bundle.path}: no {missing} variant to compare both paths by; make one with `export rebuild`")
    if keep is not None and not is_replaceable(keep, f"{names[0]}.tflite"):
        raise ExportError(f"{keep}: there is something else than models kept before; give a new folder, or remove it yourself")
    source = bundle.variant(ONNX_VARIANT)
    sets, calibration = _image_sets(bundle, photographs)
    reference = open_engine(bundle, source)
    expected = {name: reference.run(images)["probabilities"] for name, images in sets.items()}
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        advance(f"convert by {SECOND}, minutes")
        versions = _convert(bundle.model_bytes(source), source, calibration, Path(folder))
        load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
        for name in names:
            advance(f"compare {name}")
            first = bundle.variant(name)
            models = {FIRST: bundle.model_bytes(first), SECOND: (Path(folder) / "models" / f"{name}.tflite").read_bytes()}
            variants = {FIRST: first, SECOND: _second(first, source, bundle.model_bytes(source), models[SECOND])}
            pairs.append(_compare(name, models, variants, sets, expected))
        if keep is not None:
            with build_folder(keep) as target:
                shutil.copytree(Path(folder) / "models", target, dirs_exist_ok=True)
    packages = ("ai-edge-litert", "litert-torch", "ai-edge-quantizer", "onnxruntime")
    kind = "drawings of lesions" if photographs is None else "photographs"
    return Comparison(
        bundle=bundle.id,
        default=bundle.manifest.default_variant,
        calibration=f"{len(calibration)} {kind}",
        versions={name: version(name) for name in packages} | {f"{SECOND}: {name}": v for name, v in versions.items()},
        load_average=load,
        pairs=tuple(pairs),
    )


def _image_sets(bundle: Bundle, photographs: Pixels | None) -> tuple[dict[str, Pixels], Pixels]:
    """Image sets to measure on, and calibration images."""
    sets = {"golden": golden_set(bundle).pixels}
    if photographs is None:
        per_label, size = -(-DRAWINGS // len(synthetic.LABELS)), bundle.manifest.input.size
        drawn = [synthetic.lesion(label, seed, size) for seed in range(per_label) for label in synthetic.LABELS]
        return sets, np.stack(drawn[:DRAWINGS])
    if len(photographs) < 2:
        raise ExportError("one photograph cannot both calibrate and be measured on; give at least two")
    return sets | {"photographs": photographs[1::2]}, photographs[::2]


def _convert(model: bytes, source: Variant, calibration: Pixels, folder: Path) -> dict[str, str]:
    """Leave the second path's models in `folder`/models; the versions of what made them."""
    (folder / "models").mkdir()
    (folder / "float32.onnx").write_bytes(model)
    np.save(folder / "calibration.npy", calibration)
    names = ("float32.onnx", source.input_name, "calibration.npy", "models")
    run_tool("onnx2tf", "onnx2tf_convert.py", *names, cwd=folder)
    file = folder / "models" / "versions.json"
    versions: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    return versions


def _second(first: Variant, source: Variant, onnx_model: bytes, model: bytes) -> Variant:
    """The manifest entry for a model of the second path: TensorFlow's own converter numbers outputs in ONNX's order."""
    order = [output.name for output in onnx.load_from_string(onnx_model).graph.output]
    signature = next(iter(Interpreter(model_content=model).get_signature_list().values()))
    named = set(order) == set(signature["outputs"])
    outputs = {role: name if named else f"output_{order.index(name)}" for role, name in source.outputs.items()}
    return first.model_copy(update={"input_name": source.input_name, "outputs": outputs})


def _compare(
    name: str,
    models: dict[str, bytes],
    variants: dict[str, Variant],
    sets: dict[str, Pixels],
    expected: dict[str, npt.NDArray[np.float32]],
) -> Pair:
    engines = {path: LiteRTEngine(models[path], variants[path]) for path in models}
    times = alternate(engines, sets["golden"][:1])
    sides = {}
    for path, engine in engines.items():
        errors = {key: Errors.of(engine.run(images)["probabilities"], expected[key]) for key, images in sets.items()}
        taken = times[path]
        sides[path] = Side(describe_graph(models[path]), errors, float(np.median(taken)), float(taken.min()))
    return Pair(name, sides, float(np.median(times[SECOND].mean(axis=1) / times[FIRST].mean(axis=1))))
