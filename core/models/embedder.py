"""Sentence embedders: unit vectors of whole texts, and the static vectors of their word pieces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from ..errors import DivtoolError
from .embedded import EMBEDDERS
from .language import quiet_libraries

Vectors = NDArray[np.float64]
_LETTER = regex.compile(r"[\p{L}\p{N}]")


class Embedder:
    """A sentence-transformers model.

    Args:
        name: An alias, a folder or a hub id.
        device: A torch device, or None for the library's choice.

    Raises:
        DivtoolError: No such model.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        quiet_libraries()
        from sentence_transformers import SentenceTransformer

        self.name = name
        try:
            self._model = SentenceTransformer(_source(name), device=device)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise DivtoolError(
                f"embedder '{name}' cannot be loaded ({reason}); "
                f"use an alias ({', '.join(EMBEDDERS)}), a sentence-transformers folder or a hub id"
            ) from error

    def describe(self) -> str:
        """One line: name, width, device."""
        return f"{self.name}: sentence embedder, {self._model.device}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, [texts, d], float64.

        A text beyond the encoder's limit is cut into consecutive pieces, whose vectors are averaged by token count.

        Args:
            texts: Distinct texts; the library sorts them by length.
        """
        pieces = [self._pieces(text) for text in texts]
        flat = [piece for parts in pieces for piece, _ in parts]
        vectors = np.asarray(self._model.encode(flat, show_progress_bar=False, batch_size=64), dtype=np.float64)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        ends = np.cumsum([0, *(len(parts) for parts in pieces)])
        weights = np.array([n_tokens for parts in pieces for _, n_tokens in parts], dtype=np.float64)
        rows = [np.average(vectors[a:b], axis=0, weights=weights[a:b]) for a, b in pairwise(ends)]
        whole = np.stack(rows)
        unit: Vectors = whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-12)
        return unit

    def _pieces(self, text: str) -> list[tuple[str, int]]:
        """The text in pieces that the encoder takes whole, each with its number of tokens."""
        limit = self._model.max_seq_length or 512
        room = limit - self._tokenizer.num_special_tokens_to_add()
        if len(text) <= room:  # No word piece is shorter than a character.
            return [(text, 1)]
        offsets = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        if len(offsets) <= room:
            return [(text, 1)]
        runs = [offsets[start : start + room] for start in range(0, len(offsets), room)]
        return [(text[run[0][0] : run[-1][1]], len(run)) for run in runs]

    def piece_vectors(self, text: str) -> Vectors:
        """Rows of the input embedding table for the text's word pieces, no specials or punctuation, [pieces, d]."""
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        kept = [i for i in ids if self._is_word_piece(i)]
        return self._table[kept]

    @cached_property
    def _tokenizer(self) -> Any:
        return self._model.tokenizer

    @cached_property
    def _table(self) -> Vectors:
        weight = self._model[0].auto_model.get_input_embeddings().weight
        return np.asarray(weight.detach().float().cpu().numpy(), dtype=np.float64)

    @cached_property
    def _word_pieces(self) -> NDArray[np.bool_]:
        tokens = self._tokenizer.convert_ids_to_tokens(list(range(len(self._table))))
        special = set(self._tokenizer.all_special_ids)
        return np.array([i not in special and bool(_LETTER.search(t or "")) for i, t in enumerate(tokens)])

    def _is_word_piece(self, token_id: int) -> bool:
        return bool(self._word_pieces[token_id])


def _source(name: str) -> str:
    alias = EMBEDDERS.get(name)
    if alias is None:
        return name
    packaged = alias.packaged()
    return str(packaged) if packaged else alias.hub_id
