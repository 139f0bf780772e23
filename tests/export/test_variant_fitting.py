"""What is fitted for a variant, on made-up scores."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pandas")

from export.variant_fitting import REFUSAL_AIM, refusal_limit


@pytest.mark.parametrize("count", [1, 7, 49, 50, 99, 100, 1703])
def test_no_more_than_the_aimed_share_is_refused_and_no_score_is_on_the_limit(count: int) -> None:
    scores = np.random.default_rng(count).permutation(np.linspace(0.5, 9, count)).astype(np.float32)
    limit = refusal_limit(scores)
    assert (scores > limit).sum() == int(count * REFUSAL_AIM)
    assert np.abs(scores / limit - 1).min() > 1e-4
