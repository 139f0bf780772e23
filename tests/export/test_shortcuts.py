"""What the released model must not have learnt from its data; needs real images in $SKINTRIAGE_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mobile_runtime import Bundle, TriagePipeline
from mobile_runtime.statistics import auc

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def folder() -> Path:
    root = Path(os.environ.get("SKINTRIAGE_DATA", "")) / "ham10000"
    if not os.environ.get("SKINTRIAGE_DATA") or not (root / "images_224").is_dir():
        pytest.skip("set SKINTRIAGE_DATA to the folder with ham10000/images_200x150 and ham10000/images_224")
    return root


def test_a_sharp_and_a_soft_copy_of_one_lesion_score_alike(folder: Path) -> None:
    from train.datasets import read_examples
    from train.recipe import load_recipe
    from train.splits import split_examples

    test = split_examples(read_examples(folder.parent), load_recipe("mobile").split)["test"]
    pairs = [(e, folder / "images_224" / f"{e.path.stem}.jpg") for e in test if e.dataset == "ham10000"]
    pairs = [(example, sharp) for example, sharp in pairs if sharp.is_file()]
    pipeline = TriagePipeline(Bundle.load())
    soft, sharp = (
        pipeline.predict(np.stack([pipeline.prepare(path) for path in paths])).malignancy
        for paths in ([e.path for e, _ in pairs], [path for _, path in pairs])
    )
    malignant = np.array([e.label in ("mel", "bcc", "akiec") for e, _ in pairs])
    assert len(pairs) > 500
    # The two copies are cropped and compressed apart, so single scores move; what must not be is a side that one copy takes.
    assert abs(float(np.mean(sharp - soft))) < 0.02
    assert abs(auc(malignant, sharp).value - auc(malignant, soft).value) < 0.015
