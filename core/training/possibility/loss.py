"""The two losses, on log-probabilities of tokens. Pure functions of tensors."""

from __future__ import annotations

import math

import torch

# Probability that a token that is to become unlikely is taken to leave to others, at least.
FLOOR = 1e-6
_HALF = -math.log(2.0)


def log_rest(logprobs: torch.Tensor) -> torch.Tensor:
    """The logarithm of max(1 - p, 1e-6) of log p, exact where p is near 0 and where it is near 1; gradients are finite.

    Args:
        logprobs: Natural-log probabilities in float32 or float64, at most 0.
    """
    near = logprobs > _HALF
    # Each branch sees numbers that suit it, else its gradient would be no number where the other one is taken.
    rest = -torch.expm1(torch.where(near, logprobs, _HALF))
    high = rest.clamp(min=FLOOR).log()
    low = torch.log1p(-torch.where(near, _HALF, logprobs).exp())
    return torch.where(near, high, low)


def losses(
    logprobs: torch.Tensor, wanted: torch.Tensor, unwanted: torch.Tensor, t_pos: int, t_sel: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What some tokens add to the two losses of their group: L = L_CE + weight x L_UL.

    Args:
        logprobs: [tokens], natural-log probabilities.
        wanted: [tokens], in how many wanted responses each stands.
        unwanted: [tokens], in how many unwanted responses each stands and is selected.
        t_pos: Tokens of all wanted responses of the group, ends included.
        t_sel: Selected tokens of all unwanted responses of the group.

    Returns:
        The shares of L_CE and L_UL, in nats a token; L_UL is 0 where nothing is selected.
    """
    # A token that nobody asks about may be impossible, and 0 times infinity is no number.
    likely, unlikely = wanted > 0, unwanted > 0
    ce = -(wanted[likely] * logprobs[likely]).sum() / max(1, t_pos)
    ul = -(unwanted[unlikely] * log_rest(logprobs[unlikely])).sum() / max(1, t_sel)
    return ce, ul
