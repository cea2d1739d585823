"""What metrics of whole runs take from a language model, response by response: nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..jsonl import Record
from ..metrics.registry import Metric
from ..metrics.supplies import Announce, chat_and_text, open_language_model
from ..metrics.text import function_words, normalise
from ..models.names import check_model_name
from ..models.options import LoadOptions
from .groups import Feed

if TYPE_CHECKING:
    from ..models.language import LanguageModel

_NEXT_TOKENS = "next_tokens"


def open_feeds(
    metrics: Sequence[Metric], quality_model: str, loading: LoadOptions, announce: Announce
) -> dict[str, Feed]:
    """The feeds that the metrics need, by feature. The model is loaded at the first use, after any sampling.

    Args:
        metrics: What is computed.
        quality_model: The language model.
        loading: How to load it.
        announce: Hears what takes long.

    Raises:
        DivtoolError: There is no such model.
    """
    if not any(metric.takes == _NEXT_TOKENS for metric in metrics):
        return {}
    check_model_name("model", quality_model)
    opened = cache(lambda: next_token_feed(open_language_model(quality_model, loading, announce)))
    return {_NEXT_TOKENS: lambda records: opened()(records)}


def next_token_feed(lm: LanguageModel) -> Feed:
    """Records to the mean next-token distribution of each over the tokens that count, [tokens]."""
    from ..models.next_token import content_token_mask, mean_next_token_distributions

    size = lm.model.get_output_embeddings().weight.shape[0]
    common = function_words()
    # Function words would rule the number, since every text is full of them.
    counted = np.flatnonzero(content_token_mask(lm.tokenizer, size, lambda word: normalise(word) in common))

    def feed(records: Sequence[Record]) -> Iterator[Any]:
        for distribution in mean_next_token_distributions(lm, map(chat_and_text, records)):
            yield distribution[counted]

    return feed
