"""`python -m train data sources` and `download`, against a server on this machine."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from tests.train.factories import call, draw, write
from tests.train.servers import Mood, serving
from train.datasets import read_examples
from train.layouts import LAYOUTS
from train.sources import read_sources


def zipped(folder: Path, inside: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, inside + path.name)
    return buffer.getvalue()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mood]:
    """Miniatures of HAM10000 and SCIN at the addresses that `registry` names."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    table = "lesion_id,image_id,dx\nH_1,a,mel\nH_2,b,nv\n"
    pictures = draw(tmp_path / "pictures", "a.jpg", "b.jpg")
    scin = {
        f"/scin/dataset/images/{i}.png": draw(tmp_path / "scin", f"{i}.png").joinpath(f"{i}.png").read_bytes() for i in (1, 2)
    }
    header = "case_id,image_1_path,image_2_path,image_3_path\n"
    cases = f"{header}7,dataset/images/1.png,,\n8,dataset/images/2.png,dataset/images/1.png,\n"
    labels = "case_id,weighted_skin_condition_label\n7,{'Melanoma': 1.0}\n8,{'Eczema': 1.0}\n"
    files = {
        "/meta": table.encode(),
        "/images.zip": zipped(pictures, "HAM10000_images_part_1/"),
        "/cases": cases.encode(),
        "/labels": labels.encode(),
        **scin,
    }
    with serving(Mood(files)) as mood:
        yield mood


@pytest.fixture
def registry(server: Mood, tmp_path: Path) -> Path:
    terms = {
        "title": "A set",
        "page": "https://example.org",
        "licence": "CC BY 4.0",
        "licence_url": "https://example.org/by",
        "terms": "T.",
    }
    images = {"name": "part_1.zip", "url": f"{server.url}/images.zip", "unpack": "HAM10000_images_part_1"}
    md5 = hashlib.md5(server.files["/meta"]).hexdigest()
    tables = [{"name": f"dataset/scin_{kind}.csv", "url": f"{server.url}/{kind}"} for kind in ("cases", "labels")]
    columns = ["image_1_path", "image_2_path", "image_3_path"]
    document = {
        "ham": {**terms, "files": [{"name": "HAM10000_metadata.csv", "url": f"{server.url}/meta", "md5": md5}, images]},
        "cases": {
            **terms,
            "files": tables,
            "listed": {"table": "dataset/scin_cases.csv", "columns": columns, "base_url": f"{server.url}/scin/"},
        },
        "closed": {**terms, "register": "https://example.org/register"},
    }
    return write(tmp_path / "registry.yaml", yaml.safe_dump(document))


def test_a_data_set_is_fetched_in_the_layout_that_is_read(
    server: Mood, registry: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("data", "download", "ham", tmp_path / "ham", "--registry", registry, "--accept-licence")
    server.cuts = [None, 100]
    status, out, err = call(capfd, *words, "--json")
    assert status == 0, err
    assert "Licence: CC BY 4.0, https://example.org/by" in err
    document = json.loads(out)
    assert [row["checked"] for row in document["files"]] == ["md5", None]
    assert document["files"][1]["unpacked"] == str(tmp_path / "ham" / "HAM10000_images_part_1")
    assert [example.label for example in read_examples(tmp_path / "ham")] == ["mel", "nv"]
    assert (tmp_path / "ham" / "part_1.zip.sha256").is_file()

    asked = len(server.asked)
    status, out, _ = call(capfd, *words)
    assert status == 0
    assert len(server.asked) == asked, "a second run only checks"
    assert "md5 as the publisher states it" in out
    assert "as recorded by an earlier run; the publisher states no checksum" in out
    (tmp_path / "ham" / "part_1.zip").unlink()
    status, out, _ = call(capfd, *words)
    assert (status, len(server.asked)) == (0, asked), "an archive that was unpacked may go"
    assert "unpacked before" in out


def test_files_that_a_table_names_are_fetched(
    server: Mood, registry: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("data", "download", "cases", tmp_path / "scin", "--registry", registry, "--accept-licence", "--json")
    image = server.files.pop("/scin/dataset/images/2.png")
    status, out, err = call(capfd, *words)
    assert (status, out) == (2, "")
    assert "1 of 2 files of scin_cases.csv did not come; " in err
    assert "dataset/images/2.png: the server answered 404" in err
    server.files["/scin/dataset/images/2.png"] = image
    status, out, err = call(capfd, *words)
    assert status == 0, err
    assert json.loads(out)["files"][-1]["files"] == 2
    assert len([path for path, _ in server.asked if path.endswith("1.png")]) == 1
    assert [example.label for example in read_examples(tmp_path / "scin")] == ["Melanoma", "Eczema"]


def test_a_table_cannot_name_files_elsewhere(
    server: Mood, registry: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("../escaped.png", "/etc/escaped.png", "a/../../b.png"):
        server.files["/cases"] = f"case_id,image_1_path,image_2_path,image_3_path\n7,{name},,\n".encode()
        folder = tmp_path / name.replace("/", "_")
        status, _, err = call(capfd, "data", "download", "cases", folder, "--registry", registry, "--accept-licence")
        assert status == 2
        assert f"{name!r} leaves the folder of the data set" in err


def test_the_licence_must_be_accepted(
    registry: Path, server: Mood, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    words = ("data", "download", "ham", tmp_path / "ham", "--registry", registry)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    status, _, err = call(capfd, *words)
    assert status == 2
    assert "the licence of ham must be accepted: read https://example.org/by and give --accept-licence" in err
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    status, _, err = call(capfd, *words)
    assert status == 2
    assert "was not accepted; nothing was fetched" in err
    assert not server.asked
    assert not (tmp_path / "ham").exists()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert call(capfd, *words)[0] == 0


def test_what_is_given_to_registered_persons_only(registry: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capfd, "data", "download", "closed", tmp_path / "c", "--registry", registry, "--accept-licence")
    assert (status, out) == (2, "")
    assert "closed is given to registered persons only: register at https://example.org/register" in err
    for name, address in (("ddi", "stanfordaimi.azurewebsites.net"), ("derm7pt", "derm.cs.sfu.ca")):
        status, out, err = call(capfd, "data", "download", name, tmp_path / name)
        assert (status, out, len(err.splitlines())) == (2, "", 1)
        assert address in err


def test_a_folder_in_use_or_one_that_is_a_file_is_refused(
    registry: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FileLock(tmp_path / ".download.lock"):
        status, _, err = call(capfd, "data", "download", "ham", tmp_path, "--registry", registry, "--accept-licence")
    assert status == 2
    assert "another download into it is running" in err
    status, _, err = call(capfd, "data", "download", "ham", registry, "--registry", registry, "--accept-licence")
    assert status == 2
    assert "registry.yaml: cannot be made (File exists); choose another folder" in err


def test_an_unknown_name_and_a_faulty_registry(registry: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, _, err = call(capfd, "data", "download", "ham", tmp_path / "x")
    assert status == 2
    assert "no data set 'ham'; there are ham10000, isic2018" in err
    terms = "title: T\n  page: P\n  licence: L\n  licence_url: U\n  terms: T\n"
    for fault, reason in (
        ("a:\n  titel: x\n", "a.titel: Extra inputs"),
        (f"a:\n  {terms}  files: [{{name: ../x, url: https://a/b}}]\n", "leaves the folder"),
        (f"a:\n  {terms}  files: [{{name: x, url: http://a/b}}]\n", "is not https"),
        (f"a:\n  {terms}  files: [{{name: x, url: file:///etc/passwd}}]\n", "is not https"),
        (f"a:\n  {terms}  files: [{{name: x, url: https://a/b, md5: 12}}]\n", "md5"),
        ("a: [\n", "not a readable registry"),
    ):
        registry.write_text(fault, encoding="utf-8")
        status, out, err = call(capfd, "data", "sources", "--registry", registry)
        assert (status, out, len(err.splitlines())) == (2, "", 1)
        assert reason in err


def test_the_registry_that_ships_is_whole(capfd: pytest.CaptureFixture[str]) -> None:
    known = read_sources()
    assert set(known) == {
        "ham10000",
        "isic2018",
        "isic2019",
        "isic2020",
        "pad_ufes_20",
        "fitzpatrick17k",
        "scin",
        "ddi",
        "derm7pt",
    }
    for source in known.values():
        assert bool(source.files) != bool(source.register_at)
        assert source.licence_url.startswith("https://")
        assert all(file.url.startswith("https://") for file in source.files)
    # What a download leaves is what a layout looks for.
    tables = {name for layout in LAYOUTS for name in layout.tables} | {"metadata.csv"}
    for source in known.values():
        made = {file.unpack or file.name for file in source.files} | {
            f"{file.unpack}/{file.unpack}.csv" for file in source.files
        }
        assert source.register_at or made & tables
    status, out, _ = call(capfd, "data", "sources", "--json")
    assert status == 0
    assert json.loads(out)["ddi"]["register"].startswith("https://stanfordaimi")
    status, out, _ = call(capfd, "data", "sources")
    assert status == 0
    assert "ham10000: HAM10000, 10,015 dermoscopic images" in out
    assert "SCIN Data Use License" in out
    assert "    2.8 GB" in out
