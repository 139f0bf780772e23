"""PyTorch to ONNX, with the same input and outputs as the TFLite graph, and its static int8 form."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from compress.conversion import quiet
from compress.ranges import Ranges
from export.deployed import OUTPUTS, DeployedNetwork
from export.errors import ExportError
from train.network import PIXEL_RANGE

Floats = npt.NDArray[np.float32]
OPSET = 18
INPUT_NAME = "pixels"
BASE_TEMPERATURE = 2.0
"""Any value but 1, which the exporter would leave out."""
_QUANTIZED = ["Conv", "Clip", "Add"]
"""The heads, 36 KiB, stay in float, as in the TFLite form."""


def convert(network: DeployedNetwork, size: int) -> onnx.ModelProto:
    """A float32 graph at `BASE_TEMPERATURE`.

    Raises:
        ExportError: an operation that the exporter does not know.
    """
    network.temperature = BASE_TEMPERATURE
    sample = torch.zeros((1, size, size, 3), dtype=torch.uint8)
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network.eval(),
                (sample,),
                input_names=[INPUT_NAME],
                output_names=list(OUTPUTS),
                opset_version=OPSET,
                dynamo=True,
            )
    except Exception as error:  # the exporter raises whatever its passes raise
        raise ExportError(f"torch.onnx cannot export the network: {type(error).__name__}: {error}") from error
    assert program is not None  # only torch.onnx.export(f=...) returns None
    model = program.model_proto
    onnx.checker.check_model(model)
    for node in model.graph.node:  # source locations would carry this machine's paths
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:]
    return model


def graft(model: onnx.ModelProto, weights: Sequence[tuple[Floats, Floats]]) -> onnx.ModelProto:
    """The graph with other weights [O, I / groups, H, W] and biases [O] in its convolutions.

    Raises:
        ExportError: they are of another network.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in copy.graph.initializer}
    convolutions = [node for node in copy.graph.node if node.op_type == "Conv"]
    if len(convolutions) != len(weights):
        raise ExportError("the ONNX and the int8 graph are not of one network")
    for node, arrays in zip(convolutions, weights, strict=True):
        for name, values in zip(node.input[1:], arrays, strict=True):
            if tuple(constants[name].dims) != values.shape:
                raise ExportError("the ONNX and the int8 graph are not of one network")
            constants[name].CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
    return copy


class _Images:
    """The calibration images as onnxruntime's calibrator wants them: one at a time, None at the end."""

    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter([{INPUT_NAME: image[None]} for image in images])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def collect_ranges(model: onnx.ModelProto, images: npt.NDArray[np.uint8]) -> Ranges:
    """True minimum and maximum of what `quantize` turns into int8, over images uint8 [N, S, S, 3].

    Raises:
        ExportError: ONNX Runtime cannot run the graph.
    """
    from onnxruntime.quantization.calibrate import CalibrationMethod, create_calibrator

    try:
        with quiet(), tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "model.onnx"
            onnx.save(model, source)
            calibrator = create_calibrator(
                source, _QUANTIZED, str(Path(folder) / "augmented.onnx"), calibrate_method=CalibrationMethod.MinMax
            )
            calibrator.collect_data(_Images(images))
            found = calibrator.compute_data()
    except Exception as error:  # the package has an exception class for every status code
        raise ExportError(f"ONNX Runtime cannot calibrate the network: {type(error).__name__}: {error}") from error
    ranges = {name: (float(np.min(data.lowest)), float(np.max(data.highest))) for name, data in found.items()}
    first = next(node.input[0] for node in model.graph.node if node.op_type == "Conv")
    # Normalized pixels of every uint8 image, whatever the calibration images held.
    return ranges | {first: PIXEL_RANGE}


def quantize(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """Static 8 bits in QDQ form, weights per channel: `onnxruntime.quantization.quantize_static` after its calibration.

    The integers are unsigned. Of signed weights ONNX Runtime's sums of pairs do not fit into 16 bits on x86 processors without
    VNNI, and saturate: other verdicts come of it.

    Raises:
        ExportError: the ranges are of another graph, or ONNX Runtime cannot quantize it.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    needed = {name for node in model.graph.node if node.op_type in _QUANTIZED for name in (node.input[0], node.output[0])}
    if missing := sorted(needed - ranges.keys()):
        raise ExportError(f"no activation ranges for {len(missing)} values of the ONNX graph, first {missing[0]!r}")
    data = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    try:
        with quiet():
            shaped = onnx.shape_inference.infer_shapes(copy)
            tensors = TensorsData(CalibrationMethod.MinMax, data)
            quantizer = QDQQuantizer(shaped, True, False, QuantType.QInt8, QuantType.QInt8, tensors, [], [], _QUANTIZED, {})
            quantizer.quantize_model()
    except Exception as error:  # see above
        raise ExportError(f"ONNX Runtime cannot quantize the network: {type(error).__name__}: {error}") from error
    quantized: onnx.ModelProto = quantizer.model.model
    return _unsigned(quantized)


def _unsigned(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with each int8 constant, weight or zero point, moved by 128 to uint8: it stands for the same numbers."""
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8:
            values = onnx.numpy_helper.to_array(tensor).astype(np.int16) + 128
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.uint8), tensor.name))
    for value in model.graph.value_info:
        if value.type.tensor_type.elem_type == onnx.TensorProto.INT8:
            value.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    return model


def save(model: onnx.ModelProto, path: Path, temperature: float) -> Path:
    """Write one self-contained .onnx file whose logits are divided by a temperature.

    Raises:
        ExportError: the graph has no temperature before its softmax.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    makers = {output: node for node in copy.graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in copy.graph.initializer}
    softmax = next((node for node in copy.graph.node if node.op_type == "Softmax"), None)
    scaling = None if softmax is None else makers.get(softmax.input[0])
    if scaling is None or scaling.op_type != "Div" or scaling.input[1] not in constants:
        raise ExportError("the ONNX graph has no temperature before its softmax; mend export/onnx.py")
    constant = constants[scaling.input[1]]
    shape = tuple(constant.dims)
    constant.CopyFrom(onnx.numpy_helper.from_array(np.full(shape, temperature, np.float32), constant.name))
    path.write_bytes(copy.SerializeToString(deterministic=True))
    return path
