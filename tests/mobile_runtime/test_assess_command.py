"""`skintriage assess` on a real small bundle: batches, bursts, and pictures that must not be overwritten."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image
from typer.testing import CliRunner

from mobile_runtime import synthetic
from mobile_runtime.assessment import assessment_schema
from mobile_runtime.commands import app
from mobile_runtime.errors import CaptureError, DataError
from tests.conftest import REPOSITORY
from tests.mobile_runtime.small import edit_manifest

pytestmark = pytest.mark.slow


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    Image.fromarray(synthetic.lesion("nv", 4)).save(path, exif=exif)
    return path


def test_assess_writes_a_verdict_and_a_picture_without_metadata(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "verdicts"
    found = CliRunner().invoke(app, ["assess", str(photo), "--bundle", str(tiny_bundle), "--out", str(out), "--json"])
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)[0]
    assert document["decision"] in {"refer", "low_concern", "retake", "abstain"}
    picture = out / "photo.jpg.verdict.png"
    assert b"SECRET-CAMERA" not in picture.read_bytes()
    with Image.open(picture) as opened:
        assert not opened.info
        assert not opened.getexif()


def test_no_picture_of_an_earlier_verdict_stays_beside_an_error(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    words = ["assess", str(photo), "--bundle", str(tiny_bundle), "--out", str(tmp_path / "verdicts")]
    for burst, name in ([], "photo.jpg"), ([str(photo), "--burst"], "burst"):
        whole = photo.read_bytes()
        picture = tmp_path / "verdicts" / f"{name}.verdict.png"
        assert CliRunner().invoke(app, words + burst).exit_code == 0
        assert picture.is_file()
        photo.write_bytes(whole[:900])
        assert CliRunner().invoke(app, words + burst).exit_code != 0
        assert not picture.exists()
        photo.write_bytes(whole)


def test_a_batch_reports_the_bad_and_goes_on(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:900])
    (tmp_path / "text.jpg").write_text("no image")
    names = ["absent.jpg", "empty.jpg", "cut.jpg", "text.jpg", "photo.jpg"]
    words = ["assess", *(str(tmp_path / name) for name in names), "--bundle", str(tiny_bundle)]
    found = CliRunner().invoke(app, [*words, "--json"])
    assert found.exit_code == 1
    documents = json.loads(found.stdout)
    assert ["error" in d for d in documents] == [True, True, True, True, False]
    for name, document in zip(names[:4], documents, strict=False):
        assert name in document["error"]


def test_a_batch_goes_on_where_a_picture_of_a_verdict_cannot_be_written(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "a.jpg.verdict.png").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    words = ["assess", *(str(tmp_path / name) for name in ("a.jpg", "b.jpg")), "--bundle", str(tiny_bundle), "--json", "--out"]
    found = CliRunner().invoke(app, [*words, str(tmp_path / "out")])
    assert found.exit_code == 1, found.output
    first, second = json.loads(found.stdout)
    assert "a.jpg.verdict.png" in first["error"] and "decision" in second
    assert (tmp_path / "out" / "b.jpg.verdict.png").is_file()
    with pytest.raises(DataError, match="not a folder"):
        CliRunner().invoke(app, [*words, str(photo)], catch_exceptions=False)


def test_one_picture_is_no_burst(tiny_bundle: Path, photo: Path) -> None:
    found = CliRunner().invoke(app, ["assess", str(photo), "--burst", "--bundle", str(tiny_bundle)])
    assert isinstance(found.exception, CaptureError) and "several photographs of one lesion" in str(found.exception)


def test_what_the_command_writes_fits_the_schema(tiny_bundle: Path, photo: Path) -> None:
    words = ["assess", str(photo), str(photo), "--bundle", str(tiny_bundle), "--json"]
    schema = jsonschema.Draft202012Validator(assessment_schema())
    for document in json.loads(CliRunner().invoke(app, words).stdout):
        schema.validate(document)
    schema.validate(json.loads(CliRunner().invoke(app, [*words, "--burst"]).stdout))


def always_score(document: dict[str, Any]) -> None:
    document["quality"] |= dict.fromkeys(("sharpness_min", "least_sharpness_min", "detail_min"), 0.0)
    for variant in document["variants"].values():
        variant["abstention"] = variant["abstention"] and {**variant["abstention"], "limit": 1e9}


def test_several_pictures_of_one_lesion_get_one_verdict(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    # With its own limits the tiny bundle refuses the photo as blurred, or may abstain, and no frame would count.
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "judging"))
    edit_manifest(bundle, always_score)
    words = ["assess", *[str(photo)] * 3, "--burst", "--bundle", str(bundle), "--out", str(tmp_path / "verdicts")]
    found = CliRunner().invoke(app, [*words, "--json"])
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    single = json.loads(CliRunner().invoke(app, ["assess", str(photo), "--bundle", str(bundle), "--json"]).stdout)[0]
    assert single["decision"] in {"refer", "low_concern"}
    assert (document["decision"], document["malignancy"]) == (single["decision"], single["malignancy"])
    assert len(document["burst"]["frames"]) == 3
    assert (tmp_path / "verdicts" / "burst.verdict.png").is_file()
    shown = CliRunner().invoke(app, words)
    assert "3 pictures of one lesion" in shown.output
    assert "a picture was given twice" in shown.stderr
    assert "100% on the median's side" in shown.stdout and f"{single['malignancy']:.3f} to" in shown.stdout


def test_pictures_of_the_same_name_do_not_take_each_others_place(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / photo.name
    other.parent.mkdir()
    other.write_bytes(photo.read_bytes())
    words = ["assess", str(photo), str(other), "--bundle", str(tiny_bundle), "--json"]
    found = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])
    assert isinstance(found.exception, CaptureError)
    assert str(photo) in str(found.exception) and str(other) in str(found.exception)
    assert not (tmp_path / "out").exists()
    assert CliRunner().invoke(app, words).exit_code == 0  # nothing is written, nothing is lost


def test_no_picture_of_a_verdict_takes_the_place_of_a_photograph(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    names = ["a.jpg", "a.jpg.verdict.png", "burst.verdict.png"]
    for name in names:
        (folder / name).write_bytes(photo.read_bytes())
    (folder / "link.jpg").symlink_to(folder / "link.verdict.png")
    (folder / "link.verdict.png").write_bytes(photo.read_bytes())
    (tmp_path / "same").symlink_to(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    a, drawn, burst = (str(folder / name) for name in names)
    for words in (
        ["assess", a, drawn],
        ["assess", a, str(tmp_path / "same" / names[1])],
        ["assess", a, burst, "--burst"],
        ["demo", "--image", str(folder / "link.jpg")],
    ):
        for out in (folder, tmp_path / "same"):
            ended = CliRunner().invoke(app, [*words, "--out", str(out), "--bundle", str(tiny_bundle)])
            assert isinstance(ended.exception, CaptureError), ended.output
            assert "would overwrite; choose another --out" in str(ended.exception)
            assert {path: path.read_bytes() for path in folder.iterdir()} == before
    ended = CliRunner().invoke(app, ["assess", a, "--out", str(folder), "--bundle", str(tiny_bundle)])
    assert ended.exit_code == 0  # of what is not judged an earlier picture may be replaced


def test_unusual_names_do_not_end_the_batch(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    names = ["two lines\nof a name.jpg", "\u76ae" * 78 + ".jpg", "a" * 251 + ".jpg", os.fsdecode(b"m\xfcller.jpg")]
    paths = [str(tmp_path / name) for name in names] + [str(photo)]
    for path in paths[:-1]:
        Path(path).write_bytes(photo.read_bytes())
    words = [sys.executable, "-m", "mobile_runtime", "assess", *paths, "--bundle", str(tiny_bundle)]
    words += ["--out", str(tmp_path / "verdicts")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    for more in ([], ["--json"]):
        found = subprocess.run([*words, *more], capture_output=True, env=environment, check=False)
        assert found.returncode in (0, 1), found.stderr
        assert (tmp_path / "verdicts" / "photo.jpg.verdict.png").is_file()
        assert b"Traceback" not in found.stderr
    assert [document["image"] for document in json.loads(found.stdout)] == paths


def test_the_command_sees_what_the_pipeline_sees(tmp_path: Path) -> None:
    tiny = tmp_path / "tiny.png"
    Image.fromarray(synthetic.lesion("nv", 1, 40)).save(tiny)
    done = CliRunner().invoke(app, ["assess", str(tiny), "--json"])
    (document,) = json.loads(done.stdout)
    assert document["decision"] == "retake"
    assert "too_small" in document["quality"]["reasons"]
    assert document["quality"]["region_px"] == 40


@pytest.mark.parametrize("words", [[], ["a.jpg", "--watch", "folder"], ["--watch", "folder"], ["--watch", "folder", "--burst"]])
def test_assess_says_what_it_needs(words: list[str]) -> None:
    done = CliRunner().invoke(app, ["assess", *words])
    assert type(done.exception).__name__ == "CaptureError"
    assert "--watch" in str(done.exception)


def test_pictures_of_a_burst_that_do_not_count_are_named(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.png"
    Image.new("RGB", (300, 300), (200, 150, 130)).save(plain)
    shown = CliRunner().invoke(app, ["assess", str(photo), str(photo), str(plain), "--burst", "--bundle", str(tiny_bundle)])
    assert shown.exit_code == 0 and "plain.png does not count: " in shown.stdout


def test_a_burst_with_an_unreadable_picture_says_so_in_json(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:300])
    words = ["assess", str(photo), str(tmp_path / "cut.jpg"), "--burst", "--bundle", str(tiny_bundle)]
    found = CliRunner().invoke(app, [*words, "--json"])
    document = json.loads(found.stdout)
    assert found.exit_code == 1 and document.keys() == {"images", "error"} and "cut.jpg" in document["error"]
    assert "cut.jpg" in CliRunner().invoke(app, words).stderr
