"""Labelled images with the verdicts that an app would show on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from benchmarks.labelled import LabelledSet, Truth
from benchmarks.scoring import Prepared, Scored
from mobile_runtime import decision
from mobile_runtime.decision import Decision
from mobile_runtime.manifest import Estimate, OperatingPoint
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.proportions import proportion
from mobile_runtime.quality import judge
from mobile_runtime.statistics import Bools, Floats


@dataclass(frozen=True)
class Judged:
    """The N images with their verdicts.

    Attributes:
        verdicts: what the app would show.
        malignancy: float64 [N].
        outlier: float64 [N]; None when the variant gives none.
        point: the locked operating point.
    """

    labelled: LabelledSet
    truth: Truth
    verdicts: tuple[Decision, ...]
    malignancy: Floats
    outlier: Floats | None
    point: OperatingPoint

    def verdict(self, *wanted: Decision) -> Bools:
        """Which images got one of these verdicts, bool [N]."""
        return np.array([verdict in wanted for verdict in self.verdicts])

    @property
    def benign(self) -> Bools:
        """bool [N]"""
        return self.truth.decided & ~self.truth.malignant

    @property
    def of_both_kinds(self) -> bool:
        """Whether there are malignant and benign images."""
        return bool(self.truth.malignant.any() and self.benign.any())

    def shares(self, hits: Bools) -> tuple[Estimate, Estimate]:
        """Share of the malignant and of the benign images that are hits, bool [N]; there must be some of both."""
        of_malignant, of_benign = (
            proportion(hits[kind], self.truth.groups[kind]) for kind in (self.truth.malignant, self.benign)
        )
        assert of_malignant is not None and of_benign is not None
        return of_malignant, of_benign


def judge_all(pipeline: TriagePipeline, prepared: Prepared, scored: Scored) -> Judged:
    """The verdicts that `pipeline.assess` gives, from outputs that are already there."""
    malignancy, outlier = scored.prediction.malignancy.astype(np.float64), scored.prediction.outlier
    verdicts = [
        decision.decide(
            judge(prepared.pixels[i], pipeline.manifest.quality, int(prepared.region_px[i])),
            float(malignancy[i]),
            pipeline.point,
            None if outlier is None else float(outlier[i]),
            pipeline.variant.abstention,
        )
        for i in range(len(malignancy))
    ]
    return Judged(
        prepared.labelled,
        Truth.of(prepared.labelled),
        tuple(verdicts),
        malignancy,
        None if outlier is None else outlier.astype(np.float64),
        pipeline.point,
    )


def count_verdicts(judged: Judged) -> dict[str, dict[str, int]]:
    """Truth -> verdict -> images."""
    kinds = {True: "malignant", False: "benign", None: "undecided"}
    counts = Counter(zip((kinds[image.malignant] for image in judged.labelled.images), judged.verdicts, strict=True))
    return {kind: {verdict.value: counts[kind, verdict] for verdict in Decision} for kind in kinds.values()}
