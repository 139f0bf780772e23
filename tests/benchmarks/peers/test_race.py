"""Worker processes, turns and what is made of their times."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import race
from benchmarks.peers.race import Rounds, Runner
from mobile_runtime import TriagePipeline, synthetic
from mobile_runtime.errors import EngineError


def opened(runtime: str, model: Path, **names: str) -> Runner:
    runner = Runner(runtime, Path(sys.executable))
    fixed = {"pixels": "", "scores": "", "core": race.the_core(), "root": str(race.ROOT)}
    reply = runner.ask("open", runtime=runtime, model=str(model), **{**fixed, **names})
    assert reply["load_ms"] > 0 and "ai-edge-litert" in reply["versions"]
    return runner


def test_a_worker_gives_the_scores_of_this_runtime() -> None:
    pipeline = TriagePipeline()
    frames = np.stack([pipeline.prepare(synthetic.lesion(label, 0, 200)) for label in ("mel", "nv")])
    variant = pipeline.variant
    names = {"pixels": variant.input_name, "scores": variant.outputs["probabilities"]}
    with opened("litert", pipeline.bundle.path / variant.path, **names) as runner:
        runner.give_frames(frames)
        assert np.allclose(runner.scores(), pipeline.predict(frames).probabilities, atol=1e-6)
        times = race.take_turns({"only": runner}, Rounds(quick=True, count=2, block=3, seconds=60))["only"]
    assert times.shape == (2, 3) and (times > 0).all()


def test_a_worker_assesses_picture_files(tmp_path: Path) -> None:
    from PIL import Image

    pipeline = TriagePipeline()
    file = tmp_path / "mel.png"
    Image.fromarray(synthetic.lesion("mel", 0, 300)).save(file)
    with opened("skintriage", pipeline.bundle.path) as runner:
        runner.ask("files", files=[str(file)])
        assert runner.scores()[0].tolist() == pytest.approx(list(pipeline.assess(file).probabilities.values()))


def test_an_error_of_a_worker_is_one_line() -> None:
    runner = Runner("peer", Path(sys.executable))
    with runner, pytest.raises(EngineError, match="peer: KeyError: 'nonsense'"):
        runner.ask("open", runtime="nonsense", model="", pixels="", scores="", core=None, root="")


def test_a_process_that_ends_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "ends.py"
    script.write_text("import sys\nsys.exit('out of luck')\n", encoding="utf-8")
    monkeypatch.setattr(race, "WORKER", script)
    with (
        Runner("peer", Path(sys.executable)) as runner,
        pytest.raises(EngineError, match=r"peer: its process ended \(out of luck"),
    ):
        runner.ask("score")


class Turns:
    """Answers with the number of its turn as time."""

    def __init__(self, name: str, order: list[str]) -> None:
        self.name, self.order = name, order

    def ask(self, _: str, count: int) -> dict[str, list[float]]:
        self.order.append(self.name)
        return {"times_ms": [float(self.order.count(self.name))] * count}


def test_turns_move_on_and_end_in_time() -> None:
    order: list[str] = []
    runners = {name: Turns(name, order) for name in "abc"}
    done: list[int] = []
    times = race.take_turns(runners, Rounds(quick=True, count=4, block=2, seconds=60), done.append)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab" + "abc"
    assert times["a"].tolist() == [[2, 2], [3, 3], [4, 4], [5, 5]] and sum(done) == 4
    done.clear()
    short = race.take_turns(runners, Rounds(quick=True, count=9, block=2, seconds=0), done.append)
    assert short["c"].shape == (2, 2) and sum(done) == 9


def test_a_drift_of_the_machine_cancels_in_the_ratio() -> None:
    speed = np.arange(1.0, 9.0)[:, None] * np.ones((8, 5))
    twice = race.ratio(2 * speed, speed)
    assert (twice.value, twice.low, twice.high, twice.n) == (2, 2, 2, 40)
    median = race.percentile(speed, 50)
    assert median.value == 4.5 and 1 <= median.low < 4.5 < median.high <= 8
    assert race.percentile(np.full((4, 3), 7.0), 90).high == 7


def test_other_scores_are_not_compared() -> None:
    assert race.largest_difference(np.array([[0.2, 0.8]]), np.array([[0.25, 0.75]])) == pytest.approx(0.05)
    assert race.largest_difference(np.zeros((1, 2)), np.zeros((1, 7))) is None
