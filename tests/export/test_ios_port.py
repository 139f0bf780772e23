"""The iOS port: Python's answers by Swift on Linux, and sources that parse."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("jinja2")

from export.kit_files import edge_vectors, file_vectors
from export.kit_turned import turned_vectors
from export.kits import write_kit
from mobile_runtime import Bundle
from tests.export.ports import PORTS, stages

SWIFT_LINUX = Path(__file__).parent / "swift_linux"
SWIFT = os.environ.get("SWIFT", "swift")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(SWIFT) is None, reason="needs Swift, or $SWIFT: tests/export/debian_swift.sh fetches one")
def test_swift_gives_python_answers(tiny_bundle: Path, tmp_path: Path) -> None:
    """All of the iOS kit but what needs Apple's SDK, CoreMLEngine.swift and PixelBuffer.swift."""
    write_kit(Bundle.load(tiny_bundle), "ios", tmp_path / "kit")
    shutil.copytree(SWIFT_LINUX, tmp_path / "kit", dirs_exist_ok=True)
    words = [SWIFT, "test", "-c", "release", "-Xswiftc", "-enable-testing", "--disable-sandbox"]
    done = subprocess.run(words, cwd=tmp_path / "kit", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = stages(done.stdout)
    assert found.keys() == {
        "BurstsOfAnotherKind", "Constants", "DecisionAndPipeline", "PortBursts", "PortFiles", "PortFramesAndCaptures",
        "PortManifests", "PortOutputs", "PortTurned", "Prepared", "Quality", "Refusals", "Upright",
    }  # fmt: skip
    assert found["PortBursts"][0] == 90
    assert found["PortFiles"][0] == len(file_vectors()) + len(edge_vectors())
    assert found["PortTurned"][0] == len(turned_vectors())
    assert not sum(mismatches for _, mismatches in found.values())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(SWIFT) is None, reason="needs Swift, or $SWIFT: tests/export/debian_swift.sh fetches one")
def test_what_needs_apples_sdk_compiles_with_stand_ins(tiny_bundle: Path, tmp_path: Path) -> None:
    write_kit(Bundle.load(tiny_bundle), "ios", tmp_path / "kit")
    for overlay in (SWIFT_LINUX, SWIFT_LINUX.with_name("swift_apple")):
        shutil.copytree(overlay, tmp_path / "kit", dirs_exist_ok=True)
    done = subprocess.run([SWIFT, "build", "--disable-sandbox"], cwd=tmp_path / "kit", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_swift_sources_parse() -> None:
    swift = pytest.importorskip("tree_sitter_swift", reason="needs tree-sitter and tree-sitter-swift")
    tree_sitter = pytest.importorskip("tree_sitter")
    parser = tree_sitter.Parser(tree_sitter.Language(swift.language()))
    sources = [file for file in PORTS if file.suffix == ".swift"]
    assert len(sources) >= 21
    for file in sources:
        assert not parser.parse(file.read_bytes()).root_node.has_error, file.name
    assert parser.parse(b"let x = )").root_node.has_error
