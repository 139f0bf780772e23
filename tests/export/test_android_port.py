"""The Android port: Python's answers on a JVM, and every altered value seen."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jinja2")

from export.kits import PLATFORMS, write_kit
from mobile_runtime import Bundle
from mobile_runtime.manifest import SCHEMA_VERSION
from tests.export.ports import PORTS, stages

STUBS = Path(__file__).parent / "litert_stubs"
PROBES = Path(__file__).parent / "jvm_probes"
VERSION = f'"schema_version": {SCHEMA_VERSION}'
jvm = pytest.mark.skipif(not (shutil.which("javac") and shutil.which("java")), reason="the Android port needs javac and java")


@pytest.fixture(scope="module")
def classes(android_kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit's Java for Java 8, without its LiteRT class."""
    folder = tmp_path_factory.mktemp("classes")
    compile_java(folder, [file for file in (android_kit / "src").rglob("*.java") if file.name != "LiteRtEngine.java"])
    return folder


def compile_java(folder: Path, files: list[Path]) -> None:
    words = ["javac", "--release", "8", "-encoding", "UTF-8", "-Xlint:all", "-Xlint:-options", "-Werror", "-d", str(folder)]
    done = subprocess.run([*words, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def conformance(classes: Path, kit: Path) -> subprocess.CompletedProcess[str]:
    words = ["java", "-cp", str(classes), "skintriage.JvmConformance"]
    folders = [str(kit / PLATFORMS["android"].assets), str(kit / PLATFORMS["android"].vectors)]
    return subprocess.run([*words, *folders], capture_output=True, text=True)


@jvm
def test_java_gives_python_answers(android_kit: Path, classes: Path) -> None:
    done = conformance(classes, android_kit)
    assert done.returncode == 0, done.stdout + done.stderr
    found = stages(done.stdout)
    bundle = Bundle.load()
    golden = json.loads((bundle.path / "golden/golden.json").read_text(encoding="utf-8"))
    points = sum(len(variant["decisions"]) for variant in golden["variants"].values())
    rules = sum(len(variant["rules"]) for variant in golden["variants"].values())
    count = len(golden["cases"])
    files = sum(case["frame"] is None for case in golden["cases"])
    # Each file is checked; ImageIO has no WebP, another idea of 16-bit grey, and no profile of a PNG.
    assert found["upright"][0] >= count + files - 3
    assert found["upright"][1] == 0
    assert found["prepared"] == found["quality"] == (count, 0)
    assert found["pipeline"] == (points * count, 0)
    assert found["decision"] == (points * count + rules, 0)
    port = json.loads((android_kit / PLATFORMS["android"].vectors / "port.json").read_text(encoding="utf-8"))
    # Of each capture that is accepted: its quality, and that no verdict comes of it at another size than the model's.
    accepted = sum(case["prepared"] is not None for case in port["captures"])
    assert found["port"] == (sum(len(cases) for cases in port.values() if isinstance(cases, list)) + 2 * accepted, 0)
    assert bundle.id in done.stdout


def alter_array(kit: Path, path: str) -> None:
    file = kit / PLATFORMS["android"].vectors / path
    array = np.load(file)
    array.flat[array.size // 2] += np.asarray(1, array.dtype)
    np.save(file, array)


def alter_json(kit: Path, path: str, change: Callable[[Any], None]) -> None:
    file = kit / PLATFORMS["android"].vectors / path
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(json.dumps(document), encoding="utf-8")


def other_decision(golden: Any) -> None:
    decisions = golden["variants"]["static_wi8_ai8"]["decisions"]["rule_out"]
    decisions[1] = "low_concern" if decisions[1] != "low_concern" else "refer"


def other_rule(golden: Any) -> None:
    rule = golden["variants"]["static_wi8_ai8"]["rules"][0]
    rule["decision"] = "low_concern" if rule["decision"] == "refer" else "refer"


def whole_for_broken(port: Any) -> None:
    broken = next(case for case in port["files"] if not case["accepted"])
    broken["data"] = port["files"][0]["data"]


ALTERATIONS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "frame": ("upright", lambda kit: alter_array(kit, "golden/frame_nv12.upright.npy")),
    "prepared pixel": ("prepared", lambda kit: alter_array(kit, "golden/png.prepared.npy")),
    "quality": (
        "quality",
        lambda kit: alter_json(
            kit, "golden/golden.json", lambda golden: golden["cases"][0]["quality"].update(sharpness=0.2727)
        ),
    ),
    "decision": ("decision", lambda kit: alter_json(kit, "golden/golden.json", other_decision)),
    "rule": ("decision", lambda kit: alter_json(kit, "golden/golden.json", other_rule)),
    "burst": (
        "port",
        lambda kit: alter_json(kit, "port.json", lambda port: port["bursts"][0]["verdict"].update(usable=9)),
    ),
    "broken file": ("port", lambda kit: alter_json(kit, "port.json", whole_for_broken)),
    "manifest": (
        "port",
        lambda kit: alter_json(kit, "port.json", lambda port: port["manifests"][0].update(find="NHWC", replace="NCHW")),
    ),
    "edge": ("port", lambda kit: alter_json(kit, "port.json", lambda port: port["edges"][0].update(accepted=False))),
}


@jvm
@pytest.mark.parametrize("altered", ALTERATIONS)
def test_java_conformance_sees_one_altered_value(altered: str, android_kit: Path, classes: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(android_kit, tmp_path / "own"))
    stage, alter = ALTERATIONS[altered]
    alter(own)
    done = conformance(classes, own)
    assert done.returncode == 1, done.stdout + done.stderr
    assert stages(done.stdout)[stage][1] >= 1
    assert "does not conform" in done.stdout


@jvm
def test_java_refuses_an_altered_manifest_or_model(android_kit: Path, classes: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(android_kit, tmp_path / "own"))
    file = own / PLATFORMS["android"].assets / "manifest.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(VERSION, '"schema_version": 0'), encoding="utf-8")
    done = conformance(classes, own)
    assert done.returncode != 0
    assert f"schema version 0, this kit reads {SCHEMA_VERSION}" in done.stderr
    file.write_text(text.replace(VERSION, f"{VERSION}, {VERSION}"), encoding="utf-8")
    assert "is there twice" in conformance(classes, own).stderr


@jvm
def test_java_refuses_what_no_vector_holds(android_kit: Path, tmp_path: Path) -> None:
    files = [file for file in (android_kit / "src/main").rglob("*.java") if file.name != "LiteRtEngine.java"]
    compile_java(tmp_path, [*files, *PROBES.rglob("*.java")])
    words = ["java", "-cp", str(tmp_path), "skintriage.RefusalProbe", str(android_kit / PLATFORMS["android"].assets)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "ARGB: Capture",
        "opaque RGBA: taken",
        "opaque BGRA: taken",
        "outputs: taken",
        "null for an outlier: Inference",
        "a burst: taken",
        "a burst of two points: Capture",
        "a burst of nothing: Capture",
    ], done.stderr


@jvm
def test_litert_class_hands_buffers_over(android_kit: Path, tmp_path: Path) -> None:
    """Against stand-ins of LiteRT's classes: it shows that the class compiles and fills its buffers, not that LiteRT runs."""
    importing = [file.name for file in PORTS if "org.tensorflow.lite" in file.read_text(encoding="utf-8")]
    assert importing == ["README.md.j2", "LiteRtEngine.java"]
    compile_java(tmp_path, [*(android_kit / "src/main").rglob("*.java"), *STUBS.rglob("*.java")])
    assets = android_kit / PLATFORMS["android"].assets
    words = ["java", "-cp", str(tmp_path), "EngineProbe", str(assets)]
    done = subprocess.run([*words, "static_wi8_ai8"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    manifest = Bundle.load().manifest
    assert set(done.stdout.splitlines()) == {
        "outlier 1 200.0",
        f"probabilities {len(manifest.classes)} 201.0",
        f"scores {len(manifest.scores)} 202.0",
        *(f"refused {manifest.input.size + step}" for step in (-1, 1)),
    }
    own = Path(shutil.copytree(assets, tmp_path / "own"))
    (own / manifest.variants["static_wi8_ai8"].path).write_bytes(b"something else")
    words[-1] = str(own)
    done = subprocess.run([*words, "static_wi8_ai8"], capture_output=True, text=True)
    assert "differs from the manifest" in done.stderr


@jvm
@pytest.mark.slow
def test_java_gives_python_answers_for_every_variant(tiny_bundle: Path, classes: Path, tmp_path: Path) -> None:
    write_kit(Bundle.load(tiny_bundle), "android", tmp_path / "kit")
    done = conformance(classes, tmp_path / "kit")
    assert done.returncode == 0, done.stdout + done.stderr
    # The input's size is read from the manifest: this network's is another than the default bundle's.
    assert f"input {Bundle.load(tiny_bundle).manifest.input.size} pixels" in done.stdout
