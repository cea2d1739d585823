"""The tree in arrays: nodes, edges, masses, chunks."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divtool.core.models.tree.trie import TokenTrie, chunks, visible

_SEQUENCES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6).map(tuple), min_size=1, max_size=25)


def _prefixes(trie: TokenTrie) -> list[tuple[int, ...]]:
    """The tokens on the way to each node, from its parent's."""
    found: list[tuple[int, ...]] = [()]
    for node in range(1, trie.nodes):
        found.append((*found[trie.parent[node]], int(trie.token[node])))
    return found


@settings(max_examples=60, deadline=None)
@given(_SEQUENCES, st.integers(1, 7))
def test_the_tree_holds_every_prefix_once(sequences: list[tuple[int, ...]], limit: int) -> None:
    trie = TokenTrie.build(sequences)
    prefixes = _prefixes(trie)
    every = {sequence[:end] for sequence in sequences for end in range(1, len(sequence) + 1)}
    assert prefixes == sorted({sequence[:end] for sequence in sequences for end in range(len(sequence))})
    assert [len(prefix) for prefix in prefixes] == trie.depth.tolist()
    ends = [(*prefixes[trie.edge_parent[edge]], int(trie.edge_token[edge])) for edge in range(trie.edges)]
    assert sorted(ends) == sorted(every)
    for end, child in zip(ends, trie.edge_child, strict=True):
        assert prefixes[child] == end if child >= 0 else end not in prefixes
    assert [ends[edge] for edge in trie.leaf_edge] == trie.sequences() == sequences
    sees = visible(trie, np.arange(trie.nodes))
    assert all(
        sees[row, column] == (prefixes[row][: len(prefixes[column])] == prefixes[column])
        for row in range(trie.nodes)
        for column in range(trie.nodes)
    )
    parts = chunks(trie, limit)
    assert [node for part in parts for node in range(part.first, part.last)] == list(range(trie.nodes))
    for part in parts:
        inside = {0, *part.context.tolist(), *range(part.first, part.last)}
        assert all(trie.parent[node] in inside for node in range(max(1, part.first), part.last))
        assert part.last - part.first <= limit


@settings(max_examples=40, deadline=None)
@given(_SEQUENCES)
def test_masses_and_logprobs_are_sums_over_sequences(sequences: list[tuple[int, ...]]) -> None:
    trie = TokenTrie.build(sequences)
    rng = np.random.default_rng(len(sequences))
    weights, logprobs = rng.random(len(sequences)), -rng.random(trie.edges)
    masses = trie.edge_masses(weights)
    prefixes = _prefixes(trie)
    for edge in range(trie.edges):
        end = (*prefixes[trie.edge_parent[edge]], int(trie.edge_token[edge]))
        expected = sum(w for w, s in zip(weights, sequences, strict=True) if s[: len(end)] == end)
        assert masses[edge] == pytest.approx(expected)
    total = trie.sequence_logprobs(logprobs)
    assert masses @ logprobs == pytest.approx(weights @ total)
    inner = np.flatnonzero(trie.node_edge >= 0)
    reach = trie.reach(logprobs)
    np.testing.assert_allclose(reach[inner], reach[trie.parent[inner]] + logprobs[trie.node_edge[inner]])


def test_edges_of_some_nodes() -> None:
    trie = TokenTrie.build([(1, 9), (1, 2, 9), (3, 9)])
    edges, places = trie.edges_of(np.array([2, 1]))
    assert sorted(zip(trie.edge_token[edges].tolist(), places.tolist(), strict=True)) == [(2, 1), (9, 0), (9, 1)]


def test_thousands_of_sequences_take_no_time() -> None:
    rng = np.random.default_rng(0)
    sequences = [tuple(row) for row in rng.integers(0, 10, (20_000, 6)).tolist()]
    begun = time.process_time()
    trie = TokenTrie.build(sequences)
    trie.edge_masses(np.ones(len(sequences)))
    assert trie.nodes > 20_000
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("sequences", [[], [(1,), ()]])
def test_a_tree_needs_tokens(sequences: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        TokenTrie.build(sequences)
