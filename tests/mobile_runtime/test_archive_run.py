"""Archives on two workers of a local cluster: each image exactly once, whatever is killed; skipped without extra `ray`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mobile_runtime import TriagePipeline, synthetic
from mobile_runtime.archive import look_through
from mobile_runtime.archive_plan import Plan, item_text, part_path
from mobile_runtime.archive_run import DEATHS, Job, Worker, is_done, optional, row_of, summarize, tries_path
from mobile_runtime.commands import app
from mobile_runtime.errors import BundleError, EngineError, MissingExtraError
from tests.conftest import REPOSITORY

PART = 4


def test_a_missing_extra_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"archives need ray_absent, not .*pip install '\.\[ray\]'"):
        optional("ray_absent.data")


@pytest.fixture
def parquet() -> Any:
    return pytest.importorskip("pyarrow.parquet", reason="archives need extra `ray`, which is not installed")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    for seed in range(3):
        Image.fromarray(synthetic.lesion("mel", seed, 200)).save(folder / f"{seed}.png")
    (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff no more")
    (folder / "empty.png").touch()
    return folder


def prepared(source: Path, bundle: Path, out: Path) -> tuple[Plan, Job]:
    pipeline = TriagePipeline(bundle)
    plan = Plan(look_through(source).items, PART, pipeline.bundle.id, pipeline.variant.name, pipeline.operating_point)
    plan.claim(out)
    job = Job(str(bundle), plan.bundle, plan.variant, plan.operating_point, str(out), plan.digest)
    return plan, job


def test_a_worker_writes_what_the_pipeline_says(parquet: Any, archive: Path, sample_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan, job = prepared(archive, sample_bundle, out)
    worker = Worker(job)
    assert not is_done(plan, out, 0)
    for part in plan.parts:
        worker({"part": part, "items": item_text(plan.items_of(part))})
        assert is_done(plan, out, part)
    rows = [row for part in plan.parts for row in parquet.read_table(part_path(out, part)).to_pylist()]
    assert [row["image"] for row in rows] == ["0.png", "1.png", "2.png", "cut.jpg", "empty.png"]
    pipeline = TriagePipeline(sample_bundle)
    for row in rows[:3]:
        seen = pipeline.assess(archive / row["image"])
        # To the bit: a float32 that went through a float64.
        assert (row["decision"], row["malignancy"]) == (seen.decision.value, seen.malignancy)
        assert {label: row[f"p_{label}"] for label in seen.probabilities} == seen.probabilities
        assert (row["bundle"], row["threshold"], row["error_code"]) == (seen.bundle_id, seen.point.threshold, None)
        assert (row["sharpness"], row["reasons"]) == (seen.quality.sharpness, list(seen.quality.reasons))
    assert [(row["error_code"], row["decision"]) for row in rows[3:]] == [("undecodable", None), ("unreadable", None)]
    assert "empty.png: the file is empty" in rows[4]["error"]
    found = summarize(plan, out)
    assert (found["images"], found["failed"], found["parts"]) == (5, 2, 2)
    assert sorted(path.name for path in (out / "parts").iterdir()) == ["part-000000.parquet", "part-000001.parquet"]

    # A part of another plan, or a torn one, is no part of this.
    parquet.write_table(parquet.read_table(part_path(out, 0)).replace_schema_metadata({}), part_path(out, 0))
    part_path(out, 1).write_bytes(part_path(out, 1).read_bytes()[:-9])
    assert not is_done(plan, out, 0)
    assert not is_done(plan, out, 1)
    with pytest.raises(EngineError, match=r"part-000000\.parquet: missing or changed meanwhile"):
        summarize(plan, out)


def test_the_command_tells_how_many_files_are_of_other_types(
    parquet: Any, archive: Path, sample_bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="archives need extra `ray`, which is not installed")
    out = tmp_path / "out"
    for name in ("scan.tif", "scan2.tif", "notes.txt"):
        (archive / name).write_bytes(b"x")
    plan, job = prepared(archive, sample_bundle, out)
    for part in plan.parts:  # all is done already, so no cluster starts
        Worker(job)({"part": part, "items": item_text(plan.items_of(part))})
    words = ["assess-archive", str(archive), "--bundle", str(sample_bundle), "--out", str(out), "--part-images", str(PART)]
    shown = CliRunner().invoke(app, words)
    assert "3 files skipped for their type: .tif 2, .txt 1" in shown.stdout
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["images"], summary["skipped"]) == (5, 3)


def test_names_that_are_no_text_are_written_with_escapes(parquet: Any, sample_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    whole, empty = (os.fsdecode(name) for name in (b"m\xfcller.png", b"n\xfcller.png"))
    Image.fromarray(synthetic.lesion("nv", 1, 120)).save(folder / whole)
    (folder / empty).write_bytes(b"")
    plan, job = prepared(folder, sample_bundle, tmp_path / "out")
    Worker(job)({"part": 0, "items": item_text(plan.items_of(0))})
    rows = parquet.read_table(part_path(tmp_path / "out", 0)).to_pylist()
    assert [row["image"] for row in rows] == [r"m\udcfcller.png", r"n\udcfcller.png"]
    assert r"n\udcfcller.png" in rows[1]["error"]


def test_an_image_that_kills_its_workers_is_left_out(parquet: Any, archive: Path, sample_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan, job = prepared(archive, sample_bundle, out)
    path = part_path(out, 0)
    path.parent.mkdir(parents=True)
    tries_path(path).write_text("\n7: 0 " + "\n8: 0 1 " * DEATHS)  # the first process died over 0, three over 1
    Worker(job)({"part": 0, "items": item_text(plan.items_of(0))})
    codes = parquet.read_table(path)["error_code"].to_pylist()
    assert codes == [None, "fatal", None, "undecodable"]
    assert not tries_path(path).exists()


def test_a_worker_refuses_another_bundle(sample_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="the plan is for other-1"):
        Worker(Job(str(sample_bundle), "other-1", "static_wi8_ai8", "rule_out", str(tmp_path), ""))


# ---- the command, on a cluster


def descendants(pid: int) -> list[int]:
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            children[int(stat.read_text().rsplit(")", 1)[1].split()[1])].append(int(stat.parent.name))
    found = list(children[pid])
    for child in found:
        found += children[child]
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], object], process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + 900
    while not condition():
        assert process.poll() is None, "the command ended too soon"
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="finds the workers in /proc")
def test_every_image_comes_out_once_though_the_command_and_then_a_worker_are_killed(
    parquet: Any, sample_bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="archives need extra `ray`, which is not installed")
    folder, out = tmp_path / "archive", tmp_path / "out"
    folder.mkdir()
    slow = np.random.default_rng(1).integers(0, 256, (1600, 1600, 3), dtype=np.uint8)  # a tenth of a second to decode
    Image.fromarray(slow).save(folder / "00.png", compress_level=1)
    for number in range(1, 40):
        os.link(folder / "00.png", folder / f"{number:02}.png")
    (folder / "bad.jpg").write_bytes(b"not a picture")
    words = [sys.executable, "-m", "mobile_runtime", "assess-archive", str(folder), "--bundle", str(sample_bundle)]
    words += ["--out", str(out), "--part-images", str(PART), "--workers", "2", "--json"]
    plan, _ = prepared(folder, sample_bundle, out)

    def parts() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in (out / "parts").glob("part-*.parquet")}

    def notes() -> list[str]:
        found = []
        for path in (out / "parts").glob(".part-*.tries"):
            with contextlib.suppress(FileNotFoundError):
                found.append(path.read_text())
        return [note for note in found if ":" in note]  # not one that was only just made

    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(parts, process)
        family = descendants(process.pid)
        process.kill()
    deadline = time.monotonic() + 120
    while any(is_alive(pid) for pid in family):  # Ray's processes end when they notice
        assert time.monotonic() < deadline
        time.sleep(0.1)
    before = parts()
    assert 1 <= len(before) < len(plan.parts)
    for note in (out / "parts").glob(".part-*"):
        note.unlink()

    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(notes, process)
        worker = int(notes()[0].strip().partition(":")[0])
        assert worker in descendants(process.pid)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: any(note.count("\n") == 2 for note in notes()), process)  # its part is tried again
        shown, complaints = process.communicate(timeout=900)
    assert process.returncode == 1, complaints  # one image is bad
    document = json.loads(shown)
    assert (document["images"], document["failed"]) == (41, 1)
    assert document["assessed_now"] == 41 - PART * len(before), "what was done is not done again"
    assert {name: parts()[name] for name in before} == before
    assert {path.suffix for path in (out / "parts").iterdir()} == {".parquet"}

    rows = [row for part in plan.parts for row in parquet.read_table(part_path(out, part)).to_pylist()]
    pipeline = TriagePipeline(sample_bundle)
    expected = row_of(plan.items[0], pipeline)
    assert [row["image"] for row in rows] == [f"{number:02}.png" for number in range(40)] + ["bad.jpg"]
    assert all(row["decision"] == expected["decision"] for row in rows[:-1])
    assert rows[-1]["error_code"] == "undecodable"
