"""What metrics are computed from: each feature of a response or of a prompt's group is made once, on first use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .text import Tokenizer, sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.floating[Any]]

Lookup = Callable[[Mapping[str, Any]], Any]

# Features of a response that a model or a table supplies; see `supplies`.
SUPPLIED = frozenset(
    {"piece_resultant", "contextual_resultant", "token_logprobs", "reward_logit", "ratings", "content_frequencies"}
)


class ResponseFeatures:
    """The features of one response; ``Metric.takes`` of level ``response`` names one.

    Args:
        record: The response record.
        tokenize: Text to words.
        supplied: For each supplied feature that is asked for, record to value.
    """

    def __init__(
        self, record: Mapping[str, Any], tokenize: Tokenizer, supplied: Mapping[str, Lookup] | None = None
    ) -> None:
        self.record = record
        self.text: str = record["response"]
        self._tokenize = tokenize
        self._supplied = supplied or {}

    def get(self, name: str) -> Any:
        """A feature by name: a supplied one, or an attribute of this class."""
        if name not in SUPPLIED:
            return getattr(self, name)
        if name not in self._supplied:
            raise ValueError(f"a metric needs '{name}', and nothing supplies it")
        return self._supplied[name](self.record)

    @cached_property
    def words(self) -> list[str]:
        """The words of the response in order."""
        return self._tokenize(self.text)

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each word occurs."""
        return Counter(self.words)

    @cached_property
    def sentences(self) -> list[str]:
        """The sentences of the response."""
        return sentences(self.text)

    @property
    def words_and_sentences(self) -> tuple[list[str], list[str]]:
        """Both, for metrics that relate them."""
        return self.words, self.sentences

    @property
    def token_logprobs_and_text(self) -> tuple[Vectors, str]:
        """Both, for metrics that relate them."""
        return self.get("token_logprobs"), self.text


class GroupFeatures:
    """The features of one prompt's responses; ``Metric.takes`` of levels ``group`` and ``set`` names an attribute.

    Every feature keeps the order of the responses. A response without a word stands in each of them
    as nothing: an empty text, an empty list, a zero row. Set metrics leave these out; group metrics
    give null for them.

    Args:
        responses: The responses of one prompt, by ``sample_index``.
        embed: Texts to sentence vectors [n, d] of any length; called once, with distinct texts.
        style_embed: The same for style vectors; style-lite without it.
        ratings: What each response is worth to a reader, for utility.
    """

    def __init__(
        self,
        responses: Sequence[ResponseFeatures],
        embed: Callable[[list[str]], Vectors] | None = None,
        style_embed: Callable[[list[str]], Vectors] | None = None,
        ratings: Sequence[float] | None = None,
    ) -> None:
        self.responses = responses
        self._embed = embed
        self._style_embed = style_embed
        self._ratings = ratings

    def get(self, name: str) -> Any:
        """A feature by name."""
        return getattr(self, name)

    @cached_property
    def texts(self) -> list[str]:
        """The texts as written; empty for a response without a word."""
        # A subword tokenizer finds words in white space, where an encoder finds nothing.
        return [response.text if response.words and response.text.strip() else "" for response in self.responses]

    @cached_property
    def word_lists(self) -> list[list[str]]:
        """The words of each response."""
        return [response.words for response in self.responses]

    @cached_property
    def embeddings(self) -> NDArray[np.float64]:
        """Unit rows [n, d] in float64; zero rows for responses without a word."""
        if self._embed is None:
            raise ValueError("a metric needs 'embeddings', and no embedder was passed")
        return _unit_rows(self.texts, self._embed)

    @property
    def texts_and_embeddings(self) -> tuple[list[str], NDArray[np.float64]]:
        """Both, for metrics that decide short texts by their words."""
        return self.texts, self.embeddings

    @property
    def rated_texts(self) -> tuple[list[str], NDArray[np.float64], Sequence[float]]:
        """Texts, embeddings and ratings."""
        if self._ratings is None:
            raise ValueError("a metric needs 'ratings', and none were passed")
        return self.texts, self.embeddings, self._ratings

    @cached_property
    def style_vectors(self) -> NDArray[np.float64]:
        """Unit style rows [n, d]; zero rows for responses without a word or without a style item."""
        if self._style_embed is not None:
            return _unit_rows(self.texts, self._style_embed)
        import numpy as np

        from .style import style_lite

        return _unit_rows(self.texts, lambda texts: np.stack([style_lite(text) for text in texts]))


def _unit_rows(texts: Sequence[str], encode: Callable[[list[str]], Vectors]) -> NDArray[np.float64]:
    """Encode each distinct text once; rows in the order of ``texts``, scaled to length 1."""
    import numpy as np

    distinct = {text: row for row, text in enumerate(dict.fromkeys(filter(None, texts)), start=1)}
    if not distinct:
        return np.zeros((len(texts), 1))
    encoded = np.asarray(encode(list(distinct)), dtype=np.float64)
    lengths = np.linalg.norm(encoded, axis=1, keepdims=True)
    # Row 0 stands for the empty text; a zero vector stays zero.
    rows = np.vstack([np.zeros(encoded.shape[1]), encoded / np.where(lengths > 0, lengths, 1.0)])
    picked: NDArray[np.float64] = rows[[distinct.get(text, 0) for text in texts]]
    return picked
