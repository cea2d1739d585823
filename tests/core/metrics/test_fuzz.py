"""No NaN and no infinity, whatever the text."""

from __future__ import annotations

from math import isfinite

import numpy as np
import pytest

from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.features import GroupFeatures, ResponseFeatures
from divtool.core.metrics.text import tokenizer, truncate_words

CORPUS = {
    "empty": "",
    "white space": " \t\n\u2028",
    "one word": "word",
    "one character": "x",
    "emoji only": "😀🎉👩‍👩‍👧 🇩🇪",
    "marks only": "?!... — «» ''",
    "equal words": "same " * 100_000,
    "right to left": "שלום עולם. مرحبا بالعالم؟ كيف حالك",
    "chinese": "你好。今天天气很好！你呢？",
    "japanese": "彼は走った。「本当？」と言った。",
    "thai": "สวัสดีชาวโลก",
    "hindi": "हिन्दी भाषा। नमस्ते दुनिया।",
    "combining marks alone": "\u0301\u0302",
    "control characters": "a\x00b\x07c",
    "lone surrogates": "bad \ud800 text \udfff",
    "numbers": "1 2 3.14 1e9 ٣",
    "long word": "a" * 50_000,
}


def features(text: str, tokenize, embed) -> ResponseFeatures:
    def vectors(text: str):
        return embed(tokenize(text)[:50]) if tokenize(text) else np.zeros((0, 16))

    return ResponseFeatures(
        {"response": text, "logprob": -1.0, "n_tokens": 0},
        tokenize,
        vectors,
        token_logprobs=lambda record: np.full(min(5, len(text)), -1.5),
    )


def clean(value) -> bool:
    return value is None or (type(value) in (int, float) and isfinite(value))


@pytest.mark.parametrize("name", ["word", "whitespace", "char"])
def test_one_response(name, embed):
    for title, text in CORPUS.items():
        made = features(text, tokenizer(name), embed)
        for metric in METRICS.values():
            if metric.level == "response":
                value = metric.load()(getattr(made, metric.takes))
                assert clean(value), (title, metric.name, value)
        assert truncate_words(text, 10**6) is None


@pytest.mark.parametrize("name", ["word", "char"])
@pytest.mark.parametrize("repeat", [1, 2])
def test_sets_of_responses(name, repeat, embed):
    texts = {title: text for title, text in CORPUS.items() if len(text) < 10_000}
    sets = [[text] * repeat for text in texts.values()] + [list(texts.values()) * repeat, []]
    for group in sets:
        made = GroupFeatures([features(text, tokenizer(name), embed) for text in group], embed)
        for metric in METRICS.values():
            if metric.level == "response":
                continue
            value = metric.load()(getattr(made, metric.takes))
            values = value if metric.level == "group" else [value]
            assert len(values) == (len(group) if metric.level == "group" else 1)
            assert all(map(clean, values)), (group, metric.name, value)
