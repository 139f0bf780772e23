"""Results as flat lists of figures."""

from __future__ import annotations

from benchmarks.figure_list import figures_of
from tests.benchmarks import stored_results
from tests.benchmarks.judging import result


def test_of_lost_referrals_the_malignant_ones_are_counted() -> None:
    document = stored_results.drift()
    point = document["variants"]["int8"]["operating_points"]["rule_out"]
    point |= {"refer_lost": 7, "refer_lost_malignant": 2, "refer_gained": 5}
    found = figures_of(result(document))["drift.ham10000.int8.malignant_no_longer_referred"]
    assert (found.value, found.n) == (2, document["dataset"]["malignant"])
