"""Laws with too many values to list: the heaviest beginnings of their texts exactly, the rest by draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DivtoolError
from ...models.tree.tokens import Tails
from ...models.tree.trie import Floats, TokenTrie
from ...targets.prefixes import END, SYMBOLS, heaviest

if TYPE_CHECKING:
    from ...targets.laws import Law

# Beginnings that are learnt exactly; values that a step draws below them; draws that it takes to find so many.
_EXACT, _DRAWN, _DRAWS = 512, 64, 4096


@dataclass(frozen=True, slots=True)
class LazyLaw:
    """A law as a tree that ends where it becomes thin.

    Attributes:
        law: The law.
        tokens: The token of each symbol of a text, the end among them.
        inside: The beginnings of texts that are nodes of the tree.
        trie: Those beginnings, each with all that can follow it.
        masses: [E], the probability of each edge.
    """

    law: Law
    tokens: Mapping[str, int]
    inside: frozenset[str]
    trie: TokenTrie
    masses: Floats

    def draw(self, numbers: np.random.Generator) -> tuple[TokenTrie, Floats] | None:
        """Values of the law that lead below the tree, with the mass of each edge there.

        Learnt beside the tree's own edges they give, on average, the loss over all values.

        Args:
            numbers: Where the draws come from.

        Returns:
            A tree of the drawn values and [E] masses, 0 on the edges of the tree above; None where no draw leads below.
        """
        texts = self.law.draw(_DRAWS, numbers)
        below = [text for text in texts if text not in self.inside]
        if not below:
            return None
        used = below[:_DRAWN]
        # The share of draws that lead below is the mass there.
        weight = len(below) / _DRAWS / len(used)
        trie = TokenTrie.build([(*(self.tokens[symbol] for symbol in text), self.tokens[END]) for text in used])
        masses = np.zeros(trie.edges)
        for text, path in zip(used, trie.paths, strict=True):
            known = next(size for size in range(len(text) + 1) if text[:size] not in self.inside)
            masses[path[known : len(text) + 1]] += weight
        return trie, masses


def lazy_law(law: Law, tokenizer: Any, samples: Sequence[str], tails: Tails) -> LazyLaw:
    """A law in a model's tokens.

    Args:
        law: The law.
        tokenizer: The model's.
        samples: Texts of the law.
        tails: The same texts as tokens.

    Raises:
        DivtoolError: The tokenizer does not give each symbol a token of its own.
    """
    assert tails.ends is not None
    tokens = {**_symbol_tokens(law, tokenizer, samples, tails.tails), END: tails.ends.trained}
    nodes = heaviest(law, _EXACT)
    inside = frozenset(node.prefix for node in nodes)
    sequences, weights = [], []
    for node in nodes:
        before = [tokens[symbol] for symbol in node.prefix]
        for symbol, mass in node.followers.items():
            if symbol == END or node.prefix + symbol not in inside:
                sequences.append([*before, tokens[symbol]])
                weights.append(mass)
    trie = TokenTrie.build(sequences)
    return LazyLaw(law, tokens, inside, trie, trie.edge_masses(weights))


def _symbol_tokens(
    law: Law, tokenizer: Any, samples: Sequence[str], tails: Sequence[tuple[int, ...]]
) -> dict[str, int]:
    found: dict[str, int] = {}
    for text, tail in zip(samples, tails, strict=True):
        if len(text) != len(tail) or any(
            found.setdefault(symbol, token) != token for symbol, token in zip(text, tail, strict=True)
        ):
            raise DivtoolError(
                f"the law has {law.size:,} values, too many to list, and the tokenizer does not write {text!r} "
                "symbol by symbol; give fewer 'decimals' or a narrower law"
            )
    for symbol in SYMBOLS:
        if symbol not in found:
            found[symbol] = tokenizer(symbol, add_special_tokens=False)["input_ids"][-1]
    return found
