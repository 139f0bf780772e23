"""The latency harness on a fake engine: what is timed, in what order, and what may be compared."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import cold_start, latency
from benchmarks.environment import busy_note, environment
from benchmarks.latency import Job
from benchmarks.latency_results import ColdStart, LatencyReport, LatencyRun, Sampling
from mobile_runtime.bundle import Bundle
from mobile_runtime.decision import Decision
from mobile_runtime.errors import CaptureError, DataError, EngineError
from mobile_runtime.manifest import AbstentionLimit, Estimate
from mobile_runtime.pipeline import Prediction, TriagePipeline

TINY = Sampling(quick=True, samples=6, seconds=60, warm_up=1, block=3, assessments=2)
COLD = ColdStart(
    load_ms=1, first_invoke_ms=1, process_ms=1, peak_memory_bytes=1, added_memory_bytes=1, memory_source="", repeats=1
)


def report(path: Path, p50: float = 2.0, synthetic: bool = True) -> LatencyReport:
    """A report with one run of int8 on this machine."""
    runner = TriagePipeline(path, "int8")
    _, facts = latency.encoded_image(None, runner)
    times = latency.percentiles([p50] * 3)
    run = LatencyRun(
        variant="int8",
        runtime="litert",
        precision="int8",
        engine="fake",
        size_bytes=1,
        threads=1,
        pinned=True,
        inference=times,
        assess=times,
        stages=dict.fromkeys(latency.STAGES, times),
        cold_start=COLD,
    )
    return LatencyReport(
        command="",
        bundle="fake",
        image=facts.model_copy(update={"synthetic": synthetic}),
        sampling=TINY,
        runs=[run],
        not_run={},
        notes=[],
        environment=environment(),
    )


def test_the_synthetic_image_is_a_600_by_450_jpeg(bundle_path: Path) -> None:
    data, facts = latency.encoded_image(None, TriagePipeline(bundle_path))
    assert (facts.width, facts.height, facts.size_bytes, facts.synthetic) == (600, 450, len(data), True)
    assert data[:2] == b"\xff\xd8"


def test_an_image_that_would_be_retaken_is_refused(bundle_path: Path, tmp_path: Path) -> None:
    runner = TriagePipeline(bundle_path)
    strict = runner.manifest.quality.model_copy(update={"contrast_min": 0.01})
    runner.manifest = runner.manifest.model_copy(update={"quality": strict})
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "flat.png")
    with pytest.raises(DataError, match="judged uniform, so assess"):
        latency.encoded_image(tmp_path / "flat.png", runner)


def test_a_file_that_is_no_image_is_named(bundle_path: Path, tmp_path: Path) -> None:
    table = tmp_path / "ham.csv"
    table.write_text("image_id,dx\n", encoding="utf-8")
    with pytest.raises(CaptureError, match=f"^{re.escape(str(table))}: not a"):
        latency.encoded_image(table, TriagePipeline(bundle_path))


def test_stages_give_the_verdict_of_assess(bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = TriagePipeline(bundle_path)
    data, _ = latency.encoded_image(None, runner)
    seen: list[np.ndarray] = []
    predict = runner.predict

    def watched(batch: np.ndarray) -> Prediction:
        seen.append(batch)
        return predict(batch)

    monkeypatch.setattr(runner, "predict", watched)
    verdict, stages = latency.assess_in_stages(runner, data)
    assert verdict == runner.assess(data).decision
    assert np.array_equal(seen[0], seen[1])
    assert tuple(stages) == latency.STAGES and all(elapsed > 0 for elapsed in stages.values())


def test_stages_abstain_where_assess_does(bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = TriagePipeline(bundle_path)
    unknown = Estimate(value=0.5, low=0.0, high=1.0, n=0)
    limit = AbstentionLimit(limit=1.0, aim=0.01, refused=unknown, dataset="none")
    runner.variant = runner.variant.model_copy(update={"abstention": limit})
    predict = runner.predict
    monkeypatch.setattr(runner, "predict", lambda batch: replace(predict(batch), outlier=np.array([2.0], np.float32)))
    data, _ = latency.encoded_image(None, runner)
    assert latency.assess_in_stages(runner, data)[0] is runner.assess(data).decision is Decision.ABSTAIN


def test_variants_take_turns_and_reach_their_samples(bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [Job(TriagePipeline(bundle_path, name), 1) for name in ("float32", "int8")]
    data, _ = latency.encoded_image(None, jobs[0].pipeline)
    order: list[str] = []
    original = TriagePipeline.predict

    def spy(self: TriagePipeline, batch: np.ndarray) -> object:
        order.append(self.variant.name)
        return original(self, batch)

    monkeypatch.setattr(TriagePipeline, "predict", spy)
    done: list[int] = []
    latency.measure(jobs, data, TINY, done.append)
    warm_up = ["float32"] * 2 + ["int8"] * 2
    block = ["float32"] * 4 + ["int8"] * 4
    assert order == warm_up + block * 2 + ["float32", "float32", "int8", "int8"] * 2
    for job in jobs:
        assert len(job.inference_ms) == 6
        assert len(job.assess_ms) == 2
        assert {len(times) for times in job.stages_ms.values()} == {2}
    assert sum(done) == latency.steps(jobs, TINY)


def test_a_slow_run_ends_with_its_time(bundle_path: Path) -> None:
    job = Job(TriagePipeline(bundle_path), 1)
    data, _ = latency.encoded_image(None, job.pipeline)
    done: list[int] = []
    hurried = TINY.model_copy(update={"samples": 1000, "seconds": 1e-6})
    latency.measure([job], data, hurried, done.append)
    assert len(job.inference_ms) == TINY.block
    assert sum(done) == latency.steps([job], hurried)


def test_percentiles_match_numpy() -> None:
    found = latency.percentiles([float(value) for value in range(101)])
    assert (found.p50, found.p90, found.p99, found.minimum, found.samples) == (50, 90, 99, 0, 101)


def test_comparison_gives_ratios_of_medians(bundle_path: Path) -> None:
    old, new = report(bundle_path, 2.0), report(bundle_path, 1.0)
    (row,) = latency.compare(new, old)
    assert (row.variant, row.threads, row.inference, row.assess) == ("int8", 1, 0.5, 0.5)
    (row,) = latency.compare(new, report(bundle_path, 2.0, synthetic=False))
    assert row.assess is None


def test_other_machines_are_refused(bundle_path: Path, tmp_path: Path) -> None:
    old = report(bundle_path)
    latency.refuse_other_machine(old, environment().fingerprint, tmp_path)
    with pytest.raises(DataError, match=r"old.json: measured on another machine .*measure the old bundle again here"):
        latency.refuse_other_machine(old, "0" * 16, Path("old.json"))


def test_stored_reports_are_read_back(bundle_path: Path, tmp_path: Path) -> None:
    stored = report(bundle_path)
    path = tmp_path / "old.json"
    path.write_text(stored.model_dump_json(), encoding="utf-8")
    assert latency.read_report(path) == stored
    path.write_text(stored.model_dump_json().replace('"schema_version":1', '"schema_version":2'), encoding="utf-8")
    with pytest.raises(DataError, match="not a latency report of this version"):
        latency.read_report(path)
    with pytest.raises(DataError, match="cannot be read"):
        latency.read_report(tmp_path / "none.json")


def test_the_fingerprint_is_that_of_the_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = environment()
    monkeypatch.setattr("benchmarks.environment._versions", lambda: {"numpy": "0"})
    second = environment()
    assert first.fingerprint == second.fingerprint and first.packages != second.packages
    monkeypatch.setattr("benchmarks.environment._cpu_facts", lambda: {"model name": "another"})
    assert environment().fingerprint != first.fingerprint


def test_a_busy_machine_is_mentioned() -> None:
    assert busy_note((0.1, 2.0, 2.0)) is None and busy_note(None) is None
    assert "load average 1.70" in str(busy_note((1.7, 0.0, 0.0)))


def test_a_process_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"variant int8: a fresh process fails \(.*no such bundle folder"):
        cold_start.measure(tmp_path / "none", [("int8", 1)], repeats=1)


def test_cold_starts_take_turns_and_the_first_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def start(_: Path, variant: str, threads: int) -> dict[str, object]:
        order.append(variant)
        names = ("load_ms", "first_invoke_ms", "process_ms", "peak_memory_bytes", "added_memory_bytes")
        return {**dict.fromkeys(names, 1000 if len(order) <= 2 else threads), "memory_source": "test"}

    monkeypatch.setattr(cold_start, "_start", start)
    first, second = cold_start.measure(Path(), [("a", 1), ("b", 2)], repeats=3)
    assert "".join(order) == "abababab" and (first.load_ms, second.load_ms, second.repeats) == (1, 2, 3)


def test_the_probe_prints_one_line(bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cold_start.probe(str(bundle_path), "int8", "1")
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and '"load_ms"' in line


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no /proc")
def test_peak_memory_follows_this_process() -> None:
    before, source = cold_start.peak_memory_bytes()
    ballast = np.ones(64 * 2**20, np.uint8)
    after, _ = cold_start.peak_memory_bytes()
    assert source == "VmHWM" and after > 2**20 and len(ballast)
    assert after >= before


def test_bundles_load_for_every_job(bundle_path: Path) -> None:
    assert Job(TriagePipeline(Bundle.load(bundle_path)), 2).pinned is False
