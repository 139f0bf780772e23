"""Proportions of grouped images, and what follows from several of them, each with a 95 % interval.

What is derived (patients per 1,000, predictive values, net benefit) takes its interval from those of the proportions by
MOVER, the method of variance estimates recovery (Zou and Donner 2008, Stat Med 27:1693): it keeps Wilson's good manners near
0 and 1, where the delta method claims certainty. The proportions must be independent, as those of malignant and of benign
lesions are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mobile_runtime.intervals import wilson_bounds
from mobile_runtime.manifest import Estimate
from mobile_runtime.statistics import Bools, Integers

Term = tuple[float, Estimate]


def proportion(hits: Bools, groups: Integers) -> Estimate | None:
    """Share of hits with Wilson's interval for the effective number of images; None without images.

    The number of images is divided by the design effect, the variance over groups against that of independent images, at
    least 1 (Dean and Pagano 2015, J Surv Stat Methodol 3:484). At 0 and 1 the images do not show how alike a group is: each
    group then counts once.

    Args:
        hits: bool [N].
        groups: int [N], lesion or patient of each image, in any numbering.
    """
    n = len(hits)
    if not n:
        return None
    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    share, count = float(hits.mean()), len(sizes)
    if share in (0.0, 1.0) or count < 2:
        effective = float(count)
    else:
        excess = np.bincount(numbers, weights=hits.astype(np.float64)) - share * sizes
        variance = float((excess**2).sum()) / n**2 * count / (count - 1)
        effective = n / max(1.0, variance * n / (share * (1 - share)))
    low, high = wilson_bounds(share, effective)
    return Estimate(value=share, low=low, high=high, n=n)


def weighted_sum(terms: Sequence[Term]) -> Estimate:
    """The sum of weight * p over independent proportions."""
    value = sum(weight * p.value for weight, p in terms)
    below = sum((weight * (p.value - (p.low if weight > 0 else p.high))) ** 2 for weight, p in terms)
    above = sum((weight * (p.value - (p.high if weight > 0 else p.low))) ** 2 for weight, p in terms)
    return Estimate(value=value, low=value - math.sqrt(below), high=value + math.sqrt(above), n=sum(p.n for _, p in terms))


def share_of(part: Term, rest: Term) -> Estimate | None:
    """part / (part + rest) of two independent weighted proportions, weights > 0: a predictive value.

    The interval is that of the ratio part / rest (Donner and Zou 2012, Stat Methods Med Res 21:347), in a form of its
    quadratic's roots that also holds at 0.

    Returns:
        None when both are 0.
    """
    a, a_low, a_high = (part[0] * bound for bound in (part[1].value, part[1].low, part[1].high))
    b, b_low, b_high = (rest[0] * bound for bound in (rest[1].value, rest[1].low, rest[1].high))
    if a + b == 0:
        return None
    n = part[1].n + rest[1].n
    spread = math.sqrt(max(0.0, (a * b) ** 2 - a_low * b_high * (2 * a - a_low) * (2 * b - b_high)))
    low = a_low * (2 * a - a_low) / (a * b + spread) if a_low else 0.0
    high = 1.0
    if b_low:
        spread = math.sqrt(max(0.0, (a * b) ** 2 - a_high * b_low * (2 * a - a_high) * (2 * b - b_low)))
        ratio = (a * b + spread) / (b_low * (2 * b - b_low))
        high = ratio / (1 + ratio)
    return Estimate(value=a / (a + b), low=low / (1 + low), high=high, n=n)
