"""Where probability leaves an answer tree: what the model would rather say than one of the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..models.tree.trie import TokenTrie

# Rows of the vocabulary that are copied at once.
ROWS = 64


def child_places(trie: TokenTrie, nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The edges that start at some nodes, and for each the place of its node among them."""
    place = np.full(trie.nodes, -1)
    place[nodes] = np.arange(len(nodes))
    rows = place[trie.edge_parent]
    edges = np.flatnonzero(rows >= 0)
    return edges, rows[edges]


class Leak:
    """Collects, while the rows of a tree are in memory, the mass of each node that goes to no child of it.

    Args:
        trie: The tree.
        top: How many of the likeliest ways out are kept.

    Attributes:
        mass: Probability of leaving at a node, given the node, float64 [nodes]; summed over the tokens that are no
            child, so that it checks the sum over the children.
    """

    def __init__(self, trie: TokenTrie, top: int = 5) -> None:
        self._trie, self._top = trie, top
        self.mass = np.zeros(trie.nodes)
        self._logprobs = np.full((trie.nodes, top), -np.inf)
        self._tokens = np.zeros((trie.nodes, top), dtype=np.int64)

    def visit(self, nodes: NDArray[np.int64], logprobs: torch.Tensor) -> None:
        """Take the rows [nodes, vocabulary] of log-probabilities in."""
        for start in range(0, len(nodes), ROWS):
            own = nodes[start : start + ROWS]
            rest = logprobs[start : start + ROWS].clone()
            edges, rows = child_places(self._trie, own)
            rest[torch.from_numpy(rows), torch.from_numpy(self._trie.edge_token[edges])] = -torch.inf
            self.mass[own] = rest.exp().sum(-1).cpu().numpy()
            best = rest.topk(min(self._top, rest.shape[-1]), dim=-1)
            width = best.values.shape[-1]
            self._logprobs[own, :width] = best.values.cpu().numpy()
            self._tokens[own, :width] = best.indices.cpu().numpy()

    def heaviest(self, reach: NDArray[np.float64], decode: Callable[[list[int]], str]) -> list[dict[str, Any]]:
        """The likeliest beginnings that no answer has, the likeliest first: `[{"prefix", "p"}]`.

        Args:
            reach: Log-probability of each node.
            decode: Token ids to text.
        """
        whole = (reach[:, None] + self._logprobs).ravel()
        order = np.argsort(-whole, kind="stable")[: self._top]
        return [
            {
                "prefix": decode([*self._path(place // self._top), int(self._tokens.flat[place])]),
                "p": float(np.exp(whole[place])),
            }
            for place in map(int, order)
            if whole[place] > -np.inf
        ]

    def _path(self, node: int) -> list[int]:
        """Tokens from the root to a node."""
        tokens: list[int] = []
        while node:
            tokens.append(int(self._trie.token[node]))
            node = int(self._trie.parent[node])
        return tokens[::-1]
