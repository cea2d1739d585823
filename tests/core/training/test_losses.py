"""The losses against values worked out by hand, and against each other where theory says that they agree."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from divtool.core.training import losses

# One pair by its token log-probabilities, one token after the other: four of the chosen, two of the rejected.
POLICY = torch.tensor([-1.0, -2.0, -0.5, -1.5, -0.7, -1.1], dtype=torch.float64)
REFERENCE = torch.tensor([-1.2, -1.9, -0.9, -1.6, -0.6, -1.4], dtype=torch.float64)
TEXTS, PLACES = torch.tensor([0, 0, 0, 0, 1, 1]), torch.tensor([0, 1, 2, 3, 0, 1])
SHORTER = torch.tensor([2, 2])


def blended(logps: torch.Tensor, alpha: float) -> torch.Tensor:
    whole = losses.summed(logps, TEXTS, 2)
    return losses.length_desensitized(whole, losses.summed_head(logps, TEXTS, PLACES, SHORTER), alpha)


# beta 0.1; chosen: policy -5.0, reference -5.6; rejected: -1.8 and -2.0.
# margin = 0.6 - 0.2 = 0.4, loss = ln(1 + e^-0.04).
@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        (1.0, 0.6733471672),
        # First two tokens of the chosen -3.0 and -3.1, tail -2.0 and -2.5: margin 0.1 + 0.5 * 0.5 - 0.2 = 0.15, and
        # ln(1 + e^-0.015) = ln 2 - 0.0075 + 0.015^2 / 8 - 0.015^4 / 192.
        (0.5, 0.6856753053),
        # 0.1 - 0.2 = -0.1.
        (0.0, 0.6981596805),
    ],
)
def test_dpo_and_ld_dpo_by_hand(alpha: float, expected: float) -> None:
    up, down = blended(POLICY, alpha) - blended(REFERENCE, alpha)
    assert losses.dpo(losses.reward_margin(up, down, 0.1)).item() == pytest.approx(expected, abs=1e-9)
    if alpha == 1:
        assert torch.equal(blended(POLICY, 1.0), losses.summed(POLICY, TEXTS, 2))


def test_sigmoid_norm_by_hand() -> None:
    # 5 * (0.6 / 4 - 0.2 / 2) = 0.25, loss = ln(1 + e^-0.25).
    ratios = (losses.summed(POLICY, TEXTS, 2) - losses.summed(REFERENCE, TEXTS, 2)) / torch.tensor([4, 2])
    assert losses.dpo(losses.reward_margin(*ratios, 5.0)).item() == pytest.approx(0.5759394198, abs=1e-9)


def test_half_precision_is_computed_in_float32() -> None:
    logps = torch.full((1000,), -0.1, dtype=torch.bfloat16)
    total = losses.summed(logps, torch.zeros(1000, dtype=torch.long), 1)
    assert total.dtype == torch.float32
    assert total.item() == pytest.approx(-1000 * float(torch.tensor(0.1, dtype=torch.bfloat16)), rel=1e-5)


WEIGHT = torch.tensor([2.0390218, 1.3161829, 0.6447953])


def margins() -> torch.Tensor:
    up = torch.tensor([-20.0, -30, -25]) - torch.tensor([-21.0, -29, -26])
    down = torch.tensor([-22.0, -28, -40]) - torch.tensor([-21.0, -29, -35])
    return losses.reward_margin(up, down, 0.1).requires_grad_()


# Losses, and their derivatives by the margin.
@pytest.mark.parametrize(
    ("weight", "form", "expected", "slopes"),
    [
        (None, "outer", [0.598139, 0.798139, 0.437488], None),
        (WEIGHT, "outer", [1.219618, 1.050497, 0.282090], [-0.305966, -0.241227, -0.076160]),
        (WEIGHT, "inner", [0.509891, 0.833402, 0.518302], [-0.271488, -0.248071, -0.086933]),
    ],
)
def test_ddpo_vectors(weight: Any, form: Any, expected: list[float], slopes: list[float] | None) -> None:
    h = margins()
    loss = losses.dpo(h, weight, form)
    assert h.tolist() == pytest.approx([0.2, -0.2, 0.6], abs=1e-6)
    assert loss.tolist() == pytest.approx(expected, abs=1e-6)
    loss.mean().backward()
    if slopes:
        assert h.grad is not None
        assert h.grad.tolist() == pytest.approx(slopes, abs=1e-6)


UP, DOWN = torch.tensor([-1.2, -0.9, -1.5]), torch.tensor([-1.4, -0.8, -2.2])


@pytest.mark.parametrize(
    ("weight", "form", "expected", "mean"),
    [
        (None, "outer", [1.341243, 1.096088, 1.590092], 1.342474),
        (WEIGHT, "outer", [2.734824, 1.442652, 1.025284], 1.734253),
        (WEIGHT, "inner", [2.559679, 1.388257, 1.082128], 1.676688),
    ],
)
def test_dorpo_vectors(weight: Any, form: Any, expected: list[float], mean: float) -> None:
    odds = losses.log_odds_ratio(UP, DOWN)
    assert odds.tolist() == pytest.approx([0.275227, -0.174782, 0.835046], abs=1e-6)
    loss = losses.orpo(-UP, odds, 0.25, weight, form)
    assert loss.tolist() == pytest.approx(expected, abs=1e-6)
    assert loss.mean().item() == pytest.approx(mean, abs=1e-6)


def test_weights_of_one_and_of_zero() -> None:
    h, odds = margins().detach().double(), losses.log_odds_ratio(UP.double(), DOWN.double())
    ones, none = torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for form in ("outer", "inner"):
        assert torch.allclose(losses.dpo(h, ones, form), losses.dpo(h), rtol=0, atol=1e-12)  # type: ignore[arg-type]
        weighted, plain = losses.orpo(-UP, odds, 0.25, ones, form), losses.orpo(-UP, odds, 0.25)  # type: ignore[arg-type]
        assert torch.allclose(weighted, plain, rtol=0, atol=1e-12)
        leaf = h.clone().requires_grad_()
        loss = losses.dpo(leaf, none, form)  # type: ignore[arg-type]
        assert loss.tolist() == pytest.approx([0.0 if form == "outer" else math.log(2)] * 3)
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        assert gradient.tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [0.0, -1e-9, -0.1, -math.log(2), -5.0, -90.0])
def test_odds_have_a_finite_value_and_slope_everywhere(value: float) -> None:
    up = torch.tensor([value], requires_grad=True)
    odds = losses.log_odds_ratio(up, torch.tensor([-1.0]))
    odds.sum().backward()
    assert math.isfinite(odds.item())
    assert up.grad is not None
    assert math.isfinite(up.grad.item())
    exact = min(value, -1e-6)
    expected = exact - math.log(-math.expm1(exact)) - (-1.0 - math.log(-math.expm1(-1.0)))
    assert odds.item() == pytest.approx(expected, abs=1e-4)


def test_smoothing_vector_and_gradient_against_torch() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    logps = logits.log_softmax(-1)
    assert -logps[0, 0].item() == pytest.approx(0.407606, abs=1e-6)
    assert -logps.mean().item() == pytest.approx(1.407606, abs=1e-6)
    assert losses.smoothed(logps[:, 0], logps.mean(-1), 0.1).item() == pytest.approx(0.507606, abs=1e-6)
    draw = torch.Generator().manual_seed(0)
    made = torch.randn(5, 7, generator=draw).requires_grad_()
    labels = torch.tensor([0, 3, 6, 2, 2])
    spread = made.log_softmax(-1)
    ours = losses.smoothed(spread.gather(1, labels[:, None])[:, 0], spread.mean(-1), 0.2).mean()
    (own,) = torch.autograd.grad(ours, made)
    (theirs,) = torch.autograd.grad(F.cross_entropy(made, labels, label_smoothing=0.2), made)
    assert torch.allclose(own, theirs, atol=1e-7)
