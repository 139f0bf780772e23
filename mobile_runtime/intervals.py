"""What 95 % intervals are made of: Wilson's limits of a share, and Student's t where a figure rests on few groups."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mobile_runtime.manifest import Estimate

Z95 = 1.959963984540054
MANY = 29
"""Degrees of freedom from which the normal quantile is used: 30 groups. Student's is 4 % larger there."""


def wilson(successes: int, trials: int) -> Estimate | None:
    """A proportion with Wilson's score interval (Wilson 1927, JASA 22:209); None without trials."""
    if not trials:
        return None
    low, high = wilson_bounds(successes / trials, trials)
    return Estimate(value=successes / trials, low=low, high=high, n=trials)


def wilson_bounds(share: float, trials: float) -> tuple[float, float]:
    """Wilson's 95 % limits of a share 0..1 of `trials` > 0, which may be an effective number of trials."""
    z2 = Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    # At 0 and 1 the bound is the share itself; rounding must not put it a bit inside.
    return 0.0 if share == 0 else max(0.0, centre - half), 1.0 if share == 1 else min(1.0, centre + half)


@lru_cache(maxsize=MANY)
def quantile(freedom: int) -> float:
    """How many standard errors a two-sided 95 % interval reaches: Student's t of `freedom` >= 1, the normal one from 29 on."""
    if freedom >= MANY:
        return Z95
    low, high = 0.0, 16.0  # 12.7 for one degree of freedom
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(middle, freedom) > 0.05 else (low, middle)
    return high


def p_value(deviations: float, freedom: int) -> float:
    """Two-sided p of a figure that many standard errors >= 0 from zero, as `quantile`.

    Student's distribution has finite sums for whole degrees of freedom: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4.
    """
    if freedom >= MANY:
        return math.erfc(deviations / math.sqrt(2))
    angle = math.atan(deviations / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine if odd else 1.0), 0.0
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= cosine**2 * (power + 1) / (power + 2)
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return max(0.0, 1 - inside)


def logit_bounds(share: float, half: float) -> tuple[float, float]:
    """Limits symmetric on the logit scale around a share inside 0..1; `half` is how far they would reach on its own scale.

    By the delta method, se(logit) = se / (share (1 - share)), as for AUCs in Pepe 2003 (The Statistical Evaluation of Medical
    Tests for Classification and Prediction, section 5.2) and Qin and Hotilovac 2008 (Stat Methods Med Res 17:207).
    """
    logit, half = math.log(share / (1 - share)), half / (share * (1 - share))
    low, high = ((1 + math.tanh(end / 2)) / 2 for end in (logit - half, logit + half))
    return min(share, low), max(share, high)


def fewest_groups(kinds: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]) -> int:
    """How many groups hold the kind of example that fewest hold; both arrays are int [N]."""
    return min(len(np.unique(groups[kinds == kind])) for kind in np.unique(kinds))


def few_groups(
    influence: npt.NDArray[np.float64], kinds: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], tails: bool = False
) -> tuple[float, int]:
    """Standard error of a figure with its degrees of freedom.

    Each kind of example (malignant, benign) shows its part of the variance by as many groups as hold it, less one; together
    they have the degrees of freedom of Welch and Satterthwaite 1946 (Biometrics Bulletin 2:110), of no more than all groups
    less one, rounded down. Where these are fewer than 29, each part has the factor G / (G - 1) for its G groups, in place of
    the one for its images.

    Args:
        influence: float64 [N], as in `statistics.Measure`.
        kinds: int [N].
        groups: int [N], lesion or patient, in any numbering.
        tails: also count fewer degrees of freedom where the variance comes from few of the groups, by the kurtosis of their
            influences (Shoemaker 2003, American Statistician 57:105).

    Returns:
        The standard error; the degrees of freedom, 0 where a kind is of one group, which tells nothing of others.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    scales, parts, left = np.ones(len(kinds)), [], []
    for kind in np.unique(kinds):
        members = kinds == kind
        images, count = int(members.sum()), len(np.unique(numbers[members]))
        if count < 2:
            return 0.0, 0
        factor = count / (count - 1) * (images - 1) / images
        scales[members] = math.sqrt(factor)
        squares = np.bincount(numbers[members], weights=influence[members]) ** 2
        parts.append(float(squares.sum()) * factor)
        left.append(float(count - 1))
        if tails and parts[-1]:
            kurtosis = count * float((squares**2).sum() / squares.sum() ** 2)
            left[-1] = min(left[-1], 2 * count / (kurtosis - (count - 3) / (count - 1)))
    whole = sum(parts)
    welch = whole**2 / sum(part**2 / each for part, each in zip(parts, left, strict=True)) if whole else math.inf
    # A hair of rounding must not take a degree of freedom away.
    freedom = int(min(welch * (1 + 1e-9), float(numbers.max())))
    if freedom < MANY:
        influence = influence * scales
    return math.sqrt(float((np.bincount(numbers, weights=influence) ** 2).sum())), freedom
