"""Distillation: the loss by hand, teachers that must fit, a student that learns them, and a control beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import compress.distillation
from compress.distillation import Distillation, distil, load_teachers, validation_figures
from compress.recipe import StudentRecipe
from mobile_runtime.errors import DataError
from tests.conftest import TrainedRun
from train.checkpoint import load_checkpoint, save_checkpoint
from train.datasets import read_examples
from train.network import LesionNetwork, turned
from train.objective import marginal_loss, mixture
from train.recipe import load_recipe
from train.splits import load_split


def plan(**changes: object) -> StudentRecipe:
    return StudentRecipe.model_validate({**load_recipe("tiny").model_dump(), "name": "student", **changes})


class Fixed(nn.Module):
    """A network of given logits; counts how many images it was asked about."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits, self.asked = nn.Parameter(logits), 0
        self.backbone, self.dropout, self.head = nn.Identity(), nn.Identity(), nn.Identity()

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        self.asked += len(pixels)
        return self.logits[pixels[:, 0, 0, 0].long()]


class Looking(Fixed):
    """Says the same of every picture, and keeps what it was shown under its name."""

    def __init__(self, name: str, seen: dict[str, torch.Tensor]) -> None:
        super().__init__(torch.randn(1, 7))
        self.name, self.seen = name, seen

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        self.seen[self.name] = pixels.float()
        return self.logits.expand(len(pixels), 7)


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


PIXELS = torch.arange(3, dtype=torch.uint8).reshape(3, 1, 1, 1).expand(3, 3, 4, 4)
MASKS = torch.eye(7)[:3]


def test_the_loss_is_the_labels_and_the_softened_divergence_from_the_mean_teacher() -> None:
    rng = np.random.default_rng(0)
    one, two, student = (torch.from_numpy(rng.normal(0, 2, (3, 7))) for _ in range(3))
    recipe = plan(temperature=3.0, teacher_weight=0.6, label_smoothing=0.1, logit_adjustment=0.5)
    prior = torch.log_softmax(torch.arange(7, dtype=torch.float64), 0)
    got = Distillation(recipe, [Fixed(one), Fixed(two)], 7)(Fixed(student), PIXELS, MASKS, prior)
    mean = (softmax(one.numpy() / 3) + softmax(two.numpy() / 3)) / 2
    own = softmax(student.numpy() / 3)
    divergence = (mean * (np.log(mean) - np.log(own))).sum(1).mean() * 9
    labels = float(marginal_loss(student, MASKS, prior, 0.5, 0.1))
    # The teachers' logits are taken to float32 on the way: relative 1e-6.
    assert float(got) == pytest.approx(0.4 * labels + 0.6 * divergence, rel=1e-6)


def test_a_student_that_says_what_the_teacher_says_has_no_divergence_left() -> None:
    logits = torch.randn(3, 7)
    recipe = plan(teacher_weight=1.0)
    assert float(Distillation(recipe, [Fixed(logits)], 7)(Fixed(logits), PIXELS, MASKS, torch.zeros(7))) == pytest.approx(
        0, abs=1e-6
    )


def test_teachers_are_frozen_and_not_part_of_what_is_saved() -> None:
    teacher = Fixed(torch.randn(3, 7))
    objective = Distillation(plan(), [teacher], 7)
    objective(Fixed(torch.randn(3, 7)), PIXELS, MASKS, torch.zeros(7)).backward()
    assert teacher.logits.grad is None
    assert not list(objective.parameters())


def test_turned_teachers_see_the_same_picture_in_orientations_of_their_own() -> None:
    torch.manual_seed(0)
    seen: list[bytes] = []

    class Watching(Fixed):
        def embed(self, pixels: torch.Tensor) -> torch.Tensor:
            seen.append(pixels[0, 0].numpy().tobytes())
            return self.logits

    picture = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4).expand(1, 3, 4, 4)
    objective = Distillation(plan(turned_teachers=True), [Watching(torch.zeros(1, 7)) for _ in range(2)], 7)
    for _ in range(60):
        objective.answers(picture)
    assert set(seen) == {view[0].numpy().tobytes() for view in turned(picture, 8)}
    assert any(one != two for one, two in zip(seen[::2], seen[1::2], strict=True))


def test_only_the_student_sees_the_damage() -> None:
    seen: dict[str, torch.Tensor] = {}
    pixels = torch.randint(60, 140, (8, 3, 16, 16), dtype=torch.uint8)
    objective = Distillation(plan(damage=1.0), [Looking("teacher", seen)], 7)
    objective(Looking("student", seen), pixels, torch.eye(7)[[0] * 8], torch.zeros(7))
    assert torch.equal(seen["teacher"], pixels.float())
    assert not torch.equal(seen["student"], pixels.float())


def test_mixtures_are_answered_by_the_teachers_and_labelled_in_their_shares() -> None:
    pixels = torch.tensor([0, 60, 240], dtype=torch.uint8).reshape(3, 1, 1, 1).expand(3, 3, 4, 4)
    prior = torch.log_softmax(torch.arange(7.0), 0)
    seen: list[torch.Tensor] = []

    class Linear(Fixed):
        """Logits in proportion to the first pixel."""

        def embed(self, pixels: torch.Tensor) -> torch.Tensor:
            seen.append(pixels)
            return pixels[:, 0, 0, :1] / 100 * self.logits

    teacher, student = Linear(torch.randn(7)), Linear(torch.randn(7))
    recipe = plan(mixup=1.0, teacher_weight=0.5, temperature=1.0)
    torch.manual_seed(2)
    got = Distillation(recipe, [teacher], 7)(student, pixels, MASKS, prior)
    torch.manual_seed(2)
    mixed, share, partner = mixture(pixels, 1.0)
    assert 0.02 < share < 0.98 and not torch.equal(mixed, pixels.float())
    assert all(torch.equal(views, mixed) for views in seen) and len(seen) == 2
    logits = mixed[:, 0, 0, :1] / 100 * student.logits
    kept, lent = (
        marginal_loss(logits, masks, prior, recipe.logit_adjustment, recipe.label_smoothing)
        for masks in (MASKS, MASKS[partner])
    )
    soft = torch.softmax(mixed[:, 0, 0, :1] / 100 * teacher.logits, 1)
    divergence = (soft * (soft.log() - logits.log_softmax(1))).sum(1).mean()
    # Sums of a few float32 terms of order one.
    assert float(got) == pytest.approx(float(0.5 * (share * kept + (1 - share) * lent) + 0.5 * divergence), rel=1e-5)


def test_a_student_of_smaller_pictures_is_given_what_its_teachers_see_made_smaller() -> None:
    seen: dict[str, torch.Tensor] = {}
    pixels = (
        torch.arange(64, dtype=torch.uint8).repeat_interleave(2).repeat(2, 3, 128, 1)
    )  # [2, 3, 128, 128], in pairs of columns
    objective = Distillation(plan(input_size=64, teacher_size=128), [Looking("teacher", seen)], 7)
    objective(Looking("student", seen), pixels, MASKS[:2], torch.zeros(7))
    assert torch.equal(seen["teacher"], pixels.float())
    assert seen["student"].shape == (2, 3, 64, 64)
    # A triangle of two columns on either side, weighted alike left and right, keeps a ramp: rounding apart, and edges apart.
    torch.testing.assert_close(seen["student"][:, :, 0, 2:-2], pixels[:, :, 0, ::2][:, :, 2:-2].float(), rtol=0, atol=0.01)


def test_fixed_views_are_asked_for_once_and_fresh_ones_each_time() -> None:
    for fixed, asked in ((2, 3), (0, 6)):
        teacher = Fixed(torch.randn(3, 7))
        objective = Distillation(plan(fixed_views=fixed), [teacher], 7)
        first, second = objective.answers(PIXELS)[0], objective.answers(PIXELS.flip(0))[0]
        assert torch.equal(first, second.flip(0))
        assert teacher.asked == asked


def test_feature_terms_pull_the_projected_embedding_to_the_teachers(tiny_run: TrainedRun) -> None:
    teacher, _ = load_checkpoint(tiny_run.checkpoint)
    recipe = plan(teacher_weight=0.0, feature_weight=1.0, label_smoothing=0.0, logit_adjustment=0.0)
    student = LesionNetwork("mobilenetv2_035", 7).eval()
    objective = Distillation(recipe, [teacher], student.width)
    pixels = torch.randint(0, 255, (4, 3, 64, 64), dtype=torch.uint8)
    masks = torch.ones(4, 7)  # labels that allow everything: only the feature term is left
    optimizer = torch.optim.Adam(objective.projections.parameters(), lr=1e-3)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = objective(student, pixels, masks, torch.zeros(7))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert 0 < losses[-1] < 0.5 * losses[0]


@pytest.fixture(scope="module")
def distilled(tiny_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("student")
    recipe = plan(epochs=2, fixed_views=1, teacher_weight=1.0)
    start = tiny_run.checkpoint
    return distil(
        recipe, read_examples(tiny_run.data), folder, [start], student=start, workers=0, cache=tiny_run.cache
    )  # fmt: skip


def test_a_student_and_its_control_are_two_runs_of_one_budget(distilled: dict[str, Path]) -> None:
    student, control = (json.loads((distilled[n].parent / "metrics.json").read_text()) for n in ("student", "control"))
    assert student["epochs"] == control["epochs"] == 2
    assert (distilled["student"].parent / "splits.csv").read_bytes() == (
        distilled["control"].parent / "splits.csv"
    ).read_bytes()
    assert {"val_auc_malignancy", "val_balanced_accuracy"} <= validation_figures(distilled["student"].parent).keys()
    _, recipe = load_checkpoint(distilled["student"])  # a checkpoint as any other
    assert recipe.name == "student"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_control_sees_the_damage_that_a_student_sees(
    share: float, tiny_run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []

    def note(*_: object, **options: object) -> Path:
        given.append(options)
        return tmp_path

    monkeypatch.setattr(compress.distillation, "fit", note)
    examples, teachers = read_examples(tiny_run.data), [tiny_run.checkpoint]
    distil(plan(damage=share), examples, tmp_path / "run", teachers, student=tiny_run.checkpoint)
    pixels, seen = torch.full((4, 3, 48, 48), 7, dtype=torch.uint8), []

    def watching(views: torch.Tensor) -> torch.Tensor:
        seen.append(views)
        return torch.zeros(len(views), 7)

    given[1]["objective"](watching, pixels, torch.eye(7)[:4], torch.zeros(7))
    assert torch.equal(seen[0], pixels) is (share == 0)


def test_a_loaded_student_trains_whole_and_its_teacher_not_at_all(distilled: dict[str, Path], tiny_run: TrainedRun) -> None:
    before, after = (load_checkpoint(path)[0].state_dict() for path in (tiny_run.checkpoint, distilled["student"]))
    same = [name for name, value in before.items() if torch.equal(value, after[name])]
    assert not [name for name in same if not name.endswith("num_batches_tracked")]  # the running means of BatchNorm too


def test_another_teacher_is_refused_in_the_same_folder(distilled: dict[str, Path], tiny_run: TrainedRun) -> None:
    folder = distilled["student"].parent
    with pytest.raises(DataError, match="other teachers"):
        distil(plan(epochs=2), read_examples(tiny_run.data), folder, [distilled["control"]], student=tiny_run.checkpoint)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"input_size": 96}, "input_size"), ({"split": {"folds": 6, "test_folds": 1, "val_folds": 1}}, "split")],
)
def test_a_teacher_of_another_kind_is_refused_by_name(tiny_run: TrainedRun, change: dict[str, object], word: str) -> None:
    with pytest.raises(DataError, match=rf"'tiny' has {word}.*'student' has"):
        load_teachers([tiny_run.checkpoint], plan(**change))


def test_no_teacher_is_an_error() -> None:
    with pytest.raises(DataError, match="--teacher"):
        load_teachers([], plan())


def test_a_start_of_another_network_is_refused_with_both_named(tiny_run: TrainedRun, tmp_path: Path) -> None:
    other = load_recipe("tiny").model_copy(update={"backbone": "mobilenetv2_050", "name": "wider"})
    path = save_checkpoint(LesionNetwork(other.backbone, 7), other, tmp_path / "wider.safetensors")
    with pytest.raises(DataError, match=r"'wider' .*'student'"):
        distil(plan(), read_examples(tiny_run.data), tmp_path / "run", [tiny_run.checkpoint], student=path)


def test_a_start_from_another_split_is_refused(tiny_run: TrainedRun, tmp_path: Path) -> None:
    network, recipe = load_checkpoint(tiny_run.checkpoint)
    other = recipe.model_copy(update={"name": "elsewhere", "split": recipe.split.model_copy(update={"seed": 1})})
    path = save_checkpoint(network, other, tmp_path / "elsewhere.safetensors")
    with pytest.raises(DataError, match=r"'elsewhere' has split .*'student' has .*take the same split"):
        distil(plan(), read_examples(tiny_run.data), tmp_path / "run", [tiny_run.checkpoint], student=path)


def test_a_teacher_that_has_seen_what_is_for_validation_is_refused(tiny_run: TrainedRun, tmp_path: Path) -> None:
    split = load_split(tiny_run.checkpoint.parent / "splits.csv", read_examples(tiny_run.data))
    moved = {"train": split["val"], "val": split["train"], "test": split["test"]}
    with pytest.raises(DataError, match=r"was trained on .* for validation or test here"):
        distil(plan(), read_examples(tiny_run.data), tmp_path / "run", [tiny_run.checkpoint], split=moved)


def test_an_init_that_has_seen_what_is_for_validation_is_refused(tiny_run: TrainedRun, tmp_path: Path) -> None:
    split = load_split(tiny_run.checkpoint.parent / "splits.csv", read_examples(tiny_run.data))
    moved = {"train": split["val"], "val": split["train"], "test": split["test"]}
    network, recipe = load_checkpoint(tiny_run.checkpoint)
    teacher = save_checkpoint(network, recipe, tmp_path / "unknown" / "model.safetensors")
    with pytest.raises(DataError, match=r"was trained on .* for validation or test here"):
        distil(
            plan(), read_examples(tiny_run.data), tmp_path / "run", [teacher], init=str(tiny_run.checkpoint), split=moved
        )  # fmt: skip
    assert not (tmp_path / "run").exists()  # a note of it would refuse the right start next time


@pytest.mark.parametrize("name", ["last.ckpt", "model.safetensors"])
def test_a_run_begun_without_teachers_is_not_gone_on_with(tiny_run: TrainedRun, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copyfile(tiny_run.folder / name, run / name)
    before = (run / name).read_bytes()
    with pytest.raises(DataError, match=rf"{name}: begun without teachers; start over with --fresh or another --out"):
        distil(plan(), read_examples(tiny_run.data), run, [tiny_run.checkpoint], student=tiny_run.checkpoint)
    assert [path.name for path in run.iterdir()] == [name] and (run / name).read_bytes() == before


def test_a_control_is_neither_taught_later_nor_a_student_of_before(
    distilled: dict[str, Path], tiny_run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, teachers = read_examples(tiny_run.data), [tiny_run.checkpoint]
    with pytest.raises(DataError, match="begun without teachers"):
        distil(plan(epochs=2), examples, distilled["control"].parent, teachers, student=tiny_run.checkpoint)
    note = tmp_path / "control" / "distillation.json"
    note.parent.mkdir()
    note.write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="begun with teachers"):
        distil(plan(), examples, tmp_path, teachers, student=tiny_run.checkpoint)
    assert note.is_file() and not (tmp_path / "distillation.json").exists()
    monkeypatch.setattr(compress.distillation, "fit", lambda *_, **__: tmp_path)
    distil(plan(), examples, tmp_path, teachers, student=tiny_run.checkpoint, resume=False)
    assert not note.exists() and (tmp_path / "distillation.json").is_file()


def test_a_start_that_does_not_fit_leaves_no_note(tiny_run: TrainedRun, tmp_path: Path) -> None:
    other = load_recipe("tiny").model_copy(update={"backbone": "mobilenetv2_050", "name": "wider"})
    path = save_checkpoint(LesionNetwork(other.backbone, 7), other, tmp_path / "wider.safetensors")
    with pytest.raises(DataError, match="does not fit"):
        distil(plan(), read_examples(tiny_run.data), tmp_path / "run", [tiny_run.checkpoint], student=path)
    assert not (tmp_path / "run").exists()
