"""Distillation (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2), from one teacher or several."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from compress.damage import damaged
from compress.recipe import StudentRecipe
from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256, write_json
from train.checkpoint import load_checkpoint
from train.datasets import Example
from train.fitting import fit
from train.network import LesionNetwork, compile_backbone
from train.objective import Objective, likelihood, marginal_loss, mixture
from train.splits import LAST_FILE, RUN_FILE, TEACHERS_FILE, Split, refuse_seen, split_examples
from train.starts import refuse_seen_start, refuse_taught

CONTROL = "control"


class Distillation(nn.Module):
    """The loss of a student whose teachers see the same views, at their own size; an ensemble speaks by its mean softened
    probability.

    Where the recipe fixes the views, each view's answer is asked for once and kept in memory.

    Args:
        recipe: weights and temperature.
        teachers: networks of the same classes; they are frozen.
        width: D, the student's embedding size.
    """

    def __init__(self, recipe: StudentRecipe, teachers: Sequence[LesionNetwork], width: int) -> None:
        super().__init__()
        self.recipe = recipe
        self._teachers = tuple(teacher.eval().requires_grad_(False) for teacher in teachers)  # not saved with the student
        matched = [teacher.width for teacher in teachers] if recipe.feature_weight else []
        self.projections = nn.ModuleList(nn.Linear(width, size) for size in matched)
        self._answers: dict[bytes, list[torch.Tensor]] = {}

    def forward(
        self, network: LesionNetwork, pixels: torch.Tensor, masks: torch.Tensor, log_prior: torch.Tensor
    ) -> torch.Tensor:
        """(network, pixels uint8 [N, 3, S, S] of the recipe's `view_size`, masks [N, C], log prior [C]) -> the loss."""
        plan = self.recipe
        partner = None
        if plan.mixup:
            pixels, share, partner = mixture(pixels, plan.mixup)
        soft, *features = self.answers(pixels)
        if plan.damage:
            pixels = damaged(pixels, plan.damage)
        if plan.view_size > plan.input_size:
            pixels = F.interpolate(pixels.float(), (plan.input_size,) * 2, mode="bilinear", antialias=True)
        embedding = network.embed(pixels.contiguous(memory_format=torch.channels_last))
        logits = network.head(network.dropout(embedding))

        def labelled(masks: torch.Tensor) -> torch.Tensor:
            return marginal_loss(logits, masks, log_prior, plan.logit_adjustment, plan.label_smoothing)

        labels = labelled(masks) if partner is None else share * labelled(masks) + (1 - share) * labelled(masks[partner])
        taught = F.kl_div(F.log_softmax(logits / plan.temperature, 1), soft, reduction="batchmean") * plan.temperature**2
        loss = (1 - plan.teacher_weight) * labels + plan.teacher_weight * taught
        for projection, feature in zip(self.projections, features, strict=True):
            loss = loss + plan.feature_weight * (1 - F.cosine_similarity(projection(embedding), feature).mean())
        return loss

    def answers(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """What the teachers say of pixels [N, 3, S, S], 0..255: soft probabilities [N, C], then one embedding [N, D] each."""
        if not self.recipe.fixed_views:
            return self._ask(pixels)
        keys = [hashlib.blake2b(view.contiguous().cpu().numpy().tobytes(), digest_size=16).digest() for view in pixels]
        new = [row for row, key in enumerate(keys) if key not in self._answers]
        if new:
            parts = [part.cpu() for part in self._ask(pixels[new])]
            for position, row in enumerate(new):
                self._answers[keys[row]] = [part[position] for part in parts]
        kept = zip(*(self._answers[key] for key in keys), strict=True)
        return [torch.stack(rows).to(pixels.device) for rows in kept]

    def _turned(self, pixels: torch.Tensor) -> torch.Tensor:
        if not self.recipe.turned_teachers:
            return pixels
        quarters, mirrored = divmod(int(torch.randint(8, ())), 2)
        turned = torch.rot90(pixels, quarters, (2, 3))
        return (turned.flip(3) if mirrored else turned).contiguous(memory_format=torch.channels_last)

    def _ask(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        with torch.no_grad():
            teachers = [teacher.to(pixels.device) for teacher in self._teachers]
            embeddings = [teacher.embed(self._turned(pixels)) for teacher in teachers]
            logits = [teacher.head(embedding).float() for teacher, embedding in zip(teachers, embeddings, strict=True)]
            soft = torch.stack([F.softmax(one / self.recipe.temperature, 1) for one in logits]).mean(0)
        return [soft, *(e.float() for e in embeddings[: len(self.projections)])]


def load_teachers(paths: Sequence[Path], recipe: StudentRecipe) -> list[LesionNetwork]:
    """Read the teachers.

    Raises:
        DataError: none, or one that has other classes, another input size than the recipe's views, or was trained by another
            split, so that it may have seen what the student is validated on.
    """
    if not paths:
        raise DataError("distillation needs at least one --teacher")
    teachers = []
    for path in paths:
        teacher, theirs = load_checkpoint(path)
        for what, ours in (("classes", recipe.classes), ("input_size", recipe.view_size), ("split", recipe.split)):
            if getattr(theirs, what) != ours:
                of_views = what == "input_size"
                remedy = "set teacher_size to what the teachers look at" if of_views else "teacher and student must share it"
                wanted = f"views of {ours} pixels for its teachers" if of_views else ours
                raise DataError(
                    f"{path}: recipe {theirs.name!r} has {what} {getattr(theirs, what)}, recipe {recipe.name!r} has {wanted}; "
                    f"{remedy}"
                )
        teachers.append(teacher)
    return teachers


def keep_note(out: Path, teachers: Sequence[Path], start: str, resume: bool) -> None:
    """Write down what a run begins with: its teachers, and its start's hash or name.

    Raises:
        DataError: the run is to be resumed, but was begun with something else, or without teachers.
    """
    note = {"teachers": [sha256(path) for path in teachers], "start": start}
    before = out / TEACHERS_FILE
    if resume and before.is_file() and json.loads(before.read_text(encoding="utf-8")) != note:
        raise DataError(f"{before}: begun with other teachers or another start; start over with --fresh or another --out")
    untold = [] if before.is_file() else [out / name for name in (LAST_FILE, RUN_FILE) if (out / name).is_file()]
    if resume and untold:  # gone on with, or finished already, it would pass for what the teachers made of it
        raise DataError(f"{untold[0]}: begun without teachers; start over with --fresh or another --out")
    if not resume:  # killed before its first checkpoint, the run would go on from one of other teachers
        (out / LAST_FILE).unlink(missing_ok=True)
    write_json(before, note)


def distil(
    recipe: StudentRecipe,
    examples: list[Example],
    out: Path,
    teachers: Sequence[Path],
    *,
    student: Path | None = None,
    init: str = "scratch",
    split: Split | None = None,
    control: bool = True,
    workers: int = 1,
    resume: bool = True,
    cache: Path | None = None,
    compiled: bool = False,
) -> dict[str, Path]:
    """Teach a student and, beside it, train a control: the same start, views and budget without a teacher.

    Args:
        recipe: what to do.
        examples: all labelled images.
        out: run folder of the student; the control's is `out/control`.
        teachers: checkpoints that `train.fitting.fit` wrote.
        student: checkpoint to start from, whole or pruned; None starts by `init`.
        init: as for `train.fitting.fit`.
        split: a split made before; None cuts one by the recipe.
        control: train the control too.
        workers: loader processes.
        resume: go on with what is in `out`.
        cache: folder of decoded images.
        compiled: compile student and teachers, as `train.fitting.fit` does.

    Returns:
        "student", and "control" if asked for -> path of its `model.safetensors`.

    Raises:
        DataError: as `load_teachers` and `fit`, a start that has other classes, a folder begun with other teachers or
            without, or a network whose `splits.csv` says that it was trained on what is for validation or test here.
    """
    ensemble = load_teachers(teachers, recipe)
    split = split or split_examples(examples, recipe.split)
    for checkpoint in [*teachers, *([student] if student else [])]:
        refuse_seen(checkpoint, split)
    if compiled:
        for one in ensemble:
            compile_backbone(one)
    if student is None:
        refuse_seen_start(init, split)
    noted = sha256(student) if student else None

    def start() -> LesionNetwork | None:
        if student is None:
            return None
        network, theirs = load_checkpoint(student)
        if theirs.split != recipe.split:
            raise DataError(
                f"{student}: recipe {theirs.name!r} has split {theirs.split}, recipe {recipe.name!r} has {recipe.split}: what "
                "one trains on, the other is validated on; take the same split"
            )
        if (theirs.classes, theirs.backbone) != (recipe.classes, recipe.backbone):
            raise DataError(
                f"{student}: recipe {theirs.name!r} ({theirs.backbone}, {len(theirs.classes)} classes) does not fit "
                f"recipe {recipe.name!r} ({recipe.backbone}, {len(recipe.classes)} classes)"
            )
        network.dropout.p = recipe.drop_rate
        return network

    begun = start()
    width = (begun or LesionNetwork(recipe.backbone, len(recipe.classes))).width
    torch.manual_seed(recipe.seed)  # the projections' first weights
    objective = Distillation(recipe, ensemble, width)
    if control and resume:
        refuse_taught(out / CONTROL)
    keep_note(out, teachers, noted or init, resume)
    if control and not resume:
        (out / CONTROL / TEACHERS_FILE).unlink(missing_ok=True)
    made = {
        "student": fit(
            recipe, examples, out, init=init, network=begun, start=noted, objective=objective,
            split=split, workers=workers, resume=resume, cache=cache, compiled=compiled,
        )
    }  # fmt: skip
    if control:
        plain = recipe.model_copy(update={"teacher_size": None})  # its views are not made smaller after they are drawn
        made["control"] = fit(
            plain, examples, out / CONTROL, init=init, network=start(), start=noted, objective=untaught(plain),
            split=split, workers=workers, resume=resume, cache=cache, compiled=compiled,
        )  # fmt: skip
    return made


def untaught(recipe: StudentRecipe) -> Objective:
    """What a student without a teacher makes small: the labels' likelihood, on as many damaged pictures as a taught one's."""
    likely = likelihood(recipe)

    def objective(network: LesionNetwork, pixels: torch.Tensor, masks: torch.Tensor, log_prior: torch.Tensor) -> torch.Tensor:
        return likely(network, damaged(pixels, recipe.damage) if recipe.damage else pixels, masks, log_prior)

    return objective


def validation_figures(run: Path) -> dict[str, float]:
    """The figures of a run's last validation."""
    figures = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["validation"]
    return {name: value for name, value in figures.items() if name.startswith("val_") and np.isfinite(value)}
