from __future__ import annotations

import numpy as np
import pytest

from divtool.core.metrics import style
from divtool.core.metrics.text import function_words


def test_the_distance_of_two_inventories():
    vectors = np.array([style.root_shares(np.array(counts)) for counts in ((2.0, 1, 1), (0.0, 1, 3))])
    assert style.style_distance(vectors) == pytest.approx(0.3169872981, abs=1e-9)
    assert style.style_deviation(vectors) == pytest.approx([0.3169872981] * 2, abs=1e-9)


def test_style_lite_counts_function_words_and_marks():
    vector = style.style_lite("The cat, the dog — “hm”… and so on!")
    place = {word: i for i, word in enumerate(sorted(function_words()))}
    assert vector.shape == (162,)
    assert np.linalg.norm(vector) == pytest.approx(1)
    shares = vector**2 * 11  # the x 2, and, so, on, and six marks: , — " " … !
    assert shares[place["the"]] == pytest.approx(2)
    assert [shares[place[word]] for word in ("and", "so", "on")] == pytest.approx([1, 1, 1])
    assert shares[150:] == pytest.approx(
        [{",": 1, "—": 1, '"': 2, "…": 1, "!": 1}.get(mark, 0) for mark in style.MARKS]
    )


def test_content_does_not_matter():
    vectors = np.stack([style.style_lite(text) for text in ("The red fox ran.", "The old king slept.")])
    assert style.style_distance(vectors) == pytest.approx(0, abs=1e-12)


def test_no_item_is_null():
    vectors = np.stack([style.style_lite(text) for text in ("zebra", "The fox.", "fox; the", "")])
    assert not vectors[0].any()
    deviations = style.style_deviation(vectors)
    assert [value is None for value in deviations] == [True, False, False, True]
    assert style.style_distance(vectors) == pytest.approx(0.5)
    assert style.style_distance(vectors[:2]) is None
