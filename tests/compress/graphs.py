"""Looking into TFLite graphs from outside: run them, and see the values and types of every tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from compress.flatbuffer import read


def run(model: bytes, images: np.ndarray, plain_kernels: bool = False) -> dict[str, np.ndarray]:
    """Outputs of a graph by name, [N, ...]; XNNPACK unless the plain builtin kernels are asked for."""
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain_kernels else OpResolverType.AUTO
    runner = Interpreter(model_content=model, experimental_op_resolver_type=resolver).get_signature_runner()
    rows = [runner(args_0=image[None]) for image in images]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def output_of(model: bytes, operator: int, images: np.ndarray) -> np.ndarray:
    """What the n-th operator of a graph gives for each image, by the plain kernels."""
    interpreter = Interpreter(
        model_content=model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    target = int(read(model).subgraphs[0].operators[operator].outputs[0])
    values = []
    for image in images:
        interpreter.set_tensor(source, image[None])
        interpreter.invoke()
        values.append(interpreter.get_tensor(target).copy())
    return np.concatenate(values)


def tensors_of(model: bytes, operator: int) -> tuple[list[Any], list[Any]]:
    """Input and output tensors of the n-th operator; inputs that are left out are skipped."""
    graph = read(model).subgraphs[0]
    op = graph.operators[operator]
    return [graph.tensors[i] for i in op.inputs if i >= 0], [graph.tensors[i] for i in op.outputs]
