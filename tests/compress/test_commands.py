"""`python -m compress`: every command from the command line, and errors that say in one line what is wrong with it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from compress.commands import _different, app
from compress.flatbuffer import operator_names
from compress.quantization import RECIPES, quantize
from mobile_runtime.console import run
from mobile_runtime.files import sha256
from tests.compress.conftest import SmallGraph
from tests.conftest import REPOSITORY, TrainedRun
from train.checkpoint import load_checkpoint, save_checkpoint, split_of
from train.datasets import read_examples
from train.recipe import load_recipe
from train.splits import load_split, save_split


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


COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]


def test_the_commands_are_those_of_making_networks_smaller() -> None:
    assert sorted(COMMANDS) == ["distill", "pareto", "prune", "qat", "quantize", "sensitivity"]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_has_an_example_that_parses(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"], terminal_width=250)
    assert shown.exit_code == 0
    line = COMMANDS[name].epilog
    assert line.startswith(f"Example: python -m compress {name} ")
    assert line in " ".join(shown.output.split())
    COMMANDS[name].make_context("example", shlex.split(line)[5:])


def test_help_names_the_recipes() -> None:
    shown = CliRunner().invoke(app, ["quantize", "--help"], terminal_width=200)
    assert all(recipe in shown.output for recipe in RECIPES)


def test_a_run_is_pruned_and_distilled(tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    half = tmp_path / "half.safetensors"
    status, out, err = call(capfd, "prune", tiny_run.checkpoint, half, "--share", 0.6, "--json")
    assert status == 0, err
    costs = json.loads(out)
    assert costs["after"]["multiply_adds"] <= 0.6 * costs["before"]["multiply_adds"]
    asked = tmp_path / "asked.safetensors"
    status, _, err = call(capfd, "prune", tiny_run.checkpoint, asked, "--share", 0.6, "--data", tiny_run.data, "--limit", 32)
    assert status == 0, err
    first = "backbone.bn1.running_mean"  # measured anew
    means = [load_checkpoint(path)[0].state_dict()[first] for path in (half, asked)]
    assert not means[0].equal(means[1])
    smaller = tmp_path / "smaller.safetensors"
    status, out, err = call(capfd, "prune", tiny_run.checkpoint, smaller, "--share", 0.5, "--input-size", 48, "--json")
    assert status == 0, err
    fewer = json.loads(out)
    assert fewer["before"] == costs["before"]
    assert fewer["after"]["multiply_adds"] <= 0.5 * costs["before"]["multiply_adds"]
    assert fewer["after"]["parameters"] > costs["after"]["parameters"]  # smaller pictures save work, so that more is kept
    assert load_checkpoint(smaller)[1].input_size == 48
    status, _, err = call(capfd, "prune", tiny_run.checkpoint, asked, "--share", 0.9, "--input-size", 48)
    assert status == 2
    assert "at 48 pixels the whole network does" in err and "give a share of at most" in err
    status, _, err = call(capfd, "prune", tiny_run.checkpoint, asked, "--data", tmp_path / "nowhere")
    assert status == 2
    assert "nowhere" in err
    recipe = tmp_path / "student.yaml"
    recipe.write_text(yaml.safe_dump({**load_recipe("tiny").model_dump(mode="json"), "name": "student", "epochs": 1}))
    words = ("--data", tiny_run.data, "--student", half, "--teacher", tiny_run.checkpoint, "--workers", 0)
    status, out, err = call(capfd, "distill", "--recipe", recipe, *words, "--out", tmp_path / "run")
    assert status == 0, err
    assert "control" in out
    assert load_checkpoint(tmp_path / "run" / "model.safetensors")[0].pruned
    status, _, err = call(capfd, "distill", "--recipe", recipe, *words[:4], "--teacher", half.with_name("none.safetensors"))
    assert status == 2
    assert "none.safetensors" in err


def test_a_pruned_network_is_known_by_what_it_was_trained_on(
    tiny_run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = call(capfd, "prune", tiny_run.checkpoint, "half.safetensors", "--share", 0.6)
    assert status == 0, err
    assert Path("half.splits.csv").read_bytes() == (tiny_run.folder / "splits.csv").read_bytes()
    split = load_split(tiny_run.folder / "splits.csv", read_examples(tiny_run.data))
    save_split({"train": split["val"], "val": split["train"], "test": split["test"]}, Path("moved.csv"))
    recipe = Path("student.yaml")
    recipe.write_text(yaml.safe_dump({**load_recipe("tiny").model_dump(mode="json"), "name": "student", "epochs": 1}))
    shutil.copyfile(tiny_run.checkpoint, "teacher.safetensors")  # of which nothing is known
    words = ("--data", tiny_run.data, "--student", "half.safetensors", "--teacher", "teacher.safetensors")
    status, _, err = call(capfd, "distill", "--recipe", recipe, *words, "--split", "moved.csv", "--out", "run")
    assert status == 2
    assert "half.safetensors: was trained on" in err

    asked = ("--share", 0.6, "--data", tiny_run.data, "--limit", 32)
    shutil.copyfile(tiny_run.checkpoint, "whole.safetensors")
    shutil.copyfile("half.splits.csv", "whole.splits.csv")
    status, _, err = call(capfd, "prune", "whole.safetensors", "less.safetensors", *asked)
    assert status == 0, err
    assert Path("less.splits.csv").is_file()
    assert "no split beside" not in err
    status, _, err = call(capfd, "prune", "teacher.safetensors", "other.safetensors", *asked)
    assert status == 0, err
    assert "warning: no split beside teacher.safetensors; its recipe cuts one" in err
    assert not Path("other.splits.csv").exists()  # that the recipe cuts one makes it no split of the network's run


def test_a_network_is_pruned_by_the_split_that_it_was_trained_by(
    tiny_run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own, examples = tiny_run.folder / "splits.csv", read_examples(tiny_run.data)
    split = load_split(own, examples)
    first = split["test"][0].group
    moved = [example for example in split["test"] if example.group == first]
    rest = [example for example in split["test"] if example.group != first]
    save_split({"train": [*split["train"], *moved], "val": split["val"], "test": rest}, Path("other.csv"))
    save_split({name: part[::-1] for name, part in split.items()}, Path("same.csv"))
    network, recipe = load_checkpoint(tiny_run.checkpoint)
    save_checkpoint(network, recipe, Path("old.safetensors"))  # of before splits were noted in it
    shutil.copyfile(own, "old.splits.csv")
    shutil.copyfile(tiny_run.checkpoint, "alone.safetensors")
    data = ("--share", 0.6, "--data", tiny_run.data, "--limit", 32)
    for source in (tiny_run.checkpoint, "old.safetensors", "alone.safetensors"):
        for asked in (data, data[:2]):
            status, _, err = call(capfd, "prune", source, "half.safetensors", *asked, "--split", "other.csv")
            assert status == 2
            assert f"other.csv: another split than {source} was trained by" in " ".join(err.split())
            assert not list(tmp_path.glob("half.*"))
    status, _, err = call(capfd, "prune", tiny_run.checkpoint, "half.safetensors", *data, "--split", "same.csv")
    assert status == 0, err
    assert Path("half.splits.csv").read_bytes() == Path("same.csv").read_bytes()
    other = recipe.model_copy(update={"split": recipe.split.model_copy(update={"seed": 1})})
    save_checkpoint(network, other, Path("alone.safetensors"), split_sha256=split_of(tiny_run.checkpoint))
    status, _, err = call(capfd, "prune", "alone.safetensors", "less.safetensors", *data)
    assert status == 2
    assert "its recipe cuts these images otherwise than those it was trained on" in " ".join(err.split())


def test_no_command_writes_over_what_it_reads(
    tiny_bundle: Path, tiny_run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    shutil.copyfile(tiny_run.checkpoint, "run/model.safetensors")
    shutil.copyfile(tiny_run.folder / "splits.csv", "run/splits.csv")
    shutil.copyfile(tiny_bundle / "models" / "float32.tflite", "float32.tflite")
    Path("linked").symlink_to("run")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    data, run = ("--data", tiny_run.data), tmp_path / "run" / "model.safetensors"
    split = ("--split", "run/splits.csv")
    for words, said in (
        (("prune", "run/model.safetensors", run), "checkpoint"),
        (("prune", "linked/model.safetensors", "run/model.safetensors"), "checkpoint"),
        (("sensitivity", "float32.tflite", *data, *split, "--mixed", tmp_path / "float32.tflite"), "float32 model"),
        (("sensitivity", "float32.tflite", *data, *split, "--mixed", "linked/splits.csv"), "split"),
        (("distill", *data, "--student", run, "--teacher", tiny_run.checkpoint, "--out", "linked", "--fresh"), "student"),
        (("distill", *data, "--student", tiny_run.checkpoint, "--teacher", run, "--out", "run", "--fresh"), "teacher"),
        (("qat", run, *data, "--out", "linked", "--fresh"), "checkpoint"),
    ):
        status, _, err = call(capfd, *words)
        assert status == 2, words
        assert f"the {said} itself; give another name for the result" in err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_sensitivity_shows_every_layer_and_writes_a_mixed_graph(
    tiny_bundle: Path, tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model, target = tiny_bundle / "models" / "float32.tflite", tmp_path / "mixed.tflite"
    words = ("--data", tiny_run.data, "--split", tiny_run.folder / "splits.csv", "--no-rounding")
    status, out, err = call(capfd, "sensitivity", model, *words, "--mixed", target, "--bound", 1, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert len(found["layers"]) == 52
    assert found["split_checked"] and "warning" not in err
    assert found["mixed"]["float_layers"] == []
    assert target.stat().st_size == found["mixed"]["bytes"]
    assert found["mixed"]["auc"] == pytest.approx(found["auc_int8"], abs=1e-12)  # the same graph
    status, _, err = call(capfd, "sensitivity", model, *words, "--part", "train")
    assert status == 2
    assert "val or test" in err


def test_sensitivity_takes_the_split_of_the_model(
    tiny_bundle: Path, tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    split = load_split(tiny_run.folder / "splits.csv", read_examples(tiny_run.data))
    moved = tmp_path / "moved.csv"
    save_split({"train": split["val"], "val": split["train"], "test": split["test"]}, moved)
    words = ("--data", tiny_run.data, "--split", moved, "--part", "train")  # the part is refused later
    status, _, err = call(capfd, "sensitivity", tiny_bundle / "models" / "float32.tflite", *words)
    assert status == 2
    assert f"moved.csv: another split than the bundle {tiny_bundle} was made by" in " ".join(err.split())
    alone = tmp_path / "models" / "float32.tflite"
    alone.parent.mkdir()
    shutil.copyfile(tiny_bundle / "models" / "float32.tflite", alone)
    for manifest in (None, "{}"):
        if manifest:
            (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
        status, _, err = call(capfd, "sensitivity", alone, *words)
        assert status == 2
        assert f"warning: {alone}: in no bundle that names its split" in err and "val or test" in err


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
    assert record["sha256"] == sha256(tmp_path / "int8.tflite")
    assert len(set(record["ids"])) == 40
    assert set(record["ids"]) <= {
        path.relative_to(synthetic_data).with_suffix("").as_posix() for path in synthetic_data.rglob("*.jpg")
    }
    before = (tmp_path / "int8.tflite").read_bytes(), record["ids"]
    call(capfd, *words, "--seed", 5)
    again = json.loads((tmp_path / "int8.calibration.json").read_text(encoding="utf-8"))["ids"]
    assert ((tmp_path / "int8.tflite").read_bytes(), again) == before
    call(capfd, *words, "--seed", 6)
    other = json.loads((tmp_path / "int8.calibration.json").read_text(encoding="utf-8"))["ids"]
    assert other != again
    status, _, err = call(capfd, "quantize", model, tmp_path / "int8.tflite", "--recipe", "dynamic_wi8_afp32")
    assert status == 0, err
    assert not (tmp_path / "int8.calibration.json").exists(), "of the model that was there before"


def test_linked_folders_calibrate(model: Path, synthetic_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "linked").symlink_to(synthetic_data)
    status, _, err = call(capfd, "quantize", model, tmp_path / "int8.tflite", "--images", images, "--limit", 32)
    assert status == 0, err
    ids = json.loads((tmp_path / "int8.calibration.json").read_text(encoding="utf-8"))["ids"]
    assert all(name.startswith("linked/") and (images / f"{name}.jpg").is_file() for name in ids)


def test_images_of_one_name_in_several_folders_are_noted_apart(
    model: Path, synthetic_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, path in enumerate(sorted(synthetic_data.rglob("*.jpg"))[:32]):
        place = Path("images", ("benign", "malignant")[number % 2], f"{number // 2}.jpg")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    status, _, err = call(capfd, "quantize", model, "int8.tflite", "--images", "images/", "--limit", 32)
    assert status == 0, err
    ids = json.loads(Path("int8.calibration.json").read_text(encoding="utf-8"))["ids"]
    assert sorted(ids) == sorted(f"{kind}/{number}" for kind in ("benign", "malignant") for number in range(16))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("MODEL", "o.tflite", "--recipe", "int4"), "no quantization recipe 'int4'; there are float16"),
        (("MODEL", "o.tflite", "--recipe", "static_wi4"), "no quantization recipe 'static_wi4'"),
        (("absent.tflite", "o.tflite"), "absent.tflite: no such model"),
        (("junk.tflite", "o.tflite", "--recipe", "float16"), "junk.tflite: not a readable TFLite model"),
        (("MODEL", "MODEL", "--recipe", "float16"), "the float32 model itself; give another name"),
        (("MODEL", "link.tflite", "--recipe", "float16"), "the float32 model itself; give another name"),
        (("MODEL", "o.tflite"), "needs --images with at least 32 training images of several kinds, found 0 different ones"),
        (
            ("MODEL", "o.tflite", "--images", "few"),
            "32 training images of several kinds, found 1 different ones",
        ),
        (("MODEL", "o.tflite", "--images", "nowhere"), "nowhere: no such folder"),
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
    Path("link.tflite").symlink_to(model)
    for folder, count in (("few", 3), ("bad", 40)):
        Path(folder).mkdir()
        for number in range(count):
            Path(folder, f"{number}.jpg").write_text(
                "not an image" if folder == "few" else f"not image {number}", encoding="utf-8"
            )
    status, out, err = call(capfd, "quantize", *(str(model) if word == "MODEL" else word for word in words))
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert reason in line
    assert not Path("o.tflite").exists()


def test_a_folder_is_no_place_for_a_quantized_model(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, _, err = call(capfd, "quantize", model, tmp_path, "--recipe", "dynamic_wi8_afp32")
    assert status == 2
    assert err.splitlines()[-1] == f"error: {tmp_path}: a folder; give the file to write"


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


def test_one_of_several_copies_is_drawn(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}.jpg").write_text(str(number // 3), encoding="utf-8")
    files = sorted(tmp_path.iterdir())
    drawn = _different(files, 12, seed=0)
    assert [path.read_text(encoding="utf-8") for path in drawn] == ["0", "1", "2", "3"]
    assert len(_different(files, 2, seed=0)) == 2
