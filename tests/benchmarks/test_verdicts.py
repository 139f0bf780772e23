"""Verdicts on many images are those of the pipeline on each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from benchmarks.labelled import LabelledImage, LabelledSet, Truth
from benchmarks.scoring import predict, prepare
from benchmarks.verdicts import judge_all
from mobile_runtime import pipeline
from mobile_runtime.decision import Decision
from mobile_runtime.manifest import AbstentionLimit
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.synthetic import LABELS, lesion
from mobile_runtime.taxonomy import default_taxonomy
from tests.benchmarks import fakes
from tests.benchmarks.made_up_verdicts import LOW, REFER, judged
from tests.mobile_runtime.small import edit_manifest


class UnusualWhereGreen(fakes.FakeEngine):
    """As the fake engine, with an outlier score: how much greener than red the picture is."""

    def run(self, batch: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float32]]:
        means = batch.reshape(len(batch), -1, 3).mean(1)
        return {**super().run(batch), "outlier": (means[:, 1] - means[:, 0]).astype(np.float32)}


@pytest.fixture
def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TriagePipeline:
    """A pipeline that turns away small regions and abstains on green pictures."""
    monkeypatch.setattr(pipeline, "open_engine", lambda bundle, each, threads: UnusualWhereGreen(each.name, threads))
    limit = AbstentionLimit(limit=20.0, aim=0.02, refused=fakes.point(0.5).sensitivity, dataset="none")
    outputs = {"probabilities": "p", "scores": "s", "outlier": "o"}
    variant = fakes.variant("float32").model_copy(update={"outputs": outputs, "abstention": limit})
    bundle = fakes.write_bundle(tmp_path / "bundle", [variant])
    edit_manifest(bundle, lambda document: document["quality"].update(region_px_min=40))
    return TriagePipeline(bundle)


def test_each_verdict_is_that_of_the_pipeline_on_the_picture(gated: TriagePipeline, tmp_path: Path) -> None:
    pictures = {label: lesion(label, 3, 64) for label in LABELS}
    pictures["small"] = lesion("mel", 3, 39)
    pictures["green"] = np.full((64, 64, 3), (60, 160, 60), np.uint8)
    images = []
    for name, pixels in pictures.items():
        path = tmp_path / f"{name}.png"
        Image.fromarray(pixels).save(path)
        label = name if name in LABELS else "mel"
        nodes = default_taxonomy().nodes_of("ham10000", label)
        images.append(LabelledImage(name, path, label, nodes, default_taxonomy().truth("malignancy", nodes), 0, name))
    prepared = prepare(LabelledSet(tuple(images), "ham10000"), gated)
    found = judge_all(gated, prepared, predict(gated, prepared))
    expected = {name: gated.assess(tmp_path / f"{name}.png").decision for name in pictures}
    assert dict(zip(pictures, found.verdicts, strict=True)) == expected
    assert (expected["small"], expected["green"]) == (Decision.RETAKE, Decision.ABSTAIN)
    assert set(expected.values()) == set(Decision), "every kind of verdict is among them"


def test_images_whose_labels_leave_malignancy_open_are_not_benign() -> None:
    known = judged(["mel", "nv", "nv"], [REFER, LOW, LOW])
    images = (*known.labelled.images[:2], replace(known.labelled.images[2], malignant=None))
    labelled = replace(known.labelled, images=images)
    opened = replace(known, labelled=labelled, truth=Truth.of(labelled))
    assert known.benign.tolist() == [False, True, True] and opened.benign.tolist() == [False, True, False]
    assert [share.n for share in opened.shares(opened.verdict(REFER))] == [1, 1]
