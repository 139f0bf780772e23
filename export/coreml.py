"""PyTorch to Core ML (.mlpackage, ML program). Conversion works anywhere, prediction on macOS and iOS only.

Programs are converted once, at `BASE_TEMPERATURE`, in float16; compressed forms and other temperatures are made from that one.
"""

from __future__ import annotations

import json
import uuid
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from compress.conversion import quiet
from compress.ranges import Ranges
from export.deployed import OUTPUTS, DeployedNetwork
from export.errors import ExportError

Floats = npt.NDArray[np.float32]
INPUT_NAME = "image"
BASE_TEMPERATURE = 2.0
"""Any value but 1, which the converter would leave out; a power of two, so that undoing it is exact."""
LARGE = 9000
"""Palettes are for tensors with more weights than this: in MobileNetV2 the first, the depthwise and the head's layers stay
float16, 4 % of all weights that would bring half of the error."""


@dataclass(frozen=True)
class Recipe:
    """A Core ML form: what its numbers are, and the oldest system that runs it."""

    precision: str
    target: str


RECIPES = {
    "float16_coreml": Recipe("float16", "iOS16"),
    "wi8_afp16_coreml": Recipe("int8 weights (per channel), float16 activations", "iOS16"),
    "wi8_ai8_coreml": Recipe("int8 weights (per channel) and activations", "iOS17"),
    "palette6_coreml": Recipe("6-bit palettes of weights, float16 activations", "iOS16"),
    "palette4_coreml": Recipe("4-bit palettes of weights, float16 activations", "iOS16"),
}
_IOS17 = 8
"""Specification version of iOS 17."""
_PALETTE_BITS = {"palette6_coreml": 6, "palette4_coreml": 4}


@dataclass(frozen=True)
class Metadata:
    """What Xcode shows of a model.

    Attributes:
        classes: labels in the order of the probabilities. They are stored as metadata: Core ML's own classifier form would
            replace the vector of probabilities by an unordered dictionary.
        scores: names of the scores.
    """

    description: str
    licence: str
    version: str
    classes: tuple[str, ...]
    author: str = "skintriage"
    scores: tuple[str, ...] = ("malignancy", "cancer")


class _ImageInput(nn.Module):
    """Core ML hands images over as [1, 3, S, S] in 0..255; outputs as a tuple."""

    def __init__(self, network: DeployedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.network(image.permute(0, 2, 3, 1))
        return tuple(outputs[name] for name in OUTPUTS)


def convert(network: DeployedNetwork, size: int) -> Any:
    """A float16 program with an RGB `ImageType` input, at `BASE_TEMPERATURE`; scaling stays inside the graph.

    Returns:
        A `coremltools.models.MLModel`.

    Raises:
        ExportError: an operation that coremltools cannot convert.
    """
    network.temperature = BASE_TEMPERATURE
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import coremltools as ct

            traced = torch.jit.trace(_ImageInput(network).eval(), torch.zeros(1, 3, size, size))
            return ct.convert(
                traced,
                inputs=[ct.ImageType(name=INPUT_NAME, shape=(1, 3, size, size), color_layout=ct.colorlayout.RGB)],
                outputs=[ct.TensorType(name=name) for name in OUTPUTS],
                minimum_deployment_target=ct.target.iOS16,
                compute_precision=ct.precision.FLOAT16,
                convert_to="mlprogram",
                skip_model_load=True,
            )
    except Exception as error:  # the converter raises whatever its passes raise
        raise ExportError(f"coremltools cannot convert the network: {type(error).__name__}: {error}") from error


def graft(model: Any, weights: Sequence[tuple[Floats, Floats]]) -> Any:
    """The program with other weights [O, I / groups, H, W] and biases [O] in its convolutions.

    Raises:
        ExportError: they are of another network.
    """
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
    from coremltools.models.utils import _apply_graph_pass

    class Graft(AbstractGraphPass):
        def apply(self, prog: Any) -> None:
            block = prog.functions["main"]
            convolutions = [op for op in block.operations if op.op_type == "conv"]
            shapes = [(op.inputs["weight"].shape, op.inputs["bias"].shape) for op in convolutions]
            if shapes != [(weight.shape, bias.shape) for weight, bias in weights]:
                raise ExportError("the Core ML and the int8 graph are not of one network")
            with block:
                for op, arrays in zip(convolutions, weights, strict=True):
                    for old, values in zip((op.inputs["weight"], op.inputs["bias"]), arrays, strict=True):
                        new = Builder.const(val=np.ascontiguousarray(values, np.float16), before_op=op)
                        block.replace_uses_of_var_after_op(anchor_op=new.op, old_var=old, new_var=new)

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _apply_graph_pass(model, Graft(), skip_model_load=True)


def compress(model: Any, name: str, ranges: Ranges) -> Any:
    """A form of a float16 program.

    Weights are rounded to per-channel int8, or to the nearest of 64 or 16 values by k-means. Activations become int8 before
    every convolution and residual sum; the heads stay float16.

    Args:
        model: from `convert`.
        name: one of `RECIPES`.
        ranges: of the program's values on calibration images; only `wi8_ai8_coreml` needs them.

    Raises:
        ExportError: coremltools fails, or ranges are missing.
    """
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from coremltools.optimize import coreml as optimize

            if name in _PALETTE_BITS:
                palette = optimize.OpPalettizerConfig(mode="kmeans", nbits=_PALETTE_BITS[name], weight_threshold=LARGE)
                return optimize.palettize_weights(model, optimize.OptimizationConfig(global_config=palette))
            if name == "wi8_ai8_coreml":
                model = _quantize_activations(model, ranges)
            if name.startswith("wi8"):
                linear = optimize.OpLinearQuantizerConfig(mode="linear_symmetric")
                return optimize.linear_quantize_weights(model, optimize.OptimizationConfig(global_config=linear))
            return model
    except KeyError as error:
        raise ExportError(f"variant {name}: no activation range for {error}; make the release again") from error
    except Exception as error:  # see above
        raise ExportError(f"coremltools cannot write variant {name}: {type(error).__name__}: {error}") from error


def _quantize_activations(model: Any, ranges: Ranges) -> Any:
    """`coremltools.optimize.coreml.linear_quantize_activations` without its calibration, which only macOS can run.

    Only the pass that quantizes inputs is taken: every convolution's output is the input of the next one. The pass that
    quantizes outputs would do so before a clip, and spend the steps on values that the clip cuts off.
    """
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.models.utils import _apply_graph_pass
    from coremltools.optimize import coreml as optimize

    linear = optimize.OpLinearQuantizerConfig(mode="linear")
    config = optimize.OptimizationConfig(op_type_configs={"conv": linear, "add": linear})
    stats = {name: {"rmin": low, "rmax": high} for name, (low, high) in ranges.items()}
    quantize_inputs = PASS_REGISTRY["compression::insert_prefix_quantize_dequantize_pair"]
    quantize_inputs.set_options([PassOption("config", config), PassOption("activation_stats", stats)])
    return _apply_graph_pass(model, quantize_inputs, spec_version=_IOS17, skip_model_load=True)


def save(model: Any, path: Path, name: str, temperature: float, metadata: Metadata) -> Path:
    """Write a .mlpackage.

    Args:
        model: from `convert` or `compress`.
        path: the folder to write.
        name: one of `RECIPES`.
        temperature: what its logits are divided by from now on.
        metadata: what Xcode shows.

    Raises:
        ExportError: the program has no temperature before its softmax, or cannot be written.
    """
    try:
        with quiet():
            from coremltools.models import MLModel

            spec = model.get_spec()
            _set_temperature(spec, temperature)
            final = MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True)
            final.short_description = metadata.description
            final.author = metadata.author
            final.license = metadata.licence
            final.version = metadata.version
            final.input_description[INPUT_NAME] = "Square RGB image in sRGB, 0..255; scaling is inside the model."
            alone = ", and cancer alone" if "cancer" in metadata.scores else ""
            descriptions = {
                "probabilities": f"Probability of each class, in the order {', '.join(metadata.classes)}.",
                "scores": f"Malignancy (premalignant lesions included){alone}.",
                "outlier": "How unlike the training images the texture is; compare with the bundle's limit.",
            }
            for output, text in descriptions.items():
                final.output_description[output] = text
            recipe = RECIPES[name]
            final.user_defined_metadata["classes"] = json.dumps(metadata.classes)
            final.user_defined_metadata["precision"] = recipe.precision
            final.user_defined_metadata["minimum_deployment_target"] = recipe.target
            final.save(str(path))
            _settle(path)
    except ExportError:
        raise
    except Exception as error:  # see above
        raise ExportError(f"coremltools cannot write variant {name}: {type(error).__name__}: {error}") from error
    return path


def _settle(package: Path) -> None:
    """Give the same program the same bytes: coremltools notes the day, draws identifiers at random and leaves the order of maps
    to chance."""
    from coremltools.proto import Model_pb2

    program = package / "Data" / "com.apple.CoreML" / "model.mlmodel"
    model = Model_pb2.Model.FromString(program.read_bytes())
    model.description.metadata.userDefined.pop("com.github.apple.coremltools.conversion_date", None)
    program.write_bytes(model.SerializeToString(deterministic=True))
    listing = package / "Manifest.json"
    document = json.loads(listing.read_text(encoding="utf-8"))
    items = sorted(document["itemInfoEntries"].items(), key=lambda item: item[1]["path"])
    names = {drawn: str(uuid.uuid5(uuid.NAMESPACE_URL, item["path"])) for drawn, item in items}
    document["itemInfoEntries"] = {names[drawn]: item for drawn, item in items}
    document["rootModelIdentifier"] = names[document["rootModelIdentifier"]]
    listing.write_text(json.dumps(document, indent=4) + "\n", encoding="utf-8")


def _set_temperature(spec: Any, temperature: float) -> None:
    """Change the constant that the softmax's input is multiplied with."""
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    makers = {output.name: op for op in block.operations for output in op.outputs}
    softmax = next((op for op in block.operations if op.type == "softmax"), None)
    scaling = None if softmax is None else makers[softmax.inputs["x"].arguments[0].name]
    if scaling is None or scaling.type != "mul":
        raise ExportError("the Core ML program has no temperature before its softmax; mend export/coreml.py")
    value = makers[scaling.inputs["y"].arguments[0].name].attributes["val"].immediateValue.tensor.bytes
    value.values = np.float16(1 / temperature).tobytes()
