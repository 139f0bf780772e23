"""Which attached device is asked, and how its outputs are judged; no device is needed."""

from __future__ import annotations

import pytest

from benchmarks.device_adb import choose_device, golden_checks, parse_devices
from mobile_runtime import Bundle
from mobile_runtime.errors import EngineError
from mobile_runtime.golden import load_vectors, read_array

# After the documented format of `adb devices`; not recorded from real devices.
DEVICES = (
    "* daemon started successfully\nList of devices attached\n1A2B3C\tdevice\nemulator-5554\toffline\n9Z\tunauthorized\n\n"
)


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
