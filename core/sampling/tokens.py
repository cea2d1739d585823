"""The next token of each row: penalty, temperature and truncation, then one uniform number a row."""

from __future__ import annotations

import torch

from .backend import Decoding

# Most nuclei lie within so many tokens, and nearly all others within those above the first floor: a full sort of 49,152
# logits costs more than a step of a small model.
_HEAD, _FLOORS = 64, (1e-5, 0.0)
# Probabilities are added up block by block, and token by token only in the block where the draw falls.
_BLOCK = 256
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
    scaled = logits if seen is None else _penalised(logits, seen, decoding.repetition_penalty)
    if decoding.temperature == 0:
        tokens = scaled.argmax(-1)
    else:
        scaled = scaled / decoding.temperature if decoding.temperature != 1 else scaled
        probabilities = scaled.softmax(-1)
        tokens = _drawn(scaled, probabilities, uniforms, decoding)
        if scaled is logits:
            # The logarithm of what was drawn from; another pass over the vocabulary would say the same.
            return tokens, probabilities.gather(-1, tokens[:, None])[:, 0].log()
    return tokens, logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1)


def _penalised(logits: torch.Tensor, seen: torch.Tensor, penalty: float) -> torch.Tensor:
    """Logits of tokens that were seen, made smaller whatever their sign."""
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def _drawn(
    scaled: torch.Tensor, probabilities: torch.Tensor, uniforms: torch.Tensor, decoding: Decoding
) -> torch.Tensor:
    """Draw from the scaled logits, whose softmax are the probabilities."""
    if not decoding.top_k and decoding.top_p == 1 and not decoding.min_p:
        return _inverted_by_blocks(probabilities, uniforms)
    if decoding.top_k:
        values, ids = _top(scaled, decoding.top_k)
        # The mass outside the head does not count.
        return _of_head(values.softmax(-1), ids, uniforms, decoding)
    tokens = torch.empty(len(scaled), dtype=torch.long, device=scaled.device)
    rest = torch.arange(len(scaled), device=scaled.device)
    for floor in (None, *_FLOORS):
        # Rows whose nucleus reaches further are few: only they look at more of the vocabulary.
        part = probabilities if floor is None else probabilities[rest]
        head, ids = _top(part, _HEAD) if floor is None else _likelier(part, floor)
        enough = _holds_all(head, head.amin(-1) if floor is None else torch.full_like(head[:, 0], floor), decoding)
        done = rest[enough]
        tokens[done] = _of_head(head[enough], ids[enough], uniforms[done], decoding)
        rest = rest[~enough]
        if not len(rest):
            break
    return tokens


def _holds_all(head: torch.Tensor, floor: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Whether no token that is not in the head, all of them at most as likely as the floor, can be kept."""
    enough = (head.amax(-1) * decoding.min_p > floor) | (floor == 0)
    return enough | (head.double().sum(-1) >= decoding.top_p) if decoding.top_p < 1 else enough


def _top(values: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest values of each row and their tokens, in the order of ids."""
    values, ids = values.topk(min(count, values.shape[-1]), dim=-1)
    ids, order = ids.sort(-1)
    return values.gather(-1, order), ids


def _likelier(probabilities: torch.Tensor, floor: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The probabilities above the floor, with their tokens, in the order of ids; behind the last one, zeros."""
    chosen = probabilities > floor
    counts = chosen.sum(-1)
    owners, ids = chosen.nonzero(as_tuple=True)
    places = torch.arange(len(owners), device=ids.device) - (counts.cumsum(-1) - counts)[owners]
    shape = (len(probabilities), max(1, int(counts.max())))
    values, tokens = probabilities.new_zeros(shape), ids.new_zeros(shape)
    values[owners, places], tokens[owners, places] = probabilities[owners, ids], ids
    return values, tokens


def _of_head(
    probabilities: torch.Tensor, ids: torch.Tensor, uniforms: torch.Tensor, decoding: Decoding
) -> torch.Tensor:
    """Draws from the likeliest tokens, which stand in the order of ids, truncated."""
    ranked = probabilities.sort(dim=-1, descending=True).values
    kept = ranked >= decoding.min_p * ranked[:, :1]
    if decoding.top_p < 1:
        kept &= ranked.double().cumsum(-1) - ranked < decoding.top_p
    count = kept.sum(-1, keepdim=True)
    least = ranked.gather(-1, (count - 1).clamp(min=0))
    above, tied = probabilities > least, probabilities == least
    # Of equally likely tokens at the edge, those of lower ids stay.
    keep = above | (tied & (tied.cumsum(-1) <= count - above.sum(-1, keepdim=True)))
    cumulative = torch.where(keep, probabilities, 0.0).double().cumsum(-1)
    return ids.gather(-1, _inverted(cumulative, uniforms)[:, None])[:, 0]


def _inverted_by_blocks(probabilities: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """The token where the cumulative mass exceeds the uniform number's share of the whole."""
    rows, vocabulary = probabilities.shape
    padded = torch.nn.functional.pad(probabilities, (0, -vocabulary % _BLOCK)).view(rows, -1, _BLOCK)
    masses = padded.sum(-1).double()
    block = _inverted(masses.cumsum(-1), uniforms)
    every = torch.arange(rows, device=block.device)
    target = uniforms * masses.sum(-1) - (masses.cumsum(-1) - masses)[every, block]
    inside = padded[every, block].double().cumsum(-1)
    return block * _BLOCK + _inverted(inside, (target / inside[:, -1]).clamp(0, 1))


def _inverted(cumulative: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """The first place where the cumulative mass exceeds the uniform number's share of the whole."""
    target = uniforms[:, None] * cumulative[:, -1:]
    place = torch.searchsorted(cumulative, target, right=True)[:, 0]
    # A uniform number next to 1 can round up to the whole mass: then the last token with any mass of its own.
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())[:, 0]
    return torch.minimum(place, last)
