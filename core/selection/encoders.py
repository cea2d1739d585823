"""Vectors of a prompt's texts, and the signals that can be computed anew from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..metrics.ngrams import pool_word_rarity
from ..metrics.semantic import semantic_deviation
from ..metrics.style import style_lite
from ..metrics.supplies import Announce, Sources, open_embedder
from ..metrics.text import Tokenizer
from .pools import column

if TYPE_CHECKING:
    from ..models.embedder import Embedder

Floats = NDArray[np.float64]

SEMANTIC, STYLE, RARITY = "semantic_deviation", "style_deviation", "pool_word_rarity"
OF_THE_POOL = (SEMANTIC, STYLE, RARITY)


class Encoders:
    """The encoders of a run, each opened once.

    Args:
        sources: Which they are.
        tokenize: Text to words.
        announce: Hears which models are opened.
    """

    def __init__(self, sources: Sources, tokenize: Tokenizer, announce: Announce) -> None:
        self._sources, self._tokenize, self._announce = sources, tokenize, announce
        self._opened: dict[str, Embedder] = {}

    def open(self, signals: Sequence[str]) -> None:
        """Load what these signals need.

        Raises:
            DivtoolError: It cannot be loaded, or the extra is not installed.
        """
        if SEMANTIC in signals:
            self._embedder(self._sources.embedder)
        if STYLE in signals and self._sources.style_embedder is not None:
            self._embedder(self._sources.style_embedder)

    def _embedder(self, name: str) -> Embedder:
        if name not in self._opened:
            self._opened[name] = open_embedder(name, self._sources, self._announce)
        return self._opened[name]

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of the texts, [n, d]."""
        return self._embedder(self._sources.embedder).encode(texts)

    def signal(self, name: str, texts: Sequence[str]) -> Floats:
        """One of `OF_THE_POOL` over these texts as a pool, NaN for null, [n]."""
        return column(self._ways()[name](texts))

    def _ways(self) -> dict[str, Callable[[Sequence[str]], list[float | None]]]:
        return {
            SEMANTIC: lambda texts: semantic_deviation(self.vectors(texts)),
            STYLE: lambda texts: semantic_deviation(self._style(texts)),
            RARITY: lambda texts: pool_word_rarity([self._tokenize(text) for text in texts]),
        }

    def _style(self, texts: Sequence[str]) -> Floats:
        if self._sources.style_embedder is None:
            return np.stack([style_lite(text) for text in texts])
        return self._embedder(self._sources.style_embedder).encode(texts)

    def origin(self, name: str) -> str:
        """What a signal computed here comes from."""
        style = self._sources.style_embedder or "style-lite"
        return {SEMANTIC: self._sources.embedder, STYLE: style, RARITY: "words of the pool"}[name]
