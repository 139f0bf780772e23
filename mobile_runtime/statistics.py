"""Figures with their 95 % intervals, on numpy alone: what manifests, model cards and benchmarks state.

A figure that is undefined on the data (an AUC with one class only) is None, not NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, model_validator

from mobile_runtime import intervals
from mobile_runtime.manifest import Estimate

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

Outcome = Literal["non-inferior", "inferior", "inconclusive", "undetermined"]


@dataclass(frozen=True)
class Measure:
    """A figure together with what each example adds to its error.

    Attributes:
        value: the figure, 0..1.
        influence: float64 [N]; the sum of its squares is the figure's variance. Differences and means of figures over
            the same examples have the differences and means of these vectors, which accounts for correlation.
        support: examples in the smallest class that the figure rests on.
        in_mean: float64 [N], what stands in for `influence` in a mean with other figures, where a figure of exactly 0 or 1
            shows no spread; None elsewhere.
        kinds: int [N], which examples are of one kind (malignant, benign): each kind's groups must be several, and where they
            are few, intervals are wider (see `intervals.few_groups`). None, as of recalls: normal however few the groups.
        logit: whether the interval is symmetric on the logit scale, as an AUC's is.
    """

    value: float
    influence: Floats
    support: int
    in_mean: Floats | None = None
    kinds: Integers | None = None
    logit: bool = False

    def variance(self, groups: Integers) -> float:
        """Variance with examples of one group (lesion, patient) taken as one; groups is int [N], 0..G-1."""
        return float((np.bincount(groups, weights=self.influence) ** 2).sum())

    def error(self, groups: Integers) -> tuple[float, int]:
        """Standard error and degrees of freedom; 0 of these where a kind of example is of one group."""
        if self.kinds is None:
            return math.sqrt(self.variance(groups)), intervals.MANY
        return intervals.few_groups(self.influence, self.kinds, groups, tails=self.logit)

    def estimate(self, groups: Integers) -> Estimate:
        """The value with its 95 % interval, symmetric or, of AUCs, symmetric on the logit scale (see `intervals.logit_bounds`).

        Normal where the variance rests on 30 groups of each kind or more, else Student's t: see `intervals.few_groups`.

        At 0 or 1 the variance is zero and would claim certainty: Wilson's interval stands in, for one trial a group of the
        kind that has fewest, for `support` trials without kinds. That many pairs share no group, and whatever the scores'
        distribution all are in order with a probability of at most the true AUC to that power: 5 % or less where the AUC is
        below the low end, from 7 groups on (12 % with 2). With fewer than two examples or groups of a class, or without any
        spread, as of scores that are all alike, nothing is known about the variance and the interval is 0..1.

        Simulated coverage of AUCs of 0.7 to 0.995 (binormal scores, single images or 1 to 3 a lesion, 8 malignant and 30 benign
        lesions to 150 and 500): 94 to 99 %, most where lesions are few and the AUC is high; the low end is too high in at most
        3.6 % of runs. Symmetric intervals cover 77 to 95 % of them unless a fifth of the runs or more is perfect.
        """
        error, freedom = self.error(groups)
        low, high = 0.0, 1.0
        if self.support >= 2 and freedom and self.value in (0.0, 1.0):
            trials = self.support if self.kinds is None else intervals.fewest_groups(self.kinds, groups)
            low, high = intervals.wilson_bounds(self.value, trials)
        elif self.support >= 2 and freedom and error > 1e-12:
            half = intervals.quantile(freedom) * error
            low, high = max(0.0, self.value - half), min(1.0, self.value + half)
            if self.logit:
                low, high = intervals.logit_bounds(self.value, half)
        return Estimate(value=self.value, low=low, high=high, n=len(self.influence))


def midranks(values: Scores) -> Floats:
    """Ranks from 1, ties sharing their mean; float64 [N]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return ranks


def auc(truth: Bools, scores: Scores) -> Measure | None:
    """Area under the ROC curve with DeLong's variance; tied pairs count one half.

    DeLong et al. 1988 (Biometrics 44:837) by the midranks of Sun & Xu 2014 (IEEE Signal Process. Lett. 21:1389).
    Summed by group, the same terms give the variance for several images of one lesion in the manner of Obuchowski 1997
    (Biometrics 53:567), from 30 groups of each kind on without the factor G/(G-1).

    Args:
        truth: bool [N].
        scores: float [N], higher means more likely true.

    Returns:
        None when only one class is present.
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return None
    overall = midranks(scores)
    above = (overall[truth] - midranks(scores[truth])) / negatives
    below = 1.0 - (overall[~truth] - midranks(scores[~truth])) / positives
    value = float(above.mean())
    influence = np.zeros(len(truth))
    influence[truth] = (above - value) / math.sqrt(max(1, positives * (positives - 1)))
    influence[~truth] = (below - value) / math.sqrt(max(1, negatives * (negatives - 1)))
    # On the rarer kind, so that those of several one-vs-rest AUCs rest on different examples.
    fewer = truth if positives <= negatives else ~truth
    in_mean = _far_end(value, fewer) if value in (0.0, 1.0) else None
    return Measure(value, influence, min(positives, negatives), in_mean, truth.astype(np.int64), logit=True)


def _far_end(value: float, members: Bools) -> Floats:
    """What gives a figure of 0 or 1 over some examples the standard error that leads to the far end of Wilson's interval."""
    count = int(members.sum())
    low, high = intervals.wilson_bounds(value, count)
    return np.where(members, (high - low) / intervals.Z95 / math.sqrt(count), 0.0)


def mean_of(measures: Sequence[Measure]) -> Measure:
    """The mean of figures over the same examples: macro AUC from one-vs-rest AUCs.

    One of 0 or 1 shows no spread and would make the mean look surer than it is: the far end of Wilson's interval stands in, and
    the mean's interval is symmetric: so long an error near 1, on the logit scale, would say next to nothing.
    """
    kinds = [measure.kinds for measure in measures if measure.kinds is not None]
    return Measure(
        float(np.mean([measure.value for measure in measures])),
        np.mean([measure.influence if measure.in_mean is None else measure.in_mean for measure in measures], axis=0),
        min(measure.support for measure in measures),
        kinds=np.unique(np.stack(kinds), axis=1, return_inverse=True)[1].reshape(-1) if kinds else None,
        logit=all(measure.logit and measure.in_mean is None for measure in measures),
    )


def balanced_accuracy(truth: Integers, predicted: Integers) -> Measure | None:
    """Mean of the recalls of the classes present ("accuracy" in Esteva et al. 2017); both arrays are int [N].

    A recall of 0 or 1 shows no spread and would claim certainty, most wrongly where examples are few: the far end of Wilson's
    interval stands in.
    """
    classes = np.unique(truth)
    if not len(classes):
        return None
    recalls = []
    for index in classes:
        members = truth == index
        count = int(members.sum())
        recall = float((predicted[members] == index).mean())
        influence = np.where(members, ((predicted == index) - recall) / math.sqrt(max(1, count * (count - 1))), 0.0)
        if recall in (0.0, 1.0):
            influence = _far_end(recall, members)
        recalls.append(Measure(recall, influence, count))
    return mean_of(recalls)


class Gap(BaseModel):
    """A paired difference, new minus reference, with its 95 % interval.

    Attributes:
        p_value: two-sided; None for the bootstrap, and where nothing is known of the difference's error.
        resamples: bootstrap resamples that held both classes; None for DeLong.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    value: float
    low: float
    high: float
    p_value: float | None = None
    resamples: int | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Gap:
        if self.low > self.high:
            raise ValueError("the lower end is above the upper")
        return self


def paired_difference(measure: Measure, reference: Measure, groups: Integers) -> Gap:
    """`measure` minus `reference` over the same examples, with DeLong's interval and p-value (see `auc`).

    Both are normal from 30 groups of each kind on, else Student's (see `Measure.estimate`). Two scores that order every pair
    alike differ by exactly nothing: interval 0..0, p = 1. Where a kind is of one group, or figures differ without any spread,
    nothing is known of the error: interval -1..1, no p-value.
    """
    value = measure.value - reference.value
    influence = measure.influence - reference.influence
    if value == 0 and np.abs(influence).max() < 1e-12:
        return Gap(value=0.0, low=0.0, high=0.0, p_value=1.0)
    gap = Measure(value, influence, min(measure.support, reference.support), kinds=measure.kinds)
    error, freedom = gap.error(groups)
    if not freedom or error < 1e-12:
        return Gap(value=value, low=-1.0, high=1.0)
    half = intervals.quantile(freedom) * error
    low, high = max(-1.0, value - half), min(1.0, value + half)
    return Gap(value=value, low=low, high=high, p_value=intervals.p_value(abs(value) / error, freedom))


def non_inferiority(difference: Gap | None, margin: float) -> Outcome:
    """Judge a difference (new minus reference) against a margin > 0.

    non-inferior: the whole 95 % interval lies above -margin. inferior: all of it lies below. inconclusive: it holds
    -margin. undetermined: there is no difference to judge.
    """
    if difference is None:
        return "undetermined"
    if difference.low > -margin:
        return "non-inferior"
    return "inferior" if difference.high < -margin else "inconclusive"
