"""`python -m compress`: quantize a file from the command line, and say in one line what is wrong with it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from compress.commands import app
from compress.flatbuffer import operator_names
from compress.quantization import RECIPES, quantize
from mobile_runtime.console import run
from mobile_runtime.files import sha256
from tests.compress.conftest import SmallGraph
from tests.conftest import REPOSITORY


def call(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `python -m compress WORDS`, in this process."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        run("compress", [str(word) for word in words])
    shown = capfd.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


@pytest.fixture
def model(small: SmallGraph, tmp_path: Path) -> Path:
    path = tmp_path / "float32.tflite"
    path.write_bytes(small.model)
    return path


def test_help_has_an_example_that_parses() -> None:
    shown = CliRunner().invoke(app, ["quantize", "--help"], terminal_width=200)
    assert shown.exit_code == 0
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert list(commands) == ["quantize"]
    line = commands["quantize"].epilog
    assert line.startswith("Example: python -m compress quantize ")
    assert line in " ".join(shown.output.split())
    commands["quantize"].make_context("example", shlex.split(line)[5:])
    assert all(recipe in shown.output for recipe in RECIPES)


@pytest.mark.parametrize("recipe", ["float16", "dynamic_wi8_afp32"])
def test_recipes_without_images(model: Path, recipe: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out" / f"{recipe}.tflite"
    status, out, err = call(capfd, "quantize", model, target, "--recipe", recipe, "--json")
    assert status == 0, err
    assert json.loads(out) == {
        "recipe": recipe,
        "bytes_before": model.stat().st_size,
        "bytes_after": target.stat().st_size,
        "sha256": sha256(target),
    }
    assert target.read_bytes() == quantize(model.read_bytes(), recipe)
    assert list(target.parent.iterdir()) == [target], "no calibration file, nothing temporary"


def test_a_static_recipe_calibrates_on_a_folder_and_records_the_ids(
    model: Path, synthetic_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("quantize", model, tmp_path / "int8.tflite", "--images", synthetic_data, "--limit", 40)
    status, out, err = call(capfd, *words, "--seed", 5)
    assert status == 0, err
    assert "KiB" in out
    assert operator_names((tmp_path / "int8.tflite").read_bytes())[0] == "QUANTIZE"
    record = json.loads((tmp_path / "int8.calibration.json").read_text(encoding="utf-8"))
    assert (record["recipe"], record["seed"]) == ("static_wi8_ai8", 5)
    assert len(set(record["ids"])) == 40
    assert set(record["ids"]) <= {path.stem for path in synthetic_data.rglob("*.jpg")}
    before = (tmp_path / "int8.tflite").read_bytes(), record["ids"]
    call(capfd, *words, "--seed", 5)
    again = json.loads((tmp_path / "int8.calibration.json").read_text(encoding="utf-8"))["ids"]
    assert ((tmp_path / "int8.tflite").read_bytes(), again) == before
    call(capfd, *words, "--seed", 6)
    other = json.loads((tmp_path / "int8.calibration.json").read_text(encoding="utf-8"))["ids"]
    assert other != again


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("MODEL", "o.tflite", "--recipe", "int4"), "no quantization recipe 'int4'; there are float16"),
        (("MODEL", "o.tflite", "--recipe", "static_wi4"), "no quantization recipe 'static_wi4'"),
        (("absent.tflite", "o.tflite"), "absent.tflite: no such model"),
        (("junk.tflite", "o.tflite", "--recipe", "float16"), "junk.tflite: not a readable TFLite model"),
        (("MODEL", "o.tflite"), "needs --images with at least 32 training images, found 0"),
        (("MODEL", "o.tflite", "--images", "few"), "needs --images with at least 32 training images, found 3"),
        (("MODEL", "o.tflite", "--images", "nowhere"), "found 0"),
        (("MODEL", "o.tflite", "--images", "bad"), ".jpg"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    words: tuple[str, ...],
    reason: str,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("junk.tflite").write_bytes(b"junk" * 50)
    for folder, count in (("few", 3), ("bad", 40)):
        Path(folder).mkdir()
        for number in range(count):
            Path(folder, f"{number}.jpg").write_bytes(b"not an image")
    status, out, err = call(capfd, "quantize", *(str(model) if word == "MODEL" else word for word in words))
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert reason in line
    assert not Path("o.tflite").exists()


def test_a_quantized_model_is_not_quantized_again(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    half = tmp_path / "half.tflite"
    call(capfd, "quantize", model, half, "--recipe", "float16")
    status, _, err = call(capfd, "quantize", half, tmp_path / "o.tflite", "--recipe", "dynamic_wi8_afp32")
    assert status == 2
    assert "quantized already; start from the float32 graph" in err
    assert not (tmp_path / "o.tflite").exists()


@pytest.mark.slow
def test_the_module_itself_ends_with_one_line_and_status_2() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "compress", "quantize", "absent.tflite", "o.tflite", "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == ["error: absent.tflite: no such model"]
