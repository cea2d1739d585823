"""How likely a model finds given responses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from .chat import chat_ids

if TYPE_CHECKING:
    from .language import LanguageModel

Scored = tuple[tuple[tuple[str, str], ...], str]
# Positions whose logits are held at once: 256 rows of 49,152 floats are 50 MB.
_CHUNK = 256


@torch.inference_mode()
def response_logprobs(lm: LanguageModel, items: Sequence[Scored], batch_size: int = 16) -> list[NDArray[np.float64]]:
    """Natural-log probabilities of the response tokens given their chat, end token left out.

    Args:
        lm: The model.
        items: (chat, response) pairs; the chat is in (role, content) messages.
        batch_size: Sequences run together.

    Returns:
        One array [tokens] an item, in order; empty for an empty response.
    """
    encoded = [_encode(lm, chat, response) for chat, response in items]
    order = iter(sorted(range(len(items)), key=lambda i: -sum(map(len, encoded[i]))))
    results: list[NDArray[np.float64]] = [np.empty(0)] * len(items)
    while places := list(islice(order, batch_size)):
        for place, values in zip(places, _batch(lm, [encoded[i] for i in places]), strict=True):
            results[place] = values
    return results


def _encode(lm: LanguageModel, chat: tuple[tuple[str, str], ...], response: str) -> tuple[list[int], list[int]]:
    return chat_ids(lm.tokenizer, chat), list(lm.tokenizer(response, add_special_tokens=False)["input_ids"])


def _batch(lm: LanguageModel, sequences: Sequence[tuple[list[int], list[int]]]) -> list[NDArray[np.float64]]:
    """Right-padded forward pass; only the positions of response tokens go through the output layer."""
    width = max(len(prompt) + len(response) for prompt, response in sequences)
    ids = torch.full((len(sequences), width), lm.pad_id)
    mask = torch.zeros_like(ids)
    rows: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    for row, (prompt, response) in enumerate(sequences):
        whole = prompt + response
        ids[row, : len(whole)] = torch.tensor(whole)
        mask[row, : len(whole)] = 1
        rows += [row] * len(response)
        columns += range(len(prompt) - 1, len(whole) - 1)
        targets += response
    hidden = _hidden(lm.model, ids.to(lm.device), mask.to(lm.device))[rows, columns]
    values = _picked(lm.model, hidden, torch.tensor(targets, device=lm.device))
    ends = np.cumsum([0, *(len(response) for _, response in sequences)])
    return [values[a:b] for a, b in pairwise(ends)]


def _hidden(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    output = model.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False)
    return output.last_hidden_state  # type: ignore[no-any-return]


def _picked(model: Any, hidden: torch.Tensor, targets: torch.Tensor) -> NDArray[np.float64]:
    """Log-softmax in float32, a chunk of positions at a time."""
    head = model.get_output_embeddings()
    parts = []
    for states, wanted in zip(torch.split(hidden, _CHUNK), torch.split(targets, _CHUNK), strict=True):
        logits = head(states).float()
        parts.append(logits.gather(-1, wanted[:, None])[:, 0] - logits.logsumexp(-1))
    return torch.cat(parts).double().cpu().numpy() if parts else np.empty(0)
