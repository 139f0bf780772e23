"""What the runtime must not do: import heavy packages, reach for the network, write metadata or pixels anywhere."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobile_runtime import TriagePipeline, annotate, synthetic

REPOSITORY = Path(__file__).parents[2]
BASE = {
    "ai_edge_litert", "annotated_doc", "annotated_types", "click", "colorama", "cv2", "flatbuffers", "google", "markdown_it",
    "mdurl", "numpy", "PIL", "pydantic", "pydantic_core", "pygments", "rich", "shellingham", "tflite_runtime", "typer",
    "typing_extensions", "typing_inspection", "yaml",
}  # fmt: skip
"""Import names of the base install: what the dependencies of pyproject.toml and their own dependencies bring."""

# Runs in a child: only the base install can be imported, and every way to a socket raises.
GUARD = """
import sys
allowed = set({base!r}) | set(sys.stdlib_module_names)
allowed |= {{"mobile_runtime", "train", "compress", "export", "benchmarks", "__main__"}}
class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in allowed and not name.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"not in the base install: {{name}}", name=name.split(".")[0])
sys.meta_path.insert(0, Guard())
def refuse(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        raise RuntimeError(f"the network was touched: {{event}}")
    if event == "socket.__new__" and arguments[1] != 1:
        raise RuntimeError("a socket was made")
sys.addaudithook(refuse)
"""


def run_guarded(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = GUARD.format(base=sorted(BASE)) + code
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], check=False, capture_output=True, text=True, cwd=REPOSITORY, timeout=300
    )


def run_command(*words: str) -> subprocess.CompletedProcess[str]:
    return run_guarded("from mobile_runtime.main import main\nsys.argv = ['skintriage', *sys.argv[1:]]\nmain()", *words)


def test_importing_takes_nothing_heavy() -> None:
    found = run_guarded("import mobile_runtime, json\nprint(json.dumps(sorted(sys.modules)))")
    assert found.returncode == 0, found.stderr
    roots = {name.split(".")[0] for name in json.loads(found.stdout)}
    heavy = {
        "torch",
        "tensorflow",
        "scipy",
        "sklearn",
        "pandas",
        "timm",
        "lightning",
        "matplotlib",
        "onnxruntime",
        "cryptography",
        "pyarrow",
        "ray",
    }
    assert not roots & heavy
    # The interpreter is loaded when a pipeline is made, not on import.
    assert "ai_edge_litert" not in roots


def test_the_guard_itself_works() -> None:
    assert "not in the base install: torch" in run_guarded("import torch").stderr
    assert "the network was touched" in run_guarded("import socket\nsocket.create_connection(('127.0.0.1', 9))").stderr or (
        "a socket was made" in run_guarded("import socket\nsocket.socket()").stderr
    )


def test_every_verb_works_on_the_base_install_without_network(sample_bundle: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(synthetic.lesion("nv", 3, 300)).save(photo)
    bundle = ["--bundle", str(sample_bundle)]
    demo = run_command("demo", *bundle, "--out", str(tmp_path / "demo"), "--json")
    assert demo.returncode == 0, demo.stderr
    assert len(json.loads(demo.stdout)) == 3
    assert len(list((tmp_path / "demo").glob("*.png"))) == 3
    assess = run_command("assess", str(photo), *bundle, "--out", str(tmp_path / "out"), "--json")
    assert assess.returncode == 0, assess.stderr
    assert json.loads(assess.stdout)[0]["decision"]
    for verb in ("info", "verify"):
        found = run_command(verb, *bundle, "--json")
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout)["id"]


def test_missing_extras_are_named_on_the_base_install() -> None:
    for package in ("train", "compress", "export"):
        found = run_command(package, "--help")
        assert found.returncode == 2
        assert "in skintriage's folder, pip install '.[" in found.stderr
        assert "Traceback" not in found.stderr
    archive = run_command("assess-archive", "photos", "--out", "verdicts")
    assert archive.returncode == 2
    (line,) = archive.stderr.splitlines()
    assert line == "error: archives need ray, not installed here; in skintriage's folder, pip install '.[ray]'"


def photo_with_secrets() -> bytes:
    """A JPEG that says where it was taken and by whom."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x9286] = 6, "SECRETCAMERA", "SECRETCOMMENT"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[29] = "N", (52.0, 31.0, 0.0), "SECRETDATE"
    stream = io.BytesIO()
    Image.fromarray(synthetic.lesion("mel", 3, 400)).save(stream, "JPEG", quality=92, exif=exif, comment=b"SECRETTEXT")
    return stream.getvalue()


def test_nothing_written_carries_metadata(sample_bundle: Path, tmp_path: Path) -> None:
    data = photo_with_secrets()
    assert data.count(b"SECRET") == 4
    (tmp_path / "photo.jpg").write_bytes(data)
    found = run_command(
        "assess", str(tmp_path / "photo.jpg"), "--bundle", str(sample_bundle), "--out", str(tmp_path / "out"), "--json"
    )
    assert found.returncode == 0, found.stderr
    assert "SECRET" not in found.stdout + found.stderr
    written = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert len(written) == 1
    picture = written[0].read_bytes()
    assert b"SECRET" not in picture
    assert b"Exif" not in picture
    assert b"eXIf" not in picture
    with Image.open(written[0]) as image:
        assert not image.getexif()
        assert not set(image.info) - {"dpi", "gamma", "srgb"}


def test_drawing_and_assessing_leave_no_metadata(sample_bundle: Path, tmp_path: Path) -> None:
    pipeline = TriagePipeline(sample_bundle)
    prepared = pipeline.prepare(photo_with_secrets())
    assessment = pipeline.assess_prepared(prepared)
    path = annotate.save(annotate.draw(prepared, assessment, {}), tmp_path / "a.png")
    assert b"SECRET" not in path.read_bytes()
    assert "SECRET" not in assessment.to_json()


def test_no_pixels_in_logs_or_messages(
    sample_bundle: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Logs at the lowest level stay short: a picture, even as a repr cut short, would be there as a list of numbers."""
    photo = photo_with_secrets()
    caplog.set_level(logging.DEBUG)
    pipeline = TriagePipeline(sample_bundle)
    pipeline.assess(photo)
    pipeline.assess(np.full((200, 200, 3), 77, np.uint8))
    streams = capfd.readouterr()
    text = caplog.text + streams.out + streams.err
    assert "SECRET" not in text
    assert "77, 77" not in text
    assert "77 77" not in text
    assert "array(" not in text
    own = [record for record in caplog.records if record.name.startswith("mobile_runtime")]
    assert not own
