"""Temperature: a planted one is found again, with exact and with partial labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from compress.temperature import BOUNDS, fit_temperature
from mobile_runtime.errors import DataError


def sampled(count: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities at temperature 1 of logits whose labels were drawn at another one, and the labels one-hot."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (count, 7))
    truth = [rng.choice(7, p=row) for row in softmax(logits / temperature, axis=1)]
    return softmax(logits, axis=1).astype(np.float32), np.eye(7, dtype=np.float32)[truth]


@pytest.mark.parametrize("planted", [0.5, 1.0, 1.7, 4.0])
def test_a_planted_temperature_is_recovered(planted: float) -> None:
    # 20,000 draws: the standard error of the estimate is about 1 % (2 % at 4), so 5 % is at least two and a half of them.
    assert fit_temperature(*sampled(20_000, planted)) == pytest.approx(planted, rel=0.05)


@pytest.mark.parametrize("planted", [0.5, 1.7])
def test_labels_of_two_classes_are_enough(planted: float) -> None:
    probabilities, masks = sampled(20_000, planted)
    # The label only says whether the class is one of the first three: the sums still tell the temperature, with more spread.
    first = masks[:, :3].any(1, keepdims=True)
    partial = np.where(first, np.arange(7) < 3, np.arange(7) >= 3).astype(np.float32)
    assert fit_temperature(probabilities, partial) == pytest.approx(planted, rel=0.1)


def test_the_result_is_the_likeliest_of_all() -> None:
    probabilities, masks = sampled(300, 1.7, seed=4)

    def loss(temperature: float) -> float:
        tempered = softmax(np.log(probabilities.astype(np.float64)) / temperature, axis=1)
        return -float(np.log((tempered * masks).sum(1)).mean())

    found = loss(fit_temperature(probabilities, masks))
    # The search stops within 1e-5 in log T; at a minimum that is 1e-10 in the loss.
    assert all(found <= loss(float(other)) + 1e-8 for other in np.geomspace(*BOUNDS, 400))


def test_a_probability_of_zero_is_no_disaster() -> None:
    probabilities = np.eye(7, dtype=np.float32)
    right = fit_temperature(probabilities, np.eye(7, dtype=np.float32))
    wrong = fit_temperature(probabilities, np.roll(np.eye(7, dtype=np.float32), 1, axis=1))
    assert BOUNDS[0] <= right < 1, "always right: as sharp as you like"
    assert wrong == pytest.approx(BOUNDS[1], rel=0.01), "always wrong: as flat as may be"


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(DataError, match="at least one labelled image"):
        fit_temperature(np.zeros((0, 7), np.float32), np.zeros((0, 7), np.float32))
    with pytest.raises(DataError, match="finite"):
        fit_temperature(np.full((1, 7), np.nan, np.float32), np.ones((1, 7), np.float32))
