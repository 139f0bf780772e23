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


def windows(images: npt.NDArray[np.uint8], sides: tuple[int, int], outside: float) -> npt.NDArray[np.float64]:
    """All 3 x 3 windows of images with so many rows and columns before and behind: [N, Y, X, 3, 3, 3]."""
    padded = np.pad(images.astype(np.float64), ((0, 0), sides, sides, (0, 0)), constant_values=outside)
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))


# Of 4 pixels, a stride of 2 asks for one row more, of 1 for two.
@pytest.mark.parametrize(
    ("options", "sides", "stride"),
    [
        ({"pad_type": "valid"}, (0, 0), 1),
        ({"pad_type": "custom", "pad": [1, 1, 1, 1]}, (1, 1), 2),
        ({"pad_type": "custom", "pad": [0, 2, 0, 2]}, (0, 2), 1),
        ({"pad_type": "custom", "pad": [0, 0, 0, 0], "ceil_mode": True}, (0, 1), 2),
        ({"pad_type": "same"}, (1, 1), 1),
        ({"pad_type": "same"}, (0, 1), 2),
        ({"pad_type": "same_lower"}, (1, 0), 2),
    ],
)
def test_pooling_against_numpy(
    options: dict[str, Any], sides: tuple[int, int], stride: int, tmp_path: Path, images: npt.NDArray[np.uint8]
) -> None:
    def means_of(pool: str, **more: Any) -> npt.NDArray[np.float32]:
        def body(image: Any) -> Any:
            # Shifted, so that no value is above what is around the picture: the largest must not come from there.
            x = builder().sub(x=image, y=np.float32(300))
            pooled = getattr(builder(), pool)(x=x, kernel_sizes=[3, 3], strides=[stride, stride], **options, **more)
            return builder().reduce_mean(x=pooled, axes=[2, 3], keep_dims=False)

        folder = tmp_path / "-".join([pool, *more])
        folder.mkdir()
        return run(package(folder, body, half=False), images)

    def steps(outside: float) -> npt.NDArray[np.float64]:
        return windows(images - 300.0, sides, outside)[:, ::stride, ::stride]

    np.testing.assert_allclose(means_of("max_pool"), steps(-np.inf).max((4, 5)).mean((1, 2)), rtol=1e-5)
    inside = np.nanmean(steps(np.nan), (4, 5)).mean((1, 2))
    np.testing.assert_allclose(means_of("avg_pool", exclude_padding_from_average=True), inside, rtol=1e-5)
    # What only `ceil_mode` adds is no padding: PyTorch does not count it either way.
    counted = inside if "ceil_mode" in options else steps(0).mean((4, 5)).mean((1, 2))
    np.testing.assert_allclose(means_of("avg_pool"), counted, rtol=1e-5)


@pytest.mark.parametrize(("pad_type", "sides", "stride"), [("same", (1, 1), 1), ("same", (0, 1), 2), ("same_lower", (1, 0), 2)])
def test_convolutions_keep_the_size(
    pad_type: str, sides: tuple[int, int], stride: int, tmp_path: Path, images: npt.NDArray[np.uint8]
) -> None:
    kernel = np.random.default_rng(2).normal(size=(2, 3, 3, 3)).astype(np.float32) / 100

    def body(image: Any) -> Any:
        x = builder().conv(x=image, weight=kernel, pad_type=pad_type, strides=[stride, stride])
        return builder().reduce_mean(x=x, axes=[2, 3], keep_dims=False)

    found = windows(images, sides, 0)[:, ::stride, ::stride]
    expected = np.einsum("nyxchw,ochw->noyx", found, kernel.astype(np.float64)).mean((2, 3))
    np.testing.assert_allclose(run(package(tmp_path, body, half=False), images), expected, rtol=1e-4, atol=1e-4)


def test_activations_against_their_definitions(tmp_path: Path, images: npt.NDArray[np.uint8]) -> None:
    x = images[:, 0, 0].astype(np.float64) / 32 - 4  # -4 to 4
    kernel = np.zeros((3, 3, SIZE, SIZE), np.float32)
    kernel[range(3), range(3), 0, 0] = 1 / 32
    expected = {
        "sigmoid": 1 / (1 + np.exp(-x)),
        "silu": x / (1 + np.exp(-x)),
        "sigmoid_hard": np.clip(x / 6 + 0.5, 0, 1),
        "thresholded_relu": np.where(x >= -3, x, 0),
    }
    options = {"sigmoid_hard": {"alpha": 1 / 6, "beta": 0.5}, "thresholded_relu": {"alpha": -3.0}}
    for name, values in expected.items():

        def body(image: Any, name: str = name) -> Any:
            corner = builder().conv(x=image, weight=kernel, bias=np.full(3, -4, np.float32), pad_type="valid")
            given = {key: np.float32(value) for key, value in options.get(name, {}).items()}
            return builder().reshape(x=getattr(builder(), name)(x=corner, **given), shape=[1, 3])

        (tmp_path / name).mkdir()
        found = run(package(tmp_path / name, body, half=False), images)
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-6)


def test_axes_are_exchanged(tmp_path: Path, images: npt.NDArray[np.uint8]) -> None:
    def body(image: Any) -> Any:
        turned = builder().transpose(x=image, perm=[0, 1, 3, 2])
        return builder().reduce_mean(x=turned, axes=[3], keep_dims=False)

    found = run(package(tmp_path, body, half=False), images)
    np.testing.assert_allclose(found, images.astype(np.float64).mean(1).transpose(0, 2, 1), rtol=1e-6)


@pytest.mark.parametrize("backbone", ["resnet18", "efficientnet_b0", "mobilenetv3_small_100"])
def test_a_backbone_is_evaluated_as_pytorch_does(backbone: str, tmp_path: Path) -> None:
    """As releases convert it, in float16; inception_v3, which has no other ops than these, would take a minute."""
    torch = pytest.importorskip("torch")
    from export import coreml
    from export.deployed import deploy
    from export.mil import MilEngine
    from export.outliers import fit_outliers
    from export.variants import describe
    from mobile_runtime.taxonomy import default_taxonomy
    from train.network import LesionNetwork

    torch.manual_seed(0)
    network = LesionNetwork(backbone, 2)
    pixels = torch.randint(0, 256, (40, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # the mean over all batches: never trained, its values would run off
        network.train()(pixels)
        embeddings = network.eval().embed(pixels)
        network.head.weight *= 2 / network.head(embeddings - embeddings.mean(0)).std()
        network.head.bias.copy_(-network.head.weight @ embeddings.mean(0))
        textures = network.embed_with_textures(pixels)[1].numpy()
    classes = ("melanoma", "melanocytic_nevus")
    deployed = deploy(network, classes, fit_outliers(textures, ["a"] * 40), default_taxonomy())
    model = coreml.save(
        coreml.convert(deployed, 64), tmp_path / "x.mlpackage", "float16_coreml", 1.0, coreml.Metadata("", "", "", classes)
    )
    images = pixels[:6].permute(0, 2, 3, 1)
    deployed.temperature = 1.0
    with torch.no_grad():
        expected = deployed(images)["probabilities"].numpy()
    found = MilEngine(model, describe("float16_coreml", "model", 1, 1.0, {})).run(images.numpy())["probabilities"]
    assert np.ptp(expected[:, 0]) > 0.3
    # Rounding to float16 alone makes 0.003 of it in the worst of the three.
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_unknown_op_is_named_with_its_place(tmp_path: Path) -> None:
    from export.mil import MilEngine

    path = package(tmp_path, lambda image: builder().erf(x=builder().erf(x=means(image), name="layer"), name="later"))
    with pytest.raises(EngineError, match=r"variant made_up: export/mil\.py does not know erf \(output layer\w*\); add"):
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
