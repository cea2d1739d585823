"""Numeric laws of too many values to write out: the heavy part of their tree exactly, the rest by drawn paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DivtoolError
from ...targets.prefixes import END, Node, heaviest, next_symbols
from .tokens import Boundary, tails_of
from .trie import Floats, TokenTrie

if TYPE_CHECKING:
    from ...targets.laws import Law
    from ..chat import Messages
    from ..language import LanguageModel

NODES, PATHS = 512, 64
_TRIED = 200


@dataclass(frozen=True)
class LazyTree:
    """The tree of a law's texts under a tokenizer with one token a symbol, cut off where it becomes thin.

    Attributes:
        law: The law.
        prompt_ids: The prompt.
        boundary: How prompt and number meet, as in `Tails`.
        lead: Tokens between prompt and number that every number has; mostly none.
        symbols: The token of each digit, of the minus and of the point.
        end: The token that ends a number.
        heavy: The beginnings of texts that are counted exactly.
    """

    law: Law
    prompt_ids: list[int]
    boundary: Boundary
    lead: tuple[int, ...]
    symbols: Mapping[str, int]
    end: int
    heavy: list[Node]

    def sequence(self, text: str, *, ended: bool = True) -> tuple[int, ...]:
        """Token ids of a number or of its beginning.

        Args:
            text: Digits, minus and point.
            ended: Put the end token behind it.
        """
        return (*self.lead, *(self.symbols[symbol] for symbol in text), *([self.end] if ended else []))

    @cached_property
    def _leaves(self) -> list[tuple[str, str, float]]:
        """Prefix, symbol and mass of every step that leaves the heavy part: to an end, or to what is drawn."""
        inside = {node.prefix for node in self.heavy}
        steps = ((node.prefix, symbol, mass) for node in self.heavy for symbol, mass in node.followers.items())
        return [(prefix, symbol, mass) for prefix, symbol, mass in steps if not symbol or prefix + symbol not in inside]

    @cached_property
    def _border(self) -> list[tuple[str, float]]:
        """The beginnings right below the heavy ones, with their masses."""
        return [(prefix + symbol, mass) for prefix, symbol, mass in self._leaves if symbol != END]

    @cached_property
    def trie(self) -> TokenTrie:
        """The heavy beginnings, each with all that can follow it."""
        return TokenTrie.build([self.sequence(head + s, ended=s == END) for head, s, _ in self._leaves])

    @cached_property
    def masses(self) -> Floats:
        """[E], the probability of each edge of `trie`."""
        return self.trie.edge_masses([mass for _, _, mass in self._leaves])

    @property
    def below(self) -> float:
        """The mass of the numbers whose end is drawn, 0 to 1."""
        return float(sum(mass for _, mass in self._border))

    def draw(self, numbers: np.random.Generator, paths: int = PATHS) -> tuple[TokenTrie, Floats] | None:
        """Numbers below the heavy part, drawn from the law.

        Together with the loss over `trie` that over them is the whole law's, in expectation.

        Args:
            numbers: Draws the paths.
            paths: How many; each weighs the mass below the heavy part over their number.

        Returns:
            A tree of the drawn numbers and [E] masses, 0 on the edges that `trie` has; None where nothing is below.
        """
        if not self._border:
            return None
        shares = np.array([mass for _, mass in self._border])
        starts = [self._border[at][0] for at in numbers.choice(len(shares), size=paths, p=shares / shares.sum())]
        trie = TokenTrie.build([self.sequence(_finished(self.law, start, numbers)) for start in starts])
        masses = np.zeros(trie.edges)
        for start, path in zip(starts, trie.paths, strict=True):
            tail = path[len(self.lead) + len(start) :]
            masses[tail[tail >= 0]] += self.below / paths
        return trie, masses


def lazy_tree(
    lm: LanguageModel,
    law: Law,
    chat: Messages,
    *,
    prefill: str = "",
    end_token: str | None = None,
    nodes: int = NODES,
    seed: int = 0,
) -> LazyTree:
    """The tree of a law behind a prompt.

    Args:
        lm: The model; its tokenizer has to write numbers symbol by symbol, which is tried on 200 drawn values.
        law: The law.
        chat: (role, content) messages.
        prefill: What the assistant has said before the number.
        end_token: As for `tails_of`.
        nodes: Beginnings of texts that are counted exactly, the heaviest ones.
        seed: Of the values tried.

    Raises:
        DivtoolError: The tokenizer joins or splits symbols, or has no end id.
    """
    unit = 10**law.decimals
    shown = [law.text(k * unit) for k in (*range(10), -1)]
    texts = list(dict.fromkeys([*shown, *law.draw(_TRIED, np.random.default_rng(seed))]))
    tails = tails_of(lm, chat, texts, prefill=prefill, end_token=end_token)
    lead = tails.tails[0][: max(0, len(tails.tails[0]) - len(texts[0]))]
    symbols = _symbols(law, texts, [tail[len(lead) :] for tail in tails.tails])
    end = tails.trained[0][-1]
    return LazyTree(law, tails.prompt_ids, tails.boundary, lead, symbols, end, heaviest(law, nodes))


def _symbols(law: Law, texts: Sequence[str], tails: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """The one token of each symbol."""
    found: dict[str, int] = {}
    for text, tail in zip(texts, tails, strict=True):
        if len(tail) != len(text) or any(found.setdefault(s, t) != t for s, t in zip(text, tail, strict=True)):
            remedy = f"take fewer decimals than {law.decimals}" if law.decimals else "take a narrower law"
            raise DivtoolError(
                f"the law has {law.size:,} values, and the tokenizer does not write {text!r} with one token a symbol, "
                f"which laws of more than 20,000 values need; {remedy}"
            )
    return found


def _finished(law: Law, prefix: str, numbers: np.random.Generator) -> str:
    """A text drawn from the law, given its beginning."""
    while followers := next_symbols(law, prefix):
        symbol = str(numbers.choice(list(followers), p=list(followers.values())))
        if symbol == END:
            break
        prefix += symbol
    return prefix
