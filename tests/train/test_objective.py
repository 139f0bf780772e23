"""The loss by brute force, and partial labels that teach."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_runtime.taxonomy import default_taxonomy
from tests.train.factories import example
from train.objective import class_log_prior, marginal_loss
from train.recipe import Recipe

FLAT = torch.zeros(7)


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [N, C] and masks of partial labels [N, C]."""
    count, classes = draw(st.integers(1, 5)), draw(st.integers(2, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    masks = rng.random((count, classes)) < draw(st.floats(0, 1))
    masks[np.arange(count), rng.integers(0, classes, count)] = True
    logits = rng.normal(0, draw(st.floats(0.1, 20)), (count, classes))
    return torch.from_numpy(logits), torch.from_numpy(masks.astype(np.float64))


# Tolerance of the three below: float64 on both sides, so only its rounding.


@settings(max_examples=100)
@given(batches())
def test_the_loss_is_the_negative_log_of_the_summed_probabilities(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, masks = batch
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    expected = np.mean([-math.log(row[mask > 0].sum()) for row, mask in zip(p, masks.numpy(), strict=True)])
    loss = marginal_loss(logits, masks, torch.zeros(logits.shape[1]), tau=0, smoothing=0)
    assert float(loss) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=50)
@given(batches(), st.floats(0, 0.9), st.floats(0, 3))
def test_exact_labels_give_torchs_smoothed_and_adjusted_cross_entropy(
    batch: tuple[torch.Tensor, torch.Tensor], smoothing: float, tau: float
) -> None:
    logits, masks = batch
    truth = masks.argmax(1)
    prior = torch.log_softmax(torch.arange(logits.shape[1], dtype=torch.float64), 0)
    expected = F.cross_entropy(logits + tau * prior, truth, label_smoothing=smoothing)
    loss = marginal_loss(logits, F.one_hot(truth, logits.shape[1]), prior, tau, smoothing)
    assert float(loss) == pytest.approx(float(expected), abs=1e-9)


def test_a_label_that_allows_everything_teaches_nothing() -> None:
    logits = torch.randn(4, 7, dtype=torch.float64, requires_grad=True)
    loss = marginal_loss(logits, torch.ones(4, 7), FLAT, tau=0, smoothing=0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-9)
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) == pytest.approx(0, abs=1e-9)


def test_the_gradient_is_finite_where_a_class_is_hopeless() -> None:
    logits = torch.tensor([[300.0, -300.0, 0.0]], requires_grad=True)
    loss = marginal_loss(logits, torch.tensor([[0.0, 1.0, 0.0]]), FLAT[:3], tau=0, smoothing=0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(600)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_labels_of_inner_nodes_alone_teach_the_right_sums() -> None:
    # Two contexts, three classes; labels only ever say "0 or 1" or "2". The shares of the sums must come out.
    context = torch.eye(2, dtype=torch.float64).repeat_interleave(100, 0)
    either = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    shares = (0.7, 0.2)
    masks = torch.stack([either[0] if i < share * 100 else either[1] for share in shares for i in range(100)])
    model = torch.nn.Linear(2, 3).double()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, tolerance_grad=1e-10, tolerance_change=1e-14)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = marginal_loss(model(context), masks, FLAT[:3], tau=0, smoothing=0)
        loss.backward()
        return loss

    optimizer.step(closure)
    p = model(torch.eye(2, dtype=torch.float64)).softmax(1)
    # The optimum is exact; 1e-4 is how near the optimizer stops.
    assert (p[:, 0] + p[:, 1]).tolist() == pytest.approx(shares, abs=1e-4)
    assert (p[:, :2] > 0.01).all(), "nothing favours one of the two over the other"


def test_logit_adjustment_learns_what_balanced_data_would_teach() -> None:
    # One feature without information, 90 against 10 examples: the plain optimum is the prior, the adjusted one is even.
    masks = F.one_hot(torch.tensor([0] * 90 + [1] * 10), 2)
    prior = torch.log(torch.tensor([0.9, 0.1], dtype=torch.float64))
    learned = {}
    for tau in (0.0, 0.5, 1.0):
        logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([logits], max_iter=100)

        def closure(logits: torch.Tensor = logits, optimizer: torch.optim.LBFGS = optimizer, tau: float = tau) -> torch.Tensor:
            optimizer.zero_grad()
            loss = marginal_loss(logits.expand(100, 2), masks, prior, tau, 0)
            loss.backward()
            return loss

        optimizer.step(closure)
        learned[tau] = float(logits.detach().softmax(0)[0])
    # Closed form: p proportional to 0.9 ** (1 - tau). 1e-4 is how near the optimizer stops.
    assert learned == pytest.approx({0.0: 0.9, 0.5: 3 / 4, 1.0: 0.5}, abs=1e-4)


def test_the_prior_spreads_partial_labels_evenly() -> None:
    examples = [example(i, "nv") for i in range(6)] + [example(7, "mel"), example(8, "0", dataset="isic2017")]
    prior = class_log_prior(examples, Recipe(name="r"), default_taxonomy())
    # One is added to each class, so that an absent one is rare rather than impossible.
    counts = np.array([0, 0, 0.5, 0, 1, 6.5, 0]) + 1  # akiec bcc bkl df mel nv vasc
    np.testing.assert_allclose(prior.exp().numpy(), counts / counts.sum(), rtol=1e-6)  # float32
