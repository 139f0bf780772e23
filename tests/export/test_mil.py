"""The evaluator of Core ML programs on programs of a few ops whose results are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mobile_runtime import EngineError
from mobile_runtime.manifest import Variant

pytestmark = pytest.mark.slow

SIZE = 4


def variant(output: str = "out") -> Variant:
    return Variant(
        name="made_up",
        runtime="coreml",
        precision="float16",
        path="x.mlpackage",
        size_bytes=1,
        input_name="image",
        outputs={"probabilities": output},
        temperature=1,
        operating_points={},
        abstention=None,
    )


def builder() -> Any:
    """coremltools' own builder of programs."""
    return pytest.importorskip("coremltools.converters.mil").Builder


def package(folder: Path, body: Callable[[Any], Any], layout: str = "RGB", half: bool = True) -> Path:
    """A saved program with an image input; `body` adds its ops."""
    import coremltools as ct
    from coremltools.converters.mil.mil import types

    @builder().program(input_specs=[builder().TensorSpec((1, 3, SIZE, SIZE), dtype=types.fp32)], opset_version=ct.target.iOS17)
    def program(image: Any) -> Any:
        return builder().identity(x=body(image), name="out")

    model = ct.convert(
        program,
        inputs=[ct.ImageType(name="image", shape=(1, 3, SIZE, SIZE), color_layout=getattr(ct.colorlayout, layout))],
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        skip_model_load=True,
    )
    path = folder / f"{layout}.mlpackage"
    model.save(str(path))
    return path


@pytest.fixture
def images() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (40, SIZE, SIZE, 3), np.uint8)


def run(path: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    from export.mil import MilEngine

    return MilEngine(path, variant()).run(images)["probabilities"]


def means(image: Any) -> Any:
    return builder().reshape(x=builder().reduce_mean(x=image, axes=[2, 3], keep_dims=True), shape=[1, 3])


@pytest.mark.parametrize(("layout", "order"), [("RGB", [0, 1, 2]), ("BGR", [2, 1, 0])])
def test_channel_means_in_the_declared_order(
    tmp_path: Path, images: npt.NDArray[np.uint8], layout: str, order: list[int]
) -> None:
    found = run(package(tmp_path, means, layout), images)
    expected = images.astype(np.float64).mean((1, 2))[:, order]
    assert found.shape == (40, 3)
    # Means of bytes are under 256, where float16 has steps of 1/8.
    np.testing.assert_allclose(found, expected, atol=0.0625 + 1e-6)


def test_values_are_rounded_to_the_declared_type(tmp_path: Path, images: npt.NDArray[np.uint8]) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "single").mkdir()
    half = run(package(tmp_path / "half", means), images)
    single = run(package(tmp_path / "single", means, half=False), images)
    assert np.array_equal(half, half.astype(np.float16))
    assert not np.array_equal(single, half)
    np.testing.assert_allclose(single, images.astype(np.float64).mean((1, 2)), rtol=1e-6)


def test_convolution_against_numpy(tmp_path: Path, images: npt.NDArray[np.uint8]) -> None:
    """Stride 2 and one row and column of zeros on the upper left side only."""

    kernel = np.random.default_rng(1).normal(size=(2, 3, 2, 2)).astype(np.float32) / 100

    def body(image: Any) -> Any:
        x = builder().conv(x=image, weight=kernel, pad_type="custom", pad=[1, 0, 1, 0], strides=[2, 2])
        return builder().reduce_mean(x=x, axes=[2, 3], keep_dims=False)

    padded = np.pad(images.astype(np.float64), ((0, 0), (1, 0), (1, 0), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 2), axis=(1, 2))[:, ::2, ::2]
    expected = np.einsum("nyxchw,ochw->noyx", windows, kernel.astype(np.float64)).mean((2, 3))
    np.testing.assert_allclose(run(package(tmp_path, body, half=False), images), expected, rtol=1e-4, atol=1e-4)


def test_orientations_are_stacked_and_averaged(tmp_path: Path, images: npt.NDArray[np.uint8]) -> None:
    """The upper left pixel and, of the picture turned by 180 degrees, the lower right one."""
    kernel = np.zeros((3, 3, SIZE, SIZE), np.float32)
    kernel[range(3), range(3), 0, 0] = 1

    def body(image: Any) -> Any:
        both = builder().concat(values=[image, builder().reverse(x=image, axes=[2, 3])], axis=0)
        corner = builder().conv(x=both, weight=kernel, pad_type="valid")
        return builder().reduce_mean(x=builder().reshape(x=corner, shape=[2, 1, 3]), axes=[0], keep_dims=False)

    expected = (images[:, 0, 0].astype(np.float64) + images[:, -1, -1]) / 2
    np.testing.assert_allclose(run(package(tmp_path, body, half=False), images), expected, rtol=1e-6)


def test_quantized_values_are_on_the_grid(tmp_path: Path, images: npt.NDArray[np.uint8]) -> None:

    def body(image: Any) -> Any:
        x = builder().reshape(x=builder().reduce_mean(x=image, axes=[2, 3], keep_dims=True), shape=[1, 3])
        q = builder().quantize(input=x, scale=np.float32(0.5), zero_point=np.int8(-128), output_dtype="int8")
        return builder().dequantize(input=q, scale=np.float32(0.5), zero_point=np.int8(-128))

    expected = np.minimum(np.round(images.astype(np.float64).mean((1, 2)) / 0.5), 255) * 0.5
    np.testing.assert_array_equal(run(package(tmp_path, body, half=False), images), expected)


def test_unknown_op_is_named(tmp_path: Path) -> None:
    from export.mil import MilEngine

    path = package(tmp_path, lambda image: builder().erf(x=means(image)))
    with pytest.raises(EngineError, match=r"variant made_up: export/mil\.py does not know erf"):
        MilEngine(path, variant())


def test_what_is_no_program_is_an_engine_error(tmp_path: Path, images: npt.NDArray[np.uint8]) -> None:
    from export.mil import MilEngine

    with pytest.raises(EngineError, match="no Core ML program"):
        MilEngine(tmp_path / "none.mlpackage", variant())
    path = package(tmp_path, means)
    with pytest.raises(EngineError, match="the model has no other"):
        MilEngine(path, variant("other"))
    with pytest.raises(EngineError, match="fails on an image"):
        MilEngine(path, variant()).run(images[:, :2])
    next(path.rglob("*.mlmodel")).write_bytes(b"no model")
    with pytest.raises(EngineError, match="no Core ML program"):
        MilEngine(path, variant())


def test_ranges_are_true_minima_and_maxima(tmp_path: Path, images: npt.NDArray[np.uint8]) -> None:
    from export.mil import MilEngine
    from train.network import PIXEL_RANGE

    kernel = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)

    def body(image: Any) -> Any:
        scaled = builder().mul(x=image, y=np.float32(1 / 127.5), name="scaled")
        return builder().reduce_mean(x=builder().conv(x=scaled, weight=kernel, name="convolved"), axes=[2, 3], keep_dims=False)

    found = MilEngine(package(tmp_path, body, half=False), variant()).ranges(images)
    low, high = found["convolved"]
    assert low == pytest.approx(images.min() / 127.5, abs=1e-6)
    assert high == pytest.approx(images.max() / 127.5, abs=1e-6)
    assert found["scaled"] == PIXEL_RANGE
