"""Which peers there are, and how they are measured on a bundle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers import environments, race
from benchmarks.peers.race import Rounds, Runner
from benchmarks.peers.results import PeerRun, Task
from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import BundleError, DataError, EngineError
from mobile_runtime.files import build_folder, cache_root, sha256, sha256_bytes
from mobile_runtime.statistics import Floats


@dataclass(frozen=True)
class Peer:
    """A runtime with a form of the network.

    Attributes:
        variant: whose file it runs or, for ExecuTorch, is exported from; None where it takes another.
    """

    runtime: str
    precision: str
    variant: str | None = None
    task: Task = "inference"

    @property
    def name(self) -> str:
        """Name of its run."""
        return f"{self.runtime}_{self.precision}"


PEERS = (
    Peer("litert", "float32", "float32"),
    Peer("litert", "int8", "static_wi8_ai8"),
    Peer("onnxruntime", "float32", "float32_onnx"),
    Peer("onnxruntime", "int8", "static_wi8_ai8_onnx"),
    Peer("openvino", "float32", "float32_onnx"),
    Peer("openvino", "int8", "static_wi8_ai8_onnx"),
    Peer("executorch", "float32", "float32_onnx"),
    Peer("executorch", "int8", "float32_onnx"),
    Peer("pytorch", "float32", "float32_onnx"),
    Peer("skintriage", "shipped", task="picture"),
    Peer("mediapipe", "int8", "static_wi8_ai8", task="picture"),
)
REFERENCES: dict[Task, str] = {"inference": "litert_float32", "picture": "skintriage_shipped"}
RUNTIMES = tuple(dict.fromkeys(peer.runtime for peer in PEERS))
PICTURES = 16


@dataclass(frozen=True)
class Material:
    """What is run.

    Attributes:
        files: picture files.
        frames: the same prepared, uint8 [N, S, S, 3].
    """

    bundle: Bundle
    files: Sequence[Path]
    frames: npt.NDArray[np.uint8]


def choose(only: Sequence[str]) -> list[Peer]:
    """The peers of some runtimes, all of them where none is named, with the references that they need.

    Raises:
        DataError: there is no such runtime.
    """
    if unknown := [name for name in only if name not in RUNTIMES]:
        raise DataError(f"no peer {', '.join(map(repr, unknown))}; choose --only from {', '.join(RUNTIMES)}")
    chosen = [peer for peer in PEERS if not only or peer.runtime in only]
    needed = {REFERENCES["inference"], *(REFERENCES[peer.task] for peer in chosen)}
    return [peer for peer in PEERS if peer in chosen or peer.name in needed]


def measure(
    peers: Sequence[Peer],
    material: Material,
    rounds: Rounds,
    only: Sequence[str] = (),
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[dict[str, PeerRun], dict[str, str], int]:
    """Start every peer that can be, compare their scores and time them in alternation.

    Args:
        peers: in the order of the result, the references among them.
        material: what to run.
        rounds: how long.
        only: runtimes that were asked for by name, whose absence is an error.
        advance: called with the number of steps done since the last call: one a peer, then one a round.

    Returns:
        Runs by name, the reason by name of those that were not run, and the rounds that each had.

    Raises:
        EngineError: a reference, or a peer asked for by name, cannot be run; or a peer fails on the way.
    """
    runners: dict[str, Runner] = {}
    opened: dict[str, tuple[Peer, Path, dict[str, str], float]] = {}
    scores: dict[str, Floats] = {}
    not_run: dict[str, str] = {}
    with ExitStack() as stack:
        for peer in peers:
            try:
                model = _model(peer, material)
                runner = stack.enter_context(Runner(peer.name, _python(peer)))
                reply = runner.ask("open", **_opening(peer, material, model))
                if peer.task == "picture":
                    runner.ask("files", files=[str(file) for file in material.files])
                else:
                    runner.give_frames(material.frames)
                scores[peer.name] = runner.scores()
            except (EngineError, BundleError) as error:
                if peer.runtime in only or peer.name in REFERENCES.values():
                    raise
                not_run[peer.name] = _without_folders(str(error), material)
            else:
                runners[peer.name] = runner
                opened[peer.name] = (peer, model, reply["versions"], reply["load_ms"])
            advance(1)
        times = race.take_turns(runners, rounds, advance)
    runs = {}
    for name, (peer, model, versions, load_ms) in opened.items():
        reference = REFERENCES[peer.task]
        runs[name] = PeerRun(
            runtime=peer.runtime,
            precision=peer.precision,
            task=peer.task,
            versions=versions,
            model_bytes=model.stat().st_size if model.is_file() else None,
            load_ms=load_ms,
            p50_ms=race.percentile(times[name], 50),
            p90_ms=race.percentile(times[name], 90),
            ratio=None if name == reference else race.ratio(times[name], times[reference]),
            largest_difference=None
            if name == REFERENCES["inference"]
            else race.largest_difference(scores[name], scores[REFERENCES["inference"]]),
        )
    return runs, not_run, len(times[REFERENCES["inference"]])


def _without_folders(reason: str, material: Material) -> str:
    """A result must not say whose machine it is from."""
    folders = [material.bundle.path, cache_root()]
    for folder in folders:
        reason = reason.replace(str(folder.resolve()), folder.name).replace(str(folder), folder.name)
    return reason


def _python(peer: Peer) -> Path:
    return Path(sys.executable) if peer.runtime == "skintriage" else environments.interpreter(peer.runtime)


def _opening(peer: Peer, material: Material, model: Path) -> dict[str, Any]:
    names = {"pixels": "", "scores": ""}
    if peer.variant is not None:
        variant = material.bundle.variant(peer.variant)
        names = {"pixels": variant.input_name, "scores": variant.outputs["probabilities"]}
    return {"runtime": peer.runtime, "model": str(model), "core": race.the_core(), "root": str(race.ROOT), **names}


def _model(peer: Peer, material: Material) -> Path:
    if peer.variant is None:
        return material.bundle.path
    variant = material.bundle.variant(peer.variant)
    path = material.bundle.path / variant.path
    if peer.runtime == "executorch":
        return _executorch_programs(path, variant.outputs["probabilities"], material.frames) / f"{peer.precision}.pte"
    return path


def _executorch_programs(model: Path, scores: str, frames: npt.NDArray[np.uint8]) -> Path:
    """Folder of float32.pte and int8.pte, kept in ExecuTorch's environment: exporting takes up to minutes."""
    python = environments.interpreter("executorch")
    script = race.WORKER.parent / "executorch_export.py"
    parts = [sha256(model), sha256(script), sha256(script.parent / "torch_graph.py"), sha256_bytes(frames.tobytes())]
    folder = environments.folder_of("executorch") / "programs" / sha256_bytes("".join(parts).encode())[:16]
    if not folder.is_dir():
        with build_folder(folder) as temporary:
            np.save(temporary / "frames.npy", frames)
            command = [str(python), str(script), str(model), scores, str(temporary / "frames.npy"), str(temporary)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                said = (done.stderr.strip() or "no output").splitlines()
                raise EngineError(f"executorch: the export from {model.name} fails ({said[-1]})")
    return folder
