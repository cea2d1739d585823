"""The `score` stage: groups of responses in, their scores out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, require_extra, unknown_name
from ..jsonl import Record, Row
from ..models.names import check_model_name
from ..records import messages
from .catalog import METRICS, PRESETS
from .features import GroupFeatures, ResponseFeatures
from .registry import Metric
from .text import Tokenizer

if TYPE_CHECKING:
    from ..models.embedder import Embedder
    from ..models.language import LanguageModel
    from ..models.options import LoadOptions

# Responses that are encoded together: groups are small, and encoders want full batches.
_CHUNK = 256
_NEEDS_EMBEDDER = frozenset({"embeddings", "piece_vectors", "texts_and_embeddings"})
_NEEDS_LANGUAGE_MODEL = frozenset({"token_logprobs", "token_logprobs_and_text"})


def chosen_metrics(names: Sequence[str]) -> list[Metric]:
    """The per-response metrics behind names and presets, in the order asked for.

    Raises:
        UsageError: An unknown name; set metrics are `eval`'s.
    """
    usable = {name: metric for name, metric in METRICS.items() if metric.level != "set"}
    chosen: dict[str, Metric] = {}
    for name in names:
        if name not in PRESETS and name not in usable:
            raise unknown_name("metric", name, [*PRESETS, *usable])
        for member in PRESETS.get(name, (name,)):
            if member in usable:
                chosen[member] = usable[member]
    if not chosen:
        raise UsageError("no metric named; see divtool metrics")
    return list(chosen.values())


@dataclass(frozen=True, slots=True)
class Scorer:
    """Computes scores, group by group.

    Attributes:
        metrics: What to compute.
        tokenize: Text to words.
        embedder: For metrics on embeddings, or None.
        language_model: For perplexity, or None.
    """

    metrics: Sequence[Metric]
    tokenize: Tokenizer
    embedder: Embedder | None = None
    language_model: LanguageModel | None = None

    def run(self, groups: Iterable[list[Row]]) -> Iterator[list[Record]]:
        """Scored records, group by group, in input order; scores that a record has already stay beside the new ones."""
        functions = [(metric, metric.load()) for metric in self.metrics]
        for chunk in _chunks(groups):
            rows = [row for group in chunk for row in group]
            embed = self._encoder([row.data["response"] for row in rows])
            logprobs = self._logprobs([row.data for row in rows])
            for group in chunk:
                yield self._scored(group, functions, embed, logprobs)

    def _scored(
        self, group: list[Row], functions: Sequence[tuple[Metric, Any]], embed: Any, logprobs: Any
    ) -> list[Record]:
        pieces = self.embedder.piece_vectors if self.embedder else None
        responses = [ResponseFeatures(row.data, self.tokenize, pieces, token_logprobs=logprobs) for row in group]
        features = GroupFeatures(responses, embed)
        scores: list[dict[str, Any]] = [dict(row.data.get("scores") or {}) for row in group]
        for metric, function in functions:
            if metric.level == "group":
                values = function(getattr(features, metric.takes))
            else:
                values = [function(getattr(response, metric.takes)) for response in responses]
            for score, value in zip(scores, values, strict=True):
                score[metric.name] = value
        return [{**row.data, "scores": score} for row, score in zip(group, scores, strict=True)]

    def _encoder(self, texts: Sequence[str]) -> Callable[[list[str]], Any] | None:
        """A lookup of the chunk's embeddings, each distinct text encoded once."""
        if self.embedder is None or not any(metric.takes == "embeddings" for metric in self.metrics):
            return None
        import numpy as np

        distinct = {text: row for row, text in enumerate(dict.fromkeys(text for text in texts if text.strip()))}
        vectors = self.embedder.encode(list(distinct)) if distinct else np.zeros((0, 1))
        return lambda wanted: vectors[[distinct[text] for text in wanted]]

    def _logprobs(self, records: Sequence[Record]) -> Callable[[Mapping[str, Any]], Any] | None:
        """A lookup of the chunk's token log-probabilities, given each record's own prompt."""
        if self.language_model is None:
            return None
        from ..models.likelihood import response_logprobs

        keys = list(dict.fromkeys(_chat_and_text(record) for record in records))
        values = dict(zip(keys, response_logprobs(self.language_model, keys), strict=True))
        return lambda record: values[_chat_and_text(record)]


def needs_embedder(metrics: Iterable[Metric]) -> bool:
    """Whether any of the metrics reads embeddings or word-piece vectors."""
    return any(metric.takes in _NEEDS_EMBEDDER for metric in metrics)


def needs_language_model(metrics: Iterable[Metric]) -> bool:
    """Whether any of the metrics reads token log-probabilities of a quality model."""
    return any(metric.takes in _NEEDS_LANGUAGE_MODEL for metric in metrics)


def open_embedder(name: str, device: str, announce: Callable[[str], None]) -> Embedder:
    """The sentence embedder of this name.

    Raises:
        DivtoolError: It cannot be loaded, or the extra is not installed.
    """
    check_model_name("embedder", name)
    require_extra("sentence_transformers", "models")
    from ..models.embedder import Embedder

    embedder = Embedder(name, None if device == "auto" else device)
    announce(embedder.describe())
    return embedder


def open_language_model(name: str, options: LoadOptions, announce: Callable[[str], None]) -> LanguageModel:
    """The language model that perplexity is taken under.

    Raises:
        DivtoolError: It cannot be loaded, or the extra is not installed.
    """
    check_model_name("model", name)
    require_extra("torch", "models")
    from ..models.language import load

    return load(name, options, announce)


def _chat_and_text(record: Mapping[str, Any]) -> tuple[tuple[tuple[str, str], ...], str]:
    return tuple((m["role"], m["content"]) for m in messages(record["prompt"])), record["response"]


def _chunks(groups: Iterable[list[Row]]) -> Iterator[list[list[Row]]]:
    chunk: list[list[Row]] = []
    held = 0
    for group in groups:
        chunk.append(group)
        held += len(group)
        if held >= _CHUNK:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk
