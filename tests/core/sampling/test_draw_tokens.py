from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from divtool.core.sampling.backend import Decoding
from divtool.core.sampling.tokens import draw_tokens


def _draws(logits: torch.Tensor, decoding: Decoding, n: int = 4_000) -> torch.Tensor:
    """Tokens at evenly spaced uniform numbers: their shares are the probabilities to 1 / n."""
    uniforms = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    parts = uniforms.split(200)
    return torch.cat([draw_tokens(logits.expand(len(part), -1), part, decoding)[0] for part in parts])


def _shares(tokens: torch.Tensor, size: int) -> torch.Tensor:
    return torch.bincount(tokens, minlength=size) / len(tokens)


def _expected(logits: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """The truncation by sorting the whole vocabulary, in transformers' order."""
    from transformers import (
        LogitsProcessorList,
        MinPLogitsWarper,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    warpers = LogitsProcessorList([TemperatureLogitsWarper(decoding.temperature)])
    if decoding.top_k:
        warpers.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        warpers.append(TopPLogitsWarper(decoding.top_p))
    if decoding.min_p:
        warpers.append(MinPLogitsWarper(decoding.min_p))
    return torch.softmax(warpers(torch.zeros(1, 1, dtype=torch.long), logits[None]), -1)[0]


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(),
        Decoding(temperature=0.5),
        Decoding(temperature=2.0, top_p=0.9),
        Decoding(top_p=0.5),
        Decoding(top_p=0.999),
        Decoding(top_k=7),
        Decoding(top_k=40, top_p=0.8),
        Decoding(min_p=0.1),
        Decoding(top_p=0.95, min_p=0.02, top_k=100),
    ],
)
@pytest.mark.parametrize(("size", "scale"), [(30, 2.0), (1000, 1.0), (1000, 4.0)])
def test_shares_are_those_of_transformers_warpers(decoding: Decoding, size: int, scale: float) -> None:
    torch.manual_seed(0)
    logits = scale * torch.randn(size)
    expected = _expected(logits, decoding)
    shares = _shares(_draws(logits, decoding), size)
    assert (shares - expected).abs().max() < 5e-4
    assert not shares[expected == 0].any()


@pytest.mark.parametrize("penalty", [1.3, 0.8])
def test_penalty_is_that_of_transformers_and_comes_before_the_rest(penalty: float) -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    torch.manual_seed(1)
    logits = torch.randn(60) - 0.3
    held = logits.argsort()[[0, 40, 45, 50, 56, 59, 59]]  # of both signs, one of them twice
    plain = Decoding(temperature=0.7, top_k=30, top_p=0.9)
    seen = torch.zeros(1, 60, dtype=torch.bool).index_fill_(1, held, True)
    assert (logits[held] < 0).sum() == 3
    penalised = RepetitionPenaltyLogitsProcessor(penalty)(held[None], logits[None])[0]
    uniforms = (torch.arange(4_000, dtype=torch.float64) + 0.5) / 4_000
    rows = logits.expand(4_000, -1), uniforms, replace(plain, repetition_penalty=penalty), seen.expand(4_000, -1)
    tokens, logprobs = draw_tokens(*rows)
    assert _shares(tokens, 60) == pytest.approx(_expected(penalised, plain), abs=2e-3)
    assert torch.allclose(logprobs, torch.log_softmax(logits, -1)[tokens], atol=1e-5)  # the model's own


def test_flat_distribution_is_not_cut_short() -> None:
    """With nearly equal logits top-p 0.9 keeps nine tenths of a vocabulary far larger than the head looked at first."""
    tokens = _draws(-1e-6 * torch.arange(20_000), Decoding(top_p=0.9), 400)
    assert 17_900 < int(tokens.max()) < 18_000
    assert int(tokens.diff().min()) >= 43
    assert int(tokens.diff().max()) <= 46


def test_log_probability_is_that_of_temperature_one_without_truncation() -> None:
    torch.manual_seed(1)
    logits = torch.randn(4, 100)
    tokens, logprobs = draw_tokens(logits, torch.rand(4, dtype=torch.float64), Decoding(temperature=0.3, top_p=0.7))
    expected = torch.log_softmax(logits, -1).gather(-1, tokens[:, None])[:, 0]
    assert torch.allclose(logprobs, expected, atol=1e-6)


def test_zero_temperature_takes_the_most_likely() -> None:
    logits = torch.randn(8, 50)
    tokens, _ = draw_tokens(logits, torch.rand(8, dtype=torch.float64), Decoding(temperature=0))
    assert torch.equal(tokens, logits.argmax(-1))


@pytest.mark.parametrize("decoding", [Decoding(), Decoding(top_p=0.9), Decoding(top_k=3)])
def test_ends_of_the_unit_interval_give_kept_tokens(decoding: Decoding) -> None:
    logits = torch.tensor([[-torch.inf, 3.0, 2.0, 1.0, -torch.inf]]).expand(2, -1)
    uniforms = torch.tensor([0.0, float(np.nextafter(1.0, 0.0))], dtype=torch.float64)
    tokens, _ = draw_tokens(logits, uniforms, decoding)
    assert set(tokens.tolist()) <= {1, 2, 3}


def test_rounding_noise_moves_hardly_any_draw() -> None:
    torch.manual_seed(2)
    logits = 2 * torch.randn(1000)
    decoding = Decoding(top_p=0.95)
    noisy = logits + 1e-5 * torch.randn(1000)
    assert (_draws(logits, decoding) != _draws(noisy, decoding)).float().mean() < 2e-3
