"""No NaN and no infinity, whatever the text."""

from __future__ import annotations

import warnings
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
    "emoji in words": "I 😀 you, and ☃ too",
    "marks only": "?!... — «» ''",
    "equal words": "same " * 100_000,
    "right to left": "שלום עולם. مرحبا بالعالم؟ كيف حالك",
    "chinese": "你好。今天天气很好！你呢？",
    "japanese": "彼は走った。「本当？」と言った。",
    "thai": "สวัสดีชาวโลก",
    "hindi": "हिन्दी भाषा। नमस्ते दुनिया।",
    "mixed scripts": "The кот sat 在 the मेज़, ok? “Да.” 好。 No",
    "combining marks alone": "\u0301\u0302",
    "combining marks after a space": "a \u0301b e\u0301",
    "NUL alone": "\x00" * 9,
    "control characters": "a\x00b\x07c",
    "lone surrogates": "bad \ud800 text \udfff",
    "a lone surrogate": "\ud83d",
    "numbers": "1 2 3.14 1e9 ٣",
    "letters that grow in lower case": "İİ İstanbul ẞ",
    "long word": "a" * 50_000,
}
MEGABYTES = {
    "dots": "." * 1_000_000,
    "apostrophes": "'" * 1_000_000,
    "newlines": "\n" * 1_000_000,
    "one word": "a" * 1_000_000,
    "words": "".join(f"word{i % 997} " for i in range(130_000)),
}
GROUP_METRICS = [metric for metric in METRICS.values() if metric.level in ("group", "set")]


def response(text: str, tokenize, supplied) -> ResponseFeatures:
    return ResponseFeatures({"response": text, "logprob": -1.0, "n_tokens": 0}, tokenize, supplied)


def clean(value) -> bool:
    return value is None or (type(value) in (int, float) and isfinite(value))


def check_response(text: str, tokenize, supplied) -> None:
    made = response(text, tokenize, supplied)
    for metric in METRICS.values():
        if metric.level == "response":
            value = metric.load()(made.get(metric.takes))
            assert clean(value), (metric.name, value)
    assert truncate_words(text, 10**7) is None


def check_group(texts: list[str], tokenize, embed, *, but: tuple[str, ...] = ()) -> dict[str, object]:
    made = GroupFeatures([response(text, tokenize, None) for text in texts], embed, ratings=[5.0] * len(texts))
    values = {}
    for metric in GROUP_METRICS:
        if metric.name in but:
            continue
        value = values[metric.name] = metric.load()(made.get(metric.takes))
        each = value if metric.level == "group" else [value]
        assert len(each) == (len(texts) if metric.level == "group" else 1)
        assert all(map(clean, each)), (metric.name, value)
    return values


@pytest.mark.parametrize("name", ["word", "whitespace", "char"])
@pytest.mark.parametrize("title", CORPUS)
def test_one_response(name, title, supplied):
    check_response(CORPUS[title], tokenizer(name), supplied)


@pytest.mark.parametrize("title", MEGABYTES)
def test_a_response_of_a_megabyte(title, supplied):
    check_response(MEGABYTES[title], tokenizer("word"), supplied)


@pytest.mark.parametrize("name", ["word", "char"])
@pytest.mark.parametrize("repeat", [1, 2])
def test_sets_of_responses(name, repeat, embed):
    texts = {title: text for title, text in CORPUS.items() if len(text) < 10_000}
    for group in [[text] * repeat for text in texts.values()] + [list(texts.values()) * repeat, []]:
        check_group(group, tokenizer(name), embed)


def test_a_group_without_a_word_has_no_value(embed):
    for group in ([], [""], ["...", "?!", "\n"], ["😀"] * 10):
        values = check_group(group, tokenizer("word"), embed)
        for name, value in values.items():
            assert value == ([None] * len(group) if METRICS[name].level == "group" else None), name


def test_a_group_of_one(embed):
    values = check_group(["the red fox ran over the old bridge"], tokenizer("word"), embed)
    known = {"unique_share": 1, "distinct_1": 7 / 8, "opening_share": 1, "vendi": 1, "semantic_clusters": 1}
    known |= {"cluster_entropy": 0, "dullness": 1 / 5}
    for name, value in known.items():
        assert values[name] == pytest.approx(value), name
    of_pairs = ["self_bleu", "homogenization_rougel", "self_repetition", "unique_first_1", "semantic_distance"]
    of_pairs += ["style_distance", "chamfer", "effective_rank", "cluster_entropy_norm", "distinct_k_nb"]
    assert [values[name] for name in of_pairs] == [None] * len(of_pairs)


def test_100_000_equal_texts():
    """The extreme values, in linear time: a set that collapsed is the one that must not be lost."""
    n = 100_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no clusters for so many
        values = check_group(
            ["the old king sat on a stone"] * n,
            tokenizer("word"),
            lambda texts: np.ones((len(texts), 8)),
            but=("chamfer",),  # every text against every other
        )
    expected = {"self_bleu": 1, "homogenization_rougel": 1, "unique_share": 1 / n, "distinct_4": 1 / n, "vendi": 1}
    expected |= {"semantic_distance": 0, "style_distance": 0, "effective_rank": 0, "opening_share": 1}
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs=1e-9), name


def test_a_set_with_a_megabyte():
    """One long text beside short ones; n-grams, LCS and compression take it as it is."""
    long = "".join(f"word{i % 997} " for i in range(130_000))
    values = check_group(["a short one", long, "another short one"], tokenizer("word"), lambda texts: np.eye(16)[:3])
    assert values["unique_share"] == 1
    assert values["semantic_clusters"] == 3
