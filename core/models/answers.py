"""How likely a model finds several short answers to one chat: the chat is run once, not once an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from .batches import longest_first, right_padded
from .likelihood import encode, next_token_logits

if TYPE_CHECKING:
    from .language import LanguageModel

Asked = tuple[tuple[tuple[str, str], ...], tuple[str, ...]]
Encoded = tuple[list[int], list[list[int]]]


@torch.inference_mode()
def answer_logprobs(lm: LanguageModel, items: Sequence[Asked], batch_size: int = 8) -> list[list[NDArray[np.float64]]]:
    """Natural-log probabilities of the tokens of each answer given its chat, end token left out.

    The numbers are those of `response_logprobs` for each chat with each answer.

    Args:
        lm: The model.
        items: (chat, answers) pairs; the chat is in (role, content) messages.
        batch_size: Chats run together, each with all its answers.

    Returns:
        For each item, one array [tokens] an answer; empty for an empty answer, and where chat and answer are longer
        than the model's positions.
    """
    encoded = [_encoded(lm, item) for item in items]
    results: list[list[NDArray[np.float64]]] = [[] for _ in items]
    for places in longest_first([len(chat) for chat, _ in encoded], batch_size):
        batch = [encoded[place] for place in places]
        rows = iter(_batch(lm, batch))
        for place, (_, answers) in zip(places, batch, strict=True):
            results[place] = [next(rows) for _ in answers]
    return results


def _encoded(lm: LanguageModel, item: Asked) -> Encoded:
    chat, answers = item
    pairs = [encode(lm, (chat, answer)) for answer in answers]
    return pairs[0][0], [own for _, own in pairs]


def _batch(lm: LanguageModel, batch: Sequence[Encoded]) -> list[NDArray[np.float64]]:
    """The answers of all chats of a batch, one after the other."""
    chats, answers = [chat for chat, _ in batch], [answer for _, own in batch for answer in own]
    owners = torch.tensor([place for place, (_, own) in enumerate(batch) for _ in own], device=lm.device)
    ends = torch.tensor([len(chat) for chat in chats], device=lm.device)
    ids, mask = (part.to(lm.device) for part in right_padded(chats, lm.pad_id))
    output = lm.model.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=True)
    first = next_token_logits(lm.model, output.last_hidden_state[torch.arange(len(chats)), ends - 1])[owners]
    states = _states(lm, answers, output.past_key_values, mask[owners], ends[owners], owners)
    return [
        _picked(lm.model, first[row], states[row] if states is not None else None, answer)
        for row, answer in enumerate(answers)
    ]


def _states(
    lm: LanguageModel,
    answers: Sequence[list[int]],
    cache: Any,
    mask: torch.Tensor,
    ends: torch.Tensor,
    owners: torch.Tensor,
) -> torch.Tensor | None:
    """Last hidden states behind all but the last token of each answer, [answers, tokens, d]; None without any."""
    given = [answer[:-1] for answer in answers]
    if not any(given):
        return None
    ids, own = (part.to(lm.device) for part in right_padded(given, lm.pad_id))
    cache.batch_select_indices(owners)
    output = lm.model.get_decoder()(
        input_ids=ids,
        attention_mask=torch.cat([mask, own], dim=1),
        # Chats are padded between their end and the answer, which follows the chat all the same.
        position_ids=ends[:, None] + torch.arange(ids.shape[1], device=lm.device),
        past_key_values=cache,
        use_cache=True,
    )
    return output.last_hidden_state  # type: ignore[no-any-return]


def _picked(model: Any, first: torch.Tensor, states: torch.Tensor | None, answer: list[int]) -> NDArray[np.float64]:
    """Log-softmax in float32 at the tokens of an answer."""
    if not answer:
        return np.empty(0)
    rows = [first[None]]
    if states is not None and len(answer) > 1:
        rows.append(next_token_logits(model, states[: len(answer) - 1]))
    logits = torch.cat(rows)
    targets = torch.tensor(answer, device=logits.device)
    picked = logits.gather(-1, targets[:, None])[:, 0] - logits.logsumexp(-1)
    return picked.double().cpu().numpy()
