"""Engines: the same bits for any number of threads and callers, and clear words where one cannot run."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mobile_runtime import Bundle, EngineError, engines, synthetic
from mobile_runtime.engines import open_engine
from mobile_runtime.manifest import Variant
from mobile_runtime.resample import resample

RUNTIMES = ("litert", "onnx")


@pytest.fixture(scope="session")
def bundle(each_bundle: Path) -> Bundle:
    return Bundle.load(each_bundle)


@pytest.fixture(scope="session")
def images(bundle: Bundle) -> npt.NDArray[np.uint8]:
    """14 different prepared images."""
    labels = synthetic.LABELS * 2
    size = bundle.manifest.input.size
    return np.stack([resample(synthetic.lesion(label, 40 + i, 150), size) for i, label in enumerate(labels)])


def runnable(bundle: Bundle) -> list[str]:
    """Variants that this machine can run."""
    names = [name for name, variant in bundle.variants.items() if variant.runtime in RUNTIMES]
    try:
        import_module("onnxruntime")
    except ImportError:
        names = [name for name in names if bundle.variants[name].runtime == "litert"]
    return names


def litert_variant(bundle: Bundle) -> Variant:
    return next(variant for variant in bundle.variants.values() if variant.runtime == "litert")


def same(left: engines.Outputs, right: engines.Outputs) -> bool:
    return set(left) == set(right) and all(np.array_equal(left[role], right[role]) for role in left)


def test_outputs_have_the_stated_form(bundle: Bundle, images: npt.NDArray[np.uint8]) -> None:
    for name in runnable(bundle):
        outputs = open_engine(bundle, bundle.variants[name]).run(images[:3])
        assert set(outputs) == set(bundle.variants[name].outputs)
        assert outputs["probabilities"].shape == (3, len(bundle.manifest.classes))
        assert outputs["scores"].shape == (3, len(bundle.manifest.scores))
        for values in outputs.values():
            assert values.dtype == np.float32
            assert len(values) == 3
            assert np.isfinite(values).all()


def test_threads_do_not_change_a_bit(bundle: Bundle, images: npt.NDArray[np.uint8]) -> None:
    for name in runnable(bundle):
        one = open_engine(bundle, bundle.variants[name], threads=1).run(images[:7])
        for threads in (2, 4):
            engine = open_engine(bundle, bundle.variants[name], threads=threads)
            assert engine.threads == threads
            assert same(engine.run(images[:7]), one), f"{name}, {threads} threads"


def test_batches_do_not_change_a_bit(bundle: Bundle, images: npt.NDArray[np.uint8]) -> None:
    for name in runnable(bundle):
        engine = open_engine(bundle, bundle.variants[name])
        whole = engine.run(images)
        for row in range(len(images)):
            alone = engine.run(images[row : row + 1])
            assert all(np.array_equal(alone[role][0], whole[role][row]) for role in whole)


def test_eight_callers_at_once_get_what_one_gets(bundle: Bundle, images: npt.NDArray[np.uint8]) -> None:
    for name in runnable(bundle):
        engine = open_engine(bundle, bundle.variants[name])
        alone = [engine.run(images[row : row + 1]) for row in range(len(images))]
        order = np.random.default_rng(0).integers(0, len(images), 160).tolist()
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(engine.run, (images[row : row + 1] for row in order)))
        assert all(same(outputs, alone[row]) for outputs, row in zip(found, order, strict=True)), name


def test_name_says_package_version_and_kernels(bundle: Bundle, images: npt.NDArray[np.uint8]) -> None:
    variant = bundle.variants.get("float32", bundle.variant())
    fast, plain = open_engine(bundle, variant), open_engine(bundle, variant, xnnpack=False)
    assert fast.name.endswith("(XNNPACK)")
    assert plain.name.endswith("(builtin kernels)")
    assert any(character.isdigit() for character in fast.name)
    assert (fast.kernels, plain.kernels) == ("xnnpack", "builtin")
    # The same network either way, though with sums in another order or, where quantized, other rounding.
    left, right = fast.run(images[:4])["probabilities"], plain.run(images[:4])["probabilities"]
    np.testing.assert_allclose(left, right, atol=1e-3 if variant.precision == "float32" else 0.3)


def test_coreml_elsewhere_says_where(bundle: Bundle) -> None:
    if platform.system() == "Darwin":
        pytest.skip("Core ML runs here")
    for variant in bundle.variants.values():
        if variant.runtime == "coreml":
            with pytest.raises(EngineError, match="runs on macOS and iOS only"):
                open_engine(bundle, variant)


@pytest.mark.parametrize("threads", [0, -1, 3_000_000_000, "2", 1.5, True])
def test_bad_number_of_threads(bundle: Bundle, threads: Any) -> None:
    with pytest.raises(EngineError, match="give a whole number from 1 to 256"):
        open_engine(bundle, bundle.variant(), threads=threads)


def test_tflite_runtime_is_taken_where_litert_is_missing(
    bundle: Bundle, images: npt.NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = import_module("ai_edge_litert.interpreter")

    def instead(name: str) -> Any:
        if name == "tflite_runtime.interpreter":
            return real
        raise ImportError(name)

    monkeypatch.setattr(engines, "import_module", instead)
    for variant in bundle.variants.values():
        if variant.runtime != "litert":
            continue
        engine = open_engine(bundle, variant)
        # tflite-runtime 2.14 was seen to run int8 graphs by its own kernels, bit for bit those of LiteRT without XNNPACK.
        delegated = not variant.precision.startswith("int8")
        assert engine.name == f"tflite-runtime ({'XNNPACK' if delegated else 'builtin kernels'})"
        assert engine.run(images[:1])["probabilities"].shape[0] == 1


def test_missing_runtimes_name_what_to_install(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(engines, "import_module", missing)
    with pytest.raises(EngineError, match="pip install ai-edge-litert"):
        open_engine(bundle, litert_variant(bundle))
    for variant in bundle.variants.values():
        if variant.runtime == "onnx":
            with pytest.raises(EngineError, match=r"pip install '\.\[onnx\]'"):
                open_engine(bundle, variant)


def test_model_without_the_stated_output_is_refused(bundle: Bundle) -> None:
    for name in runnable(bundle):
        variant = bundle.variants[name]
        wrong = variant.model_copy(update={"outputs": {"probabilities": "nothing"}})
        with pytest.raises(EngineError, match="the model has no nothing"):
            open_engine(bundle, wrong)


def test_refused_models_are_engine_errors(bundle: Bundle) -> None:
    variant = litert_variant(bundle)
    with pytest.raises(EngineError, match="LiteRT refuses it"):
        engines.LiteRTEngine(b"\x18\0\0\0TFL3" + bytes(100), variant)
    pytest.importorskip("onnxruntime")
    with pytest.raises(EngineError, match="ONNX Runtime refuses it"):
        engines.OnnxEngine(b"no model", variant)


def test_wrong_image_is_an_engine_error(bundle: Bundle) -> None:
    for name in runnable(bundle):
        engine = open_engine(bundle, bundle.variants[name])
        with pytest.raises(EngineError, match="fails on an image"):
            engine.run(np.zeros((1, 8, 8, 3), np.float32))


def test_an_input_of_another_size_than_the_manifests_is_refused(bundle: Bundle) -> None:
    size = bundle.manifest.input.size
    for name in runnable(bundle):
        variant = bundle.variants[name]
        kind = engines.LiteRTEngine if variant.runtime == "litert" else engines.OnnxEngine
        with pytest.raises(EngineError, match=rf"takes uint8 \[1, {size}, {size}, 3\], the manifest says"):
            kind(bundle.model_bytes(variant), variant, size=size + 16)


def test_outputs_that_are_not_the_manifests_are_refused(bundle: Bundle, images: npt.NDArray[np.uint8]) -> None:
    variant = litert_variant(bundle)
    outputs = open_engine(bundle, variant).run(images)
    probabilities, scores = outputs["probabilities"], outputs["scores"]
    engines.check_outputs(bundle.manifest, variant, outputs, len(images))
    wrong = {
        "one class fewer": (probabilities[:, 1:], scores, "probabilities are"),
        "one score more": (probabilities, np.repeat(scores, 2, 1), "scores are"),
        "another order": (probabilities[:, ::-1], scores, "is not the sum of its classes"),
        "impossible": (probabilities - 3, scores, "not from 0 to 1"),
        "another malignancy": (probabilities, scores - 0.02, "malignancy is not the sum"),
        "all zero": (probabilities * 0, scores * 0, "do not sum to 1"),
        "too little": (probabilities * 0.98, scores * 0.98, "do not sum to 1"),
        "no numbers": (probabilities * np.nan, scores, "probabilities of .* are not finite numbers"),
        "a score that is none": (probabilities, scores * np.nan, "scores of .* are not finite numbers"),
    }
    for some_probabilities, some_scores, match in wrong.values():
        changed = {**outputs, "probabilities": some_probabilities, "scores": some_scores}
        with pytest.raises(EngineError, match=match):
            engines.check_outputs(bundle.manifest, variant, changed, len(images))


def test_an_outlier_score_is_one_number_an_image(bundle: Bundle, images: npt.NDArray[np.uint8]) -> None:
    variant = litert_variant(bundle)
    outputs = open_engine(bundle, variant).run(images)
    count = len(images)
    for shape in ((count,), (count, 1)):
        engines.check_outputs(bundle.manifest, variant, {**outputs, "outlier": np.ones(shape, np.float32)}, count)
    wrong = {
        "of every class": (outputs["probabilities"], "outlier are"),
        "of none": (np.ones((count, 0), np.float32), "outlier are"),
        "not a number": (np.full((count, 1), np.nan, np.float32), "outlier of .* are not finite numbers"),
        "endless": (np.full((count, 1), -np.inf, np.float32), "outlier of .* are not finite numbers"),
    }
    for outlier, match in wrong.values():
        with pytest.raises(EngineError, match=match):
            engines.check_outputs(bundle.manifest, variant, {**outputs, "outlier": outlier}, count)
