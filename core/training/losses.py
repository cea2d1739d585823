"""Preference losses: pure functions of log-probabilities, one value a pair.

Log-probabilities are natural. Sums run over a completion's tokens, its end token included, the prompt left out; means
are sums divided by the number of those tokens. Half-precision inputs are computed in float32; float64 stays, so that a
test can check by hand. A weight of None is 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .settings import WeightForm

Tensor = torch.Tensor

_LN_2 = 0.6931471805599453
# A mean log-probability of 0 has no odds.
_CERTAIN = -1e-6


def summed(logps: Tensor, texts: Tensor, count: int) -> Tensor:
    """Sum of the token log-probabilities of each text.

    Args:
        logps: [tokens].
        texts: [tokens], the number of the text that a token belongs to.
        count: How many texts.

    Returns:
        [count].
    """
    wide = _wide(logps)
    return wide.new_zeros(count).index_add(0, texts, wide)


def summed_head(logps: Tensor, texts: Tensor, places: Tensor, lengths: Tensor) -> Tensor:
    """The same over the first `lengths` tokens of each text.

    Args:
        logps: [tokens].
        texts: [tokens], the number of the text that a token belongs to.
        places: [tokens], its place in that text, from 0.
        lengths: [texts], how many of its tokens count.
    """
    return summed(_wide(logps) * (places < lengths[texts]), texts, len(lengths))


def length_desensitized(whole: Tensor, head: Tensor, alpha: float) -> Tensor:
    """LD-DPO's log-probability: the part that both texts of a pair have the length for, plus alpha times the rest.

    Source: arXiv 2409.06411; as `ld_alpha` in TRL. 1 is plain DPO, 0 leaves the tail out.

    Args:
        whole: [texts], over all tokens.
        head: [texts], over the first min(tokens of chosen, tokens of rejected) tokens.
        alpha: In [0, 1].
    """
    return head + alpha * (whole - head)


def reward_margin(up: Tensor, down: Tensor, beta: float) -> Tensor:
    """The difference of the log-ratios times beta, that of DPO's implicit rewards: `h` in the losses.

    With ratios divided by their tokens it is that of length-normalised DPO (`sigmoid_norm` of TRL, after OLMo-2).

    Args:
        up: [pairs], log-probability under the policy minus that under the reference, of the chosen text.
        down: [pairs], of the rejected one.
        beta: Strength of the tie to the reference.
    """
    return beta * (_wide(up) - _wide(down))


def dpo(margin: Tensor, weight: Tensor | None = None, form: WeightForm = "outer") -> Tensor:
    """The loss of DPO on `reward_margin`, and with weights that of DDPO.

    outer: -w log sigmoid(h), arXiv 2503.17126. inner, ours: -log sigmoid(w h), where w acts as a beta of the pair.

    Source: arXiv 2305.18290, equation 7.

    Returns:
        [pairs], at least 0; ln 2 times the weight where policy and reference agree.
    """
    if weight is None:
        return -F.logsigmoid(margin)
    return -weight * F.logsigmoid(margin) if form == "outer" else -F.logsigmoid(weight * margin)


def log_odds_ratio(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Log of the ratio of the odds of two texts, p / (1 - p) with p the geometric mean over tokens.

    Source: arXiv 2403.07691.

    Args:
        chosen: [pairs], mean log-probability a token; 0 is read as -1e-6.
        rejected: [pairs], see `chosen`.
    """
    up, down = (_wide(x).clamp(max=_CERTAIN) for x in (chosen, rejected))
    return (up - down) - (_log1mexp(up) - _log1mexp(down))


def orpo(
    nll: Tensor, odds: Tensor, odds_weight: float, weight: Tensor | None = None, form: WeightForm = "outer"
) -> Tensor:
    """The loss of ORPO, and with weights that of DORPO.

    outer: w (nll - lambda log sigmoid(o)). inner: w nll - lambda log sigmoid(w o).

    Source: arXiv 2403.07691, weights after 2503.17126.

    Args:
        nll: [pairs], negative log-likelihood of the chosen text.
        odds: [pairs], `log_odds_ratio`.
        odds_weight: lambda.
        weight: [pairs], weights of DORPO.
        form: Where they stand.
    """
    if weight is None:
        return _wide(nll) - odds_weight * F.logsigmoid(odds)
    if form == "outer":
        return weight * (_wide(nll) - odds_weight * F.logsigmoid(odds))
    return weight * _wide(nll) - odds_weight * F.logsigmoid(weight * odds)


def smoothed(logps: Tensor, spread: Tensor, amount: Tensor | float) -> Tensor:
    """Cross-entropy of tokens with label smoothing: (1 - v) * -log p(token) + v * mean over the vocabulary of -log p.

    Source: arXiv 2406.04854, where the amount differs by text.

    Args:
        logps: [tokens].
        spread: [tokens], mean log-probability over the vocabulary.
        amount: [tokens] or a number, v in [0, 1].
    """
    return -(1 - amount) * _wide(logps) - amount * _wide(spread)


def _log1mexp(x: Tensor) -> Tensor:
    """log(1 - e^x) for x < 0, in the form that keeps its digits; either is finite where the other is taken."""
    return torch.where(x >= -_LN_2, torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
