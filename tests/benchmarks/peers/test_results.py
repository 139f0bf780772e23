"""Stored peers: what a run says of itself."""

from __future__ import annotations

import pytest

from benchmarks.peers.results import PeersReport
from tests.benchmarks import stored_results


@pytest.mark.parametrize(
    ("versions", "own"),
    [
        ({"numpy": "2.4.6", "onnxruntime": "1.32.0"}, "1.32.0"),
        ({"ai-edge-litert": "2.3.0", "numpy": "2.4.6", "pillow": "13.0.0"}, "2.3.0"),
    ],
)
def test_the_version_is_the_runtimes_own_whatever_the_order(versions: dict[str, str], own: str) -> None:
    document = stored_results.peers()
    document["runs"]["litert_int8"]["versions"] = versions
    assert PeersReport.model_validate(document).runs["litert_int8"].version == own
