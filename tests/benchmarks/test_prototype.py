"""What the ports' conformance tests print is counted whole, and the page is weighed."""

from __future__ import annotations

import pytest

from benchmarks.prototype import ENDED, differences, totals, weigh
from mobile_runtime import Bundle
from mobile_runtime.errors import EngineError

PRINTED = {
    "Java": "upright       10 cases, 0 mismatches, 3 not run here\nport         154 cases, 2 mismatches\n",
    "Swift": "ConformanceTests.testUpright: 10 cases, 0 mismatches\nConformanceTests.testPort: 154 cases, 2 mismatches\n",
    "web": "  upright: 10 cases, 0 mismatches, largest difference 0\n  port: 154 cases, 2 mismatches, largest difference 3\n",
}


@pytest.mark.parametrize("port", PRINTED)
def test_every_port_is_counted_alike(port: str) -> None:
    stages = {"upright": {"cases": 10, "mismatches": 0}, "port": {"cases": 154, "mismatches": 2}}
    assert totals(PRINTED[port]) == {"cases": 164, "mismatches": 2, "stages": stages}


def test_a_port_that_did_not_run_is_an_error() -> None:
    with pytest.raises(EngineError, match="printed no stage, but: cannot find symbol"):
        totals("cannot find symbol")


def test_differences() -> None:
    text = "  outputs, scores: largest difference 4.5e-7, allowed 0.00200\noutputs: 13 cases, 0 mismatches"
    assert differences(text) == {"scores": {"largest": 4.5e-7, "allowed": 0.002}}


def test_weight() -> None:
    bundle = Bundle.load()
    weight = weigh(bundle)
    assert weight["model_bytes"] == bundle.variant().size_bytes + (bundle.path / "manifest.json").stat().st_size
    assert 0 < weight["page_gzip_bytes"] < weight["page_bytes"]
    assert 0 < weight["model_gzip_bytes"] < weight["model_bytes"]


def test_a_port_that_ended_early_is_an_error_though_what_it_compared_is_alike() -> None:
    whole = PRINTED["Java"].replace("2 mismatches", "0 mismatches")
    assert totals(whole)["mismatches"] == 0
    with pytest.raises(EngineError, match="ended early"):
        totals(f"{whole}{ENDED} 1\n")
    assert totals(f"{PRINTED['Java']}{ENDED} 1\n")["mismatches"] == 2
