"""Token sequences as a prefix tree, in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TokenTrie:
    """A prefix tree of token sequences with N internal nodes, E edges and S sequences.

    Internal nodes are those with a child; they come in depth-first order, so a node stands behind its parent and right
    before its own subtree. An edge leads from a node to a child, or to a leaf.

    Attributes:
        token: [N], the token that leads to the node; -1 of the root, node 0.
        parent: [N], its parent; -1 of the root.
        depth: [N], tokens from the root.
        subtree_end: [N], one past the last node of its subtree.
        edge_parent: [E], the node where the edge begins.
        edge_token: [E], its token.
        edge_child: [E], the internal node where it ends; -1: a leaf.
        paths: [S, longest], the edges of each sequence from the root on, filled up with -1.
    """

    token: Ints
    parent: Ints
    depth: Ints
    subtree_end: Ints
    edge_parent: Ints
    edge_token: Ints
    edge_child: Ints
    paths: Ints

    @classmethod
    def build(cls, sequences: Sequence[Sequence[int]]) -> Self:
        """The tree of some sequences, which may repeat or begin one another.

        Args:
            sequences: Token ids, at least one in each, with the end id as last token where it is wanted.

        Raises:
            ValueError: There is no sequence, or one is empty.
        """
        if not sequences or not all(len(sequence) for sequence in sequences):
            raise ValueError("a tree needs sequences of at least one token")
        tokens, order = _sorted_rows(sequences)
        fresh = _fresh(tokens)
        edges = np.where(fresh, np.cumsum(fresh).reshape(fresh.shape) - 1, 0)
        # In sorted order a prefix is the latest one of its length that was new.
        edges = np.where(tokens >= 0, np.maximum.accumulate(edges, axis=0), -1)
        rows, columns = np.nonzero(fresh)
        above = np.where(columns > 0, edges[rows, columns - 1], -1)
        inner = np.zeros(len(rows), dtype=bool)
        inner[above[above >= 0]] = True
        child = np.where(inner, np.cumsum(inner), -1)
        edge_parent = np.where(above >= 0, child[above], 0)
        token = np.concatenate([[-1], tokens[rows, columns][inner]])
        parent = np.concatenate([[-1], edge_parent[inner]])
        depth = np.concatenate([[0], columns[inner] + 1])
        paths = np.empty_like(edges)
        paths[order] = edges
        return cls(token, parent, depth, _ends(parent), edge_parent, tokens[rows, columns], child, paths)

    @property
    def nodes(self) -> int:
        """N, internal nodes."""
        return len(self.token)

    @property
    def edges(self) -> int:
        """E."""
        return len(self.edge_token)

    @cached_property
    def leaf_edge(self) -> Ints:
        """[S], the last edge of each sequence."""
        lengths = (self.paths >= 0).sum(1)
        last: Ints = self.paths[np.arange(len(lengths)), lengths - 1]
        return last

    @cached_property
    def node_edge(self) -> Ints:
        """[N], the edge that leads to the node; -1 of the root."""
        edge = np.full(self.nodes, -1)
        inner = np.flatnonzero(self.edge_child >= 0)
        edge[self.edge_child[inner]] = inner
        return edge

    def edges_of(self, nodes: Ints) -> tuple[Ints, Ints]:
        """The edges that begin at some nodes, and for each the place of its node among them."""
        place = np.full(self.nodes, -1)
        place[nodes] = np.arange(len(nodes))
        found = place[self.edge_parent]
        edges = np.flatnonzero(found >= 0)
        return edges, found[edges]

    def ancestors(self, node: int) -> Ints:
        """The nodes above a node, the root first."""
        above = []
        while (node := int(self.parent[node])) >= 0:
            above.append(node)
        return np.array(above[::-1], dtype=np.int64)

    def sequences(self) -> list[tuple[int, ...]]:
        """The sequences that the tree was built of."""
        return [tuple(self.edge_token[path[path >= 0]].tolist()) for path in self.paths]

    def edge_masses(self, weights: Sequence[float] | Floats) -> Floats:
        """[E], the weight of the sequences that run through each edge.

        Args:
            weights: [S], one a sequence.
        """
        used = self.paths >= 0
        each = np.broadcast_to(np.asarray(weights, dtype=np.float64)[:, None], used.shape)
        return np.asarray(np.bincount(self.paths[used], each[used], self.edges), dtype=np.float64)

    def sequence_logprobs(self, edge_logprobs: Floats) -> Floats:
        """[S], the natural-log probability of each sequence given the prompt.

        Args:
            edge_logprobs: [E], of each edge's token behind its node.
        """
        each: Floats = np.where(self.paths >= 0, edge_logprobs[self.paths], 0.0)
        return np.asarray(each.sum(1))

    def reach(self, edge_logprobs: Floats) -> Floats:
        """[N], the natural-log probability of coming to each node.

        Args:
            edge_logprobs: [E], of each edge's token behind its node.
        """
        reach = np.zeros(self.nodes)
        for depth in range(1, int(self.depth.max()) + 1):
            here = np.flatnonzero(self.depth == depth)
            reach[here] = reach[self.parent[here]] + edge_logprobs[self.node_edge[here]]
        return reach


@dataclass(frozen=True, slots=True)
class Chunk:
    """Nodes that are run together.

    Attributes:
        first: The first node whose row is read.
        last: One past the last one.
        context: The nodes above the first, the root left out, which are fed again.
    """

    first: int
    last: int
    context: Ints


def chunks(trie: TokenTrie, limit: int, first: int = 0) -> list[Chunk]:
    """The nodes in depth-first order, cut into runs of at most `limit`: every node is read in one chunk only.

    A run of that order needs no nodes but its own and those above its first one.

    Args:
        trie: The tree.
        limit: Rows of a chunk, at least 1.
        first: The node to begin with: 1 where the root's row is known.
    """
    starts = range(first, trie.nodes, limit)
    return [Chunk(start, min(start + limit, trie.nodes), trie.ancestors(start)[1:]) for start in starts]


def visible(trie: TokenTrie, nodes: Ints) -> NDArray[np.bool_]:
    """[n, n], what each of some nodes sees of them: itself and those above it.

    Args:
        trie: The tree.
        nodes: In ascending order.
    """
    rows, columns = nodes[:, None], nodes[None, :]
    return (columns <= rows) & (rows < trie.subtree_end[columns])


def _sorted_rows(sequences: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    """The sequences in ascending order, filled up with -1, and their places in the order given."""
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    padded = np.full((len(sequences), int(lengths.max())), -1, dtype=np.int64)
    flat = np.fromiter((token for sequence in sequences for token in sequence), dtype=np.int64, count=lengths.sum())
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = flat
    order = np.lexsort(padded.T[::-1])
    return padded[order], order


def _fresh(tokens: Ints) -> NDArray[np.bool_]:
    """Where a row of the sorted sequences has a prefix that the row before does not have."""
    differs = np.ones(tokens.shape, dtype=bool)
    differs[1:] = np.logical_or.accumulate(tokens[1:] != tokens[:-1], axis=1)
    return differs & (tokens >= 0)


def _ends(parent: Ints) -> Ints:
    """One past the last node of each subtree, of nodes in depth-first order."""
    ends = np.arange(1, len(parent) + 1)
    for node in range(len(parent) - 1, 0, -1):
        above = parent[node]
        ends[above] = max(ends[above], ends[node])
    return ends
