"""What runs a bundle where: in this process, and in the emulated ARM64 interpreter."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import emulator, inference_probe, latency, scoring
from benchmarks.device_results import BitComparison, DevicesReport, InstructionCount, TimedPart, golden_replay
from benchmarks.environment import busy_note, environment
from mobile_runtime import synthetic
from mobile_runtime.bundle import Bundle
from mobile_runtime.capture import prepare
from mobile_runtime.errors import EngineError
from mobile_runtime.golden import load_vectors, read_array
from mobile_runtime.replay import replay

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Asked:
    """What is asked of a target.

    Attributes:
        command: the command line, for the result.
        synthetic_images: drawn lesions beside the golden images, where outputs are compared.
        threads: inference threads, where times are taken.
    """

    command: str
    bundle: Bundle
    synthetic_images: int
    threads: int

    @property
    def variants(self) -> list[str]:
        """The default variant and float32, as far as they are LiteRT's: what an app would ship, and the reference."""
        names = dict.fromkeys([self.bundle.manifest.default_variant, "float32"])
        return [name for name in names if name in self.bundle.variants and self.bundle.variant(name).runtime == "litert"]


def local(asked: Asked, advance: Advance) -> DevicesReport:
    """Golden vectors of all variants and a short run of the latency command, in this process; steps: see `steps`."""
    machine = environment()
    replayed = replay(asked.bundle).to_dict()
    advance(1)
    pipelines, _ = scoring.open_pipelines(asked.bundle, asked.variants, threads=asked.threads)
    jobs = [latency.Job(pipeline, asked.threads) for pipeline in pipelines.values()]
    data, _ = latency.encoded_image(None, jobs[0].pipeline)
    latency.measure(jobs, data, latency.QUICK, advance)
    times = [
        TimedPart(variant=job.pipeline.variant.name, what=what, times=latency.percentiles(samples))
        for job in jobs
        for what, samples in (("inference", job.inference_ms), ("assess()", job.assess_ms))
    ]
    return DevicesReport(
        command=asked.command,
        bundle=asked.bundle.id,
        target="local",
        evidence="desktop",
        device=f"{jobs[0].pipeline.engine.name} on {machine.cpu}",
        golden=golden_replay(replayed["checks"], replayed["not_run"]),
        times=times,
        notes=[note for note in [busy_note(machine.load_average)] if note],
        environment=machine,
    )


def local_steps(asked: Asked) -> int:
    """Progress steps of `local`."""
    sampling = latency.QUICK
    return 1 + len(asked.variants) * (sampling.warm_up + sampling.samples + sampling.assessments)


def qemu_arm64(asked: Asked, advance: Advance) -> DevicesReport:
    """Outputs of the default variant and float32 bit by bit, instructions, and golden vectors, in the emulated interpreter.

    Raises:
        EngineError: there is no emulator, setup was not run, or the emulated process fails.
    """
    machine, emulated = environment(), emulator.open_emulator()
    images, kinds = comparison_images(asked)
    keys = [f"{name}.{kernels}" for name in asked.variants for kernels in inference_probe.KERNELS]
    here = {
        f"{name}.{kernels}": values for name, kernels, values in inference_probe.outputs(asked.bundle, asked.variants, images)
    }
    advance(1)
    folder_of_bundle = str(asked.bundle.path.resolve())
    verify = ["-m", "mobile_runtime", "verify", folder_of_bundle, "--golden", "--json"]
    with ThreadPoolExecutor(1) as beside, tempfile.TemporaryDirectory(prefix="skintriage-") as name:
        replaying = beside.submit(_run_emulated, emulated, verify, statuses=(0, 1))
        folder = Path(name)
        np.save(folder / "prepared.npy", images)
        counts = None if emulated.counting else folder / "counts"
        script = Path(inference_probe.__file__).resolve()
        words = [str(script), folder_of_bundle, str(folder / "prepared.npy"), str(folder / "out.npz")]
        _run_emulated(emulated, [*words, *asked.variants], advance, counts)
        with np.load(folder / "out.npz") as archive:
            there = {key: archive[key] for key in keys}
        marks = [] if counts is None else emulator.parse_counts(counts.read_text(encoding="ascii"))
        replayed = json.loads(replaying.result())["golden"]
    advance(1)
    executed = [after - before for before, after in zip(marks[::2], marks[1::2], strict=True)]
    return DevicesReport(
        command=asked.command,
        bundle=asked.bundle.id,
        target="qemu-arm64",
        evidence="emulator",
        device=f"ARM64 code on {emulated.program.name} emulating a {emulator.CPU}",
        software=emulated.software,
        images=kinds,
        golden=golden_replay(replayed["checks"], replayed["not_run"]),
        bits=[compare_bits(key, here[key], there[key], output_columns(asked.bundle, key)) for key in keys],
        instructions=[
            InstructionCount(**_named(key), images=len(images), per_inference=round(count / len(images)))
            for key, count in zip(keys, executed, strict=False)
        ],
        notes=[
            "Emulation says what ARM64 kernels compute, not how fast a phone is: no times.",
            *([f"No instruction counts: {emulated.counting}."] if emulated.counting else []),
        ],
        environment=machine,
    )


def qemu_steps(asked: Asked) -> int:
    """Progress steps of `qemu_arm64`."""
    return 2 + len(asked.variants) * len(inference_probe.KERNELS)


def comparison_images(asked: Asked) -> tuple[npt.NDArray[np.uint8], dict[str, int]]:
    """The golden images as recorded and drawn lesions, uint8 [N, S, S, 3], prepared here once; and how many of each."""
    manifest = asked.bundle.manifest
    listed = {entry.path for entry in manifest.files}
    golden = [read_array(asked.bundle.path, case.prepared, listed) for case in load_vectors(asked.bundle).cases]
    labels = [synthetic.LABELS[index % len(synthetic.LABELS)] for index in range(asked.synthetic_images)]
    drawn = [prepare(synthetic.lesion(label, seed), manifest.input.size) for seed, label in enumerate(labels)]
    return np.stack([*golden, *drawn]), {"golden": len(golden), "synthetic": len(drawn)}


def output_columns(bundle: Bundle, key: str) -> dict[str, slice]:
    """Where each output lies in what `inference_probe.outputs` gives; `key` is VARIANT.KERNELS."""
    manifest = bundle.manifest
    sizes = {"outlier": 1, "probabilities": len(manifest.classes), "scores": len(manifest.scores)}
    roles = sorted(bundle.variant(_named(key)["variant"]).outputs)
    ends = np.cumsum([sizes[role] for role in roles]).tolist()
    return {role: slice(end - sizes[role], end) for role, end in zip(roles, ends, strict=True)}


def compare_bits(
    key: str, here: npt.NDArray[np.float32], there: npt.NDArray[np.float32], columns: Mapping[str, slice]
) -> BitComparison:
    """Compare outputs float32 [N, values] as bits; `key` is VARIANT.KERNELS, `columns` are those of each output.

    Raises:
        EngineError: the shapes differ.
    """
    if here.shape != there.shape:
        raise EngineError(f"{key}: outputs {list(there.shape)} there and {list(here.shape)} here; run the set-up again")
    equal = here.view(np.uint32) == there.view(np.uint32)
    differences = np.abs(here.astype(np.float64) - there)
    return BitComparison(
        **_named(key),
        images=len(here),
        bit_equal_images=int(equal.all(axis=1).sum()),
        values=equal.size,
        bit_equal_values=int(equal.sum()),
        largest_differences={role: float(differences[:, where].max()) for role, where in columns.items()},
    )


def _named(key: str) -> dict[str, str]:
    variant, kernels = key.rsplit(".", 1)
    return {"variant": variant, "kernels": kernels}


def _run_emulated(
    emulated: emulator.Emulator,
    words: Sequence[str],
    advance: Advance = lambda count: None,
    counts: Path | None = None,
    statuses: Sequence[int] = (0,),
) -> str:
    """Standard output of the emulated interpreter; progress advances with each line."""
    lines = []
    with tempfile.TemporaryFile("w+") as complaints:
        command = emulated.command(words, counts)
        with subprocess.Popen(command, env=emulated.variables, stdout=subprocess.PIPE, stderr=complaints, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                advance(1)
        if process.returncode not in statuses:
            complaints.seek(0)
            said = complaints.read().strip().splitlines() or ["no message"]
            raise EngineError(f"the emulated process fails, exit status {process.returncode}: {said[-1]}")
    return "".join(lines)
