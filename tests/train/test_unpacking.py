"""Unpacking: whole or not there, and nowhere else."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from train.downloads import DownloadError
from train.unpacking import unpack


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def archive(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in members.items():
            opened.writestr(name.replace("__slash__", "/"), text)
    return path


def test_an_archive_is_unpacked_without_its_only_folder(tmp_path: Path) -> None:
    flat = archive(tmp_path / "flat.zip", a="1", b="2")
    assert left(unpack(flat, tmp_path / "flat")) == {"a", "b"}
    nested = archive(tmp_path / "nested.zip", part__slash__a="1", part__slash__part__slash__b="2", __MACOSX__slash__junk="x")
    assert left(unpack(nested, tmp_path / "part")) == {"a", "part"}
    assert (tmp_path / "part" / "part" / "b").read_text() == "2"


def test_names_in_an_archive_cannot_leave_the_folder(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("../escaped", "x")
        opened.writestr("/absolute", "x")
    (tmp_path / "evil.zip").write_bytes(buffer.getvalue())
    (tmp_path / "in").mkdir()
    unpack(tmp_path / "evil.zip", tmp_path / "in" / "evil")
    assert left(tmp_path) == {"evil.zip", "in"}
    assert left(tmp_path / "in") == {"evil"}


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.zip", a="1" * 5000, b="2" * 5000).read_bytes()
    torn, bent = tmp_path / "torn.zip", tmp_path / "bent.zip"
    torn.write_bytes(whole[:40])
    bent.write_bytes(whole[:35] + bytes(8) + whole[43:])
    for broken in (torn, bent):
        with pytest.raises(DownloadError, match=rf"{broken.name}: not a whole ZIP archive"):
            unpack(broken, tmp_path / "out")
    assert left(tmp_path) == {"whole.zip", "torn.zip", "bent.zip"}
