"""The shipped bundle in this process, and in an emulated ARM64 interpreter where one is set up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import emulator, inference_probe, latency
from benchmarks.device_results import golden_replay
from benchmarks.device_targets import (
    Asked,
    compare_bits,
    comparison_images,
    local,
    local_steps,
    output_columns,
    qemu_arm64,
    qemu_steps,
)
from mobile_runtime import Bundle
from mobile_runtime.errors import EngineError
from tests.benchmarks.test_latency import TINY


def asked(synthetic_images: int = 1) -> Asked:
    """The default variant of the shipped bundle."""
    return Asked("python -m benchmarks devices", Bundle.load(), synthetic_images, threads=1)


def test_bits_are_compared_not_values() -> None:
    here = np.array([[0.25, 0.5], [0.0, 1.0]], np.float32)
    there = np.array([[0.25, np.nextafter(np.float32(0.5), np.float32(1))], [-0.0, 1.0]], np.float32)
    found = compare_bits("static_wi8_ai8.xnnpack", here, there, {"outlier": slice(0, 1), "scores": slice(1, 2)})
    assert (found.variant, found.kernels) == ("static_wi8_ai8", "xnnpack")
    assert (found.images, found.bit_equal_images, found.values, found.bit_equal_values) == (2, 0, 4, 2)
    assert found.largest_differences == {"outlier": 0.0, "scores": 2.0**-24}
    with pytest.raises(EngineError, match=r"\[2, 1\] there and \[2, 2\] here"):
        compare_bits("a.builtin", here, there[:, :1], {})


def test_checks_are_summed_up_by_stage() -> None:
    check = {"stage": "upright", "case": "png", "difference": 1.0, "tolerance": 2, "passed": True, "detail": ""}
    bad = check | {"stage": "outputs", "variant": "int8 (xnnpack)", "difference": 0.5, "passed": False, "detail": "scores"}
    found = golden_replay([check, check | {"difference": 2.0}, bad, bad | {"difference": None}], {"onnx": "not here"})
    assert not found.passed and found.not_run == {"onnx": "not here"}
    assert (found.stages["upright"].checks, found.stages["upright"].met, found.stages["upright"].largest) == (2, 2, 2.0)
    assert found.stages["outputs"].met == 0 and found.stages["outputs"].largest is None
    assert found.failures[0] == "outputs, png, int8 (xnnpack): 0.5, allowed is 2 scores"
    assert "another shape or kind" in found.failures[1]


def test_this_machine_meets_its_golden_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "QUICK", TINY)
    steps: list[int] = []
    report = local(asked(), steps.append)
    assert report.golden.passed and set(report.golden.stages) == {"upright", "prepared", "quality", "outputs", "decision"}
    assert (report.target, report.evidence) == ("local", "desktop")
    assert [part.what for part in report.times] == ["inference", "assess()"]
    assert report.times[0].times.samples == TINY.samples
    assert sum(steps) == local_steps(asked())


def test_the_probe_repeats_its_bits(tmp_path: Path) -> None:
    question = asked(synthetic_images=1)
    images, kinds = comparison_images(question)
    assert kinds == {"golden": len(images) - 1, "synthetic": 1}
    np.save(tmp_path / "prepared.npy", images[-2:])
    for name in ("first.npz", "second.npz"):
        inference_probe.main(
            str(question.bundle.path), str(tmp_path / "prepared.npy"), str(tmp_path / name), *question.variants
        )
    with np.load(tmp_path / "first.npz") as first, np.load(tmp_path / "second.npz") as second:
        assert sorted(first) == [f"{question.variants[0]}.{kernels}" for kernels in sorted(inference_probe.KERNELS)]
        for key in first:
            found = compare_bits(key, first[key], second[key], output_columns(question.bundle, key))
            assert found.bit_equal_images == 2 and set(found.largest_differences) == {"outlier", "probabilities", "scores"}


def test_counts_are_read_from_the_counter() -> None:
    assert emulator.parse_counts("noise\nexecuted 12\nexecuted 345\n") == [12, 345]
    assert emulator.parse_counts("") == []


def test_the_emulated_interpreter_sees_its_own_files_only(tmp_path: Path) -> None:
    made = emulator.Emulator(Path("/usr/bin/qemu-aarch64"), tmp_path, "python3.11", {}, "")
    command = made.command(["-c", "pass"], tmp_path / "counts")
    assert command[:5] == ["/usr/bin/qemu-aarch64", "-cpu", emulator.CPU, "-L", str(tmp_path / "root")]
    assert command[-3:] == [str(tmp_path / "root/usr/bin/python3.11"), "-c", "pass"]
    assert "-plugin" in command and "-plugin" not in made.command([])
    assert "PATH" not in made.variables and made.variables["PYTHONPATH"] == str(tmp_path / "site")


def test_without_emulator_or_setup_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("SKINTRIAGE_CACHE", str(tmp_path))
    with pytest.raises(EngineError, match="apt-get install qemu-user"):
        qemu_arm64(asked(), lambda count: None)
    (tools / "qemu-aarch64").write_text("#!/bin/sh\n", encoding="ascii")
    (tools / "qemu-aarch64").chmod(0o755)
    with pytest.raises(EngineError, match="not set up; run python -m benchmarks devices --setup qemu-arm64"):
        qemu_arm64(asked(), lambda count: None)


@pytest.mark.slow
@pytest.mark.emulator
def test_arm64_gives_the_golden_vectors_and_nearly_the_same_bits(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "emulator" not in str(request.config.getoption("markexpr")):
        pytest.skip("minutes of emulation: python -m pytest -m emulator")
    monkeypatch.delenv("SKINTRIAGE_CACHE")  # the tests' own is empty
    try:
        emulated = emulator.open_emulator()
    except EngineError as error:
        pytest.skip(str(error))
    steps: list[int] = []
    report = qemu_arm64(asked(), steps.append)
    assert report.evidence == "emulator" and report.golden.passed, report.golden.failures
    assert sum(steps) == qemu_steps(asked())
    # XNNPACK rounds alike on both; an activation on the edge between two steps may move a score by a step of the last layer.
    ours = next(bits for bits in report.bits if bits.kernels == "xnnpack")
    assert max(ours.largest_differences[role] for role in ("probabilities", "scores")) < 0.05
    if not emulated.counting:
        assert all(1e6 < count.per_inference < 1e9 for count in report.instructions) and len(report.instructions) == 2
