"""The comparison of sizes: who dominates whom, times taken in turns, one row and one point per run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from compress import pareto
from compress.conversion import Forms, make_forms
from compress.drift import Answers, ask
from compress.pareto import BLOCK, Candidate, Latency, alternate, compare, efficient
from compress.pareto_chart import write_chart
from compress.pruning import prune
from compress.sensitivity import Workbench
from mobile_runtime.console import run as command
from mobile_runtime.errors import DataError
from tests.compress.conftest import SIZE, ShallowNetwork
from train.checkpoint import load_checkpoint, save_checkpoint
from train.datasets import Example, read_examples
from train.network import LesionNetwork
from train.recipe import SplitPlan, load_recipe
from train.splits import save_split, split_examples


@pytest.fixture(scope="module")
def examples(synthetic_data: Path) -> list[Example]:
    return read_examples(synthetic_data)


@pytest.fixture(scope="module")
def runs(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A full and a pruned network with one split."""
    folder = tmp_path_factory.mktemp("sizes")
    recipe = load_recipe("tiny").model_copy(update={"input_size": SIZE})
    full = LesionNetwork(recipe.backbone, 7)
    for name, network in (("full", full), ("half", prune(full, SIZE, 0.6))):
        save_checkpoint(network, recipe, folder / name / "model.safetensors")
        save_split(split_examples(examples, recipe.split), folder / name / "splits.csv")
    return [folder / "full", folder / "half"]


@pytest.fixture
def converted(shallow: ShallowNetwork, monkeypatch: pytest.MonkeyPatch) -> Forms:
    """Conversion, which has tests of its own, gives the same graphs for every network."""
    monkeypatch.setattr(pareto, "make_forms", lambda *_: shallow.forms)
    return shallow.forms


def test_a_point_is_efficient_unless_another_is_no_worse_and_somewhere_better() -> None:
    assert efficient([(1, 0.7), (2, 0.9), (3, 0.8), (2, 0.6), (4, 0.9), (1, 0.7)]) == [True, True, False, False, False, True]
    assert efficient([(5, 0.5)]) == [True]


def test_graphs_are_timed_in_turns(shallow: ShallowNetwork) -> None:
    times = alternate([(graph, shallow.images[0]) for graph in (shallow.forms.float32, shallow.forms.int8)], rounds=3)
    assert [time.samples for time in times] == [3 * BLOCK] * 2
    assert all(0 < time.p50_ms <= time.p90_ms for time in times)


def test_one_row_per_run_the_cheapest_first(runs: list[Path], examples: list[Example], converted: Forms) -> None:
    steps: list[str] = []
    rows = compare(runs, examples, rounds=1, progress=steps.append)
    assert [row.run for row in rows] == ["half", "full"]
    assert rows[0].multiply_adds <= 0.6 * rows[1].multiply_adds
    assert rows[0].parameters < rows[1].parameters
    assert (rows[0].float32_bytes, rows[0].int8_bytes) == (len(converted.float32), len(converted.int8))
    assert rows[0].drift == rows[1].drift  # the same graphs
    assert [row.efficient for row in rows] == [True, False]  # the same AUC at less work
    assert steps[-1] == "time"
    for row in rows:
        assert (row.int8_minus_dearest.value, row.int8_minus_dearest.low, row.int8_minus_dearest.high) == (0, 0, 0)


def test_networks_of_other_input_sizes_are_compared_on_the_same_images(
    runs: list[Path], examples: list[Example], shallow: ShallowNetwork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    network, recipe = load_checkpoint(runs[0] / "model.safetensors")
    save_checkpoint(network, recipe.model_copy(update={"input_size": 2 * SIZE}), large / "model.safetensors")
    shutil.copy(runs[0] / "splits.csv", large)
    asked: dict[int, Workbench] = {}
    enlarged = shallow.calibration.repeat(2, axis=1).repeat(2, axis=2)
    forms = {SIZE: shallow.forms, 2 * SIZE: make_forms(shallow.network, 2 * SIZE, enlarged)}

    def remember(forms: Forms, bench: Workbench, classes: Sequence[str]) -> Answers:
        asked[bench.images.shape[1]] = bench
        return ask(forms, bench, classes)

    monkeypatch.setattr(pareto, "make_forms", lambda _network, size, *_: forms[size])
    monkeypatch.setattr(pareto, "ask", remember)
    rows = compare([large, runs[0]], examples, rounds=1)
    assert [row.input_size for row in rows] == [SIZE, 2 * SIZE]
    assert rows[0].multiply_adds < rows[1].multiply_adds / 3
    for what in ("groups", "malignant"):
        assert (getattr(asked[SIZE], what) == getattr(asked[2 * SIZE], what)).all()
    gap = rows[0].int8_minus_dearest
    assert gap.value == pytest.approx(rows[0].drift.auc_int8.value - rows[1].drift.auc_int8.value)
    assert gap.low <= gap.value <= gap.high


def test_runs_that_cannot_be_compared_are_refused_by_name(
    runs: list[Path], examples: list[Example], converted: Forms, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(runs[0], other)
    save_split(split_examples(examples, SplitPlan(folds=5, test_folds=1, val_folds=1, seed=9)), other / "splits.csv")
    with pytest.raises(DataError, match=r"other: another split than .*full"):
        compare([runs[0], other], examples)
    network, recipe = load_checkpoint(runs[0] / "model.safetensors")
    renamed = recipe.model_copy(update={"classes": recipe.classes[::-1]})
    save_checkpoint(network, renamed, other / "model.safetensors")
    shutil.copy(runs[0] / "splits.csv", other)
    with pytest.raises(DataError, match=r"other: other classes than .*full"):
        compare([runs[0], other], examples)
    with pytest.raises(DataError, match="same folder name"):
        compare([runs[0], runs[0]], examples)


def test_the_command_writes_figures_and_picture(
    runs: list[Path], examples: list[Example], converted: Forms, synthetic_data: Path, tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = [*map(str, runs), "--data", str(synthetic_data), "--rounds", "1", "--limit", "20"]
    picture, figures = tmp_path / "pareto.svg", tmp_path / "pareto.json"
    with pytest.raises(SystemExit) as ended:
        command("compress", ["pareto", *words, "--chart", str(picture), "--out", str(figures), "--json"])
    assert not ended.value.code
    document = json.loads(capfd.readouterr().out)
    assert document == json.loads(figures.read_text(encoding="utf-8"))
    assert [Candidate.model_validate(row).run for row in document["networks"]] == ["half", "full"]
    assert all(f">{text}<" in picture.read_text(encoding="utf-8") for text in ("half", "full", "int8", "malignancy AUC"))
    with pytest.raises(SystemExit) as ended:
        command("compress", ["pareto", *words, "--chart", str(tmp_path / "pareto.gif")])
    assert ended.value.code == 2
    assert "a picture is .svg or .png" in " ".join(capfd.readouterr().err.split())


def test_a_picture_is_the_same_bytes_again_and_may_be_png(tmp_path: Path) -> None:
    rows = [candidate("full", 250e6, 0.92), candidate("half", 125e6, 0.91), candidate("odd", 200e6, 0.90)]
    for path in (tmp_path / "a.svg", tmp_path / "b.svg", tmp_path / "c.png"):
        write_chart(rows, path, "validation")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def candidate(run: str, multiply_adds: float, auc: float) -> Candidate:
    time = Latency(p50_ms=multiply_adds / 1e8, p90_ms=multiply_adds / 9e7, samples=8)
    estimate = {"value": auc, "low": auc - 0.02, "high": auc + 0.02, "n": 500}
    drift = {"auc_float32": estimate, "auc_int8": estimate, "int8_minus_float32": {"value": 0, "low": 0, "high": 0},
             "largest": 0.1, "mean": 0.01, "images": 500}  # fmt: skip
    gap = {"value": auc - 0.92, "low": auc - 0.93, "high": auc - 0.91}
    return Candidate.model_validate(
        {"run": run, "input_size": 144, "int8_minus_dearest": gap, "multiply_adds": int(multiply_adds), "parameters": 10,
         "float32_bytes": 40, "int8_bytes": 10, "float32": time, "int8": time, "drift": drift, "efficient": run != "odd"}
    )  # fmt: skip
