"""Folders that are whole or not there, and never put where something else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_runtime.files import build_folder, is_replaceable


def test_a_folder_is_replaced_whole_or_left(tmp_path: Path) -> None:
    target = tmp_path / "made"
    for text in ("first", "second"):
        with build_folder(target) as folder:
            (folder / text).write_text(text, encoding="utf-8")
        assert [file.name for file in target.iterdir()] == [text]
    with pytest.raises(FileNotFoundError), build_folder(target) as folder:
        (folder / "third" / "fourth").touch()
    assert [file.name for file in target.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [target]


def test_only_what_was_made_before_may_be_replaced(tmp_path: Path) -> None:
    new, empty, ours, theirs = (tmp_path / name for name in ("new", "empty", "ours", "theirs"))
    for folder in (empty, ours, theirs):
        folder.mkdir()
    (ours / "mark").touch()
    (theirs / "photo.jpg").touch()
    link = tmp_path / "link"
    link.symlink_to(empty)
    found = {path.name: is_replaceable(path, "mark") for path in (new, empty, ours, theirs, link, theirs / "photo.jpg")}
    assert found == {"new": True, "empty": True, "ours": True, "theirs": False, "link": False, "photo.jpg": False}
