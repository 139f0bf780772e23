"""What follows from several proportions, each with a 95 % interval.

What is derived (patients per 1,000, predictive values, net benefit) takes its interval from those of the proportions by
MOVER, the method of variance estimates recovery (Zou and Donner 2008, Stat Med 27:1693): it keeps Wilson's good manners near
0 and 1, where the delta method claims certainty. The proportions must be independent, as those of malignant and of benign
lesions are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mobile_runtime.manifest import Estimate

Term = tuple[float, Estimate]


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
