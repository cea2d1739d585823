"""The losses against values worked out by hand, and against each other where theory says that they agree."""

from __future__ import annotations

import math

import pytest
import torch

from divtool.core.training import losses

# One pair by its token log-probabilities, padded to four tokens.
POLICY = torch.tensor([[-1.0, -2.0, -0.5, -1.5], [-0.7, -1.1, 9.0, 9.0]], dtype=torch.float64)
REFERENCE = torch.tensor([[-1.2, -1.9, -0.9, -1.6], [-0.6, -1.4, 9.0, 9.0]], dtype=torch.float64)
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
TOKENS = torch.tensor([4, 2])
SHORTER = torch.tensor([2, 2])


def blended(logps: torch.Tensor, alpha: float) -> torch.Tensor:
    whole = losses.summed(logps, MASK)
    return losses.length_desensitized(whole, losses.summed_head(logps, MASK, SHORTER), alpha)


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
    (up, down), (ref_up, ref_down) = blended(POLICY, alpha)[:, None], blended(REFERENCE, alpha)[:, None]
    loss = losses.sigmoid(up, down, ref_up, ref_down, 0.1)
    assert loss.item() == pytest.approx(expected, abs=1e-9)


def test_plain_sums_are_ld_dpo_at_one() -> None:
    assert torch.equal(blended(POLICY, 1.0), losses.summed(POLICY, MASK))


def test_sigmoid_norm_by_hand() -> None:
    # 5 * (0.6 / 4 - 0.2 / 2) = 0.25, loss = ln(1 + e^-0.25).
    (up, down), (ref_up, ref_down) = (losses.summed(x, MASK)[:, None] for x in (POLICY, REFERENCE))
    loss = losses.sigmoid_norm(up, down, ref_up, ref_down, TOKENS[:1], TOKENS[1:], 5.0)
    assert loss.item() == pytest.approx(0.5759394198, abs=1e-9)


def made(pairs: int = 8, tokens: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    policy = -torch.rand(2 * pairs, tokens, dtype=torch.float64, generator=draw)
    reference = -torch.rand(2 * pairs, tokens, dtype=torch.float64, generator=draw)
    return policy, reference, torch.ones(2 * pairs, tokens, dtype=torch.long)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_at_equal_lengths_ld_dpo_is_dpo(alpha: float) -> None:
    policy, reference, mask = made()
    shorter = mask.sum(-1)

    def both(logps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        whole = losses.summed(logps, mask)
        return whole, losses.length_desensitized(whole, losses.summed_head(logps, mask, shorter), alpha)

    plain, desensitized = zip(both(policy), both(reference), strict=True)
    first, second = (losses.sigmoid(*p.chunk(2), *r.chunk(2), 0.1) for p, r in (plain, desensitized))
    assert torch.allclose(first, second, rtol=0, atol=1e-12)


def test_at_equal_lengths_sigmoid_norm_with_beta_times_length_is_dpo() -> None:
    policy, reference, mask = made()
    up, down, ref_up, ref_down = (*losses.summed(policy, mask).chunk(2), *losses.summed(reference, mask).chunk(2))
    tokens = torch.full_like(up, 6)
    normed = losses.sigmoid_norm(up, down, ref_up, ref_down, tokens, tokens, 0.1 * 6)
    assert torch.allclose(normed, losses.sigmoid(up, down, ref_up, ref_down, 0.1), rtol=0, atol=1e-12)


def test_policy_equal_to_reference_gives_ln_2() -> None:
    logps = torch.tensor([-12.5, -300.0])
    assert losses.sigmoid(logps, logps, logps, logps, 0.1).tolist() == pytest.approx([math.log(2)] * 2)


def test_half_precision_is_computed_in_float32() -> None:
    logps = torch.full((1, 1000), -0.1, dtype=torch.bfloat16)
    total = losses.summed(logps, torch.ones(1, 1000, dtype=torch.long))
    assert total.dtype == torch.float32
    assert total.item() == pytest.approx(-1000 * float(torch.tensor(0.1, dtype=torch.bfloat16)), rel=1e-5)
