"""What a run begins with: a start that has not seen what it is judged on, and the same one when the run is resumed."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256
from train.checkpoint import classes_of, is_checkpoint
from train.network import LesionNetwork, initialize
from train.notes import say
from train.processes import is_first
from train.recipe import Recipe, read_stored
from train.splits import SPLIT_FILE, TEACHERS_FILE, Split, load_split, refuse_seen, relabelled

NAMED = ("scratch", "hub")


def start_of(init: str) -> str:
    """What a run notes of its start: `scratch`, `hub`, or the SHA-256 of the file.

    Raises:
        DataError: no such file.
    """
    if init in NAMED:
        return init
    try:
        return sha256(Path(init))
    except OSError as error:
        raise DataError(f"{init}: not a readable safetensors file ({error})") from error


def refuse_seen_start(init: str, split: Split) -> None:
    """Refuse a start that was trained on what is for validation or test in the split.

    A file of others, such as ImageNet weights, has no split: a `splits.csv` that lies beside it is of something else.

    Raises:
        DataError: as `train.splits.refuse_seen`.
    """
    if init not in NAMED and is_checkpoint(Path(init)):
        refuse_seen(Path(init), split)


def begin(recipe: Recipe, init: str) -> LesionNetwork:
    """The network of a recipe as it is before training.

    Raises:
        DataError: no such backbone or file, they do not fit, or the backbone does not take pictures of the recipe's size.
    """
    network = LesionNetwork(
        recipe.backbone, len(recipe.classes), recipe.drop_rate, pretrained=init == "hub", orientations=recipe.orientations
    )
    if init not in NAMED:
        theirs = classes_of(Path(init))
        initialize(network, Path(init), with_head=theirs == recipe.classes)
        if theirs not in (None, recipe.classes) and is_first():
            say(f"{init}: has other classes than this recipe, so that the head begins anew")
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, recipe.input_size, recipe.input_size, dtype=torch.uint8))
    except (AssertionError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{recipe.backbone} does not take pictures of {recipe.input_size} pixels a side: {reason}") from error
    return network


def differs(noted: str | None, start: str | None) -> bool:
    """Whether a run began with another start; None, as in runs of before there were notes, does not tell."""
    return None not in (noted, start) and noted != start


def refuse_taught(run: Path) -> None:
    """Refuse to go on without teachers in a run folder that was begun with some.

    Raises:
        DataError: it was.
    """
    if (note := run / TEACHERS_FILE).is_file():
        raise DataError(f"{note}: begun with teachers; start over with --fresh or choose another folder")


def read_last(last: Path, recipe: Recipe, parts: Split, start: str | None) -> dict[str, Any]:
    """The state that a run goes on from; of another recipe, split, start or labels it would not be what was asked for.

    Args:
        last: the run's `last.ckpt`, written by this project: it is unpickled.
        recipe: of the run, classes found.
        parts: its split.
        start: as `start_of` notes it; None for an unknown one.

    Raises:
        DataError: the run was begun with another recipe, split or start or with other labels, or the file is not whole.
    """
    remedy = "start over with --fresh or choose another folder"
    try:
        saved: dict[str, Any] = torch.load(last, map_location="cpu", weights_only=False)
        if not isinstance(saved, dict) or not {"epoch", "state_dict"} <= saved.keys():
            raise UnpicklingError("it is of something else")
    except (RuntimeError, OSError, EOFError, UnpicklingError) as error:
        raise DataError(f"{last}: not a whole checkpoint ({' '.join(str(error).split())}); {remedy}") from error
    begun = read_stored(saved["recipe"], type(recipe)) if "recipe" in saved else recipe
    if changed := sorted(name for name, value in recipe if value != getattr(begun, name)):
        raise DataError(f"{last}: begun with another {', '.join(changed)}; {remedy}")
    if differs(saved.get("start"), start):
        raise DataError(f"{last}: begun with another start, {saved['start'][:12]} and not {str(start)[:12]}; {remedy}")
    homes = last.parent / SPLIT_FILE
    everything = [example for examples in parts.values() for example in examples]
    if homes.is_file():
        if load_split(homes, everything) != parts:
            raise DataError(f"{homes}: the run was begun with another split; {remedy}")
        if changed := relabelled(homes, everything):
            raise DataError(f"{homes}: begun with other labels of {len(changed)} images, first {changed[0]}; {remedy}")
    return saved
