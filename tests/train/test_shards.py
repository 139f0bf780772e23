"""Images in tar archives: read in place, as the files that they were made of."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from mobile_runtime.errors import CaptureError, DataError
from train.cache import open_cache
from train.datasets import Example, read_examples


def packed(folder: Path, examples: list[Example], shards: int = 2) -> Path:
    """Examples of HAM10000 as WebDataset shards."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        with tarfile.open(folder / f"train-{number:06d}.tar", "w") as archive:
            for example in examples[number::shards]:
                group = example.group.removeprefix("ham10000:")
                row = {"image_id": example.image_id, "dx": example.label, "lesion_id": group, "age": 50, "sex": None}
                add(archive, f"{example.image_id}.jpg", example.path.read_bytes())
                add(archive, f"{example.image_id}.json", json.dumps(row).encode())
    return folder


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def test_shards_are_read_as_the_files_were(few_examples: list[Example], tmp_path: Path) -> None:
    shards = packed(tmp_path / "shards", few_examples)
    found = {example.key: example for example in read_examples(shards)}
    assert found.keys() == {example.key for example in few_examples}
    fresh, plain = open_cache(list(found.values()), tmp_path / "a"), open_cache(few_examples, tmp_path / "b")
    for example in few_examples:
        twin = found[example.key]
        assert (twin.label, twin.nodes, twin.group) == (example.label, example.nodes, example.group)
        assert twin.attributes == {"age": "50"}
        np.testing.assert_array_equal(fresh[example.key], plain[example.key])
    assert len(read_examples(tmp_path / "shards" / "..")) == len(few_examples), "one folder down, as every layout"


def test_a_changed_shard_is_read_anew(few_examples: list[Example], tmp_path: Path) -> None:
    packed(tmp_path, few_examples[:4])
    assert len(read_examples(tmp_path)) == 4
    packed(tmp_path, few_examples[4:10])
    found = read_examples(tmp_path)
    assert len(found) == 6
    np.testing.assert_array_equal(
        open_cache(found, tmp_path / "a")[few_examples[4].key], open_cache(few_examples, tmp_path / "b")[few_examples[4].key]
    )


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"a.jpg": b"x"}, r"0\.tar: a\.jpg has no a\.json beside it"),
        ({"a.json": b'{"image_id": "a", "dx": "nv", "lesion_id": "1"}'}, r"1 of 1 images are not in the folder, first \['a'\]"),
        ({"a.jpg": b"x", "a.json": b"[1]"}, r"0\.tar: a\.json is not a JSON object of columns"),
        ({"a.jpg": b"x", "a.json": b"{"}, r"0\.tar: a\.json is not a JSON object of columns"),
        ({"a.jpg": b"x", "a.json": b'{"picture": "a"}'}, r"columns of no known data set"),
        ({}, r"columns of no known data set"),
    ],
)
def test_a_faulty_shard_is_named(tmp_path: Path, members: dict[str, bytes], reason: str) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        for name, content in members.items():
            add(archive, name, content)
    with pytest.raises(DataError, match=reason):
        read_examples(tmp_path)


def test_a_damaged_shard_or_member_is_named(few_examples: list[Example], tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(DataError, match=r"0\.tar: not a whole tar archive"):
        read_examples(tmp_path)
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        add(archive, "a.jpg", few_examples[0].path.read_bytes()[:300])
        add(archive, "a.json", b'{"image_id": "a", "dx": "nv", "lesion_id": "1"}')
    with pytest.raises(CaptureError, match=r"0\.tar/a\.jpg: "):
        open_cache(read_examples(tmp_path), tmp_path / "stores")
    examples = read_examples(tmp_path)
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        add(archive, "b.jpg", few_examples[0].path.read_bytes())
    with pytest.raises(DataError, match=r"0\.tar: has no 'a\.jpg'"):
        open_cache(examples, tmp_path / "stores")
    (tmp_path / "0.tar").unlink()
    with pytest.raises(CaptureError, match=r"0\.tar/a\.jpg: No such file|Not a directory"):
        open_cache(examples, tmp_path / "stores")


def test_the_same_image_in_two_shards_is_refused(few_examples: list[Example], tmp_path: Path) -> None:
    packed(tmp_path, few_examples, 1)
    (tmp_path / "again.tar").write_bytes((tmp_path / "train-000000.tar").read_bytes())
    with pytest.raises(DataError, match="42 ids occur twice"):
        read_examples(tmp_path)
