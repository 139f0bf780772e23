"""A watched folder: every photograph once, across restarts, and never while it is being copied."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from unittest.mock import Mock

import pytest
from PIL import Image, ImageFile

from mobile_runtime import TriagePipeline, assess_command, capture, decoding, synthetic
from mobile_runtime.errors import CaptureError
from mobile_runtime.files import changed_ns, write_json
from mobile_runtime.watching import OWNER, Basis, Stamp, arrivals, verdict_path
from tests.conftest import REPOSITORY

BASIS = Basis("bundle", "int8", "rule_out")


class Time:
    """A clock that only sleeping moves; `then` happens at the given looks at the folder."""

    def __init__(self, then: dict[int, object] | None = None) -> None:
        self.now, self.looks, self.then = 0.0, 0, then or {}

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.looks += 1
        if self.looks in self.then:
            self.then[self.looks]()
        if self.looks > 50:
            raise TimeoutError

    def clock(self) -> float:
        return self.now


def watch(folder: Path, out: Path, time: Time) -> Iterator[tuple[Path, Stamp]]:
    return arrivals(folder, out, BASIS, interval_s=1, settle_s=2, sleep=time.sleep, clock=time.clock)


def done(found: tuple[Path, Stamp], out: Path) -> None:
    photo, stamp = found
    file = {"size_bytes": stamp.size_bytes, "changed_ns": stamp.changed_ns}
    model = {"bundle": BASIS.bundle, "variant": BASIS.variant}
    verdict = {"file": file, "model": model, "operating_point": {"name": BASIS.operating_point}}
    write_json(verdict_path(photo, out), verdict)


def test_a_photo_that_grows_is_waited_for(tmp_path: Path) -> None:
    photo, out = tmp_path / "a.jpg", tmp_path / "out"
    photo.write_bytes(b"1")
    ticks = Time({look: lambda: photo.write_bytes(photo.read_bytes() + b"1") for look in range(1, 8)})
    found = next(watch(tmp_path, out, ticks))
    assert found[0] == photo
    assert found[1].size_bytes == 8
    assert ticks.looks >= 9  # two quiet seconds after the last change


def test_each_photo_once_across_restarts_and_again_when_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("a.jpg", "B.PNG", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    seen = []
    for found in islice(watch(tmp_path, out, Time()), 2):
        done(found, out)
        seen.append(found[0].name)
    assert sorted(seen) == ["B.PNG", "a.jpg"]
    again = Time()
    try:
        next(watch(tmp_path, out, again))
        raise AssertionError("a photograph with a verdict came again")
    except TimeoutError:
        pass
    (tmp_path / "a.jpg").write_bytes(b"another picture")
    assert next(watch(tmp_path, out, Time()))[0].name == "a.jpg"


def test_a_jpeg_of_a_rare_ending_is_a_photo_and_other_types_are_named_once(tmp_path: Path) -> None:
    photos, others = {"a.jfif", "b.JPE", "c.pjpeg"}, {"scan.tif", "no_ending"}
    for name in photos | others | {".hidden.tif", "a.jpg.json", "a.jpg.part", "a.tif~"}:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.tif").mkdir()
    named: list[str] = []
    ticks = Time({1: lambda: (tmp_path / "late.tif").write_bytes(b"x"), 2: lambda: (tmp_path / "late.tif").unlink()})
    out = tmp_path / "out"
    found = arrivals(tmp_path, out, BASIS, 1, 2, ticks.sleep, ticks.clock, left_out=lambda path: named.append(path.name))
    came: set[str] = set()
    with contextlib.suppress(TimeoutError):
        for one in found:
            done(one, out)
            came.add(one[0].name)
    assert came == photos
    assert sorted(named) == sorted(others)


def test_a_verdict_is_read_once_and_missed_when_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, real, read = tmp_path / "out", Path.read_bytes, []

    def reading(path: Path) -> bytes:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", reading)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    for found in islice(watch(tmp_path, out, Time()), 2):
        done(found, out)
    read.clear()
    ticks = Time(
        {
            20: verdict_path(tmp_path / "a.jpg", out).unlink,
            40: lambda: (tmp_path / "b.jpg").write_bytes(b"another picture"),
        }
    )
    came = watch(tmp_path, out, ticks)
    again = next(came)
    assert (again[0].name, ticks.looks) == ("a.jpg", 20)
    assert sorted(read) == ["a.jpg.json", "b.jpg.json"]
    done(again, out)
    assert next(came)[0].name == "b.jpg"
    assert sorted(read) == ["a.jpg.json"] * 2 + ["b.jpg.json"] * 3


def test_the_command_names_a_file_of_another_type_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scan\x1b[2J.tif").write_bytes(b"x")
    ticks = Time()
    monkeypatch.setattr(
        assess_command,
        "arrivals",
        lambda folder, out, basis, **more: arrivals(folder, out, basis, 1, 2, ticks.sleep, ticks.clock, **more),
    )
    with pytest.raises(TimeoutError):
        assess_command._watch(TriagePipeline(), tmp_path, tmp_path / "out", as_json=True)
    assert capfd.readouterr().err.splitlines()[1:] == [r"scan\x1b[2J.tif: left out, .tif is no photograph that is read"]


def test_a_damaged_verdict_is_made_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "a.jpg").write_bytes(b"x")
    found = next(watch(tmp_path, out, Time()))
    done(found, out)
    verdict_path(found[0], out).write_text('{"file": ')
    assert next(watch(tmp_path, out, Time())) == found


def test_the_command_gives_each_photo_a_json_and_a_picture(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    Image.fromarray(synthetic.lesion("nv", 1, 300)).save(folder / "nv.png")
    (folder / "broken.jpg").write_bytes(b"not a picture")
    (folder / ("a" * 251 + ".jpg")).write_bytes(b"no room for a verdict beside it")
    words = [sys.executable, "-m", "mobile_runtime", "assess", "--watch", str(folder), "--out", str(out), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
    finally:
        process.terminate()
        process.wait(timeout=30)
    by_name = {line["image"]: line for line in lines}
    assert by_name["nv.png"]["decision"] in ("refer", "low_concern", "abstain", "retake")
    assert "error" in by_name["broken.jpg"]
    deadline = time.monotonic() + 10
    while not (out / "nv.png.json").is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert json.loads((out / "nv.png.json").read_text()) == by_name["nv.png"]
    assert (out / "nv.png.verdict.png").is_file()
    assert (out / "broken.jpg.json").is_file()


def test_a_photograph_that_cannot_be_read_now_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    Image.fromarray(synthetic.lesion("nv", 1, 300)).save(folder / "nv.png")
    (folder / "zbroken.png").write_bytes((folder / "nv.png").read_bytes()[:-200])
    time_ = Time()
    monkeypatch.setattr(assess_command, "arrivals", lambda watched, to, basis, **more: islice(watch(watched, to, time_), 3))
    out.mkdir()
    write_json(verdict_path(folder / "nv.png", out), {"decision": "low_concern", "file": {}})  # of an earlier photograph
    real, failures = decoding.read_bytes, [OSError(errno.EIO, "Input/output error")]

    def read(path: str | Path) -> bytes:
        if failures and Path(path).name == "nv.png":
            assert not verdict_path(Path(path), out).exists()
            raise CaptureError(f"{path}: cannot be read") from failures.pop()
        return real(path)

    monkeypatch.setattr(capture, "read_bytes", read)
    assess_command._watch(TriagePipeline(), folder, out, as_json=True)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["image"] for line in lines] == ["zbroken.png", "nv.png"]
    assert "error" in lines[0] and "decision" in lines[1]  # what is damaged stays so and is not tried again
    assert not failures and (out / "nv.png.json").is_file()


@pytest.mark.parametrize("lacking", ["extra", "memory", "truncated images"])
def test_what_the_machine_lacks_is_told_once_and_makes_no_verdict(
    lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    Image.fromarray(synthetic.lesion("nv", 1, 300)).save(folder / "a.png")
    whole = (folder / "a.png").read_bytes()
    if lacking == "extra":
        (folder / "a.png").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(16))
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
    elif lacking == "memory":
        monkeypatch.setattr(decoding, "_open", Mock(side_effect=MemoryError))
    else:
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    ticks = Time()
    found = arrivals(folder, out, BASIS, 10, 2, ticks.sleep, ticks.clock)

    def four(watched: Path, to: Path, basis: Basis, **more: object) -> Iterator[tuple[Path, Stamp]]:
        yield from islice(found, 3)
        assert not verdict_path(folder / "a.png", out).exists()
        monkeypatch.undo()
        monkeypatch.setattr(capture, "read_bytes", lambda path: whole)  # the photograph itself has not changed
        yield from islice(found, 1)

    monkeypatch.setattr(assess_command, "arrivals", four)
    assess_command._watch(TriagePipeline(), folder, out, as_json=True)
    shown = capfd.readouterr()
    assert ["decision" in json.loads(line) for line in shown.out.splitlines()] == [True]
    assert shown.err.count("tried again later") == 1
    assert json.loads(verdict_path(folder / "a.png", out).read_text()) == json.loads(shown.out)


def test_a_verdict_that_cannot_be_written_now_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(synthetic.lesion("nv", 1, 300)).save(folder / name)
    (out / "a.png.verdict.png").mkdir(parents=True)
    found = watch(folder, out, Time())

    def three(watched: Path, to: Path, basis: Basis, **more: object) -> Iterator[tuple[Path, Stamp]]:
        yield from islice(found, 2)
        (out / "a.png.verdict.png").rmdir()
        yield from islice(found, 1)

    monkeypatch.setattr(assess_command, "arrivals", three)
    assess_command._watch(TriagePipeline(), folder, out, as_json=True)
    shown = capfd.readouterr()
    assert [json.loads(line)["image"] for line in shown.out.splitlines()] == ["b.png", "a.png"]
    assert "a.png: " in shown.err and "tried again later" in shown.err


def test_a_photograph_from_before_1970_has_a_stamp_that_fits_the_schema(
    tmp_path: Path,
) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"x")
    os.utime(photo, ns=(-(10**18), -(10**18)))
    assert next(watch(tmp_path, tmp_path / "out", Time()))[1].changed_ns > 0
    assert changed_ns(Mock(st_ctime_ns=0, st_mtime_ns=-1)) == 0  # where only that time is known


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("seconds", [315532800, 2**32], ids=["a card without a clock", "a clock that is ahead"])
def test_another_picture_of_the_same_name_size_and_time_is_new(seconds: int, restarted: bool, tmp_path: Path) -> None:
    photo, other, out = tmp_path / "a.bmp", tmp_path / "other", tmp_path / "out"
    for file in (photo, other):
        file.write_bytes(file.name[:1].encode())
        os.utime(file, (seconds, seconds))
    ticks = Time({10: lambda: other.replace(photo)})
    found = watch(tmp_path, out, ticks)
    first = next(found)
    done(first, out)
    assert photo.read_bytes() == b"a"
    if restarted:
        other.replace(photo)
        found = watch(tmp_path, out, Time())
    again = next(found)
    assert (again[0], photo.read_bytes()) == (photo, b"o")
    assert again[1] != first[1]


def test_a_verdict_that_an_earlier_version_wrote_is_made_anew(tmp_path: Path) -> None:
    photo, out = tmp_path / "a.bmp", tmp_path / "out"
    photo.write_bytes(b"x")
    os.utime(photo, (315532800, 315532800))
    write_json(verdict_path(photo, out), {"file": {"size_bytes": 1, "changed_ns": photo.stat().st_mtime_ns}})
    assert next(watch(tmp_path, out, Time()))[0] == photo


def test_a_folder_that_goes_away_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    folder, away = tmp_path / "in", tmp_path / "away"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x")
    ticks = Time({1: lambda: folder.rename(away), 3: lambda: away.rename(folder)})
    assert next(watch(folder, tmp_path / "out", ticks))[0].name == "a.jpg"
    with pytest.raises(CaptureError, match="give a folder that can be read"):
        next(watch(tmp_path / "nowhere", tmp_path / "out", Time()))


def test_a_verdict_of_another_bundle_or_operating_point_is_made_anew(tmp_path: Path) -> None:
    photo, out = tmp_path / "a.jpg", tmp_path / "out"
    photo.write_bytes(b"x")
    found = next(watch(tmp_path, out, Time()))
    done(found, out)
    with pytest.raises(TimeoutError):
        next(watch(tmp_path, out, Time()))
    for other in (replace(BASIS, operating_point="balanced"), replace(BASIS, bundle="new"), replace(BASIS, variant="float32")):
        ticks = Time()
        assert next(arrivals(tmp_path, out, other, 1, 2, ticks.sleep, ticks.clock)) == found


def test_the_verdict_on_the_photograph_before_is_outdated_at_once(tmp_path: Path) -> None:
    photo, out = tmp_path / "a.jpg", tmp_path / "out"
    photo.write_bytes(b"x")
    done(next(watch(tmp_path, out, Time())), out)
    outdated: list[tuple[str, int]] = []
    ticks = Time({look: lambda: photo.write_bytes(photo.read_bytes() + b"y") for look in range(10, 20)})
    found = arrivals(
        tmp_path, out, BASIS, 1, 2, ticks.sleep, ticks.clock, outdated=lambda path: outdated.append((path.name, ticks.looks))
    )
    assert next(found)[0] == photo
    assert outdated[0] == ("a.jpg", 10), "while it is still being written"


def test_the_command_takes_away_what_is_of_another_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    Image.fromarray(synthetic.lesion("nv", 1, 300)).save(folder / "a.png")
    ticks = Time(
        {20: lambda: Image.fromarray(synthetic.lesion("mel", 1, 300)).save(folder / "a.png"), 21: lambda: there(False)}
    )

    def there(wanted: bool) -> None:
        assert [verdict_path(folder / "a.png", out).exists(), (out / "a.png.verdict.png").exists()] == [wanted, wanted]

    def ticking(*words: object, **more: object) -> Iterator[tuple[Path, Stamp]]:
        return arrivals(*words, 1, 2, ticks.sleep, ticks.clock, **more)

    monkeypatch.setattr(assess_command, "arrivals", ticking)
    with pytest.raises(TimeoutError):
        assess_command._watch(TriagePipeline(), folder, out, as_json=True)
    there(True)


def test_verdicts_on_two_folders_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(assess_command, "arrivals", lambda *words, **more: iter(()))
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    assess_command._watch(TriagePipeline(), tmp_path / "one", out, as_json=True)
    assess_command._watch(TriagePipeline(), tmp_path / "one", out, as_json=True)
    with pytest.raises(CaptureError, match=r"out: holds verdicts on photographs of .*one; choose another --out"):
        assess_command._watch(TriagePipeline(), tmp_path / "other", out, as_json=True)
    (out / OWNER).write_text("{", encoding="utf-8")  # cut short: nobody's
    assess_command._watch(TriagePipeline(), tmp_path / "other", out, as_json=True)
