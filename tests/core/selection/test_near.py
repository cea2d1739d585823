from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from divtool.core.selection.near import SAME_TEXT, SeenTexts, fivegrams, jaccard


def test_five_grams_are_windows() -> None:
    words = list("abcdef")
    assert fivegrams(words) == {hash(tuple("abcde")), hash(tuple("bcdef"))}
    assert fivegrams(words[:3]) == {hash(tuple("abc"))}
    assert fivegrams(["a"] * 9) == {hash(("a",) * 5)}


def test_jaccard() -> None:
    assert jaccard(frozenset({1, 2, 3}), frozenset({2, 3, 4})) == 0.5
    assert jaccard(frozenset({1}), frozenset({2})) == 0
    assert jaccard(frozenset({1}), frozenset({1})) == 1


@settings(deadline=None)
@given(st.lists(st.frozensets(st.integers(0, 12), min_size=1), max_size=12))
def test_the_index_finds_what_comparing_all_with_all_finds(texts: list[frozenset[int]]) -> None:
    index = SeenTexts()
    kept: list[frozenset[int]] = []
    for text in texts:
        near = any(jaccard(text, other) > SAME_TEXT for other in kept)
        assert index.repeats(text) is near
        if not near:
            kept.append(text)


def test_a_text_is_held_against_the_kept_ones() -> None:
    # Each shares two thirds with the one before, and one third or less with the one before that.
    chain = [frozenset(range(i, i + 10)) for i in range(0, 12, 2)]
    assert [jaccard(a, b) > SAME_TEXT for a, b in pairwise(chain)] == [True] * 5
    index = SeenTexts()
    assert [index.repeats(text) for text in chain] == [False, True, False, True, False, True]
