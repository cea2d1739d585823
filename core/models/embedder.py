"""Sentence embedders: unit vectors of whole texts, and the static vectors of their word pieces."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
import regex
from numpy.typing import NDArray

from ..errors import DivtoolError
from .embedded import EMBEDDERS
from .language import quiet_libraries
from .vector_cache import VectorCache, fingerprint

Vectors = NDArray[np.float64]
_Raw = NDArray[np.float32]

_LETTER = regex.compile(r"[\p{L}\p{N}]")
_SPACE = regex.compile(r"\s")
_LONE_SURROGATE = regex.compile(r"[\ud800-\udfff]")
_CPU_BATCH = 2_048  # tokens; a batch of this size stays in a processor's caches
_BATCH = 16_384  # tokens, on an accelerator
_KEPT_AT_ONCE = 1_024  # vectors
_FILL = 0.9  # of the limit, for the pieces of a long text: few of them turn out too long
_CHARACTERS_AT_ONCE = 1 << 18  # given to the tokenizer, which needs over 100 bytes for each
_UNSTATED_LIMIT = 512  # tokens, for encoders that do not state theirs


class Embedder:
    """A sentence-transformers model; a plain encoder gets mean pooling from the library.

    Args:
        name: An alias, a folder or a hub id.
        device: A torch device, or None for the library's choice.
        cache: Where vectors are kept between runs, or None.

    Raises:
        DivtoolError: No such model.
    """

    def __init__(self, name: str, device: str | None = None, cache: VectorCache | None = None) -> None:
        quiet_libraries()
        logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
        from sentence_transformers import SentenceTransformer

        self.name = name
        self._cache = cache
        try:
            self._model = SentenceTransformer(_source(name), device=device)
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            known = EMBEDDERS.get(name)
            remedy = f"use an alias ({', '.join(EMBEDDERS)}), a sentence-transformers folder or a hub id"
            raise DivtoolError(
                f"embedder '{name}' cannot be loaded ({reason}); {known.remedy if known else remedy}"
            ) from error

    def describe(self) -> str:
        """One line: name, width, device."""
        return f"{self.name}: sentence embedder, {self._model.device}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, [texts, d], float64; each distinct text is encoded once.

        A text beyond the encoder's limit is cut into consecutive pieces, whose vectors are averaged by token count.
        Lone surrogates are read as U+FFFD.

        Raises:
            DivtoolError: The encoder gives a number that is not finite.
        """
        if not texts:
            return np.zeros((0, self._width))
        clean = [_clean(text) for text in texts]
        row = {text: number for number, text in enumerate(dict.fromkeys(clean))}
        parts = self._pieces(list(row))
        lengths = {piece: length for pieces in parts for piece, length in pieces}
        of_pieces = _unit(self._raw(lengths).astype(np.float64))
        piece_row = {piece: number for number, piece in enumerate(lengths)}
        taken = [piece_row[piece] for pieces in parts for piece, _ in pieces]
        weights = np.array([max(length, 1) for pieces in parts for _, length in pieces], dtype=np.float64)
        starts = np.cumsum([0, *(len(pieces) for pieces in parts[:-1])])
        of_texts = _unit(np.add.reduceat(of_pieces[taken] * weights[:, None], starts, axis=0))
        return of_texts[[row[text] for text in clean]]

    def piece_resultant(self, text: str) -> tuple[Vectors, int]:
        """The sum of the unit input vectors of a text's word pieces [d], and their number.

        Specials, pieces without a letter or digit, and zero vectors are left out. The mean pairwise cosine distance
        follows in closed form, so memory does not grow with the text.

        Raises:
            DivtoolError: The encoder has no table of input vectors.
        """
        return self.piece_resultants([text])[0]

    def piece_resultants(self, texts: Sequence[str]) -> list[tuple[Vectors, int]]:
        """`piece_resultant` of each text."""
        return [self._resultant(ids) for ids in self._token_ids([_clean(text) for text in texts])]

    def _resultant(self, ids: Sequence[int]) -> tuple[Vectors, int]:
        unique, counts = np.unique(np.asarray(ids, dtype=np.int64), return_counts=True)
        kept = self._is_word_piece[unique]
        unique, counts = unique[kept], counts[kept]
        total = (counts / self._lengths[unique]) @ self._table[unique].astype(np.float64)
        return total, int(counts.sum())

    def _raw(self, lengths: Mapping[str, int]) -> _Raw:
        """The encoder's own vectors of distinct pieces, [pieces, d], in their order.

        Args:
            lengths: Pieces, with their token counts.
        """
        known = self._cache.get(self._fingerprint, lengths, self._width) if self._cache else {}
        fresh: dict[str, _Raw] = {}
        budget = _CPU_BATCH if self._model.device.type == "cpu" else _BATCH
        for batch in _batches({piece: n for piece, n in lengths.items() if piece not in known}, budget):
            fresh.update(zip(batch, self._encoded(batch), strict=True))
            if len(fresh) >= _KEPT_AT_ONCE:
                self._keep(fresh)
                known.update(fresh)
                fresh = {}
        self._keep(fresh)
        known.update(fresh)
        return np.stack([known[piece] for piece in lengths])

    def _encoded(self, batch: list[str]) -> _Raw:
        vectors = np.asarray(
            self._model.encode(batch, batch_size=len(batch), show_progress_bar=False), dtype=np.float32
        )
        if not np.isfinite(vectors).all():
            raise DivtoolError(f"embedder '{self.name}' gives numbers that are not finite; use another one or --device")
        return vectors

    def _keep(self, vectors: Mapping[str, _Raw]) -> None:
        if self._cache:
            self._cache.put(self._fingerprint, vectors)

    def _pieces(self, texts: Sequence[str]) -> list[list[tuple[str, int]]]:
        """Each text in consecutive pieces that the encoder takes whole, with their token counts."""
        if math.isinf(self._room):
            return [[(text, len(text))] for text in texts]
        counts = [len(ids) for ids in self._token_ids(texts)]
        return [
            [(text, count)] if count <= self._room else self._cut(text, count)
            for text, count in zip(texts, counts, strict=True)
        ]

    def _cut(self, text: str, count: int) -> list[tuple[str, int]]:
        """A text of too many tokens in pieces of nearly equal length; tokens are counted anew in every piece."""
        pieces: list[tuple[str, int]] = []
        parts = _at_spaces(text, int(count / (_FILL * self._room)) + 1)
        for part, ids in zip(parts, self._token_ids(parts), strict=True):
            if len(ids) > self._room and len(part) > 1:
                pieces.extend(self._cut(part, len(ids)))
            elif ids:
                pieces.append((part, len(ids)))
        return pieces

    def _token_ids(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Token ids of each text, without specials."""
        waiting: list[str] = []
        size = 0
        for text in texts:
            if size + len(text) > _CHARACTERS_AT_ONCE:
                yield from self._tokenized(waiting)
                waiting, size = [], 0
            if len(text) > _CHARACTERS_AT_ONCE:
                parts = _at_spaces(text, len(text) // _CHARACTERS_AT_ONCE + 1)
                yield [token for part in parts for token in self._tokenized([part])[0]]
            else:
                waiting.append(text)
                size += len(text)
        yield from self._tokenized(waiting)

    def _tokenized(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        tokenizer = self._model.tokenizer
        if not callable(tokenizer):  # Static embeddings carry a bare one of the `tokenizers` library.
            return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
        ids: list[list[int]] = tokenizer(
            texts,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,  # Else it warns of texts beyond the limit, which are cut here.
        )["input_ids"]
        return ids

    @cached_property
    def _room(self) -> float:
        """The most tokens of a piece, beside the specials and the prompt."""
        limit: float = self._model.max_seq_length or _UNSTATED_LIMIT
        if math.isinf(limit):
            return math.inf
        if limit > 1e6:  # transformers' way to say that none is stated
            limit = _UNSTATED_LIMIT
        prompt = self._model.prompts.get(self._model.default_prompt_name) or ""
        around: int = self._model.tokenizer.num_special_tokens_to_add() + len(self._tokenized([prompt])[0])
        return max(1, limit - around)

    @cached_property
    def _width(self) -> int:
        return len(self._encoded([""])[0])

    @cached_property
    def _fingerprint(self) -> bytes:
        return fingerprint(self._model)

    @cached_property
    def _table(self) -> _Raw:
        """The input vectors, [tokens, d]."""
        first = self._model[0]
        try:
            static = getattr(first, "embedding", None)
            weight = (static or first.auto_model.get_input_embeddings()).weight
        except (AttributeError, NotImplementedError):
            raise DivtoolError(
                f"embedder '{self.name}' has no table of word-piece vectors, which dsi_lite needs; "
                f"use a text encoder such as {next(iter(EMBEDDERS))}"
            ) from None
        return np.asarray(weight.detach().float().cpu().numpy(), dtype=np.float32)

    @cached_property
    def _lengths(self) -> Vectors:
        squares: Vectors = np.einsum("td,td->t", self._table, self._table, dtype=np.float64)
        return np.sqrt(squares)

    @cached_property
    def _is_word_piece(self) -> NDArray[np.bool_]:
        """For each token whether it counts: a letter or digit in its text, and a vector with a direction."""
        tokenizer = self._model.tokenizer
        one_each = [[token] for token in range(len(self._table))]
        # Decoded one by one, since byte-level tokens spell a space with a letter.
        if callable(tokenizer):
            texts, special = tokenizer.batch_decode(one_each), set(tokenizer.all_special_ids)
        else:
            texts, special = tokenizer.decode_batch(one_each, skip_special_tokens=True), set()
        spelled = np.array([i not in special and bool(_LETTER.search(text)) for i, text in enumerate(texts)])
        return spelled & np.isfinite(self._lengths) & (self._lengths > 0)


def _batches(lengths: Mapping[str, int], budget: int) -> Iterator[list[str]]:
    """Texts of nearly equal length together, longest first: a batch is padded to its longest."""
    ordered = sorted(lengths, key=lengths.__getitem__, reverse=True)
    start = 0
    while start < len(ordered):
        size = max(1, budget // (lengths[ordered[start]] + 2))
        yield ordered[start : start + size]
        start += size


def _at_spaces(text: str, count: int) -> list[str]:
    """A text in about `count` parts of nearly equal length, cut before white space where there is some nearby."""
    step = len(text) / count
    marks = [0]
    for number in range(1, count):
        mark = round(number * step)
        space = _SPACE.search(text, mark, mark + math.ceil(step / 2))
        marks.append(space.start() if space else mark)
    return [part for a, b in pairwise([*marks, len(text)]) if (part := text[a:b])]


def _clean(text: str) -> str:
    """The text as tokenizers take it: half a character is none."""
    clean: str = _LONE_SURROGATE.sub("\ufffd", text)
    return clean


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def _source(name: str) -> str:
    alias = EMBEDDERS.get(name)
    if alias is None:
        return name
    packaged = alias.packaged()
    return str(packaged) if packaged else alias.hub_id
