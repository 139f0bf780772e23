"""Small images, small tables, and examples without files for tests that look at labels and groups only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobile_runtime.console import run
from mobile_runtime.taxonomy import default_taxonomy
from train.datasets import Example


def example(number: int, label: str = "nv", group: str | None = None, dataset: str = "ham10000") -> Example:
    """One labelled image; its group is its own unless one is given."""
    nodes = default_taxonomy().nodes_of(dataset, label)
    return Example(f"i{number}", Path(f"i{number}.jpg"), dataset, label, nodes, f"{dataset}:{group or number}")


def draw(folder: Path, *names: str) -> Path:
    """Write small images into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.full((16, 16, 3), 120, np.uint8)).save(folder / name)
    return folder


def write(path: Path, *lines: str) -> Path:
    """Write lines into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def call(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `python -m train WORDS`, in this process."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        run("train", [str(word) for word in words])
    shown = capfd.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err
