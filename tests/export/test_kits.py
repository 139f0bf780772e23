"""App kits: written whole or not at all, constants straight from Python."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("jinja2")

from export import kits
from export.commands import app
from export.errors import ExportError
from export.kit_constants import WEB_COPY, constants
from export.kits import PLATFORMS, SOURCES, literal, write_kit
from mobile_runtime import Bundle, BundleError, burst, frames, quality, resample
from mobile_runtime.bundle import DEFAULT_BUNDLE
from tests.export.ports import PORTS


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_kit_holds_the_bundle_unchanged(android_kit: Path) -> None:
    bundle = Bundle.load()
    target = PLATFORMS["android"]
    stated = json.loads((android_kit / "kit.json").read_text(encoding="utf-8"))
    assert {*stated.pop("files"), "kit.json"} == contents(android_kit).keys()
    assert stated == {
        "platform": "android",
        "bundle": bundle.id,
        "variants": ["static_wi8_ai8"],
        "left_out": [name for name in bundle.variants if name != "static_wi8_ai8"],
    }
    for path in ("manifest.json", "LICENCE-WEIGHTS.txt", "model_card.md", bundle.variants["static_wi8_ai8"].path):
        assert (android_kit / target.assets / path).read_bytes() == (bundle.path / path).read_bytes()
    golden = {path: data for path, data in contents(bundle.path).items() if path.startswith("golden/")}
    assert {path: data for path, data in contents(android_kit / target.vectors).items() if path != "port.json"} == golden
    assert bundle.id in (android_kit / "README.md").read_text(encoding="utf-8")
    assert not [path for path in contents(android_kit) if path.endswith(".j2")]


def test_port_vectors_hold_outputs_to_refuse(android_kit: Path) -> None:
    port = json.loads((android_kit / PLATFORMS["android"].vectors / "port.json").read_text(encoding="utf-8"))
    accepted = {case["name"]: case["accepted"] for case in port["outputs"]}
    right = {"right", "a little short of 1", "a little over 1 and below 0", "one score a little off"}
    assert {name for name, fine in accepted.items() if fine} == right
    assert {f"outlier: {name}" for name in ("two", "none", "NaN", "infinity", "negative infinity")} <= accepted.keys()
    assert {"all zero", "short of 1", "below 0", "one score off", "a class fewer"} <= accepted.keys()


def test_port_vectors_hold_manifests_to_refuse(android_kit: Path) -> None:
    port = json.loads((android_kit / PLATFORMS["android"].vectors / "port.json").read_text(encoding="utf-8"))
    accepted = {case["name"]: case["accepted"] for case in port["manifests"]}
    right = {"unchanged", "large counts", "a large smallest region", "a threshold of 1"}
    assert {name for name, fine in accepted.items() if fine} == right
    assert len(accepted) == 35


def generated(folder: Path, platform: str) -> str:
    file = {"android": "src/main/java/skintriage/Constants.java", "ios": "Sources/Skintriage/Constants.swift"}[platform]
    kits.write_sources((SOURCES / platform / file).parent, folder, {"c": constants()})
    return (folder / Path(file).name).read_text(encoding="utf-8")


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_constants_come_from_python(platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = generated(tmp_path / "before", platform)
    weights = {"android": "WEIGHT_BITS = ", "ios": "weightBits = "}[platform]
    monkeypatch.setattr(resample, "MIN_SIDE", 76543)
    monkeypatch.setattr(resample, "WEIGHT_BITS", 17)
    monkeypatch.setattr(quality, "_GLARE_STEP", 76544)
    monkeypatch.setattr(burst, "MAX_DISSENT", 0.76545)
    monkeypatch.setitem(frames.COEFFICIENTS, ("bt709", "full"), (0, 76546, 1, 2, 3, 4))
    monkeypatch.setitem(quality.ADVICE, "blurred", 'Say "hold still".')
    after = generated(tmp_path / "after", platform)
    for changed in ("76543", f"{weights}17", "76544", "0.76545", "76546", '"Say \\"hold still\\"."'):
        assert changed in after
        assert changed not in before
    assert len(before.splitlines()) == len(after.splitlines())


def numbers(value: Any) -> set[float]:
    if isinstance(value, dict):
        return set().union(*map(numbers, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(numbers, value))
    return {float(value)} if isinstance(value, int | float) else set()


def sentences(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(sentences, value.values()))
    return {value} if isinstance(value, str) else set()


def test_ports_hold_no_copies_of_constants() -> None:
    # Halves, quarters, bytes' bits and the like also stand for themselves in code.
    ordinary = {0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 16.0, 20.0, 24.0, 32.0}
    known = numbers(constants()) - ordinary
    assert {22.0, 91881.0, 77.0, 128.0} <= known
    for file in PORTS:
        # Only code that the app runs: the readme's snippets and the tests' readers have numbers of their own.
        beside = {"conformance", "jvm", "Tests", "test"} & set(file.relative_to(SOURCES).parts)
        if file.suffix not in (".java", ".swift", ".ts") or beside:
            continue
        text = file.read_text(encoding="utf-8")
        code = re.sub(r"//.*", "", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
        literals = {float(word) for word in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", code.replace("_", ""))}
        assert not literals & known, file.name
        assert not [sentence for sentence in sentences(constants()) if sentence in text and " " in sentence], file.name


def test_input_size_is_nowhere_in_the_sources() -> None:
    for file in PORTS:
        if file.name == WEB_COPY.name:  # of constants, among them the zero of YUV's chroma
            continue
        assert not re.search(r"\b(128|144)\b", file.read_text(encoding="utf-8")), file.name


def test_web_kit_holds_the_port_and_the_bundle(tmp_path: Path) -> None:
    bundle = Bundle.load()
    write_kit(bundle, "web", tmp_path / "kit")
    assert (tmp_path / "kit" / "src" / "pipeline.ts").is_file()
    for name in ("manifest.json", bundle.variant(None).path, "golden/golden.json"):
        assert (tmp_path / "kit" / "bundle" / name).read_bytes() == (bundle.path / name).read_bytes()


@pytest.mark.parametrize("platform", ["android", "web"])
def test_readme_opens_a_model_that_is_in_the_kit(platform: str, tmp_path: Path) -> None:
    """Beside the default variant, which the manifest names first, there is one that alone is taken."""
    whole = Bundle.load()
    other = whole.variant(None).model_copy(update={"name": "another"})
    variants = {**whole.manifest.variants, "another": other}
    bundle = replace(whole, manifest=whole.manifest.model_copy(update={"variants": variants}))
    write_kit(bundle, platform, tmp_path / "kit", ["another"])
    readme = (tmp_path / "kit" / "README.md").read_text(encoding="utf-8")
    assert re.search(r'variant(Of)?\((manifest, )?"another"\)', readme)
    assert f"lists them: {whole.manifest.default_variant}" in readme


def test_ios_needs_a_core_ml_variant(tmp_path: Path) -> None:
    bundle = Bundle.load()
    assert "coreml" not in {variant.runtime for variant in bundle.variants.values()}
    with pytest.raises(ExportError, match="no variant for coreml, which ios needs; `make bundle`"):
        write_kit(bundle, "ios", tmp_path / "kit")
    assert list(tmp_path.iterdir()) == []


def test_unknown_platform_and_variant(tmp_path: Path) -> None:
    bundle = Bundle.load()
    with pytest.raises(ExportError, match="no kit for platform 'symbian'; there are android, ios"):
        write_kit(bundle, "symbian", tmp_path / "kit")
    with pytest.raises(BundleError, match="no variant 'float128'"):
        write_kit(bundle, "android", tmp_path / "kit", ["float128"])
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_without_golden_vectors(tmp_path: Path) -> None:
    bundle = Bundle.load()
    kept = [entry for entry in bundle.manifest.files if entry.role != "golden"]
    bare = replace(bundle, manifest=bundle.manifest.model_copy(update={"files": kept}))
    with pytest.raises(BundleError, match="no golden vectors; make them with `python -m export golden`"):
        write_kit(bare, "android", tmp_path / "kit")
    assert list(tmp_path.iterdir()) == []


def test_only_kits_are_overwritten(tmp_path: Path) -> None:
    bundle = Bundle.load()
    mine = tmp_path / "mine"
    mine.mkdir()
    write_kit(bundle, "android", mine)  # an empty folder holds nothing to lose
    write_kit(bundle, "android", mine)
    (mine / "kit.json").unlink()
    before = contents(mine)
    with pytest.raises(ExportError, match="something else than a kit"):
        write_kit(bundle, "android", mine)
    assert contents(mine) == before
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(mine)
    for taken in (file, tmp_path / "link", DEFAULT_BUNDLE):
        with pytest.raises(ExportError, match="something else than a kit"):
            write_kit(bundle, "android", taken)


@pytest.mark.parametrize("listed", [True, False])
def test_files_that_no_kit_wrote_are_kept(tmp_path: Path, listed: bool) -> None:
    folder = tmp_path / "kit"
    write_kit(Bundle.load(), "android", folder)
    if not listed:  # as in kits of before
        stated = json.loads((folder / "kit.json").read_text(encoding="utf-8"))
        del stated["files"]
        (folder / "kit.json").write_text(json.dumps(stated), encoding="utf-8")
    (folder / "src" / "Mine.java").write_text("mine", encoding="utf-8")
    before = contents(tmp_path)
    with pytest.raises(ExportError, match=r"Mine\.java: not written by `export kit`; move it elsewhere"):
        write_kit(Bundle.load(), "android", folder)
    assert contents(tmp_path) == before
    (folder / "src" / "Mine.java").unlink()
    write_kit(Bundle.load(), "android", folder)


def test_what_only_the_earlier_kit_wrote_goes_with_it(tmp_path: Path) -> None:
    write_kit(Bundle.load(), "android", tmp_path / "kit")
    stated = json.loads((tmp_path / "kit" / "kit.json").read_text(encoding="utf-8"))
    (tmp_path / "kit" / "stale").write_text("of an earlier kit", encoding="utf-8")
    (tmp_path / "kit" / "kit.json").write_text(json.dumps(stated | {"files": [*stated["files"], "stale"]}), encoding="utf-8")
    write_kit(Bundle.load(), "android", tmp_path / "kit")
    assert not (tmp_path / "kit" / "stale").exists()


def test_a_kit_for_another_platform_is_kept(tmp_path: Path) -> None:
    write_kit(Bundle.load(), "android", tmp_path / "kit")
    before = contents(tmp_path)
    with pytest.raises(ExportError, match="a kit for android; give the one for web a folder of its own"):
        write_kit(Bundle.load(), "web", tmp_path / "kit")
    assert contents(tmp_path) == before


def test_nothing_is_left_of_a_kit_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise BundleError("no vectors")

    write_kit(Bundle.load(), "android", tmp_path / "kit")
    before = contents(tmp_path)
    monkeypatch.setattr(kits, "port_vectors", broken)
    for name in ("kit", "new"):
        with pytest.raises(BundleError, match="no vectors"):
            write_kit(Bundle.load(), "android", tmp_path / name)
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["kit"]


def test_literals() -> None:
    assert literal('a "b" \\ \u00e9') == '"a \\"b\\" \\\\ \u00e9"'
    for text in ("$name", "two\nlines"):
        with pytest.raises(ExportError, match="string constant"):
            literal(text)


def test_command(tmp_path: Path) -> None:
    words = ["kit", "--platform", "android", str(DEFAULT_BUNDLE), str(tmp_path / "kit"), "--json"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["variants"] == ["static_wi8_ai8"]
    assert (tmp_path / "kit" / "kit.json").is_file()


@pytest.mark.slow
def test_kits_of_a_bundle_with_every_variant(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    made = write_kit(bundle, "ios", tmp_path / "ios")
    assert made.variants == ("float16_coreml",)
    model = tmp_path / "ios" / PLATFORMS["ios"].assets / bundle.variants["float16_coreml"].path
    assert contents(model) == contents(tiny_bundle / bundle.variants["float16_coreml"].path)
    assert "Core ML was never run" in (tmp_path / "ios" / "README.md").read_text(encoding="utf-8")
    made = write_kit(bundle, "android", tmp_path / "android", ["float32", "static_wi8_ai8"])
    assert made.variants == ("float32", "static_wi8_ai8")
    assert sorted(path.name for path in (tmp_path / "android" / PLATFORMS["android"].assets / "models").iterdir()) == [
        "float32.tflite",
        "static_wi8_ai8.tflite",
    ]
    with pytest.raises(ExportError, match="float32_onnx is for onnx, not for android"):
        write_kit(bundle, "android", tmp_path / "other", ["float32_onnx"])
