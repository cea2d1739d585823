"""What a model expects next, averaged over the positions of a response."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from .batches import longest_first
from .likelihood import CHUNK, Scored, encode, next_token_logits, response_states

if TYPE_CHECKING:
    from .language import LanguageModel

# Batches that are sorted by length together; so many times a batch of results is held.
_BATCHES_SORTED = 4


def mean_next_token_distributions(
    lm: LanguageModel, items: Iterable[Scored], batch_size: int = 16
) -> Iterator[NDArray[np.float64]]:
    """For each response, the mean over its positions of the next-token distribution at temperature 1.

    The positions are those of `response_logprobs`: each predicts one response token, given the chat and the response
    before it.

    Args:
        lm: The model.
        items: (chat, response) pairs; the chat is in (role, content) messages.
        batch_size: Sequences run together.

    Yields:
        One array [vocabulary] an item, in order, with sum 1; zeros where the response has no token. The vocabulary is
        the width of the output layer, which may pass the tokenizer's.
    """
    stream = iter(items)
    while window := list(islice(stream, batch_size * _BATCHES_SORTED)):
        yield from _window(lm, [encode(lm, item) for item in window], batch_size)


@torch.inference_mode()
def _window(
    lm: LanguageModel, encoded: Sequence[tuple[list[int], list[int]]], batch_size: int
) -> list[NDArray[np.float64]]:
    results: list[NDArray[np.float64]] = [np.empty(0)] * len(encoded)
    for places in longest_first([len(chat) + len(response) for chat, response in encoded], batch_size):
        batch = [encoded[place] for place in places]
        states = response_states(lm, batch)
        for place, own in zip(places, torch.split(states, [len(response) for _, response in batch]), strict=True):
            results[place] = _mean_distribution(lm.model, own)
    return results


def _mean_distribution(model: Any, states: torch.Tensor) -> NDArray[np.float64]:
    """Softmax in float32, a chunk of positions at a time; the sum over chunks in float64."""
    total = np.zeros(model.get_output_embeddings().weight.shape[0])
    for part in torch.split(states, CHUNK) if len(states) else ():
        total += next_token_logits(model, part).softmax(-1).sum(0).cpu().numpy()
    return total / total.sum() if len(states) else total


def content_token_mask(tokenizer: Any, size: int, is_function_word: Callable[[str], bool]) -> NDArray[np.bool_]:
    """Which tokens say something: their stripped text starts with a letter and is no function word, [size].

    Args:
        tokenizer: A transformers tokenizer.
        size: Width of the model's output layer; ids that the tokenizer does not know are False, as are special tokens.
        is_function_word: Decides on the stripped text, as decoded.
    """
    special = set(tokenizer.all_special_ids)
    texts = tokenizer.batch_decode([[token] for token in range(min(size, len(tokenizer)))])
    mask = np.zeros(size, dtype=np.bool_)
    for token, text in enumerate(text.strip() for text in texts):
        mask[token] = token not in special and text[:1].isalpha() and not is_function_word(text)
    return mask
