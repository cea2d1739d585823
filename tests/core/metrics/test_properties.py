"""Laws that hold for any texts."""

from __future__ import annotations

import re
from math import inf, log2

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.features import GroupFeatures, ResponseFeatures
from divtool.core.metrics.ngrams import CorpusDistinct
from divtool.core.metrics.text import words

WORDS = ["the", "red", "fox", "ran", "to", "a", "big", "old", "house", "and", "slept"]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
LONG_TEXT = st.lists(st.sampled_from([*WORDS, "its.", "oh,", "…"]), min_size=1, max_size=120).map(" ".join)
SETS = st.lists(TEXT, min_size=2, max_size=6)
# Depend on the order of the texts by definition.
ORDERED = {"set_compression_ratio", "set_compression_ratio_lzma", "utility_k", "distinct_k_nb"}
SET_NAMES = [name for name, metric in METRICS.items() if metric.level == "set"]
GROUP_NAMES = [name for name, metric in METRICS.items() if metric.level == "group"]
RESPONSE_NAMES = [name for name, metric in METRICS.items() if metric.level == "response"]
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def measure(embed):
    def compute(texts: list[str], names: list[str] = SET_NAMES) -> dict[str, float | None]:
        responses = [ResponseFeatures({"response": text}, words) for text in texts]
        group = GroupFeatures(responses, embed, ratings=[5.0] * len(texts))
        return {name: METRICS[name].load()(group.get(METRICS[name].takes)) for name in names}

    return compute


def same(value):
    return None if value is None else pytest.approx(value, abs=1e-9)


@quick
@given(texts=SETS, data=st.data())
def test_order_does_not_matter(measure, texts, data):
    order = data.draw(st.permutations(range(len(texts))))
    shuffled = [texts[i] for i in order]
    before, after = measure(texts), measure(shuffled)
    for name in set(SET_NAMES) - ORDERED:
        assert after[name] == same(before[name]), name
    before, after = measure(texts, GROUP_NAMES), measure(shuffled, GROUP_NAMES)
    for name in GROUP_NAMES:
        assert after[name] == [same(before[name][i]) for i in order], name


@quick
@given(texts=st.lists(TEXT, min_size=10, max_size=10), data=st.data())
def test_the_classes_of_all_texts_do_not_depend_on_their_order(measure, texts, data):
    name = "distinct_k_nb"
    assert measure(texts, [name]) == measure(data.draw(st.permutations(texts)), [name])


@quick
@given(texts=SETS)
def test_doubling_the_set(measure, texts):
    once, twice = measure(texts), measure(texts * 2)
    for name in ("vendi", "vendi_q0.5", "vendi_q2", "vendi_qinf", "cluster_entropy", "semantic_clusters"):
        assert twice[name] == same(once[name]), name
    for name in ("distinct_1", "distinct_2", "distinct_3", "distinct_4", "ngram_diversity"):
        assert twice[name] == same(once[name] and once[name] / 2), name
    for name in ("dullness", "opening_share"):
        assert twice[name] == same(once[name]), name
    assert twice["unique_share"] == once["unique_share"] / 2
    assert twice["chamfer"] == pytest.approx(0, abs=1e-12)
    assert twice["self_bleu"] == pytest.approx(1)
    assert twice["homogenization_rougel"] >= once["homogenization_rougel"] - 1e-12
    assert twice["semantic_distance"] <= once["semantic_distance"] + 1e-12


# For these it is a theorem. The text and its copy become perfect or nearest to each other, or add to the divisor alone,
# and the terms of the others stay. It is none for averages over pairs, entropies and the Vendi score: a copy of the one
# odd text among equal ones makes the set more even.
NEVER_RAISED = ["distinct_1", "distinct_2", "distinct_3", "distinct_4", "ngram_diversity", "unique_share"]
NEVER_RAISED += ["unique_first_1", "unique_first_5", "unique_first_10", "self_bleu", "chamfer"]


@settings(quick, max_examples=150)
@given(texts=SETS, data=st.data())
def test_a_copy_never_makes_a_set_more_diverse(measure, texts, data):
    before = measure(texts, NEVER_RAISED)
    after = measure([*texts, data.draw(st.sampled_from(texts))], NEVER_RAISED)
    for name in NEVER_RAISED:
        if before[name] is not None:
            assert METRICS[name].sign * (after[name] - before[name]) <= 1e-12, name


def test_a_copy_of_the_odd_one_out_makes_a_set_more_even(measure):
    texts = [*["one fox ran to the old house"] * 9, "sleep"]
    before, after = measure(texts), measure([*texts, "sleep"])
    for name in ("vendi", "semantic_distance", "cluster_entropy", "homogenization_rougel", "dullness"):
        assert METRICS[name].sign * (after[name] - before[name]) > 0, name


@quick
@given(text=TEXT.filter(lambda text: len(text.split()) >= 4), n=st.integers(3, 12))
def test_equal_texts_read_as_least_diverse(measure, text, n):
    values = measure([text] * n)
    expected = {"self_bleu": 1, "homogenization_rougel": 1, "semantic_distance": 0, "chamfer": 0, "vendi": 1}
    expected |= {"effective_rank": 0, "semantic_clusters": 1, "cluster_entropy": 0, "unique_share": 1 / n}
    expected |= {"unique_first_1": 1 / n, "opening_share": 1, "vendi_q0.5": 1, "vendi_q2": 1, "vendi_qinf": 1}
    expected |= {"style_distance": values["style_distance"] and 0, "cluster_entropy_norm": 0}
    expected |= {"distinct_k_nb": 1 if n >= 10 else None}
    for name, value in expected.items():
        assert values[name] == same(value), name


# What `eval` prints first for a set.
HEADLINE = ["semantic_distance", "vendi", "distinct_2", "self_bleu", "homogenization_rougel", "unique_share"]
HEADLINE += ["chamfer", "ngram_diversity", "semantic_clusters", "distinct_k_nb", "set_compression_ratio"]


def test_ten_equal_answers_against_ten_others(measure):
    """In every metric the equal ones are the less diverse, and disjoint texts are never homogeneous."""
    equal = measure(["the quick brown fox jumps over it"] * 10)
    letters = np.array([f"w{i}" for i in range(70)]).reshape(10, 7)
    disjoint = measure(["the " + " ".join(row) for row in letters.tolist()])
    for name in set(SET_NAMES) - {"style_distance"}:
        gain = METRICS[name].sign * (disjoint[name] - equal[name])
        assert gain > 0 if name in HEADLINE else gain >= 0, name


def test_three_disjoint_texts_are_not_homogeneous(measure):
    three = measure(["a b c d", "e f g h", "i j k l"])
    assert (three["self_bleu"], three["homogenization_rougel"], three["self_repetition"]) == (0, 0, 0)
    assert (three["distinct_1"], three["unique_share"], three["ngram_diversity"]) == (1, 1, 4)
    assert three["semantic_clusters"] == 3
    assert three["vendi"] > 2.5
    assert three["chamfer"] > 0.3


def test_a_set_pasted_20_times_looks_redundant(measure, texts_d):
    once, pasted = measure(texts_d[:3]), measure(texts_d[:3] * 20)
    for name in ("set_compression_ratio", "set_compression_ratio_lzma"):
        assert pasted[name] > 6 * once[name], name
    for name in ("distinct_1", "distinct_2", "distinct_3", "distinct_4", "unique_share"):
        assert pasted[name] == pytest.approx(once[name] / 20), name
    assert pasted["self_bleu"] == pytest.approx(1)
    assert pasted["chamfer"] == pytest.approx(0, abs=1e-12)
    assert pasted["self_repetition"] > once["self_repetition"] + 3


def limits(metric, names: dict[str, float]) -> tuple[float, float, bool, bool]:
    """The ends of a row's stated range, and whether each end is left out."""
    stated = metric.range.removeprefix("0 or ").removesuffix(" bits")
    if stated == "real":
        return -inf, inf, True, True
    if match := re.fullmatch(r"([<>]=?) (.+)", stated):
        sign, end = match[1], float(match[2])
        low, high = (end, inf) if sign[0] == ">" else (-inf, end)
        return low, high, sign == ">", sign == "<"
    left, low, high, right = re.fullmatch(r"([\[(]?)(.+?)(?:, |\.\.)(.+?)([\])]?)", stated).groups()
    bounds = [eval(end, {"__builtins__": {}, "min": min}, names) for end in (low, high.replace("log2 ", "log2_"))]
    return (*bounds, left == "(", right == ")")


def in_range(metric, value: float | None, **names: float) -> bool:
    low, high, above, below = limits(metric, names)
    if value is None or (value == 0 and metric.range.startswith("0 or ")):
        return True
    return (value > low if above else value >= low - 1e-9) and (value < high if below else value <= high + 1e-9)


@quick
@given(texts=SETS)
def test_values_of_sets_stay_in_the_range_of_their_row(measure, texts):
    values = measure(texts + texts[:4] + texts[:4])
    n = len(texts + texts[:4] + texts[:4])
    for name, value in values.items():
        assert in_range(METRICS[name], value, n=n, k=10, d=16, log2_n=log2(n)), (name, value)
    for name, each in measure(texts, GROUP_NAMES).items():
        assert all(in_range(METRICS[name], value) for value in each), (name, each)


@quick
@given(text=LONG_TEXT)
def test_values_of_responses_stay_in_the_range_of_their_row(supplied, text):
    response = ResponseFeatures({"response": text, "logprob": -3.5, "n_tokens": 4}, words, supplied)
    n = len(response.words)
    for name in RESPONSE_NAMES:
        value = METRICS[name].load()(response.get(METRICS[name].takes))
        assert in_range(METRICS[name], value, log2_N=log2(n or 1)), (name, value)


LEAST_WORDS = {"ttr": 1, "root_ttr": 1, "herdan_c": 2, "maas": 2, "mattr": 50, "hdd": 42, "word_entropy": 1}
LEAST_WORDS |= {"word_entropy_norm": 2, "repetition": 4, **{f"within_distinct_{k}": k for k in (1, 2, 3, 4)}}


@quick
@given(own=st.lists(st.sampled_from(WORDS), max_size=60))
def test_responses_have_a_value_from_the_least_number_of_words_on(own):
    response = ResponseFeatures({"response": " ".join(own)}, words)
    for name, least in LEAST_WORDS.items():
        value = METRICS[name].load()(response.get(METRICS[name].takes))
        assert (value is None) == (len(own) < least), name
    mtld = METRICS["mtld"].load()(response.words)
    assert (mtld is None) == (len(own) < 50 or len(set(own)) == len(own))


@quick
@given(texts=st.lists(st.one_of(TEXT, st.sampled_from(["", "?!"])), max_size=5))
def test_sets_have_a_value_from_the_least_number_of_texts_on(measure, texts):
    values = measure(texts)
    kept = [words(text) for text in texts if words(text)]
    least = {"unique_share": 1, "opening_share": 1, "vendi": 1, "semantic_clusters": 1, "cluster_entropy": 1}
    least |= {"set_compression_ratio": 1, "set_compression_ratio_lzma": 1, "distinct_1": 1}
    least |= {"unique_first_1": 2, "unique_first_5": 2, "unique_first_10": 2, "self_bleu": 2, "chamfer": 2}
    least |= {"homogenization_rougel": 2, "semantic_distance": 2, "cluster_entropy_norm": 2, "effective_rank": 3}
    for name, n in least.items():
        assert (values[name] is None) == (len(kept) < n), name
    for k in (2, 3, 4):
        assert (values[f"distinct_{k}"] is None) == all(len(own) < k for own in kept)
    assert (values["ngram_diversity"] is None) == all(len(own) < 4 for own in kept)
    assert (values["self_repetition"] is None) == (sum(len(own) >= 4 for own in kept) < 2)


@quick
@given(groups=st.lists(SETS, min_size=1, max_size=3), k=st.integers(1, 4))
def test_corpus_distinct_is_distinct_of_everything(measure, groups, k):
    pool = CorpusDistinct(k)
    texts = [text for group in groups for text in group]
    for text in texts:
        pool.add(words(text))
    assert pool.value() == measure(texts, [f"distinct_{k}"])[f"distinct_{k}"]
