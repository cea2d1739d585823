"""NoveltyBench (arXiv 2504.05228): how many really different answers, and what they are worth to one reader.

Their published figures come from their own pair classifier and reward model: with other parts the
numbers are not comparable with them. The code that this follows is that of March 2025, version 1.0 of their
metrics; later versions read short answers otherwise and ask a judge for the classes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
Equivalent = Callable[[Sequence[str]], NDArray[np.bool_]]

_SHORT = 5  # white-space words; up to here shared words decide, not vectors
_PATIENCE = 0.8  # the chance that the reader asks for one more answer
# The pair classifier and the reward model of the published figures.
CLASSIFIER = "yimingzhang/deberta-v3-large-generation-similarity"
REWARD_MODEL = "Skywork/Skywork-Reward-Gemma-2-27B-v0.2"
# Its logits up to which a text is worth 1, 2, ... 9.
_STEPS = (-7.71875, -6.28125, -6.0, -5.71875, -5.5, -5.0, -4.375, -3.4375, -2.046875)


def distinct_k_nb(
    texts_and_embeddings: tuple[Sequence[str], Vectors],
    k: int = 10,
    cut: float = 0.20,
    partition: str = "linkage",
    equivalent: Equivalent | None = None,
) -> int | None:
    """Number of equivalence classes among the first k texts.

    Range 1..k, higher is more diverse. Null for fewer than k texts with a word; texts without one
    are left out.
    """
    classes = first_classes(*texts_and_embeddings, k, cut, partition, equivalent)
    return None if classes is None else len(set(classes.values()))


def utility_of(
    rated_texts: tuple[Sequence[str], Vectors, Sequence[float]],
    k: int = 10,
    cut: float = 0.20,
    partition: str = "linkage",
    equivalent: Equivalent | None = None,
    mean: bool = False,
) -> float | None:
    """``utility_k`` of the first k texts in their order, or with ``mean`` their ``utility_k_mean``.

    Range [0, 10], higher is more diverse and better. Null for fewer than k texts with a word.
    """
    texts, embeddings, ratings = rated_texts
    classes = first_classes(texts, embeddings, k, cut, partition, equivalent)
    if classes is None:
        return None
    labels, own = list(classes.values()), [ratings[row] for row in classes]
    return utility_k_mean(labels, own) if mean else utility_k(labels, own)


def first_classes(
    texts: Sequence[str], embeddings: Vectors, k: int, cut: float, partition: str, equivalent: Equivalent | None = None
) -> dict[int, int] | None:
    """Class label by place of each of the first k texts with a word; None where there are fewer.

    Args:
        texts: The texts; empty for one without a word.
        embeddings: Unit rows, [n, d].
        k: How many texts are looked at.
        cut: The largest cosine distance of equivalent texts.
        partition: As in `equivalence_classes`.
        equivalent: Decides instead of the distance, such as a pair classifier.
    """
    kept = [row for row, text in enumerate(texts) if text][:k]
    if len(kept) < k:
        return None
    first = [texts[row] for row in kept]
    near = equivalent(first) if equivalent else 1 - embeddings[kept] @ embeddings[kept].T <= cut
    equal = same(first, near)
    return dict(zip(kept, equivalence_classes(first, equal, partition), strict=True))


def same(texts: Sequence[str], near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether two texts count as the same answer, for all pairs [n, n].

    Two texts of at most 5 white-space words: twice their shared word types reach the longer's word count. Others: as
    ``near`` says.

    Args:
        texts: The texts.
        near: Whether two texts are alike in meaning, [n, n].
    """
    words = [text.lower().split() for text in texts]
    equal: NDArray[np.bool_] = near.copy()
    short = [row for row, own in enumerate(words) if len(own) <= _SHORT]
    for i in short:
        for j in short:
            # Equal texts are the same also where they repeat a word, which the count of shared types would miss.
            shared = 2 * len(set(words[i]) & set(words[j])) >= max(len(words[i]), len(words[j]))
            equal[i, j] = shared or words[i] == words[j]
    np.fill_diagonal(equal, True)
    return equal


def equivalence_classes(texts: Sequence[str], equal: NDArray[np.bool_], partition: str = "linkage") -> list[int]:
    """Class labels of texts, counted from 0 in order of first appearance.

    Args:
        texts: The texts.
        equal: Symmetric, whether two texts are the same, [n, n].
        partition: ``linkage``: average linkage on 1 - same, cut at 0.5. ``greedy``: each text joins
            the first class whose first member is the same, as their code does; depends on the order.
    """
    if partition == "greedy":
        return _greedy(equal)
    n = len(equal)
    if n < 2:
        return [0] * n
    from scipy.cluster.hierarchy import fcluster, linkage

    # Distances of 0 and 1 tie often, and linkage breaks ties by place: a fixed order makes the result order-free.
    order = np.array(sorted(range(n), key=texts.__getitem__))
    distances = 1.0 - equal[np.ix_(order, order)][np.triu_indices(n, 1)]
    labels = np.empty(n, dtype=np.int64)
    labels[order] = fcluster(linkage(distances, "average"), 0.5, "distance")
    names: dict[int, int] = {}
    return [names.setdefault(label, len(names)) for label in labels.tolist()]


def _greedy(equal: NDArray[np.bool_]) -> list[int]:
    """Each text joins the first class whose first member is the same."""
    firsts: list[int] = []
    labels = []
    for text in range(len(equal)):
        joined = next((label for label, first in enumerate(firsts) if equal[text, first]), len(firsts))
        if joined == len(firsts):
            firsts.append(text)
        labels.append(joined)
    return labels


def utility_k(classes: Sequence[int], ratings: Sequence[float], p: float = _PATIENCE) -> float | None:
    """Sum p^(i-1) g_i / sum p^(i-1), g_i = the rating of text i if it opens a new class, else 0.

    Range [0, 10] for ratings 1..10, higher is more diverse and better; depends on the order. Null
    for no text.

    Args:
        classes: Class labels in the order of reading.
        ratings: One rating a text.
        p: The reader's patience.
    """
    if not classes:
        return None
    weights = [p**place for place in range(len(classes))]
    new = [label not in classes[:place] for place, label in enumerate(classes)]
    gains = (weight * rating for weight, rating, opens in zip(weights, ratings, new, strict=True) if opens)
    return sum(gains) / sum(weights)


def reward_rating(reward: float) -> int:
    """What a text is worth to a reader by the logit of `REWARD_MODEL`, whose scale the steps are made for.

    Range 1..10, higher is better; a logit on a step belongs to the lower rating.
    """
    return bisect_left(_STEPS, reward) + 1


def utility_k_mean(
    classes: Sequence[int], ratings: Sequence[float], p: float = _PATIENCE, *, orders: int = 100, seed: int = 0
) -> float | None:
    """Mean of ``utility_k`` over seeded orders of the texts, as the plain one depends on their order."""
    if not classes:
        return None
    generator = np.random.default_rng(seed)
    drawn = (generator.permutation(len(classes)).tolist() for _ in range(orders))
    values = [utility_k([classes[i] for i in order], [ratings[i] for i in order], p) for order in drawn]
    return float(np.mean([value for value in values if value is not None]))
