"""Preference losses: pure functions of log-probabilities, one value a pair.

Log-probabilities are natural, and summed over a completion's tokens, its end token included, the prompt left out.
Half-precision inputs are computed in float32; float64 stays, so that a test can check by hand.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

Tensor = torch.Tensor


def summed(logps: Tensor, mask: Tensor) -> Tensor:
    """Sum of the token log-probabilities of each completion.

    Args:
        logps: [texts, tokens].
        mask: [texts, tokens], 1 where a token belongs to the completion.

    Returns:
        [texts].
    """
    return (_wide(logps) * mask).sum(-1)


def summed_head(logps: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
    """The same over the first `lengths` tokens of each completion.

    Args:
        logps: [texts, tokens].
        mask: [texts, tokens], 1 where a token belongs to the completion.
        lengths: [texts], how many of its tokens count.
    """
    return summed(logps, mask * (mask.cumsum(-1) <= lengths[:, None]))


def length_desensitized(whole: Tensor, head: Tensor, alpha: float) -> Tensor:
    """LD-DPO's log-probability: the part that both texts of a pair have the length for, plus alpha times the rest.

    Source: arXiv 2409.06411; as `ld_alpha` in TRL. 1 is plain DPO, 0 leaves the tail out.

    Args:
        whole: [texts], over all tokens.
        head: [texts], over the first min(tokens of chosen, tokens of rejected) tokens.
        alpha: In [0, 1].
    """
    return head + alpha * (whole - head)


def sigmoid(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, beta: float) -> Tensor:
    """The loss of DPO, beta times the difference of the log-ratios through -log sigmoid.

    -log sigmoid(beta * [(chosen - ref_chosen) - (rejected - ref_rejected)])

    Source: arXiv 2305.18290, equation 7.

    Args:
        chosen: [pairs], under the policy; so are the other three, `ref_` under the reference.
        rejected: See `chosen`.
        ref_chosen: See `chosen`.
        ref_rejected: See `chosen`.
        beta: Strength of the tie to the reference.

    Returns:
        [pairs], above 0; ln 2 where policy and reference agree.
    """
    margin = (_wide(chosen) - _wide(ref_chosen)) - (_wide(rejected) - _wide(ref_rejected))
    return -F.logsigmoid(beta * margin)


def sigmoid_norm(
    chosen: Tensor,
    rejected: Tensor,
    ref_chosen: Tensor,
    ref_rejected: Tensor,
    chosen_tokens: Tensor,
    rejected_tokens: Tensor,
    beta: float,
) -> Tensor:
    """DPO with each log-ratio divided by its own completion's token count.

    Source: `sigmoid_norm` of TRL (since 1.4), the length-normalised DPO of the OLMo-2 recipe.

    Args:
        chosen: [pairs], as in `sigmoid`.
        rejected: See `chosen`.
        ref_chosen: See `chosen`.
        ref_rejected: See `chosen`.
        chosen_tokens: [pairs], tokens of the chosen completions.
        rejected_tokens: [pairs], tokens of the rejected ones.
        beta: Larger than for `sigmoid` by about the length of a text; 5 is usual.
    """
    up = (_wide(chosen) - _wide(ref_chosen)) / chosen_tokens.clamp(min=1)
    down = (_wide(rejected) - _wide(ref_rejected)) / rejected_tokens.clamp(min=1)
    return -F.logsigmoid(beta * (up - down))


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
