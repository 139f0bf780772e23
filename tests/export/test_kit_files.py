"""Vectors of image files: what Python says of them, and that there is something of every kind."""

from __future__ import annotations

import pytest

from export.kit_files import edge_vectors, file_vectors
from export.kit_turned import turned_vectors
from mobile_runtime.errors import CaptureError
from mobile_runtime.structure import UNWRITTEN, check_transfer
from tests.export.ports import PORTS

FILES = {case["name"]: case for case in file_vectors()}


def test_python_takes_whole_files_and_refuses_broken_ones() -> None:
    assert len(FILES) == len(file_vectors())
    for name, case in FILES.items():
        assert case["accepted"] == (case["code"] is None), name
    assert {case["code"] for case in FILES.values()} == {None, "truncated", "format", "unreadable", "high_dynamic_range"}
    assert list(FILES.values()) == file_vectors()


def test_ports_refuse_high_dynamic_range_in_the_same_words() -> None:
    with pytest.raises(CaptureError) as refused:
        check_transfer(16, "image")
    fault, remedy = str(refused.value).removeprefix("image: ").split("; ")
    texts = {file.name: file.read_text(encoding="utf-8") for file in PORTS if file.stem.lower() in ("photofile", "photo")}
    assert texts.keys() == {"PhotoFile.java", "PhotoFile.swift", "photo.ts"}
    for name, text in texts.items():
        assert fault in text, name
        assert remedy in text, name


def test_files_are_turned_in_every_way_and_in_every_format() -> None:
    cases = turned_vectors()
    assert cases == turned_vectors()
    assert len({case["name"] for case in cases}) == len(cases)
    for kind in ("a JPEG", "a PNG", "a WebP"):
        assert {case["orientation"] for case in cases if case["name"].startswith(kind)} == set(range(1, 9))


@pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "PNG", "WebP", "HEIC"])
def test_files_of_every_kind_are_whole_and_broken(kind: str) -> None:
    answers = {case["accepted"] for name, case in FILES.items() if f" {kind}" in name}
    assert answers == {False, True}


def test_a_scan_a_colour_and_pixels_are_missing_somewhere() -> None:
    erased = ("a JPEG with an erased part", "a JPEG that lacks what is between two restart markers")
    for name in (
        *erased,
        "a progressive JPEG of 1 scans, RGB",
        "a progressive JPEG without scan 1, RGB",
        "a JPEG with scans of 2 of 3 colours",
        "a PNG with a hole",
    ):
        assert not FILES[name]["accepted"]
    short = [name for name in FILES if name.endswith("which runs out")]
    assert len(short) > 20
    assert not any(FILES[name]["accepted"] for name in short)


def test_edges_that_were_never_written_are_refused_on_every_side() -> None:
    cases = edge_vectors()
    assert len({case["name"] for case in cases}) == len(cases) == 70
    assert all(case["accepted"] is not case["name"].endswith(" unwritten") for case in cases)
    # A profile and four colours make another level of what was never written.
    for kind in ("a profile", "four colours"):
        case = next(case for case in cases if case["name"] == f"{kind}, unwritten")
        row = bytes.fromhex(case["rgb"])[-3 * case["width"] :]
        assert not case["accepted"] and set(row) != {UNWRITTEN} and all(abs(level - UNWRITTEN) > 1 for level in row)
