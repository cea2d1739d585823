"""The next token of each row: penalty, temperature and truncation, then one uniform number a row."""

from __future__ import annotations

import torch

from .backend import Decoding

# The tail of the vocabulary is sorted only where the mass of this many tokens falls short of top-p: a full sort of
# 49,152 logits costs more than a step of a small model.
_HEAD, _WIDER = 512, 16
# On a CPU the vocabulary-wide steps go over so many rows at a time: their temporaries then stay in the cache.
_ROWS_AT_ONCE = 16


def draw_tokens(
    logits: torch.Tensor, uniforms: torch.Tensor, decoding: Decoding, seen: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The next token of each row, by inverting the cumulative distribution in the order of token ids.

    The order of ids, not of probability, keeps a draw the same when rounding swaps two nearly equal tokens.

    Args:
        logits: [rows, vocabulary], float32.
        uniforms: [rows], in [0, 1), float64.
        decoding: Repetition penalty, temperature and truncation, applied in this order, and the last in the order
            top-k, top-p, min-p, as `transformers` does.
        seen: The tokens that the penalty is for, [rows, vocabulary]; None for no penalty.

    Returns:
        Token ids [rows], and their natural-log probabilities at temperature 1 without penalty and truncation [rows].
    """
    rows = _ROWS_AT_ONCE if logits.device.type == "cpu" else len(logits)
    before = torch.split(seen, rows) if seen is not None else [None] * len(torch.split(logits, rows))
    parts = [
        _draw_rows(*part, decoding)
        for part in zip(torch.split(logits, rows), torch.split(uniforms, rows), before, strict=True)
    ]
    return torch.cat([tokens for tokens, _ in parts]), torch.cat([logprobs for _, logprobs in parts])


def _draw_rows(
    logits: torch.Tensor, uniforms: torch.Tensor, seen: torch.Tensor | None, decoding: Decoding
) -> tuple[torch.Tensor, torch.Tensor]:
    whole = logits.logsumexp(-1)
    scaled = logits if seen is None else _penalised(logits, seen, decoding.repetition_penalty)
    if decoding.temperature == 0:
        tokens = scaled.argmax(-1)
    elif decoding.temperature == 1:
        tokens = _drawn(scaled, whole if seen is None else scaled.logsumexp(-1), uniforms, decoding)
    else:
        scaled = scaled / decoding.temperature
        tokens = _drawn(scaled, scaled.logsumexp(-1), uniforms, decoding)
    return tokens, logits.gather(-1, tokens[:, None])[:, 0] - whole


def _penalised(logits: torch.Tensor, seen: torch.Tensor, penalty: float) -> torch.Tensor:
    """Logits of tokens that were seen, made smaller whatever their sign."""
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def _drawn(scaled: torch.Tensor, whole: torch.Tensor, uniforms: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Draw from the scaled logits, whose log-sum-exp is `whole`."""
    if not decoding.top_k and decoding.top_p == 1 and not decoding.min_p:
        return _inverted((scaled - whole[:, None]).double().exp_().cumsum(-1), uniforms)
    tokens = torch.empty(len(scaled), dtype=torch.long, device=scaled.device)
    rest = torch.arange(len(scaled), device=scaled.device)
    width = decoding.top_k or _HEAD
    while len(rest):
        probabilities, ids, enough = _head(scaled[rest], whole[rest], width, decoding)
        ids, order = ids[enough].sort(-1)
        cumulative = probabilities[enough].gather(-1, order).double().cumsum(-1)
        done = rest[enough]
        tokens[done] = ids.gather(-1, _inverted(cumulative, uniforms[done])[:, None])[:, 0]
        # Rows whose nucleus is wider than the head are few: only they look at more of the vocabulary.
        rest, width = rest[~enough], width * _WIDER
    return tokens


def _head(
    scaled: torch.Tensor, whole: torch.Tensor, width: int, decoding: Decoding
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Probabilities (0 where cut) and ids of the `width` likeliest tokens, and whether they hold all that is kept."""
    width = min(width, scaled.shape[-1])
    values, ids = scaled.topk(width, dim=-1)
    # The mass outside the head counts, unless top-k has cut it away.
    mass = values.logsumexp(-1) if decoding.top_k else whole
    probabilities = (values - mass[:, None]).exp()
    before = probabilities.double().cumsum(-1) - probabilities
    keep = before < decoding.top_p if decoding.top_p < 1 else torch.ones_like(before, dtype=torch.bool)
    keep &= probabilities >= decoding.min_p * probabilities[:, :1]
    everything = bool(decoding.top_k) or width == scaled.shape[-1]
    enough = ~keep[:, -1] | everything
    return torch.where(keep, probabilities, 0.0), ids, enough


def _inverted(cumulative: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """The first place where the cumulative mass exceeds the uniform number's share of the whole."""
    target = uniforms[:, None] * cumulative[:, -1:]
    place = torch.searchsorted(cumulative, target, right=True)[:, 0]
    # A uniform number next to 1 can round up to the whole mass: then the last token with any mass of its own.
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())[:, 0]
    return torch.minimum(place, last)
