"""An attached Android device: TFLite's `benchmark_model`, timed and on the golden vectors, through `adb`.

Commands and parsers are plain functions. Flags and output are those of tensorflow/lite/tools/benchmark (README.md there);
`benchmark_model` is built with `bazel build -c opt --config=android_arm64 tensorflow/lite/tools/benchmark:benchmark_model`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.device_results import DevicesReport, NativeTimes, golden_replay
from benchmarks.device_targets import Advance, Asked
from benchmarks.environment import environment
from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import EngineError
from mobile_runtime.golden import GoldenVectors, Recording, VariantVectors, load_vectors, read_array
from mobile_runtime.manifest import Variant

DEVICE_FOLDER = "/data/local/tmp/skintriage"
TOOL = "benchmark_model"
WARM_UP, RUNS = 10, 100
KERNELS = ("xnnpack", "builtin")


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


def parse_devices(text: str) -> dict[str, str]:
    """Serial number -> state (`device`, `offline`, `unauthorized`), from the output of `adb devices`."""
    return dict(re.findall(r"^(\S+)\t(\S.*?)\s*$", text, re.MULTILINE))


def choose_device(states: dict[str, str], wanted: str | None) -> str:
    """The one device that is ready, or the wanted one.

    Raises:
        EngineError: there is none, it is not ready, or there are several and none is named.
    """
    ready = [serial for serial, state in states.items() if state == "device" and wanted in (None, serial)]
    if len(ready) == 1:
        return ready[0]
    if ready:
        raise EngineError(f"{len(ready)} devices are attached; name one of {', '.join(ready)} in $ANDROID_SERIAL")
    others = ", ".join(f"{serial} is {state}" for serial, state in states.items())
    found = f" ({others})" if others else ""
    raise EngineError(f"no Android device is ready{found}; attach one with USB debugging allowed, see `adb devices`")


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


def golden_checks(
    variant: str, kernels: str, vectors: VariantVectors, recorded: dict[str, npt.NDArray[Any]], case: str,
    row: int, found: dict[str, npt.NDArray[np.float32]],
) -> dict[str, Any]:  # fmt: skip
    """One comparison with the recorded outputs of a case, of the role that comes closest to its tolerance."""
    checks = []
    for role, expected in recorded.items():
        difference = float(np.abs(found[role].astype(np.float64) - expected[row].reshape(-1)).max())
        tolerance = vectors.tolerance[role].other
        fields = {"stage": "outputs", "case": case, "variant": f"{variant} ({kernels})", "difference": difference}
        checks.append({**fields, "tolerance": tolerance, "passed": difference <= tolerance, "detail": role})
    return max(checks, key=lambda check: check["difference"] / check["tolerance"])


def adb(asked: Asked, tool: Path | None, profile: bool, advance: Advance) -> DevicesReport:
    """Time the default variant and float32 on the attached device and replay the golden vectors' outputs there.

    Args:
        asked: what is asked.
        tool: `benchmark_model` for the device; None takes the one already in /data/local/tmp.
        profile: see `benchmark_command`.
        advance: called with progress; the whole is `steps`.

    Raises:
        EngineError: adb or a device is missing, or the tool fails there.
    """
    device = Device.attached()
    bundle, vectors = asked.bundle, load_vectors(asked.bundle)
    listed = {entry.path for entry in bundle.manifest.files}
    device.shell("mkdir", "-p", DEVICE_FOLDER)
    if tool is None:
        device.shell("cp", f"/data/local/tmp/{TOOL}", f"{DEVICE_FOLDER}/{TOOL}")
    else:
        device.run("push", str(tool), f"{DEVICE_FOLDER}/{TOOL}")
    device.shell("chmod", "+x", f"{DEVICE_FOLDER}/{TOOL}")
    native, checks = [], []
    with tempfile.TemporaryDirectory(prefix="skintriage-") as name:
        device.push_inputs(bundle, vectors, listed, Path(name))
        for variant in map(bundle.variant, asked.variants):
            device.run("push", str(bundle.path / variant.path), f"{DEVICE_FOLDER}/{variant.name}.tflite")
            sizes, expected = output_sizes(bundle, variant), vectors.variants[variant.name]
            for kernels in KERNELS:
                said = device.shell(*benchmark_command(f"{variant.name}.tflite", kernels, asked.threads, profile))
                native.append(parse_benchmark(said, variant.name, kernels, asked.threads))
                recording = _recording(expected, kernels)
                recorded = {role: read_array(bundle.path, path, listed) for role, path in recording.outputs.items()}
                for row, case in enumerate(vectors.cases):
                    picture = f"{case.name}.bin"
                    command = benchmark_command(f"{variant.name}.tflite", kernels, picture=picture, size=vectors.input_size)
                    device.shell(*command)
                    device.run("pull", f"{DEVICE_FOLDER}/{picture}.out", f"{name}/out")
                    found = parse_outputs((Path(name) / "out").read_bytes(), sizes)
                    checks.append(golden_checks(variant.name, kernels, expected, recorded, case.name, row, found))
                advance(1)
    device.shell("rm", "-r", DEVICE_FOLDER)
    return DevicesReport(
        command=asked.command,
        bundle=bundle.id,
        target="adb",
        evidence="device",
        device=device.describe(),
        images={"golden": len(vectors.cases)},
        golden=golden_replay(checks, {}),
        native=native,
        notes=["Inference alone: capture, quality and decision are replayed by the kit's conformance test in the app."],
        environment=environment(),
    )


def steps(asked: Asked) -> int:
    """Progress steps of `adb`."""
    return len(asked.variants) * len(KERNELS)


def _recording(expected: VariantVectors, kernels: str) -> Recording:
    own = [recording for recording in expected.recordings if recording.kernels == kernels]
    return (own or expected.recordings)[0]


class Device:
    """One attached device."""

    def __init__(self, serial: str) -> None:
        self.serial = serial

    @classmethod
    def attached(cls) -> Device:
        """The device that `adb devices` lists, or the one named in $ANDROID_SERIAL.

        Raises:
            EngineError: adb is not installed, or no device is ready.
        """
        if shutil.which("adb") is None:
            raise EngineError("adb is not installed; on Debian: apt-get install adb, then attach a device")
        return cls(choose_device(parse_devices(_adb("devices")), os.environ.get("ANDROID_SERIAL")))

    def run(self, *words: str) -> str:
        """Run adb on this device; what it printed."""
        return _adb("-s", self.serial, *words)

    def shell(self, *words: str) -> str:
        """Run a command on the device, standard error included; none of the words needs quoting."""
        return self.run("shell", *words, "2>&1")

    def describe(self) -> str:
        """Model, processor and Android version; no serial number."""
        names = ("ro.product.manufacturer", "ro.product.model", "ro.board.platform", "ro.build.version.release")
        maker, model, platform, release = (self.shell("getprop", name).strip() for name in names)
        return f"{maker} {model}, {platform}, Android {release}"

    def push_inputs(self, bundle: Bundle, vectors: GoldenVectors, listed: set[str], folder: Path) -> None:
        """Put the golden cases' prepared images on the device as CASE.bin."""
        for case in vectors.cases:
            file = folder / f"{case.name}.bin"
            file.write_bytes(read_array(bundle.path, case.prepared, listed).tobytes())
            self.run("push", str(file), f"{DEVICE_FOLDER}/{file.name}")


def _adb(*words: str) -> str:
    done = subprocess.run(["adb", *words], capture_output=True, text=True, check=False)  # noqa: S607
    if done.returncode:
        said: Sequence[str] = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise EngineError(f"adb {words[0] if words[0] != '-s' else words[2]} fails: {said[-1]}")
    return done.stdout
