"""ONNX files in PyTorch against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from benchmarks.peers.workers.torch_graph import UnknownUseError, load_network, with_floats_first  # noqa: E402

RNG = np.random.default_rng(0)


def write(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], outputs: list[str]) -> Path:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, 16, 16, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(0, 0.3, shape).astype(np.float32)


def classifier(path: Path) -> Path:
    """A picture and its mirror image through one network, logits averaged; means of a layer as a second output."""
    make = helper.make_node
    nodes = [
        make("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT),
        make("Transpose", ["cast"], ["planes"], perm=[0, 3, 1, 2]),
        make("Div", ["planes", "scale"], ["scaled"]),
        make("Slice", ["scaled", "last", "before_all", "width", "back"], ["mirrored"]),
        make("Concat", ["scaled", "mirrored"], ["both"], axis=0),
        make("Conv", ["both", "kernel", "bias"], ["wide"], pads=[0, 0, 1, 1], strides=[2, 2], kernel_shape=[3, 3]),
        make("Clip", ["wide", "zero", "six"], ["clipped"]),
        make("Conv", ["clipped", "depthwise"], ["deep"], group=8, pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        make("Add", ["deep", "clipped"], ["sum"]),
        make("ReduceMean", ["sum", "space"], ["mean"], keepdims=0),
        make("Slice", ["mean", "one", "two", "batch"], ["second"]),
        make("Reshape", ["second", "flat"], ["row"], allowzero=1),
        make("Gather", ["row", "grid"], ["view"], axis=0),
        make("Reshape", ["view", "pair"], ["features"]),
        make("Gemm", ["mean", "head", "offset"], ["logits"], transB=1),
        make("Split", ["logits", "halves"], ["upright", "turned"], axis=0),
        make("Gather", ["turned", "backwards"], ["reversed"], axis=1),
        make("Concat", ["upright", "reversed"], ["all"], axis=0),
        make("ReduceMean", ["all", "batch"], ["averaged"], keepdims=1),
        make("Softmax", ["averaged"], ["probabilities"], axis=-1),
    ]
    whole = {
        "last": [-1],
        "before_all": [-(2**63) + 1],
        "width": [3],
        "back": [-1],
        "space": [2, 3],
        "one": [1],
        "two": [2],
        "batch": [0],
        "flat": [-1],
        "pair": [1, 8],
        "halves": [1, 1],
        "backwards": [3, 2, 1, 0],
    }
    constants = {name: np.array(value, np.int64) for name, value in whole.items()}
    constants |= {"grid": np.arange(8).reshape(8, 1, 1), "scale": np.array(255, np.float32)}
    constants |= {"zero": np.array(0, np.float32), "six": np.array(6, np.float32)}
    constants |= {"kernel": floats(8, 3, 3, 3), "bias": floats(8), "depthwise": floats(8, 1, 3, 3)}
    constants |= {"head": floats(4, 8), "offset": floats(4)}
    return write(path, nodes, constants, ["features", "probabilities"])


def test_outputs_are_those_of_onnx_runtime(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    pixels = RNG.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    features, probabilities = onnxruntime.InferenceSession(str(path)).run(["features", "probabilities"], {"pixels": pixels})
    with torch.inference_mode():
        first, second = load_network(path, "probabilities")(torch.from_numpy(pixels))
    # Two float32 libraries add in different orders.
    assert np.allclose(first.numpy(), probabilities, atol=1e-6) and np.allclose(second.numpy(), features, atol=1e-5)


def test_the_network_can_be_exported(tmp_path: Path) -> None:
    network = load_network(classifier(tmp_path / "net.onnx"), "probabilities")
    pixels = torch.zeros((1, 16, 16, 3), dtype=torch.uint8)
    exported = torch.export.export(network, (pixels,)).module()
    assert torch.equal(exported(pixels)[0], network(pixels)[0])


def test_floats_first_leaves_no_other_use_of_the_bytes(tmp_path: Path) -> None:
    stacked = [
        helper.make_node("Concat", ["pixels", "pixels"], ["both"], axis=0),
        helper.make_node("Cast", ["both"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["cast", "space"], ["out"], keepdims=0),
    ]
    path = write(tmp_path / "net.onnx", stacked, {"space": np.array([1, 2], np.int64)}, ["out"])
    pixels = torch.from_numpy(RNG.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8))
    plain, floated = load_network(path, "out"), with_floats_first(load_network(path, "out"))
    torch.testing.assert_close(floated(pixels), plain(pixels))
    assert [node.target for node in floated.graph.nodes if "pixels" in map(str, node.args)] == ["float"]


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (helper.make_node("Erf", ["cast"], ["out"]), "net.onnx: operator Erf"),
        (helper.make_node("Gather", ["cast", "odd"], ["out"], axis=1), "Gather of other than"),
        (helper.make_node("Conv", ["cast", "odd"], ["out"], auto_pad="SAME_UPPER"), "auto_pad"),
    ],
)
def test_what_is_not_known_is_named(node: onnx.NodeProto, said: str, tmp_path: Path) -> None:
    cast = helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT)
    path = write(tmp_path / "net.onnx", [cast, node], {"odd": np.array([3, 1], np.int64)}, ["out"])
    with pytest.raises(UnknownUseError, match=said):
        load_network(path, "out")
