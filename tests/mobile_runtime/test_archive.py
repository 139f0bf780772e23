"""Archives: what is found in them, and what is told where there is nothing to do."""

from __future__ import annotations

import errno
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mobile_runtime import synthetic
from mobile_runtime.archive import look_through
from mobile_runtime.archive_plan import item_text, items_from
from mobile_runtime.errors import CaptureError, DataError


def photo(path: Path, seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(synthetic.lesion("nv", seed, 64)).save(path)
    return path


def shard(path: Path, *members: Path, kind: str = "w") -> Path:
    with tarfile.open(path, kind) as archive:
        for member in members:
            archive.add(member, f"deep/{member.name}")
    return path


def test_a_folder_gives_its_images_and_those_of_its_shards_in_one_order(tmp_path: Path) -> None:
    loose = photo(tmp_path / "b" / "two.PNG")
    packed = [photo(tmp_path / "away" / f"{name}.png", seed) for seed, name in enumerate(("z", "y", ".hidden"))]
    (tmp_path / "notes.txt").write_text("no image")
    shard(tmp_path / "a.tar", *packed, tmp_path / "notes.txt")
    for path in packed:
        path.rename(path.with_suffix(".moved"))
    found = look_through(tmp_path).items
    assert [item.image for item in found] == ["a.tar/deep/z.png", "a.tar/deep/y.png", "b/two.PNG"]
    contents = [packed[0].with_suffix(".moved"), packed[1].with_suffix(".moved"), loose]
    assert [item.read() for item in found] == [path.read_bytes() for path in contents]
    assert items_from(item_text(found)) == found
    assert [item.image for item in look_through(tmp_path / "a.tar").items] == ["a.tar/deep/z.png", "a.tar/deep/y.png"]


def test_every_ending_of_a_jpeg_counts_and_other_types_are_told(tmp_path: Path) -> None:
    for name in ("a.jfif", "b.JPE", "c.pjpeg", "d.TIF", "e.tif", "f", ".hidden.tif", "f.json", "g.jpg.part", "h.tif~"):
        (tmp_path / name).write_bytes(b"x")
    packed = tmp_path / "packed"
    packed.mkdir()
    shard(tmp_path / "z.tar", tmp_path / "a.jfif", tmp_path / "e.tif", tmp_path / "f.json", packed)
    found = look_through(tmp_path)
    assert [item.image for item in found.items] == ["a.jfif", "b.JPE", "c.pjpeg", "z.tar/deep/a.jfif"]
    assert found.left_out == {".tif": 3, "": 1}


def test_linked_folders_are_looked_through_once(tmp_path: Path) -> None:
    source, away = tmp_path / "source", tmp_path / "away"
    for path in (source / "b" / "one.png", away / "deep" / "two.png"):
        photo(path)
    for link, target in (
        ("a", source / "b"),  # comes first, but is no other folder than b
        ("c", away),
        ("d", away),
        ("b/up", source),
        ("b/self", source / "b" / "self"),
    ):
        (source / link).symlink_to(target)
    (away / "back").symlink_to(source)
    assert [item.image for item in look_through(source).items] == ["b/one.png", "c/deep/two.png"]
    assert look_through(source).items[1].read() == (away / "deep" / "two.png").read_bytes()


def test_what_has_an_image_s_name_and_cannot_be_read_is_not_left_out(tmp_path: Path) -> None:
    photo(tmp_path / "whole.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    os.mkfifo(tmp_path / "pipe.png")
    *bad, whole = look_through(tmp_path).items
    assert [item.image for item in bad] == ["circle.png", "gone.png", "pipe.png"]
    for item in bad:
        with pytest.raises(CaptureError, match=item.image):
            item.read()
    assert whole.read() == (tmp_path / "whole.png").read_bytes()


def test_a_folder_that_cannot_be_listed_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "locked").mkdir()
    real = os.scandir

    def scan(path: str) -> Any:  # whatever its permissions, root could list it
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(DataError, match=r"locked: cannot be looked through \(Permission denied\)"):
        look_through(tmp_path)


def test_a_table_names_files_below_its_own_folder(tmp_path: Path) -> None:
    here = photo(tmp_path / "photos" / "a.png")
    table = tmp_path / "list.csv"
    table.write_text(f"file,note\nphotos/a.png,x\n{here.resolve()},again\nphotos/gone.png,\n", encoding="utf-8-sig")
    first, same, gone = look_through(table, "file").items
    assert (first.image, same.image, gone.image) == ("photos/a.png", str(here.resolve()), "photos/gone.png")
    assert first.read() == same.read() == here.read_bytes()
    with pytest.raises(CaptureError, match=r"gone\.png: cannot be read"):
        gone.read()


def test_a_shard_that_was_cut_after_it_was_listed_gives_no_picture(tmp_path: Path) -> None:
    (item,) = look_through(shard(tmp_path / "a.tar", photo(tmp_path / "x.png"))).items
    assert item.offset is not None
    assert item.size_bytes is not None
    with (tmp_path / "a.tar").open("r+b") as stream:
        stream.truncate(item.offset + item.size_bytes - 1)
    with pytest.raises(CaptureError, match=r"a\.tar/deep/x\.png: its shard has changed since it was listed"):
        item.read()
    with pytest.raises(CaptureError, match=r"a\.tar/deep/x\.png: cut short in its shard"):
        replace(item, changed_ns=None).read()
    with pytest.raises(DataError, match=r"a\.tar: not a whole uncompressed tar file"):
        look_through(tmp_path / "a.tar")


def test_another_picture_of_the_same_name_size_and_time_is_another_item(tmp_path: Path) -> None:
    folder, times = tmp_path / "in", (315532800, 315532800)
    loose, packed = photo(folder / "a.png"), shard(folder / "b.tar", photo(tmp_path / "x.png"))
    for path in (loose, packed):
        os.utime(path, times)
    before = look_through(folder).items
    for path in (loose, packed):
        other = tmp_path / path.name
        other.write_bytes(path.read_bytes())
        os.utime(other, times)
        other.replace(path)
    after = look_through(folder).items
    assert [(item.image, item.size_bytes) for item in after] == [(item.image, item.size_bytes) for item in before]
    assert all(old != new for old, new in zip(before, after, strict=True))
    with pytest.raises(CaptureError, match="its shard has changed since it was listed"):
        before[1].read()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "twice.csv").write_text("path\na.png\nb.png\na.png\n")
    (tmp_path / "other.csv").write_text("file\na.png\n")
    (tmp_path / "holes.csv").write_text("patient,path\n1,a.png\n2,\n\n3\n4,  \n")
    linked = tmp_path / "linked.tar"
    os.link(photo(tmp_path / "a.png"), tmp_path / "b.png")
    with tarfile.open(linked, "w") as stream:
        for name in ("a.png", "b.png"):
            stream.add(tmp_path / name, name)
    with tarfile.open(tmp_path / "sparse.tar", "w", format=tarfile.GNU_FORMAT) as stream:
        holed = tarfile.TarInfo("a.bmp")
        holed.type = tarfile.GNUTYPE_SPARSE
        stream.addfile(holed)
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes" / "a.tar")
    packed = shard(tmp_path / "packed.tar", photo(tmp_path / "x.png"), kind="w:gz")
    for source, reason in (
        (tmp_path / "nowhere", "no such archive; give a folder, a .csv of paths or a .tar shard"),
        (tmp_path / "empty", "no images"),
        (tmp_path / "twice.csv", r"1 images are named more than once, first 'a\.png'"),
        (tmp_path / "other.csv", "no column 'path'; there are file"),
        (tmp_path / "holes.csv", "3 rows without a file in column 'path', first in line 3; fill them in or take them out"),
        (linked, r"b\.png is a link to a\.png; pack the files themselves"),
        (tmp_path / "sparse.tar", r"a\.bmp is stored with holes; pack it again"),
        (tmp_path / "pipes", r"a\.tar: not a file"),
        (packed, "not a whole uncompressed tar file"),
    ):
        with pytest.raises(DataError, match=reason):
            look_through(source)


def test_a_name_that_no_file_can_have_is_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\na\0.png\n")
    (item,) = look_through(tmp_path / "list.csv").items
    with pytest.raises(CaptureError):
        item.read()
