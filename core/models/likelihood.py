"""How likely a model finds given responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from .batches import longest_first, right_padded
from .chat import chat_ids

if TYPE_CHECKING:
    from .language import LanguageModel

Scored = tuple[tuple[tuple[str, str], ...], str]
# Positions whose logits are held at once: 256 rows of 49,152 floats are 50 MB.
CHUNK = 256


def response_logprobs(lm: LanguageModel, items: Sequence[Scored], batch_size: int = 16) -> list[NDArray[np.float64]]:
    """Natural-log probabilities of the response tokens given their chat, end token left out.

    Args:
        lm: The model.
        items: (chat, response) pairs; the chat is in (role, content) messages.
        batch_size: Sequences run together.

    Returns:
        One array [tokens] an item, in order; empty for an empty response, and where chat and response are longer than
        the model's positions.
    """
    return continuation_logprobs(lm, [encode(lm, item) for item in items], batch_size)


@torch.inference_mode()
def continuation_logprobs(
    lm: LanguageModel, encoded: Sequence[tuple[list[int], list[int]]], batch_size: int = 16
) -> list[NDArray[np.float64]]:
    """Natural-log probabilities of tokens given those before them.

    Args:
        lm: The model.
        encoded: Token ids of what stands before, at least one, and of what is scored.
        batch_size: Sequences run together.

    Returns:
        One array [scored tokens] an item, in order.
    """
    results: list[NDArray[np.float64]] = [np.empty(0)] * len(encoded)
    for places in longest_first([len(chat) + len(response) for chat, response in encoded], batch_size):
        batch = [encoded[place] for place in places]
        targets = torch.tensor([token for _, response in batch for token in response], dtype=torch.int64)
        values = _picked(lm.model, response_states(lm, batch), targets.to(lm.device))
        ends = np.cumsum([len(response) for _, response in batch])[:-1]
        for place, own in zip(places, np.split(values, ends), strict=True):
            results[place] = own
    return results


def encode(lm: LanguageModel, item: Scored) -> tuple[list[int], list[int]]:
    """Token ids of the chat, with the opening of the answer, and of the response; none of a response that is too long.

    Too long: with the chat it passes the positions that the model was made for.
    """
    chat, response = item
    opening = chat_ids(lm.tokenizer, chat)
    own = list(lm.tokenizer(response, add_special_tokens=False)["input_ids"])
    return opening, own if fits(lm, len(opening) + len(own)) else []


def fits(lm: LanguageModel, tokens: int) -> bool:
    """Whether a text has no more tokens than the model has positions."""
    limit = getattr(lm.model.config.get_text_config(), "max_position_embeddings", None)
    return limit is None or tokens <= limit


def encode_plain(lm: LanguageModel, beginning: str, rest: str) -> tuple[list[int], list[int]]:
    """Token ids of the beginning of a plain text, without a chat, and of the rest; none of a text that is too long.

    The text is encoded whole. Its tokens begin as those of the beginning alone do, and what follows is the rest.
    """
    alone, whole = (list(lm.tokenizer(text)["input_ids"]) for text in (beginning, beginning + rest))
    places = (place for place, (a, b) in enumerate(zip(alone, whole, strict=False)) if a != b)
    split = max(1, next(places, min(len(alone), len(whole))))
    return whole[:split], whole[split:] if fits(lm, len(whole)) else []


def response_states(lm: LanguageModel, batch: Sequence[tuple[list[int], list[int]]]) -> torch.Tensor:
    """Last hidden states at the positions that predict the response tokens, [positions, d], item after item.

    Args:
        lm: The model.
        batch: Token ids of chats and responses, to be run together.
    """
    ids, mask = right_padded([chat + response for chat, response in batch], lm.pad_id)
    output = lm.model.get_decoder()(input_ids=ids.to(lm.device), attention_mask=mask.to(lm.device), use_cache=False)
    rows = [row for row, (_, response) in enumerate(batch) for _ in response]
    columns = [len(chat) - 1 + place for chat, response in batch for place in range(len(response))]
    return output.last_hidden_state[rows, columns]  # type: ignore[no-any-return]


def next_token_logits(model: Any, states: torch.Tensor) -> torch.Tensor:
    """Logits of the next token in float32, [positions, vocabulary]; a caller passes at most `CHUNK` positions.

    Args:
        model: A causal language model.
        states: Its last hidden states, [positions, d].
    """
    logits: torch.Tensor = model.get_output_embeddings()(states).float()
    config = model.config.get_text_config()
    # What some families do behind the output layer: Cohere, Granite, Gemma.
    scale = (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
    if scale != 1.0:
        logits = logits * scale
    cap = getattr(config, "final_logit_softcapping", None)
    return cap * torch.tanh(logits / cap) if cap else logits


def _picked(model: Any, hidden: torch.Tensor, targets: torch.Tensor) -> NDArray[np.float64]:
    """Log-softmax in float32, a chunk of positions at a time."""
    parts = []
    for states, wanted in zip(torch.split(hidden, CHUNK), torch.split(targets, CHUNK), strict=True):
        logits = next_token_logits(model, states)
        parts.append(logits.gather(-1, wanted[:, None])[:, 0] - logits.logsumexp(-1))
    return torch.cat(parts).double().cpu().numpy() if parts else np.empty(0)
