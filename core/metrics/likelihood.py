"""How likely a text is: under the model that wrote it, and under a quality model."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Logprobs = NDArray[np.floating[Any]]


def mean_logprob(record: Mapping[str, Any]) -> float | None:
    """The record's ``logprob`` / ``n_tokens``: nats a token under the sampling model at temperature 1.

    Range <= 0. Not a diversity metric. Null where the log-probability is null or there is no token.
    """
    total, tokens = record.get("logprob"), record.get("n_tokens")
    return total / tokens if total is not None and tokens else None


def perplexity(token_logprobs: Logprobs) -> float | None:
    """Exponential of the mean negative log-probability of the response tokens under the quality model.

    Range >= 1; low means typical text: a fluency gate, not a diversity metric. Null for no token.

    Args:
        token_logprobs: Natural logs, [tokens], end token left out.
    """
    return exp(-float(token_logprobs.mean(dtype="float64"))) if token_logprobs.size else None


def bits_per_char(token_logprobs_and_text: tuple[Logprobs, str]) -> float | None:
    """-sum log2 p(token) / code points of the stripped text, from the same pass as ``perplexity``.

    Range >= 0; comparable between tokenizers. Not a diversity metric. Null for no character or no token.
    """
    token_logprobs, text = token_logprobs_and_text
    chars = len(text.strip())
    return (
        max(0.0, -float(token_logprobs.sum(dtype="float64"))) / log(2) / chars
        if chars and token_logprobs.size
        else None
    )
