"""The output layer over the tokens that are learnt and no others, in blocks: all logits never exist at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

Tensor = torch.Tensor

# Tokens whose logits are held at a time.
BLOCK = 256
# A model with one of these does more to its logits than one product with the output layer.
_SCALED_BY = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")


class TokenScores(NamedTuple):
    """What the model says of tokens, one value a token.

    Attributes:
        logps: Natural log-probability of the token; carries a gradient.
        spread: Mean over the vocabulary of the log-probabilities; carries a gradient. None unless asked for.
        entropy: Entropy in nats of what the token was drawn from; None where no gradient is wanted.
        top1: Whether no other token is likelier.
    """

    logps: Tensor
    spread: Tensor | None
    entropy: Tensor | None
    top1: Tensor


def refusal(model: Any) -> str | None:
    """Why `compact_scores` cannot stand for a model's own output layer, or None.

    Args:
        model: The transformers model below any adapter.
    """
    config = model.config.get_text_config()
    named = next((name for name in _SCALED_BY if getattr(config, name, None) is not None), None)
    if named:
        return f"the model's config has {named}"
    head = model.get_output_embeddings()
    if not isinstance(head, torch.nn.Linear) or not head.weight.is_floating_point():
        return "the model's output layer is no plain linear one"
    return None


def compact_scores(hidden: Tensor, head: torch.nn.Linear, labels: Tensor, *, spread: bool = False) -> TokenScores:
    """Score tokens by the states before them.

    Args:
        hidden: [tokens, width], the last hidden states.
        head: The output layer; its own weights get no gradient.
        labels: [tokens], the ids that follow.
        spread: Compute `TokenScores.spread` too.
    """
    bias = None if head.bias is None else head.bias.detach()
    learning = torch.is_grad_enabled() and hidden.requires_grad
    values: tuple[Any, ...] = _Compact.apply(  # type: ignore[no-untyped-call]
        hidden, head.weight.detach(), bias, labels, spread, learning
    )
    return TokenScores(*values)


@contextmanager
def compact_forward(base: Any, wanted: Tensor, labels: Tensor, *, spread: bool) -> Iterator[None]:
    """For the block, let a model's forward pass answer with the `TokenScores` of the tokens that count.

    The model is called from its outermost layer, and the output layer is called as a layer: what several processes do
    around a call (gather a layer's weights, watch for gradients) then happens here too.

    Args:
        base: The transformers model below any adapter.
        wanted: [sequences, tokens - 1], which tokens count, the first one left out.
        labels: [tokens that count], their ids.
        spread: As for `compact_scores`.
    """
    head = base.get_output_embeddings()
    own = {layer: layer.__dict__.get("forward") for layer in (base, head)}

    def forward(**fields: Any) -> Any:
        # A PEFT model passes on None for what it was not given.
        given = {key: value for key, value in fields.items() if value is not None}
        return head(base.base_model(**given).last_hidden_state[:, :-1][wanted])

    base.forward = forward
    head.forward = lambda hidden: compact_scores(hidden, head, labels, spread=spread)
    try:
        yield
    finally:
        for layer, before in own.items():
            if before is None:
                del layer.forward
            else:
                layer.forward = before


class _Compact(torch.autograd.Function):
    """Log-probabilities whose gradient needs no second look at the logits.

    With p the distribution and W the output layer, d log p(y) / dh = W[y] - pW, and for the mean over the vocabulary
    mean(W) - pW. So pW, one row a token, is all that is kept, and the way back has no matrix product left.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, spread: bool, learning: bool
    ) -> Any:
        blocks = zip(torch.split(hidden, BLOCK), torch.split(labels, BLOCK), strict=True)
        parts = [_block(states, weight, bias, ids, learning) for states, ids in blocks]
        columns = list(zip(*parts, strict=True))
        logps, normaliser, top1 = (torch.cat(column) for column in columns[:3])
        expected, entropy = (torch.cat(column) if learning else None for column in columns[3:])
        spreads = mean_row = None
        if spread:
            mean_row = weight.mean(0)
            spreads = (hidden @ mean_row).float() + (0.0 if bias is None else bias.float().mean()) - normaliser
        if learning:
            ctx.save_for_backward(weight, labels, expected, mean_row)
            ctx.mark_non_differentiable(entropy)
        ctx.mark_non_differentiable(top1)
        return logps, spreads, entropy, top1

    @staticmethod
    def backward(ctx: Any, of_logps: Tensor, of_spread: Tensor | None, *_: Any) -> Any:
        weight, labels, expected, mean_row = ctx.saved_tensors
        gradient = of_logps[:, None] * (weight[labels] - expected)
        if mean_row is not None and of_spread is not None:
            gradient += of_spread[:, None] * (mean_row - expected)
        return gradient.to(expected.dtype), None, None, None, None, None


def _block(states: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, learning: bool) -> tuple[Any, ...]:
    """(log-probability, log of the normaliser, top 1, expected row of W, entropy) of a block's tokens."""
    logits = F.linear(states, weight, bias).float()
    largest = logits.amax(-1, keepdim=True)
    picked = logits.gather(-1, labels[:, None])
    powers = logits.sub_(largest).exp_()
    total = powers.sum(-1, keepdim=True)
    normaliser = largest + total.log()
    found = (picked - normaliser).squeeze(-1), normaliser.squeeze(-1), (picked >= largest).squeeze(-1)
    if not learning:
        return *found, None, None
    expected = (powers.to(weight.dtype) @ weight) / total
    # The mean of the logits under p is the state times the expected row of W.
    mean_logit = (states * expected).sum(-1) + (0.0 if bias is None else (powers @ bias.float()) / total.squeeze(-1))
    return *found, expected.to(states.dtype), normaliser.squeeze(-1) - mean_logit
