"""Proportions of images that come in groups, several of one lesion or patient, with 95 % intervals."""

from __future__ import annotations

import numpy as np

from mobile_runtime.intervals import Z95, quantile, wilson_bounds
from mobile_runtime.manifest import Estimate
from mobile_runtime.statistics import Bools, Integers


def proportion(hits: Bools, groups: Integers) -> Estimate | None:
    """Share of hits with Wilson's interval for the effective number of images; None without images.

    The number of images is divided by the design effect, the variance over groups against that of independent images, at
    least 1 (Dean and Pagano 2015, J Surv Stat Methodol 3:484). Of fewer than 30 groups it is itself but an estimate: the number
    is then multiplied by the squared ratio of the normal quantile to Student's (Korn and Graubard 1998, Surv Methodol 24:193),
    but goes no lower for that than where all images of a group are alike (Kish 1965, Survey Sampling): images of their own
    keep Wilson's interval. At 0 and 1 the images do not show how alike a group is: each group then counts once.

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
        estimated = n / max(1.0, variance * n / (share * (1 - share)))
        alike = n**2 / float((sizes**2).sum())
        effective = max(estimated * (Z95 / quantile(count - 1)) ** 2, min(estimated, alike))
    low, high = wilson_bounds(share, effective)
    return Estimate(value=share, low=low, high=high, n=n)
