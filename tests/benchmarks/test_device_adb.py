"""Which attached device is asked, and how its outputs are judged; no device is needed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks import device_adb
from benchmarks.device_adb import adb, choose_device, golden_checks, parse_devices, steps
from benchmarks.device_targets import Asked
from mobile_runtime import Bundle
from mobile_runtime.errors import EngineError
from mobile_runtime.golden import load_vectors, read_array
from tests.benchmarks.test_benchmark_model import PROFILED

# After the documented format of `adb devices`; not recorded from real devices.
DEVICES = (
    "* daemon started successfully\nList of devices attached\n1A2B3C\tdevice\nemulator-5554\toffline\n9Z\tunauthorized\n\n"
)
# A folder of this machine in the place of the device, and LiteRT itself in the place of `benchmark_model`.
STAND_IN_ADB = """#!/bin/sh
root=$(dirname "$0")
[ "$1" = devices ] && printf 'List of devices attached\\nSTANDIN\\tdevice\\n' && exit
verb=$3; shift 3
on_device() { echo "$*" | sed "s#/data/local/tmp#$root#g"; }
case $verb in
  push) cp "$1" "$(on_device "$2")" ;;
  pull) cp "$(on_device "$1")" "$2" ;;
  shell) eval "$(on_device "$@")" ;;
esac
"""
STAND_IN_TOOL = """#!PYTHON
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

flags = dict(word[2:].split("=", 1) for word in sys.argv[1:])
assert flags["use_xnnpack"] == "true" and flags["num_threads"] == "1"
if "output_filepath" in flags:
    network = Interpreter(model_path=flags["graph"])
    network.allocate_tensors()
    name, file = flags["input_layer_value_files"].split(":")
    assert name == flags["input_layer"]
    shape = [int(side) for side in flags["input_layer_shape"].split(",")]
    network.set_tensor(network.get_input_details()[0]["index"], np.fromfile(file, np.uint8).reshape(shape))
    network.invoke()
    values = [network.get_tensor(detail["index"]).tobytes() for detail in network.get_output_details()]
    Path(flags["output_filepath"]).write_bytes(b"".join(values))
else:
    assert flags["enable_op_profiling"] == "true"
    print(Path(__file__).parent.with_name("said").read_text())
"""


def test_the_one_ready_device_is_taken() -> None:
    states = parse_devices(DEVICES)
    assert states == {"1A2B3C": "device", "emulator-5554": "offline", "9Z": "unauthorized"}
    assert choose_device(states, None) == "1A2B3C"
    with pytest.raises(EngineError, match=r"no Android device is ready .*9Z is unauthorized"):
        choose_device(states, "9Z")
    with pytest.raises(EngineError, match="no Android device is ready; attach one"):
        choose_device(parse_devices("List of devices attached\n\n"), None)
    two = {"A": "device", "B": "device"}
    assert choose_device(two, "B") == "B"
    with pytest.raises(EngineError, match=r"2 devices .* name one of A, B in \$ANDROID_SERIAL"):
        choose_device(two, None)


def test_golden_outputs_are_judged_by_the_recorded_tolerance() -> None:
    bundle = Bundle.load()
    name = bundle.manifest.default_variant
    vectors = load_vectors(bundle)
    expected = vectors.variants[name]
    listed = {entry.path for entry in bundle.manifest.files}
    recorded = {role: read_array(bundle.path, path, listed) for role, path in expected.recordings[0].outputs.items()}
    found = {role: values[2].reshape(-1).copy() for role, values in recorded.items()}

    def check() -> dict[str, object]:
        return golden_checks(name, "xnnpack", expected, recorded, vectors.cases[2].name, 2, found)

    assert check()["passed"] and check()["difference"] == 0
    found["scores"][0] += 2 * expected.tolerance["scores"].other
    assert not check()["passed"] and check()["detail"] == "scores"


def test_models_and_pictures_go_to_the_device_and_figures_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "benchmark_model"
    scripts = {
        "adb": STAND_IN_ADB,
        "getprop": "#!/bin/sh\necho $1\n",
        tool.name: STAND_IN_TOOL.replace("PYTHON", sys.executable),
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(text.replace("PYTHON", sys.executable), encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "said").write_text(PROFILED, encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    monkeypatch.setattr(device_adb, "KERNELS", ("xnnpack",))
    asked, done = Asked("devices", Bundle.load(), 0, 1), list[int]()
    report = adb(asked, tool, True, done.append)
    assert report.evidence == "device" and "ro.product.model" in report.device and "STANDIN" not in report.model_dump_json()
    assert report.golden.passed and report.golden.stages["outputs"].checks == report.images["golden"] > 10
    assert [run.runs for run in report.native] == [204] and report.native[0].operators_ms
    assert sum(done) == steps(asked)
    assert not (tmp_path / "skintriage").exists()
    tool.unlink()
    with pytest.raises(EngineError, match="--benchmark-model"):
        adb(asked, None, False, done.append)
