"""An attached Android device: TFLite's `benchmark_model`, timed and on the golden vectors, through `adb`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.benchmark_model import (
    DEVICE_FOLDER,
    TOOL,
    benchmark_command,
    output_sizes,
    parse_benchmark,
    parse_outputs,
)
from benchmarks.device_results import DevicesReport, NativeTimes, golden_replay
from benchmarks.device_targets import Advance, Asked
from benchmarks.environment import environment
from benchmarks.inference_probe import KERNELS
from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import EngineError
from mobile_runtime.golden import GoldenVectors, Recording, VariantVectors, load_vectors, read_array


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
    vectors = load_vectors(asked.bundle)
    try:
        device.place_tool(tool)
        native, checks = _measure(device, asked, vectors, profile, advance)
    finally:
        device.shell("rm", "-rf", DEVICE_FOLDER)
    return DevicesReport(
        command=asked.command,
        bundle=asked.bundle.id,
        target="adb",
        evidence="device",
        device=device.describe(),
        images={"golden": len(vectors.cases)},
        golden=golden_replay(checks, {}),
        native=native,
        notes=["Inference alone: capture, quality and decision are replayed by the kit's conformance test in the app."],
        environment=environment(),
    )


def _measure(
    device: Device, asked: Asked, vectors: GoldenVectors, profile: bool, advance: Advance
) -> tuple[list[NativeTimes], list[dict[str, Any]]]:
    bundle = asked.bundle
    listed = {entry.path for entry in bundle.manifest.files}
    native, checks = [], []
    with tempfile.TemporaryDirectory(prefix="skintriage-") as name:
        device.push_inputs(bundle, vectors, listed, Path(name))
        for variant in map(bundle.variant, asked.variants):
            model = f"{variant.name}.tflite"
            device.run("push", str(bundle.path / variant.path), f"{DEVICE_FOLDER}/{model}")
            sizes, expected = output_sizes(bundle, variant), vectors.variants[variant.name]
            for kernels in KERNELS:
                said = device.shell(*benchmark_command(model, kernels, asked.threads, profile))
                native.append(parse_benchmark(said, variant.name, kernels, asked.threads))
                recording = _recording(expected, kernels)
                recorded = {role: read_array(bundle.path, path, listed) for role, path in recording.outputs.items()}
                for row, case in enumerate(vectors.cases):
                    picture = f"{case.name}.bin"
                    device.shell(*benchmark_command(model, kernels, picture=picture, size=vectors.input_size))
                    device.run("pull", f"{DEVICE_FOLDER}/{picture}.out", f"{name}/out")
                    found = parse_outputs((Path(name) / "out").read_bytes(), sizes)
                    checks.append(golden_checks(variant.name, kernels, expected, recorded, case.name, row, found))
                advance(1)
    return native, checks


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

    def place_tool(self, tool: Path | None) -> None:
        """Put `benchmark_model` into the device's folder; None takes the one in /data/local/tmp.

        Raises:
            EngineError: it is not there.
        """
        self.shell("mkdir", "-p", DEVICE_FOLDER)
        if tool is not None:
            self.run("push", str(tool), f"{DEVICE_FOLDER}/{TOOL}")
        elif "No such file" in self.run("shell", f"cp /data/local/tmp/{TOOL} {DEVICE_FOLDER}/ 2>&1 || true"):
            raise EngineError(f"/data/local/tmp/{TOOL} is not on the device; give one built for it with --benchmark-model")
        self.shell("chmod", "+x", f"{DEVICE_FOLDER}/{TOOL}")

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
