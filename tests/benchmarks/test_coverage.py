"""Risk among the images that are kept."""

from __future__ import annotations

import pytest

from benchmarks.coverage import COVERAGES, coverage_curves
from tests.benchmarks.made_up_verdicts import REFER, judged


def test_coverage_refuses_the_most_unusual_first() -> None:
    scores = [0.9] * 5 + [0.1] * 5  # the second half of the melanomas is missed
    found = coverage_curves(judged(["mel"] * 10, [REFER] * 10, scores, outlier=[float(i) for i in range(10)]))
    curve = {point.coverage: point for point in found["outlier"]}
    missed = [share.value for share in (curve[c].missed for c in (1.0, 0.8, 0.5)) if share is not None]
    assert missed == pytest.approx([0.5, 3 / 8, 0])
    assert curve[0.8].limit == 7 and curve[0.8].auc_malignancy is None
    assert {point.coverage for point in found["margin"]} == set(COVERAGES)
    close = coverage_curves(judged(["mel", "nv"], [REFER, REFER], [0.99, 0.51]))
    assert set(close) == {"margin"}
    half = next(point for point in close["margin"] if point.coverage == 0.5)
    assert half.wrong is not None and half.wrong.value == 0  # the nevus is nearest the threshold


def test_a_score_on_the_threshold_is_referred() -> None:
    everything = coverage_curves(judged(["mel", "nv"], [REFER, REFER], [0.5, 0.5]))["margin"][0]
    assert everything.missed is not None and everything.wrong is not None
    assert (everything.coverage, everything.missed.value, everything.wrong.value) == (1.0, 0, 0.5)
