"""Stored results of every kind, read back and checked."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from benchmarks.decision_results import DecisionsReport
from benchmarks.device_results import DevicesReport
from benchmarks.drift_results import DriftReport
from benchmarks.gates_results import GatesReport
from benchmarks.latency_results import LatencyReport
from benchmarks.peers.results import PeersReport
from benchmarks.robustness_results import RobustnessReport
from mobile_runtime.errors import DataError
from mobile_runtime.manifest_file import strict_json

OnImages = DriftReport | DecisionsReport | RobustnessReport | GatesReport
Timed = LatencyReport | PeersReport
Result = OnImages | Timed | DevicesReport
REPORTS: dict[str, type[Result]] = {
    "drift": DriftReport,
    "decisions": DecisionsReport,
    "robustness": RobustnessReport,
    "gates": GatesReport,
    "latency": LatencyReport,
    "peers": PeersReport,
    "devices": DevicesReport,
}


def read_result(path: Path) -> Result:
    """A stored result of any kind.

    Raises:
        DataError: the file is missing or is not one of this version.
    """
    try:
        document = strict_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a JSON that a benchmark wrote") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}); give a JSON that a benchmark wrote") from error
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(kind, str) or kind not in REPORTS:
        raise DataError(f"{path}: kind {kind!r} is not one of {', '.join(REPORTS)}; measure again with this version")
    try:
        return REPORTS[kind].model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: not a {kind} result of this version ({where}: {first['msg']}); measure again") from error
