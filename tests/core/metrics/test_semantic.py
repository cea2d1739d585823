from __future__ import annotations

import warnings
from itertools import combinations
from math import inf

import numpy as np
import pytest

from divtool.core.metrics import semantic

ORDERS = (0.5, 1, 2, inf)
SET_METRICS = (
    semantic.semantic_distance,
    semantic.chamfer,
    semantic.vendi,
    semantic.effective_rank,
    semantic.semantic_clusters,
    semantic.cluster_entropy,
    semantic.cluster_entropy_norm,
)


def unit(n: int, d: int, seed: int = 0):
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_distances(x):
    assert semantic.semantic_distance(x) == pytest.approx(0.6866666666666666, abs=1e-12)
    assert semantic.semantic_deviation(x) == pytest.approx(
        [0.8, 0.64, 0.7333333333333333, 0.5733333333333334], abs=1e-12
    )
    assert semantic.chamfer(x) == pytest.approx(0.3, abs=1e-12)


def test_vendi(x):
    expected = [2.8087687220527675, 2.663592136721669, 2.4764735017335315, 2.0]
    assert [semantic.vendi(x, q) for q in ORDERS] == pytest.approx(expected, abs=1e-9)
    pair = np.array([[1, 0], [0.5, np.sqrt(0.75)]])
    assert [semantic.vendi(pair, q) for q in (1, 2, inf)] == pytest.approx([1.7547653506, 1.6, 4 / 3], abs=1e-9)


def test_effective_rank(x):
    assert semantic.effective_rank(x) == pytest.approx(2.12471518213, abs=1e-9)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    shares = values[values > 1e-9] / values.sum()
    assert semantic.effective_rank(x) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), abs=1e-9)


@pytest.mark.parametrize(("n", "d"), [(7, 3), (7, 20), (1100, 5)])
def test_closed_forms_equal_the_plain_ones(n, d):
    rows = unit(n, d)
    similarities = rows @ rows.T
    off = ~np.eye(n, dtype=bool)
    assert semantic.semantic_distance(rows) == pytest.approx(1 - similarities[off].mean(), abs=1e-12)
    deviations = [1 - similarities[i][off[i]].mean() for i in range(n)]
    assert semantic.semantic_deviation(rows) == pytest.approx(deviations, abs=1e-12)
    nearest = [1 - similarities[i][off[i]].max() for i in range(n)]
    assert semantic.chamfer(rows) == pytest.approx(np.mean(nearest), abs=1e-12)
    values = np.linalg.eigvalsh(similarities / n)
    values = values[values > 1e-12]
    assert semantic.vendi(rows) == pytest.approx(np.exp(-(values * np.log(values)).sum()), rel=1e-9)
    assert semantic.vendi(rows, 2) == pytest.approx(1 / (values**2).sum(), rel=1e-9)
    singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    shares = singular[singular > 1e-6 * singular.max()]
    shares /= shares.sum()
    assert semantic.effective_rank(rows) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-9)


def test_equal_rows_are_the_least_diverse():
    rows = np.tile(unit(1, 384), (9, 1))
    assert semantic.semantic_distance(rows) == pytest.approx(0, abs=1e-12)
    assert semantic.semantic_deviation(rows) == pytest.approx([0] * 9, abs=1e-12)
    assert semantic.chamfer(rows) == pytest.approx(0, abs=1e-12)
    assert [semantic.vendi(rows, q) for q in ORDERS] == pytest.approx([1] * 4, abs=1e-9)
    assert semantic.effective_rank(rows) == 0.0
    assert semantic.semantic_clusters(rows) == 1
    assert semantic.cluster_entropy(rows) == 0
    assert semantic.cluster_entropy_norm(rows) == 0


@pytest.mark.parametrize("n", [3, 8])
def test_orthonormal_rows_are_the_most_diverse(n):
    rows = np.eye(n)
    assert [semantic.vendi(rows, q) for q in ORDERS] == pytest.approx([n] * 4, abs=1e-9)
    assert semantic.semantic_distance(rows) == pytest.approx(1)
    assert semantic.effective_rank(rows) == pytest.approx(n - 1)
    assert semantic.semantic_clusters(rows) == n
    assert semantic.cluster_entropy_norm(rows) == pytest.approx(1)


def test_opposite_rows_reach_the_end_of_the_range():
    rows = np.array([[1.0, 0], [-1, 0]])
    assert semantic.semantic_distance(rows) == 2
    assert semantic.chamfer(rows) == 2


def test_clusters_by_average_linkage():
    angles = np.array([0, 0.3, 0.7, 1.6, 3.1])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert semantic.semantic_clusters(rows, cut=0.04) == 5
    assert semantic.semantic_clusters(rows, cut=0.10) == 4
    assert semantic.cluster_entropy(rows, cut=0.10) == pytest.approx(1.9219280949, abs=1e-9)
    assert semantic.semantic_clusters(rows) == 3
    assert semantic.cluster_entropy(rows) == pytest.approx(1.3709505945, abs=1e-9)
    assert semantic.cluster_entropy_norm(rows) == pytest.approx(1.3709505945 / np.log2(5), abs=1e-9)


def test_too_many_texts_to_cluster_give_null_and_one_warning():
    rows = unit(2001, 3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        assert semantic.semantic_clusters(rows) is None
        assert semantic.cluster_entropy(rows) is None
        assert semantic.cluster_entropy_norm(rows) is None
    assert ["2000 texts" in str(each.message) for each in caught] == [True]


@pytest.mark.parametrize("metric", [semantic.dsi, semantic.dsi_lite])
def test_dsi_from_the_sum_of_the_vectors(metric):
    vectors = np.array([[1, 0], [0, 1], [-1, 0]])
    assert metric(semantic.resultant(vectors)) == pytest.approx(4 / 3)
    assert metric(semantic.resultant(vectors.astype(np.float32) * 7)) == pytest.approx(4 / 3)
    assert metric(semantic.resultant(np.vstack([vectors, np.zeros((2, 2))]))) == pytest.approx(4 / 3)
    rows = np.random.default_rng(1).standard_normal((30, 8))
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in combinations(rows, 2)]
    assert metric(semantic.resultant(rows)) == pytest.approx(1 - np.mean(cosines), abs=1e-12)


@pytest.mark.parametrize("vectors", [np.zeros((0, 4)), np.ones((1, 4)), np.array([[1.0, 0], [0, 0]])])
def test_dsi_needs_two_vectors(vectors):
    assert semantic.dsi_lite(semantic.resultant(vectors)) is None


def test_chamfer_in_blocks_and_with_copies(monkeypatch):
    rows = np.random.default_rng(2).standard_normal((50, 4))
    rows = np.vstack([rows, rows[:7]])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    distances = 1 - rows @ rows.T
    np.fill_diagonal(distances, np.inf)
    expected = np.clip(distances.min(axis=1), 0, None).mean()
    assert semantic.chamfer(rows) == pytest.approx(expected, abs=1e-12)
    monkeypatch.setattr(semantic, "_BLOCK_CELLS", 120)
    assert semantic.chamfer(rows) == pytest.approx(expected, abs=1e-12)


def test_zero_rows_are_left_out(x):
    rows = np.vstack([np.zeros(3), x, np.zeros(3)])
    for metric in SET_METRICS:
        assert metric(rows) == pytest.approx(metric(x))
    deviations = semantic.semantic_deviation(rows)
    assert (deviations[0], deviations[-1]) == (None, None)
    assert deviations[1:-1] == pytest.approx(semantic.semantic_deviation(x))


@pytest.mark.parametrize(("metric", "least"), list(zip(SET_METRICS, (2, 2, 1, 3, 1, 1, 2), strict=True)))
def test_null_below_the_least_number_of_texts(metric, least):
    assert metric(np.zeros((0, 4))) is None
    assert metric(np.vstack([np.eye(4)[: least - 1], np.zeros((2, 4))])) is None
    assert metric(np.eye(4)[:least]) is not None


def test_deviation_needs_another_text():
    assert semantic.semantic_deviation(np.array([[1.0, 0], [0, 0]])) == [None, None]
    assert semantic.semantic_deviation(np.zeros((0, 2))) == []


def test_distance_of_100_000_texts_needs_no_square_matrix():
    rows = unit(100_000, 8)
    assert semantic.semantic_distance(rows) == pytest.approx(1, abs=0.01)
