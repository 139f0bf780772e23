"""TFLite's `benchmark_model` on an Android device: its command lines, and what it prints and writes.

Flags and output are those of tensorflow/lite/tools/benchmark (README.md there). It is built with
`bazel build -c opt --config=android_arm64 tensorflow/lite/tools/benchmark:benchmark_model`.
"""

from __future__ import annotations

import re
from importlib import import_module

import numpy as np
import numpy.typing as npt

from benchmarks.device_results import NativeTimes
from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import EngineError
from mobile_runtime.manifest import Variant

DEVICE_FOLDER = "/data/local/tmp/skintriage"
TOOL = "benchmark_model"
WARM_UP, RUNS = 10, 100


def benchmark_command(
    model: str, kernels: str, threads: int = 1, profile: bool = False, picture: str | None = None, size: int = 0
) -> list[str]:
    """The words of one `benchmark_model` run on the device.

    Args:
        model: file name in `DEVICE_FOLDER`.
        kernels: `xnnpack`, or `builtin` for TFLite's own.
        threads: inference threads.
        profile: time each operator too; this slows the whole down.
        picture: file name in `DEVICE_FOLDER` of a uint8 [1, S, S, 3] input: one run, whose outputs go to PICTURE.out. None
            times `RUNS` runs on random input.
        size: S, where a picture is given.
    """
    words = [f"{DEVICE_FOLDER}/{TOOL}", f"--graph={DEVICE_FOLDER}/{model}", f"--num_threads={threads}"]
    words.append(f"--use_xnnpack={str(kernels == 'xnnpack').lower()}")
    if picture is None:
        words += [f"--warmup_runs={WARM_UP}", f"--num_runs={RUNS}"]
    else:
        # The name is the tool's own label for the input and need not be the graph's.
        words += ["--warmup_runs=0", "--warmup_min_secs=0", "--num_runs=1", "--min_secs=0"]
        words += ["--input_layer=image", f"--input_layer_shape=1,{size},{size},3"]
        words += [
            f"--input_layer_value_files=image:{DEVICE_FOLDER}/{picture}",
            f"--output_filepath={DEVICE_FOLDER}/{picture}.out",
        ]
    return [*words, "--enable_op_profiling=true"] if profile else words


def parse_benchmark(text: str, variant: str, kernels: str, threads: int) -> NativeTimes:
    """The figures of one timed run, from everything that `benchmark_model` printed; log prefixes do not matter.

    Raises:
        EngineError: the output has no result, as when the model was refused.
    """
    total = re.search(r"Inference timings in us: Init: ([\d.e+]+), First inference: ([\d.e+]+)", text)
    # The last series is the timed one, the first the warm-up.
    series = re.findall(r"\bcount=(\d+)((?: \w+=[\d.e+-]+)+)", text.split("Profiling Info")[0])
    if total is None or not series:
        said = next(
            (line for line in text.splitlines() if re.search("error|fail", line, re.IGNORECASE)), "no result in its output"
        )
        raise EngineError(f"variant {variant}, {kernels}: {TOOL} gave no figures ({said.strip()})")
    runs, fields = series[-1]
    value = {name: float(number) / 1e3 for name, number in re.findall(r"(\w+)=([\d.e+-]+)", fields)}
    only = value["curr"]  # all that one run prints
    memory = re.search(r"Memory footprint delta.*overall=([\d.]+)", text)
    return NativeTimes(
        variant=variant,
        kernels=kernels,
        threads=threads,
        runs=int(runs),
        init_ms=float(total[1]) / 1e3,
        first_ms=float(total[2]) / 1e3,
        mean_ms=value.get("avg", only),
        std_ms=value.get("std", 0.0),
        minimum_ms=value.get("min", only),
        maximum_ms=value.get("max", only),
        median_ms=value.get("median"),
        p95_ms=value.get("p95"),
        memory_mb=float(memory[1]) if memory else None,
        operators_ms=parse_operators(text),
    )


def parse_operators(text: str) -> dict[str, float]:
    """Operator -> mean milliseconds in one inference, from the summary by node type; empty without profiling."""
    _, _, regular = text.partition("Operator-wise Profiling Info")
    _, _, summary = regular.partition("[Node type]")
    rows = re.findall(r"^(?:INFO: )?\t *(\S.*?)\t *\d+\t *([\d.]+)\t", summary.split("Timings (microseconds)")[0], re.MULTILINE)
    return {name: float(mean) for name, mean in rows}


def parse_outputs(data: bytes, sizes: dict[str, int]) -> dict[str, npt.NDArray[np.float32]]:
    """The outputs of one run: role -> float32 [values].

    Args:
        data: what `--output_filepath` wrote: the graph's outputs one after the other.
        sizes: role -> number of values, in the graph's order.

    Raises:
        EngineError: there are more or fewer bytes.
    """
    wanted = 4 * sum(sizes.values())
    if len(data) != wanted:
        raise EngineError(f"{TOOL} wrote {len(data)} bytes of outputs, not {wanted}; build it from TensorFlow 2.17 or newer")
    parts = np.split(np.frombuffer(data, "<f4"), np.cumsum(list(sizes.values()))[:-1])
    return dict(zip(sizes, parts, strict=True))


def output_sizes(bundle: Bundle, variant: Variant) -> dict[str, int]:
    """Role -> number of values, in the order in which the graph gives its outputs."""
    interpreter = import_module("ai_edge_litert.interpreter").Interpreter(model_content=bundle.model_bytes(variant))
    named = {detail["index"]: name for name, detail in interpreter.get_signature_runner().get_output_details().items()}
    roles = {name: role for role, name in variant.outputs.items()}
    details = interpreter.get_output_details()
    return {roles[named[detail["index"]]]: int(np.prod(detail["shape"])) for detail in details}
