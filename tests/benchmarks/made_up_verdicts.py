"""Verdicts on images that there are none of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.labelled import LabelledImage, LabelledSet, Truth
from benchmarks.verdicts import Judged
from mobile_runtime.decision import Decision
from mobile_runtime.taxonomy import default_taxonomy
from tests.benchmarks import fakes

REFER, LOW, RETAKE, ABSTAIN = Decision.REFER, Decision.LOW_CONCERN, Decision.RETAKE, Decision.ABSTAIN
# 10 melanomas: 7 referred, 1 reassured, 2 without a verdict; 20 nevi: 5 referred, 12 reassured, 3 without a verdict.
LABELS = ["mel"] * 10 + ["nv"] * 20
VERDICTS = [REFER] * 7 + [LOW, RETAKE, ABSTAIN] + [REFER] * 5 + [LOW] * 12 + [RETAKE] * 3


def judged(
    labels: list[str] = LABELS,
    verdicts: list[Decision] = VERDICTS,
    scores: list[float] | None = None,
    outlier: list[float] | None = None,
    values: list[dict[str, str]] | None = None,
) -> Judged:
    taxonomy = default_taxonomy()
    images = []
    for i, label in enumerate(labels):
        nodes = taxonomy.nodes_of("ham10000", label)
        malignant = taxonomy.truth("malignancy", nodes)
        images.append(LabelledImage(str(i), Path(), label, nodes, malignant, 0, str(i), values[i] if values else {}))
    labelled = LabelledSet(tuple(images), "ham10000")
    found = [0.9 if verdict is REFER else 0.1 for verdict in verdicts] if scores is None else scores
    unusual = None if outlier is None else np.array(outlier)
    return Judged(labelled, Truth.of(labelled), tuple(verdicts), np.array(found), unusual, fakes.point(0.5))
