"""What tasks read responses with beside the text: vectors of phrases and of single words, opened when first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from ..metrics.supplies import Announce, Sources, Supply, open_embedder
from .word_vectors import EncodedWords, FileWords, WordVectors

Encode = Callable[[list[str]], Any]


class Tools:
    """The vectors of a call.

    Args:
        sources: Which embedder, and how to load it.
        supplied: An opened embedder, which is then taken, or None.
        vectors: File of word vectors, or None for the embedder on single words.
        vocabulary: File of the words that count among them, or None for all.
        announce: Hears what takes long.

    Attributes:
        note: What a reader must know of the word vectors, or "".

    Raises:
        InputError: One of the files cannot be read.
    """

    def __init__(
        self,
        sources: Sources,
        *,
        supplied: Supply | None = None,
        vectors: Path | None = None,
        vocabulary: Path | None = None,
        announce: Announce = lambda _: None,
    ) -> None:
        self._sources, self._supplied, self._announce = sources, supplied, announce
        self.note = ""
        self._file = FileWords(vectors, vocabulary) if vectors is not None else None

    @property
    def embedder(self) -> str:
        """The embedder's name."""
        return self._sources.embedder

    @cached_property
    def encode(self) -> Encode:
        """Texts to vectors, [n, d]."""
        if self._supplied is not None:
            return self._supplied.compute
        return open_embedder(self._sources.embedder, self._sources, self._announce).encode

    @cached_property
    def words(self) -> WordVectors:
        """Vectors of single words."""
        if self._file is not None:
            return self._file
        from ..models.vocabulary import whole_words

        return EncodedWords(self.embedder, self.encode, whole_words(self.embedder))

    def words_fit(self, found: float, least: float) -> bool:
        """Whether enough of the words are in the file of vectors; a note says so where not.

        Args:
            found: The share of words that were found.
            least: The share that is needed.
        """
        fits = self._file is None or found >= least
        self.note = "" if fits else f"only {found:.0%} of the words stand in the file of vectors"
        return fits
