"""Averaged weights of runs that went on from one another or from one start ("model soup")."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from mobile_runtime.errors import DataError
from mobile_runtime.files import refuse_own_source, write_atomically
from train.checkpoint import load_checkpoint, save_checkpoint, split_of
from train.normalization import is_folded
from train.splits import RUN_FILE, SPLIT_FILE


def average(runs: Sequence[Path], out: Path) -> Path:
    """Write a run whose network has the mean of the weights of others, normalization statistics included.

    Wortsman et al. 2022, "Model soups", section 2 (uniform soup): such a mean often is better than each, at the cost of one.
    It has no meaning for runs that started apart.

    Args:
        runs: two run folders or more, of the same backbone, classes, input size and split; one given twice counts twice, and
            the last one's recipe is kept.
        out: the run folder to write: model.safetensors and splits.csv.

    Returns:
        The checkpoint.

    Raises:
        DataError: fewer than two, one that is no run, runs that do not fit together, some of them folded and some not, or
            `out` is one of them.
    """
    if len(runs) < 2:
        raise DataError("an average needs two runs or more")
    for run in runs:
        refuse_own_source(out / RUN_FILE, run / RUN_FILE, "network of one of the runs")
    loaded = [load_checkpoint(run / RUN_FILE) for run in runs]
    network, recipe = loaded[-1]
    for run, (_, theirs) in zip(runs, loaded, strict=True):
        for what in ("backbone", "classes", "input_size"):
            if getattr(theirs, what) != getattr(recipe, what):
                raise DataError(f"{run}: {what} {getattr(theirs, what)}, but {getattr(recipe, what)} in {runs[-1]}")
    try:
        splits = {(run / SPLIT_FILE).read_bytes() for run in runs}
    except OSError as error:
        raise DataError(f"{error.filename}: not a readable split; give run folders of `train fit`") from error
    if len(splits) > 1:
        raise DataError("the runs have different splits: one was trained on what another is tested on")
    folded = [run for run, (other, _) in zip(runs, loaded, strict=True) if is_folded(other)]
    if 0 < len(folded) < len(runs):
        raise DataError(
            f"{folded[0]}: its normalization is folded into its weights, as releases keep it, and that of the others is not; "
            "average runs as they were trained"
        )
    states = [other.state_dict() for other, _ in loaded]
    if any(value.shape != state[name].shape for state in states for name, value in network.state_dict().items()):
        raise DataError("the runs have layers of different widths; average networks of one size")
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(mean)
    with write_atomically(out / SPLIT_FILE) as temporary:
        shutil.copyfile(runs[-1] / SPLIT_FILE, temporary)
    return save_checkpoint(network, recipe, out / RUN_FILE, split_sha256=split_of(runs[-1] / RUN_FILE))
