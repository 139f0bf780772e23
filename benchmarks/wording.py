"""How figures are written, the same in tables and pages; an undefined figure is a dash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.decision_results import NumberNeeded
from mobile_runtime.manifest import Estimate
from mobile_runtime.statistics import Gap

NONE = "-"
MALIGNANT = "a malignant or premalignant lesion (short: malignant)"
"""What figures of malignancy are over; a premalignant lesion is no cancer."""
KINDS = {True: "malignant", False: "benign", None: "open"}
OUTCOMES = {
    "non-inferior": "✓ non-inferior",
    "inferior": "✗ inferior",
    "inconclusive": "? inconclusive",
    "undetermined": "- undetermined",
}


def share(value: float | None, decimals: int = 4) -> str:
    """0.9341"""
    return NONE if value is None else f"{value:.{decimals}f}"


def interval(estimate: Estimate | None) -> str:
    """[0.920, 0.948]"""
    return NONE if estimate is None else f"[{estimate.low:.3f}, {estimate.high:.3f}]"


def value(estimate: Estimate | None) -> str:
    """0.9341"""
    return NONE if estimate is None else share(estimate.value)


def percent(estimate: Estimate | None) -> str:
    """95.1 %"""
    return NONE if estimate is None else f"{100 * estimate.value:.1f} %"


def percent_interval(estimate: Estimate | None) -> str:
    """[91.9, 97.0]"""
    return NONE if estimate is None else f"[{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def with_interval(estimate: Estimate | None) -> str:
    """95.1 % [91.9, 97.0]"""
    return NONE if estimate is None else f"{percent(estimate)} {percent_interval(estimate)}"


def count(estimate: Estimate | NumberNeeded | None) -> str:
    """12.4 [8.1, 19.0]: patients; an open end is written as such"""
    if estimate is None:
        return NONE
    high = "no limit" if estimate.high is None else f"{estimate.high:.1f}"
    return f"{estimate.value:.1f} [{estimate.low:.1f}, {high}]"


def bounds(interval: tuple[float, float] | None) -> str:
    """[0.012, 0.034]"""
    return NONE if interval is None else f"[{interval[0]:.3f}, {interval[1]:.3f}]"


def time(estimate: Estimate | None) -> str:
    """1.94: milliseconds, or a ratio of them"""
    return NONE if estimate is None else f"{estimate.value:.2f}"


def time_interval(estimate: Estimate | None) -> str:
    """[1.90, 2.01]"""
    return NONE if estimate is None else f"[{estimate.low:.2f}, {estimate.high:.2f}]"


def change(gap: Gap | None) -> str:
    """-0.0012"""
    return NONE if gap is None else f"{gap.value:+.4f}"


def change_interval(gap: Gap | None) -> str:
    """[-0.0034, +0.0010]"""
    return NONE if gap is None else f"[{gap.low:+.4f}, {gap.high:+.4f}]"


def p_value(value: float | None) -> str:
    """0.031, or < 0.001"""
    if value is None:
        return NONE
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def megabytes(size_bytes: int) -> str:
    """2.61 MB, in millions of bytes"""
    return f"{size_bytes / 1e6:.2f} MB"


def outcome(name: str) -> str:
    """A verdict with a sign that needs no colour."""
    return OUTCOMES[name]


FILTERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        share,
        interval,
        value,
        percent,
        percent_interval,
        bounds,
        change,
        change_interval,
        p_value,
        megabytes,
        outcome,
    )
}
