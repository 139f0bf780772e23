"""One runtime with one model, driven line by line: a JSON request on standard input, a JSON reply on standard output.

Runs in an environment of its own, which has the runtime, what that needs, and numpy; nothing of this project, except for
the runtime `skintriage`, which is this project's own. Requests, by their key "do":

    open    runtime, model, pixels, scores, core, root -> versions, load_ms
    frames  shape, frames (base64 of uint8 RGB)        -> {}
    files   files (paths of pictures)                  -> {}
    score                                              -> scores, a list of floats for each frame or picture
    time    count                                      -> times_ms, that many, after an untimed one

`pixels` and `scores` name the graph's input and the output to read; `core` is null where a system cannot hold a process.

A request that fails is answered by its "error", and ends the worker.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from typing import Any

Run = Callable[[Any], Any]
Scores = Callable[[Any], list[float]]
Opened = tuple[Run, Scores, list[str]]


def _litert(model: str, pixels: str, scores: str) -> Opened:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()
    data, result = runner.get_input_details()[pixels]["index"], runner.get_output_details()[scores]["index"]

    def run(frame: Any) -> Any:
        interpreter.set_tensor(data, frame)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return run, _flat, ["ai-edge-litert"]


def _onnxruntime(model: str, pixels: str, scores: str) -> Opened:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    place = names.index(scores)
    return lambda frame: session.run(names, {pixels: frame})[place], _flat, ["onnxruntime"]


def _openvino(model: str, pixels: str, scores: str) -> Opened:
    import openvino

    # Left to itself it computes in bfloat16 on processors that have it, which would not be the same network.
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    request, output = compiled.create_infer_request(), compiled.output(scores)
    return lambda frame: request.infer([frame], share_inputs=True)[output], _flat, ["openvino"]


def _pytorch(model: str, pixels: str, scores: str) -> Opened:
    import torch
    from torch_graph import load_network

    torch.set_num_threads(1)
    network = load_network(Path(model), scores)

    def run(frame: Any) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(frame))[0]

    return run, _flat, ["torch"]


def _executorch(model: str, pixels: str, scores: str) -> Opened:
    import torch
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
    from executorch.runtime import Runtime

    # It counts the machine's cores, not those that it may use: threads would wait for each other on the one core.
    _unsafe_reset_threadpool(1)
    program = Runtime.get().load_program(model)
    method = program.load_method("forward")
    return lambda frame: method.execute([torch.from_numpy(frame)])[0], _flat, ["executorch", "torch"]


def _mediapipe(model: str, pixels: str, scores: str) -> Opened:
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    classifier = vision.ImageClassifier.create_from_options(options)

    def by_index(result: Any) -> list[float]:
        heads = {head.head_name: head for head in result.classifications}
        head = heads.get("probabilities", result.classifications[0])
        categories = sorted(head.categories, key=lambda category: category.index)
        return [float(category.score) for category in categories]

    return lambda file: classifier.classify(mediapipe.Image.create_from_file(file)), by_index, ["mediapipe"]


def _skintriage(model: str, pixels: str, scores: str) -> Opened:
    from mobile_runtime.pipeline import TriagePipeline

    pipeline = TriagePipeline(model)
    return pipeline.assess, lambda verdict: list(verdict.probabilities.values()), ["ai-edge-litert", "pillow"]


RUNTIMES = {
    "litert": _litert,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "pytorch": _pytorch,
    "executorch": _executorch,
    "mediapipe": _mediapipe,
    "skintriage": _skintriage,
}


def _flat(output: Any) -> list[float]:
    return [float(value) for value in output.reshape(-1)]


class Worker:
    """What the requests act on."""

    def __init__(self) -> None:
        self.inputs: list[Any] = []
        self.run: Run
        self.scores: Scores

    def open(self, runtime: str, model: str, pixels: str, scores: str, core: int | None, root: str) -> dict[str, Any]:
        """Hold this process on one core, before the runtime counts them, and load the model."""
        if core is not None:
            os.sched_setaffinity(0, {core})
        if runtime == "skintriage":
            sys.path.insert(0, root)
        start = time.perf_counter()
        self.run, self.scores, packages = RUNTIMES[runtime](model, pixels, scores)
        load_ms = (time.perf_counter() - start) * 1e3
        return {"load_ms": load_ms, "versions": {name: version(name) for name in [*packages, "numpy"]}}

    def frames(self, shape: list[int], frames: list[str]) -> dict[str, Any]:
        """Take prepared images [S, S, 3]."""
        import numpy as np

        # A copy: PyTorch warns of arrays that cannot be written to.
        self.inputs = [np.frombuffer(base64.b64decode(data), np.uint8).reshape(1, *shape).copy() for data in frames]
        return {}

    def files(self, files: list[str]) -> dict[str, Any]:
        """Take pictures by path."""
        self.inputs = list(files)
        return {}

    def score(self) -> dict[str, Any]:
        """Class scores of every input."""
        return {"scores": [self.scores(self.run(item)) for item in self.inputs]}

    def time(self, count: int) -> dict[str, Any]:
        """Milliseconds of `count` runs, the inputs in turn."""
        self.run(self.inputs[-1])  # the peer before left its own data in the caches
        times = []
        for item in islice(cycle(self.inputs), count):
            start = time.perf_counter()
            self.run(item)
            times.append((time.perf_counter() - start) * 1e3)
        return {"times_ms": times}


def serve() -> int:
    """Answer requests until standard input ends."""
    # Runtimes print: what they print must not be taken for a reply.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = getattr(worker, request.pop("do"))(**request)
        except Exception as error:  # whatever a runtime raises is for the other side to report
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
        if "error" in reply:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(serve())
