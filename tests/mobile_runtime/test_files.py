"""Folders that are whole or not there, and never put where something else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_runtime.errors import DataError
from mobile_runtime.files import build_folder, check_place, is_replaceable, refuse_own_source


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


@pytest.mark.parametrize("name", [".", "../made", "sub/.."])
def test_a_folder_may_be_named_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    target = tmp_path / "made"
    (target / "sub").mkdir(parents=True)
    monkeypatch.chdir(target)
    with build_folder(Path(name)) as folder:
        assert folder.parent == tmp_path
        (folder / "new").touch()
    monkeypatch.chdir(tmp_path)
    assert [file.name for file in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_put_back_when_the_new_one_cannot_take_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "old").touch()
    rename = Path.rename

    def refuse(self: Path, to: Path) -> Path:
        if self.name.startswith(".made.") and (self / "new").exists():
            raise PermissionError(13, "refused", str(self))
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError), build_folder(target) as folder:
        (folder / "new").touch()
    assert [file.name for file in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("done", [1, 2])
def test_a_folder_is_there_whenever_a_signal_ends_its_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "old").touch()
    rename, calls = Path.rename, []

    def ended(self: Path, to: Path) -> Path:
        moved = rename(self, to)
        calls.append(to)
        if len(calls) == done:
            raise SystemExit(143)
        return moved

    monkeypatch.setattr(Path, "rename", ended)
    with pytest.raises(SystemExit), build_folder(target) as folder:
        (folder / "new").touch()
    assert [file.name for file in target.iterdir()] == [("old", "new")[done - 1]]
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_is_not_written_over_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a.tflite"
    refuse_own_source(source, source, "model")  # which is not there: reading it will say so
    source.touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(source)
    monkeypatch.chdir(tmp_path / "sub")
    for target in (source, Path("../a.tflite"), tmp_path / "link"):
        with pytest.raises(DataError, match=f"{target}: the model itself; give another name"):
            refuse_own_source(target, source, "model")
    refuse_own_source(Path("a.tflite"), source, "model")


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


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in file, tmp_path / "new.json", tmp_path / "some" / "new" / "folder.json":
        check_place(path)
    for path in tmp_path, tmp_path / "new" / "folder":
        check_place(path, folder=True)
    monkeypatch.chdir(tmp_path)
    check_place(Path("new.json"))
    for path, folder, said in (
        (tmp_path, False, f"{tmp_path}: a folder; give the file to write"),
        (Path(), False, ".: a folder; give the file to write"),
        (Path("/dev/null"), False, "/dev/null: no plain file; give the file to write"),
        (file / "new.json", False, f"{file}: not a folder, so nothing can be written into it; give another place"),
        (file, True, f"{file}: not a folder, so nothing can be written into it; give another place"),
    ):
        with pytest.raises(DataError) as caught:
            check_place(path, folder)
        assert str(caught.value) == said
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(DataError, match="may not be written to"):
        check_place(tmp_path / "new.json")
    assert list(tmp_path.iterdir()) == [file]
