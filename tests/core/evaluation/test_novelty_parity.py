"""NoveltyBench's published partition and utility, restated in the simplest way, against ours on hand-made classes.

The formulas are those of arXiv 2504.05228 and of its code of March 2025, which the published figures come from.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from divtool.core.evaluation.choice import choose_measures
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.runs import Run
from divtool.core.evaluation.tasks.novelty import NOVELTY_BENCH, NOVELTY_LITE, published
from divtool.core.metrics import novelty
from divtool.core.metrics.definition import Setup
from divtool.core.metrics.supplies import Sources, Supplies, Supply

_K = 10


def _partition(count: int, alike: Any) -> list[int]:
    """Published: each text joins the first class whose first member it is like."""
    heads: list[int] = []
    labels = []
    for text in range(count):
        fitting = [label for label, head in enumerate(heads) if alike(head, text)]
        labels.append(fitting[0] if fitting else len(heads))
        if not fitting:
            heads.append(text)
    return labels


def _utility(labels: list[int], worth: list[float]) -> float:
    """Published: the worth of each text that opens a class, discounted by .8 a text, over the sum of the discounts."""
    discounts = [1.0, 0.8, 0.64, 0.512, 0.4096, 0.32768, 0.262144, 0.2097152, 0.16777216, 0.134217728][: len(labels)]
    seen: set[int] = set()
    total = 0.0
    for label, value, discount in zip(labels, worth, discounts, strict=True):
        total += 0.0 if label in seen else value * discount
        seen.add(label)
    return total / sum(discounts)


# Classes, worth of each text, distinct classes, and utility worked by hand; 4.463129088 is the sum of ten discounts,
# 3.3616 that of five, 2.952 of four, 2.44 of three, 1.8 of two.
_SEQUENCES = [
    ([0] * 10, [10.0] * 10, 1, 10 / 4.463129088),
    (list(range(10)), [10.0] * 10, 10, 10.0),
    (list(range(10)), [1.0] * 10, 10, 1.0),
    ([0, 1] * 5, [10.0] * 10, 2, (10 + 8) / 4.463129088),
    ([0] * 5 + [1] * 5, [10.0] * 10, 2, (10 + 3.2768) / 4.463129088),
    ([0] * 9 + [1], [10.0] * 10, 2, (10 + 1.34217728) / 4.463129088),
    ([0, 0, 1, 0, 2], [7.0, 9.0, 5.0, 8.0, 10.0], 3, (7 + 3.2 + 4.096) / 3.3616),
    ([0, 1, 2, 0, 1], [1.0, 2.0, 3.0, 10.0, 10.0], 3, (1 + 1.6 + 1.92) / 3.3616),
    ([0, 1, 1, 2], [4.0, 6.0, 9.0, 5.0], 3, (4 + 4.8 + 2.56) / 2.952),
    ([0, 0, 0, 0], [3.0, 10.0, 10.0, 10.0], 1, 3 / 2.952),
    ([0, 1, 2], [10.0, 1.0, 10.0], 3, (10 + 0.8 + 6.4) / 2.44),
    ([0, 1, 0], [1.0, 10.0, 10.0], 2, (1 + 8) / 2.44),
    ([0, 1], [5.0, 10.0], 2, 13 / 1.8),
    ([0, 0], [5.0, 10.0], 1, 5 / 1.8),
    ([0], [6.0], 1, 6.0),
]


@pytest.mark.parametrize(("classes", "worth", "distinct", "utility"), _SEQUENCES)
def test_hand_made_classes(classes: list[int], worth: list[float], distinct: int, utility: float) -> None:
    """Texts that are alike where their class is: both partitions find the classes again, in order of appearance."""
    n = len(classes)
    # Six different words each: too long for the rule of short answers, so that the classifier decides.
    texts = [" ".join(f"{place}x{part}" for part in range(6)) for place in range(n)]
    alike = np.equal.outer(classes, classes)
    given = texts, np.zeros((n, 2))
    assert _partition(n, lambda i, j: classes[i] == classes[j]) == classes
    assert _utility(classes, worth) == pytest.approx(utility, abs=1e-12)
    for partition in ("greedy", "linkage"):
        how: dict[str, Any] = {"k": n, "partition": partition, "equivalent": lambda _: alike}
        assert novelty.equivalence_classes(texts, alike, partition) == classes
        assert novelty.distinct_k_nb(given, **how) == distinct
        assert novelty.utility_of((*given, worth), **how) == pytest.approx(utility, abs=1e-12)


def test_random_relations_give_the_published_partition() -> None:
    """Also where likeness is not transitive, as a classifier's is not."""
    draw = np.random.default_rng(0)
    for _ in range(200):
        alike = np.triu(draw.random((_K, _K)) < draw.choice([0.1, 0.3, 0.6]), 1)
        alike = alike | alike.T | np.eye(_K, dtype=bool)
        texts = [" ".join(f"{place}x{part}" for part in range(6)) for place in range(_K)]
        worth = draw.integers(1, 11, _K).astype(float).tolist()
        labels = _partition(_K, lambda i, j, alike=alike: alike[i, j])
        how: dict[str, Any] = {"partition": "greedy", "equivalent": lambda _, alike=alike: alike}
        given = texts, np.zeros((_K, 2))
        assert novelty.equivalence_classes(texts, alike, "greedy") == labels
        assert novelty.distinct_k_nb(given, **how) == max(labels) + 1
        assert novelty.utility_of((*given, worth), **how) == pytest.approx(_utility(labels, worth), abs=1e-12)


def test_greedy_depends_on_the_order_and_linkage_does_not() -> None:
    """b is like a and c, which are not alike: read first, b takes both into its class."""

    def likeness(order: str) -> Any:
        return np.array([[one == other or "b" in (one, other) for other in order] for one in order])

    greedy = {order: novelty.equivalence_classes(list(order), likeness(order), "greedy") for order in ("abc", "bac")}
    assert greedy == {"abc": [0, 0, 1], "bac": [0, 0, 0]}
    counts = {
        order: len(set(novelty.equivalence_classes(list(order), likeness(order)))) for order in ("abc", "bac", "cab")
    }
    assert set(counts.values()) == {1}  # mean distance of c to {a, b} is .5, not above the cut


def test_their_files_count_one_class_less() -> None:
    """`distinct` in partitions.jsonl of that code is the last label, which counts from 0; ours is the number."""
    texts = [f"answer{place // 3}" for place in range(_K)]
    labels = _partition(_K, lambda i, j: texts[i] == texts[j])
    assert labels == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    in_their_file = max(labels)
    assert in_their_file == 3
    assert novelty.distinct_k_nb((texts, np.eye(_K)), partition="greedy") == 4 == in_their_file + 1
    # Ten equal answers: none at all in their file, though every set of answers holds one.
    assert max(_partition(_K, lambda i, j: True)) == 0
    assert novelty.distinct_k_nb((["same"] * _K, np.eye(_K)), partition="greedy") == 1


@pytest.mark.parametrize(
    ("reward", "rating"),
    [
        (-100.0, 1), (-7.71876, 1), (-7.71875, 1), (-7.71874, 2), (-6.28125, 2), (-6.2, 3), (-6.0, 3), (-5.9, 4),
        (-5.71875, 4), (-5.6, 5), (-5.5, 5), (-5.4, 6), (-5.0, 6), (-4.9, 7), (-4.375, 7), (-4.3, 8), (-3.4375, 8),
        (-3.4, 9), (-2.046875, 9), (-2.046874, 10), (0.0, 10), (30.0, 10),
    ],
)  # fmt: skip
def test_a_reward_on_a_step_belongs_to_the_lower_rating(reward: float, rating: int) -> None:
    assert novelty.reward_rating(reward) == rating


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Blue", "blue", True),  # case
        ("dark blue", "blue", True),  # 2 * 1 >= 2
        ("a dark blue", "blue", False),  # 2 * 1 < 3
        ("a dark blue", "a light blue", True),  # 2 * 2 >= 3
        ("one two three four", "one two five six", True),  # 2 * 2 >= 4
        ("one two three four five", "one two six seven eight", False),  # 2 * 2 < 5
        ("one two three four five", "one two three", True),  # 2 * 3 >= 5
        ("blue blue blue", "blue", False),  # word types are counted on one side, words on the other
        ("blue, green", "blue green", True),  # white space alone separates words: 2 * 1 >= 2
    ],
)
def test_short_answers_are_alike_by_their_words(one: str, other: str, alike: bool) -> None:
    """Whatever a classifier says; two texts of which one has six words are left to it."""
    for order in ([one, other], [other, one]):
        assert novelty.same(order, np.full((2, 2), not alike))[0, 1] == alike
    long = f"{one} {other} and some more words"
    for said in (True, False):
        assert novelty.same([one, long], np.array([[True, said], [said, True]]))[0, 1] == said


def test_equal_texts_are_one_answer() -> None:
    """The published rule calls "no no no" another answer than itself: 2 * 1 type < 3 words. Ours does not."""
    words = ["no"] * 3
    assert not 2 * len(set(words) & set(words)) >= 3
    for text in ("no no no", "one two", "a b c d e"):
        assert novelty.distinct_k_nb(([text] * _K, np.eye(_K))) == 1


def test_parts_of_the_published_figures() -> None:
    exact = Sources(equivalence=novelty.CLASSIFIER, reward_model=novelty.REWARD_MODEL)
    assert published(exact, {"partition": "greedy"}) == {"distinct_k_nb", "utility_k"}
    assert published(exact, {"partition": "linkage"}) == set()
    assert published(Sources(equivalence=novelty.CLASSIFIER), {"partition": "greedy"}) == {"distinct_k_nb"}
    other = Sources(equivalence="./mine", reward_model=novelty.REWARD_MODEL)
    assert published(other, {"partition": "greedy"}) == set()
    assert (NOVELTY_BENCH.published, NOVELTY_LITE.published) == (published, None)


def test_order_of_reading_moves_utility_and_not_the_number_of_classes() -> None:
    classes, worth = [0, 1, 0, 2, 1, 0, 3, 0, 2, 0], [2.0, 9, 4, 7, 7, 1, 10, 3, 6, 5]
    both = list(zip(classes, worth, strict=True))
    random.Random(0).shuffle(both)
    shuffled, values = [c for c, _ in both], [w for _, w in both]
    assert novelty.utility_k(shuffled, values) == pytest.approx(_utility(shuffled, values), abs=1e-12)
    assert novelty.utility_k(shuffled, values) != pytest.approx(_utility(classes, worth), abs=1e-3)


def _measured(*, prompts: int = 100, spoilt: bool = False, task: Any = NOVELTY_BENCH) -> dict[str, dict[str, Any]]:
    """Rows with the parts of the published figures: two classes a prompt, with rewards that are worth 4 and 10."""

    def record(prompt: int, index: int) -> dict[str, Any]:
        text = f"Answer {index} of the {'first' if index < 7 else 'second'} kind to prompt {prompt} in some words"
        text = "again " * 30 if spoilt and (prompt, index) == (0, 9) else text
        return {"prompt_id": f"p{prompt}", "prompt": "?", "sample_index": index, "response": text}

    run = Run("run", "m", {f"p{p}": [record(p, i) for i in range(_K)] for p in range(prompts)})
    names = published(
        Sources(equivalence=novelty.CLASSIFIER, reward_model=novelty.REWARD_MODEL), {"partition": "greedy"}
    )
    setup = Setup(
        settings={
            "partition": "greedy",
            "equivalent": lambda texts: np.equal.outer(*[["first" in t for t in texts]] * 2),
        },
        reward_model=novelty.REWARD_MODEL,
        published=names if task.published else frozenset(),
    )
    reward = Supply(lambda one: one["response"], lambda texts: [-5.71875 if "first" in t else 3.0 for t in texts])
    vectors = Supply(lambda one: one["response"], lambda texts: np.ones((len(texts), 2)))
    chosen = choose_measures(["distinct_k_nb", "utility_k", "utility_k_mean", "vendi"], task, Sources(), None).metrics
    supplies = Supplies(embed=vectors, features={"reward_logit": reward})
    measurer = Measurer(task=task, metrics=chosen, supplies=supplies, setup=setup)
    return {row["metric"]: row for row in measurer.measure([run], None)}


def test_exact_form_is_comparable_and_says_so() -> None:
    rows = _measured()
    assert {name for name, row in rows.items() if row["comparable"]} == {"distinct_k_nb", "utility_k"}
    assert rows["distinct_k_nb"]["value"] == 2
    assert rows["utility_k"]["value"] == pytest.approx((4 + 10 * 0.2097152) / 4.463129088)
    assert "comparable with them on the same prompts and decoding" in rows["utility_k"]["definition"]
    assert f"on the logit of {novelty.REWARD_MODEL}" in rows["utility_k"]["definition"]
    assert "not comparable with published figures" in rows["utility_k_mean"]["definition"]


def test_other_prompts_or_left_out_responses_are_not_comparable() -> None:
    assert not any(row["comparable"] for row in _measured(prompts=24).values())
    assert not any(row["comparable"] for row in _measured(task=NOVELTY_LITE).values())
    spoilt = _measured(spoilt=True)
    assert {name for name, row in spoilt.items() if row["comparable"]} == {"distinct_k_nb_all", "utility_k"}
