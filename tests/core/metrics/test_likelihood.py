from __future__ import annotations

from math import e

import numpy as np
import pytest

from divtool.core.metrics.likelihood import bits_per_char, mean_logprob, perplexity

LOGPROBS = np.array([-2, -1, -0.5, -0.5], dtype=np.float32)


def test_values():
    assert mean_logprob({"logprob": -4.0, "n_tokens": 4}) == -1
    assert perplexity(LOGPROBS) == pytest.approx(e, abs=1e-12)
    assert bits_per_char((LOGPROBS, " twenty characters!!\n"[:-1] + "x ")) == pytest.approx(0.2885390082, abs=1e-9)


@pytest.mark.parametrize(
    "record", [{}, {"logprob": None, "n_tokens": 3}, {"logprob": -1.0, "n_tokens": 0}, {"logprob": -1.0}]
)
def test_no_logprob_or_token(record):
    assert mean_logprob(record) is None


def test_no_token_or_character():
    none = np.zeros(0)
    assert perplexity(none) is None
    assert bits_per_char((none, "text")) is None
    assert bits_per_char((LOGPROBS, "  ")) is None


def test_a_certain_text():
    assert perplexity(np.zeros(3)) == 1
    assert str(bits_per_char((np.zeros(3), "abc"))) == "0.0"
