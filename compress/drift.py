"""What int8 costs a network on labelled images: AUC and probabilities of its float32 and its int8 form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from compress.conversion import Forms
from compress.interpreter import probabilities
from compress.sensitivity import Workbench
from mobile_runtime.errors import DataError
from mobile_runtime.manifest import Estimate
from mobile_runtime.statistics import Gap, Measure, auc, paired_difference
from mobile_runtime.taxonomy import default_taxonomy, descendant_sum

Floats = npt.NDArray[np.float32]


class Drift(BaseModel):
    """Figures of one network; intervals are by DeLong's error (an AUC's on the logit scale), lesions or patients taken as one.

    Attributes:
        auc_float32, auc_int8: malignancy AUC.
        int8_minus_float32: their paired difference.
        largest, mean: difference of any class's probability between int8 and float32 at temperature 1.
        images: how many images these figures rest on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    auc_float32: Estimate
    auc_int8: Estimate
    int8_minus_float32: Gap
    largest: float
    mean: float
    images: int


@dataclass(frozen=True)
class Answers:
    """What both forms of a network say of the images of a workbench.

    Attributes:
        float32, int8: probabilities [N, C].
        measure_float32, measure_int8: malignancy AUC.
        groups: int [N].
    """

    float32: Floats
    int8: Floats
    measure_float32: Measure
    measure_int8: Measure
    groups: npt.NDArray[np.int64]

    def drift(self) -> Drift:
        """The figures of this network."""
        largest, mean = probability_error(self.int8, self.float32)
        return Drift(
            auc_float32=self.measure_float32.estimate(self.groups),
            auc_int8=self.measure_int8.estimate(self.groups),
            int8_minus_float32=paired_difference(self.measure_int8, self.measure_float32, self.groups),
            largest=largest,
            mean=mean,
            images=len(self.float32),
        )


def ask(forms: Forms, bench: Workbench, classes: Sequence[str]) -> Answers:
    """Run both forms of a network.

    Raises:
        DataError: the images are all malignant or all benign.
    """
    weights = default_taxonomy().aggregate_vector("malignancy", classes)
    found = [probabilities(graph, bench.images) for graph in (forms.float32, forms.int8)]
    measures = [auc(bench.malignant, descendant_sum(p, weights)) for p in found]
    if measures[0] is None or measures[1] is None:
        raise DataError("the images are all malignant or all benign; an AUC needs both")
    return Answers(found[0], found[1], measures[0], measures[1], bench.groups)


def probability_error(one: Floats, other: Floats) -> tuple[float, float]:
    """Largest and mean difference."""
    apart = np.abs(one - other)
    return float(apart.max()), float(apart.mean())
