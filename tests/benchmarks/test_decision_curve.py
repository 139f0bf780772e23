"""Decision curves: net benefit, and scores moved to a prevalence."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.decision_curve import decision_curve, logit, shift_to, useful_range
from tests.benchmarks.made_up_verdicts import LOW, REFER, judged


def test_net_benefit_is_that_of_vickers_and_elkin() -> None:
    curve = decision_curve(judged(), prevalence=0.1)
    at = {point.threshold: point for point in curve}
    assert at[0.2].locked.value == pytest.approx(0.1 * 0.7 - 0.9 * 0.25 * 0.2 / 0.8)
    assert at[0.2].refer_all == pytest.approx(0.1 - 0.9 * 0.25)
    assert all(point.locked.low <= point.locked.value <= point.locked.high for point in curve)
    # Referring all is best where a referral costs next to nothing; the range says where the model is.
    useful = useful_range(curve)
    assert useful is not None and useful[0] > 0.01
    assert all(
        (point.locked.value > max(0.0, point.refer_all)) == (useful[0] <= point.threshold <= useful[1]) for point in curve
    )


def test_scores_are_moved_to_the_stated_prevalence() -> None:
    # Half of the images are malignant; odds at a prevalence of 0.2 are a quarter, so 0.5 becomes 0.2.
    one = judged(["mel", "nv"], [REFER, LOW], scores=[0.501, 0.499])
    at = {point.threshold: point.score.value for point in decision_curve(one, 0.2)}
    assert at[0.2] == pytest.approx(0.2)  # only the melanoma is above
    assert at[0.19] == pytest.approx(0.2 - 0.8 * 0.19 / 0.81)
    assert at[0.21] == 0


@pytest.mark.parametrize("prevalence", [0.02, 0.5])
def test_the_curve_of_a_score_does_not_hang_on_how_the_folder_was_mixed(prevalence: float) -> None:
    rng = np.random.default_rng(0)
    labels = ["mel"] * 200 + ["nv"] * 200
    scores = 1 / (1 + np.exp(-np.concatenate([rng.normal(1, 1, 200), rng.normal(-2, 1, 200)])))

    def curve(chosen: list[int]) -> list[float]:
        verdicts = [REFER if scores[i] >= 0.5 else LOW for i in chosen]
        mixed = judged([labels[i] for i in chosen], verdicts, [float(scores[i]) for i in chosen])
        return [point.score.value for point in decision_curve(mixed, prevalence)]

    even = curve([*range(400)])
    assert curve([*range(200), *(list(range(200, 400)) * 8)]) == pytest.approx(even, abs=1e-9)
    assert curve([*(list(range(200)) * 3), *range(200, 400)]) == pytest.approx(even, abs=1e-9)
    fewer = curve([*range(0, 200, 4), *range(200, 400)])  # other malignant images, alike but for chance
    assert fewer == pytest.approx(even, abs=0.1 * prevalence)


def test_scores_that_are_calibrated_already_stay() -> None:
    rng = np.random.default_rng(1)
    risk = rng.uniform(0, 1, 100_000)
    ill = rng.uniform(0, 1, 100_000) < risk
    logits = np.log(risk / (1 - risk))
    assert shift_to(float(ill.mean()), logits[ill], logits[~ill]) == pytest.approx(0, abs=0.03)
    certain = np.array([logit(1.0)]), np.array([logit(0.0)])
    assert np.isfinite(shift_to(0.01, *certain))
