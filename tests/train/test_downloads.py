"""Fetching over bad lines from a server on this machine: resumed, checked, whole or not there."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.servers import Mood, serving
from train.downloads import DownloadError, Patience, fetch
from train.sources import SourceFile

CONTENT = np.random.default_rng(0).bytes(700_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(tries=4, first_wait_s=0.001, timeout_s=10)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Mood]:
    with serving(Mood({"/data.bin": CONTENT})) as mood:
        yield mood


def source(server: Mood, **stated: object) -> SourceFile:
    return SourceFile.model_validate({"name": "data.bin", "url": f"{server.url}/data.bin", **stated})


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_comes_whole_and_is_checked(server: Mood, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "deep" / "data.bin"
    fetched = fetch(source(server, md5=MD5, size_bytes=len(CONTENT)), target, lambda *now: seen.append(now), QUICK)
    assert target.read_bytes() == CONTENT
    assert (fetched.path, fetched.size_bytes, fetched.sha256, fetched.checked) == (target, len(CONTENT), SHA256, "md5")
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert left(target.parent) == {"data.bin"}


def test_without_a_stated_checksum_the_computed_one_is_recorded_and_compared_later(server: Mood, tmp_path: Path) -> None:
    target = tmp_path / "data.bin"
    assert fetch(source(server), target, patience=QUICK).checked is None
    assert (tmp_path / "data.bin.sha256").read_text() == f"{SHA256}  data.bin\n"
    assert fetch(source(server), target, patience=QUICK).checked == "record"
    assert len(server.asked) == 1, "what is there is not fetched again"
    target.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(DownloadError, match=r"data\.bin: its sha256 is .*, an earlier run recorded .*kept as data\.bin\.bad"):
        fetch(source(server), target, patience=QUICK)
    assert left(tmp_path) == {"data.bin.bad"}
    assert fetch(source(server), target, patience=QUICK).sha256 == SHA256


def test_a_cut_connection_is_resumed_by_ranges(server: Mood, tmp_path: Path) -> None:
    server.cuts = [100_000, 0, 300_000, None]
    assert fetch(source(server, sha256=SHA256), tmp_path / "data.bin", patience=QUICK).checked == "sha256"
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=100000-", "bytes=400000-"]
    assert left(tmp_path) == {"data.bin"}


def test_another_run_goes_on_where_one_gave_up(server: Mood, tmp_path: Path) -> None:
    server.cuts = [250_000, 0, 0, 0]
    reason = r"data\.bin: the connection ended at byte 250000 of 700000, 4 times in a row; .*goes on from byte 250000"
    with pytest.raises(DownloadError, match=reason):
        fetch(source(server), tmp_path / "data.bin", patience=QUICK)
    assert left(tmp_path) == {"data.bin.part", "data.bin.part.validator"}
    server.asked.clear()
    assert fetch(source(server), tmp_path / "data.bin", patience=QUICK).sha256 == SHA256
    assert server.asked == [("/data.bin", "bytes=250000-")]


def test_a_server_that_ignores_ranges_is_read_from_the_start(server: Mood, tmp_path: Path) -> None:
    server.ranges = False
    server.cuts = [300_000, 200_000, None]
    assert fetch(source(server, md5=MD5), tmp_path / "data.bin", patience=QUICK).size_bytes == len(CONTENT)
    assert server.asked[1] == ("/data.bin", "bytes=300000-")
    server.cuts = [300_000] * 9
    with pytest.raises(DownloadError, match="4 times in a row"):
        fetch(source(server), tmp_path / "never.bin", patience=QUICK)


def test_a_file_that_changed_meanwhile_is_not_pieced_together(server: Mood, tmp_path: Path) -> None:
    server.cuts = [300_000, 0, 0, 0]
    with pytest.raises(DownloadError):
        fetch(source(server), tmp_path / "data.bin", patience=QUICK)
    server.tag, server.files["/data.bin"] = '"two"', CONTENT[::-1]
    fetch(source(server), tmp_path / "data.bin", patience=QUICK)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT[::-1]


def test_a_file_that_was_whole_when_the_run_was_killed_is_taken(server: Mood, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert fetch(source(server, md5=MD5), tmp_path / "data.bin", patience=QUICK).checked == "md5"
    assert server.asked == [("/data.bin", "bytes=700000-")]
    (tmp_path / "longer.bin.part").write_bytes(CONTENT + b"more")
    assert fetch(source(server, md5=MD5), tmp_path / "longer.bin", patience=QUICK).checked == "md5"


def test_a_wrong_checksum_moves_the_file_aside(server: Mood, tmp_path: Path) -> None:
    wrong = source(server, md5="0" * 32)
    with pytest.raises(DownloadError, match=rf"data\.bin: its md5 is {MD5}, the publisher states 0{{32}}; it is kept as"):
        fetch(wrong, tmp_path / "data.bin", patience=QUICK)
    assert left(tmp_path) == {"data.bin.bad"}
    assert fetch(source(server, md5=MD5), tmp_path / "data.bin", patience=QUICK).checked == "md5"
    with pytest.raises(DownloadError, match="kept as"):  # what is there is checked, too
        fetch(wrong, tmp_path / "data.bin", patience=QUICK)
    assert left(tmp_path) == {"data.bin.bad"}


def test_the_checksum_of_google_cloud_storage_is_in_a_header(server: Mood, tmp_path: Path) -> None:
    server.headers = {"x-goog-hash": f"crc32c=AAAAAA==,md5={base64.b64encode(bytes.fromhex(MD5)).decode()}"}
    assert fetch(source(server), tmp_path / "data.bin", patience=QUICK, record=False).checked == "md5"
    assert left(tmp_path) == {"data.bin"}
    server.files["/data.bin"] = CONTENT[::-1]
    with pytest.raises(DownloadError, match="the publisher states"):
        fetch(source(server), tmp_path / "other.bin", patience=QUICK)


def test_a_size_other_than_the_stated_one_is_refused_at_once(server: Mood, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="has 700000 bytes where 700001 are stated"):
        fetch(source(server, size_bytes=700_001), tmp_path / "data.bin", patience=QUICK)
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_passing_refusal_is_waited_out(server: Mood, tmp_path: Path, code: int) -> None:
    server.refusals = [code, code]
    assert fetch(source(server), tmp_path / "data.bin", patience=QUICK).sha256 == SHA256
    server.refusals = [code] * 4
    with pytest.raises(DownloadError, match=f"the server answered {code} .*4 times in a row"):
        fetch(source(server), tmp_path / "other.bin", patience=QUICK)


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_final_refusal_is_not_repeated(server: Mood, tmp_path: Path, code: int) -> None:
    server.refusals = [code]
    with pytest.raises(DownloadError, match=rf"data\.bin: the server answered {code}.*--registry"):
        fetch(source(server), tmp_path / "data.bin", patience=QUICK)
    assert len(server.asked) == 1
    assert left(tmp_path) == set()


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with serving(Mood({})) as mood:
        gone = source(mood)
    with pytest.raises(DownloadError, match=r"no connection .*refused.*4 times in a row"):
        fetch(gone, tmp_path / "data.bin", patience=QUICK)


def test_waits_double_up_to_a_minute() -> None:
    assert [Patience().wait_s(failures) for failures in (1, 2, 3, 7, 20)] == [1, 2, 4, 60, 60]


@settings(max_examples=12)
@given(st.lists(st.integers(0, 300_000), max_size=6), st.booleans())
def test_any_cuts_give_the_file_or_an_error_and_never_half_of_it(cuts: list[int], ranges: bool) -> None:
    with tempfile.TemporaryDirectory() as name, serving(Mood({"/data.bin": CONTENT}, ranges, list(cuts))) as mood:
        target = Path(name) / "data.bin"
        try:
            fetch(source(mood), target, patience=QUICK)
        except DownloadError:
            assert not target.exists()
        else:
            assert target.read_bytes() == CONTENT
