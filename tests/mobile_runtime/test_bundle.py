"""Bundles: whatever is not as the manifest says is refused, with the file and the reason."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from mobile_runtime import Bundle, BundleError, TriagePipeline
from mobile_runtime.bundle import MANIFEST
from mobile_runtime.manifest import Manifest, manifest_schema
from tests.mobile_runtime.small import edit_manifest, rehash, write_small_bundle

CARD, MODEL = "model_card.md", "models/a.tflite"


@pytest.fixture
def small(sample_bundle: Path, tmp_path: Path) -> Path:
    return write_small_bundle(tmp_path / "small", sample_bundle)


def test_id_names_version_and_manifest(small: Path) -> None:
    bundle = Bundle.load(small)
    name, digest = bundle.id.split("+")
    assert name == f"{bundle.manifest.name}-{bundle.manifest.version}"
    assert len(digest) == 12
    edit_manifest(small, lambda document: document.update(licence="other"))
    assert Bundle.load(small).id != bundle.id


def test_manifest_is_written_in_one_form(sample_bundle: Path) -> None:
    text = (sample_bundle / MANIFEST).read_text(encoding="utf-8")
    assert Manifest.model_validate_json(text).to_json() == text


def test_published_schema_is_the_manifest_s(sample_bundle: Path) -> None:
    schema = json.loads((sample_bundle / "manifest.schema.json").read_text(encoding="utf-8"))
    assert schema == manifest_schema()
    document = json.loads((sample_bundle / MANIFEST).read_text(encoding="utf-8"))
    assert set(schema["required"]) <= set(document) <= set(schema["properties"])
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(document)
    for broken in (document | {"surprise": 1}, document | {"classes": []}, {**document, "variants": {"a": {}}}):
        assert not validator.is_valid(broken)


def _changed_byte(folder: Path) -> None:
    (folder / CARD).write_bytes(b"# a card\n")


def _longer(folder: Path) -> None:
    (folder / CARD).write_bytes(b"# A card\n\n")


def _removed(folder: Path) -> None:
    (folder / CARD).unlink()


def _added(folder: Path) -> None:
    (folder / "models" / ".hidden").write_bytes(b"")


def _renamed(folder: Path) -> None:
    (folder / CARD).rename(folder / "model_card.MD")


def _empty_folder(folder: Path) -> None:
    (folder / "golden" / "deep").mkdir(parents=True)


def _file_link(folder: Path) -> None:
    (folder / CARD).rename(folder.parent / "card")
    (folder / CARD).symlink_to(folder.parent / "card")


def _folder_link(folder: Path) -> None:
    (folder / "models").rename(folder.parent / "models")
    (folder / "models").symlink_to(folder.parent / "models")


def _manifest_link(folder: Path) -> None:
    (folder / MANIFEST).rename(folder.parent / "m")
    (folder / MANIFEST).symlink_to(folder.parent / "m")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (_changed_byte, r"model_card.md: SHA-256 differs"),
        (_longer, r"model_card.md: 10 bytes, the manifest says 9"),
        (_removed, r"model_card.md: listed in the manifest but missing"),
        (_added, r"\.hidden: not listed"),
        (_renamed, r"model_card.md: listed in the manifest but missing"),
        (_empty_folder, r"deep: an empty folder"),
        (_file_link, r"model_card.md: links are not allowed"),
        (_folder_link, r"models: links are not allowed"),
        (_manifest_link, r"no manifest.json"),
        (_pipe, r"pipe: neither a file nor a folder"),
    ],
)
def test_file_that_is_off(small: Path, tamper: Any, message: str) -> None:
    tamper(small)
    with pytest.raises(BundleError, match=message):
        Bundle.load(small)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "models/../model_card.md", "models\\a", "./model_card.md", ""])
def test_path_that_leads_elsewhere(small: Path, path: str) -> None:
    edit_manifest(small, lambda document: document["files"][0].update(path=path))
    with pytest.raises(BundleError, match=r"not a plain relative path|listed in the manifest but missing"):
        Bundle.load(small)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a manifest"),
        ("[]", "not a manifest"),
        ("{}", "schema_version"),
        ("[" * 100_000, "not a manifest"),
        ('{"schema_version": 10}', "upgrade skintriage"),
        ('{"schema_version": 1}', "rebuild the bundle"),
        ('{"schema_version": "x"}', "rebuild the bundle"),
        ('{"schema_version": 9}', "Field required"),
        ('{"schema_version": 9, "schema_version": 8}', "twice"),
        ('{"schema_version": 9, "name": NaN}', "NaN is not JSON"),
    ],
)
def test_manifest_that_is_none(small: Path, text: str, message: str) -> None:
    (small / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=message):
        Bundle.load(small)


def test_manifest_that_contradicts_itself(small: Path) -> None:
    def twice(document: dict[str, Any]) -> None:
        document["files"].append(document["files"][0])

    edit_manifest(small, twice)
    with pytest.raises(BundleError, match="listed twice"):
        Bundle.load(small)
    edit_manifest(small, lambda document: document.update(files=document["files"][:1]))
    with pytest.raises(BundleError, match=r"a.tflite: not listed"):
        Bundle.load(small)


@pytest.mark.parametrize(
    ("part", "key", "message"),
    [
        ("classes", "label", "class label 'x' is there twice"),
        ("classes", "node", "class 'x' is"),
        ("scores", "name", "score 'x' is"),
    ],
)
def test_a_name_that_is_there_twice_would_hide_a_number(small: Path, part: str, key: str, message: str) -> None:
    def repeat(document: dict[str, Any]) -> None:
        names = [name for name, value in document[part][0].items() if isinstance(value, str)]
        more = [{**document[part][0], **{name: f"{name} {n}" for name in names}, key: "x"} for n in range(2)]
        document[part] += more

    edit_manifest(small, repeat)
    with pytest.raises(BundleError, match=message):
        Bundle.load(small)


def test_text_is_no_number(small: Path) -> None:
    def quote(document: dict[str, Any]) -> None:
        point = document["variants"]["a"]["operating_points"]["rule_out"]
        point["threshold"] = str(point["threshold"])

    edit_manifest(small, quote)
    with pytest.raises(BundleError, match="threshold: Input should be a valid number"):
        Bundle.load(small)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_manifest_is_in_utf_8(small: Path, encoding: str) -> None:
    (small / MANIFEST).write_text((small / MANIFEST).read_text(encoding="utf-8"), encoding=encoding)
    with pytest.raises(BundleError, match="not a manifest"):
        Bundle.load(small)


def test_a_variant_without_what_its_verdicts_need_is_refused(small: Path) -> None:
    limit = {"limit": 2.0, "aim": 0.05, "refused": {"value": 0.0, "low": 0.0, "high": 0.1, "n": 9}, "dataset": "none"}

    def outputs(names: list[str], abstention: object) -> None:
        change = {"outputs": {name: name for name in names}, "abstention": abstention}
        edit_manifest(small, lambda document: document["variants"]["a"].update(change))

    outputs(["probabilities", "scores"], limit)
    with pytest.raises(BundleError, match="no output outlier, which its verdicts need"):
        Bundle.load(small)
    outputs(["outlier"], None)
    with pytest.raises(BundleError, match="no output probabilities nor scores"):
        Bundle.load(small)
    outputs(["probabilities", "scores"], None)
    assert Bundle.load(small).variants["a"].abstention is None


@pytest.mark.parametrize("path", ["a" * 300, "nul\0"])
def test_a_path_that_cannot_be_one(path: str) -> None:
    with pytest.raises(BundleError, match=r"check the path|no such bundle folder"):
        Bundle.load(path)


@pytest.mark.parametrize("path", [5, b"half", ["half"], PurePosixPath("half")])
def test_what_is_no_path_at_all(path: Any) -> None:
    for load in (Bundle.load, Bundle.read, TriagePipeline):
        with pytest.raises(BundleError, match=f"as str or Path, not {type(path).__name__}"):
            load(path)


@pytest.mark.parametrize("name", [["x"], 5, b"rule_out"])
def test_a_name_that_is_no_text_is_unknown(name: Any) -> None:
    with pytest.raises(BundleError, match="no variant"):
        TriagePipeline(variant=name)
    with pytest.raises(BundleError, match="no operating point"):
        TriagePipeline(operating_point=name)


def test_huge_manifest_is_not_read(small: Path) -> None:
    with (small / MANIFEST).open("r+b") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(BundleError, match="this is no manifest"):
        Bundle.load(small)


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle folder"):
        Bundle.load(tmp_path / "none")
    with pytest.raises(BundleError, match=r"no manifest.json"):
        Bundle.load(tmp_path)


def test_unverified_bundle_still_checks_a_model(own_bundle: Path) -> None:
    variant = Bundle.load(own_bundle).variant()
    file = own_bundle / variant.path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    bundle = Bundle.load(own_bundle, verify=False)
    with pytest.raises(BundleError, match=r"\.tflite: SHA-256 differs"):
        bundle.model_bytes(variant)
    file.unlink()
    with pytest.raises(BundleError, match=r"\.tflite: cannot be read"):
        bundle.model_bytes(variant)


def test_model_of_the_right_hash_is_still_looked_into(own_bundle: Path) -> None:
    path = Bundle.load(own_bundle).variant().path
    data = (own_bundle / path).read_bytes()
    for wrong in (b"PK" + data, data[: len(data) // 2], data[:200], b""):
        (own_bundle / path).write_bytes(wrong)
        rehash(own_bundle, path)
        bundle = Bundle.load(own_bundle)
        with pytest.raises(BundleError, match=r"\.tflite: not a model to be trusted: "):
            bundle.model_bytes(bundle.variant())


def test_model_folder_is_checked(small: Path) -> None:
    bundle = Bundle.load(small)
    assert bundle.model_folder(bundle.variant("b")) == small / "models" / "b.mlpackage"
    with pytest.raises(BundleError, match="not a single file"):
        bundle.model_bytes(bundle.variant("b"))
    (small / "models/b.mlpackage/Data/weights.bin").write_bytes(bytes(64))
    with pytest.raises(BundleError, match=r"weights.bin: SHA-256 differs"):
        bundle.model_folder(bundle.variant("b"))


def test_unknown_variant(small: Path) -> None:
    with pytest.raises(BundleError, match=r"no variant 'c'; there are a, b"):
        Bundle.load(small).variant("c")
