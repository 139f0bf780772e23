"""What a run begins with: a start that has not seen what it is judged on, and the same one when the run is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256
from train.checkpoint import is_checkpoint
from train.recipe import Recipe, read_stored
from train.splits import SPLIT_FILE, Split, load_split, refuse_seen

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


def differs(noted: str | None, start: str | None) -> bool:
    """Whether a run began with another start; None, as in runs of before there were notes, does not tell."""
    return None not in (noted, start) and noted != start


def read_last(last: Path, recipe: Recipe, parts: Split, start: str | None) -> dict[str, Any]:
    """The state that a run goes on from; another recipe, split or start would neither resume exactly nor be what was asked for.

    Args:
        last: the run's `last.ckpt`, written by this project: it is unpickled.
        recipe: of the run, classes found.
        parts: its split.
        start: as `start_of` notes it; None for an unknown one.

    Raises:
        DataError: the run was begun with another recipe, split or start.
    """
    saved: dict[str, Any] = torch.load(last, map_location="cpu", weights_only=False)
    remedy = "start over with --fresh or choose another folder"
    begun = read_stored(saved["recipe"], type(recipe)) if "recipe" in saved else recipe
    if changed := sorted(name for name, value in recipe if value != getattr(begun, name)):
        raise DataError(f"{last}: begun with another {', '.join(changed)}; {remedy}")
    if differs(saved.get("start"), start):
        raise DataError(f"{last}: begun with another start, {saved['start'][:12]} and not {str(start)[:12]}; {remedy}")
    homes = last.parent / SPLIT_FILE
    everything = [example for examples in parts.values() for example in examples]
    if homes.is_file() and load_split(homes, everything) != parts:
        raise DataError(f"{homes}: the run was begun with another split; {remedy}")
    return saved
