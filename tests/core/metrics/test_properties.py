"""Laws that hold for any texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.features import GroupFeatures, ResponseFeatures
from divtool.core.metrics.text import words

WORDS = ["the", "red", "fox", "ran", "to", "a", "big", "old", "house", "and", "slept"]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
SETS = st.lists(TEXT, min_size=2, max_size=6)
ORDERED = {"set_compression_ratio", "set_compression_ratio_lzma"}
SET_NAMES = [name for name, metric in METRICS.items() if metric.level == "set"]
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def measure(embed):
    def compute(texts: list[str]) -> dict[str, float | None]:
        group = GroupFeatures([ResponseFeatures({"response": text}, words) for text in texts], embed)
        return {name: METRICS[name].load()(getattr(group, METRICS[name].takes)) for name in SET_NAMES}

    return compute


def same(value):
    return None if value is None else pytest.approx(value, abs=1e-9)


@quick
@given(texts=SETS, data=st.data())
def test_order_does_not_matter(measure, texts, data):
    before = measure(texts)
    after = measure(data.draw(st.permutations(texts)))
    for name in set(SET_NAMES) - ORDERED:
        assert after[name] == same(before[name]), name


@quick
@given(texts=SETS)
def test_doubling_the_set(measure, texts):
    once, twice = measure(texts), measure(texts * 2)
    for name in ("vendi", "vendi_q0.5", "vendi_q2", "vendi_qinf", "cluster_entropy", "semantic_clusters"):
        assert twice[name] == same(once[name]), name
    for name in ("distinct_1", "distinct_2", "distinct_3", "distinct_4"):
        assert twice[name] == same(once[name] and once[name] / 2), name
    assert twice["unique_share"] == once["unique_share"] / 2
    assert twice["chamfer"] == pytest.approx(0, abs=1e-12)
    assert twice["self_bleu"] == pytest.approx(1)


@quick
@given(texts=SETS, data=st.data())
def test_a_copy_never_raises_the_unique_share(measure, texts, data):
    copy = data.draw(st.sampled_from(texts))
    assert measure([*texts, copy])["unique_share"] <= measure(texts)["unique_share"]


@quick
@given(text=TEXT.filter(lambda text: len(text.split()) >= 4), n=st.integers(3, 12))
def test_equal_texts_read_as_least_diverse(measure, text, n):
    values = measure([text] * n)
    expected = {"self_bleu": 1, "homogenization_rougel": 1, "semantic_distance": 0, "chamfer": 0, "vendi": 1}
    expected |= {"effective_rank": 0, "semantic_clusters": 1, "cluster_entropy": 0, "unique_share": 1 / n}
    expected |= {"unique_first_1": 1 / n, "opening_share": 1, "vendi_q0.5": 1, "vendi_q2": 1, "vendi_qinf": 1}
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs=1e-9), name


def test_ten_equal_answers_against_ten_others(measure):
    """In every metric the equal ones are the less diverse, and disjoint texts are never homogeneous."""
    equal = measure(["the quick brown fox jumps over it"] * 10)
    letters = np.array([f"w{i}" for i in range(70)]).reshape(10, 7)
    disjoint = measure(["the " + " ".join(row) for row in letters.tolist()])
    for name in set(SET_NAMES) - {"style_distance"}:
        assert METRICS[name].sign * (disjoint[name] - equal[name]) >= 0, name
    three = measure(["a b c d", "e f g h", "i j k l"])
    assert (three["self_bleu"], three["homogenization_rougel"], three["self_repetition"]) == (0, 0, 0)
    assert (three["distinct_1"], three["unique_share"]) == (1, 1)


@quick
@given(texts=SETS)
def test_values_stay_in_their_ranges(measure, texts):
    values = measure(texts)
    n = len(texts)
    limits = {"vendi": (1, n), "vendi_qinf": (1, n), "effective_rank": (0, n - 1), "ngram_diversity": (0, 4)}
    limits |= dict.fromkeys(("semantic_distance", "style_distance", "chamfer"), (0, 2))
    limits |= {"cluster_entropy": (0, np.log2(n)), "self_repetition": (0, np.inf), "semantic_clusters": (1, n)}
    for name in set(SET_NAMES) - ORDERED - {"vendi_q0.5", "vendi_q2"}:
        low, high = limits.get(name, (0, 1))
        assert values[name] is None or low - 1e-9 <= values[name] <= high + 1e-9, name
