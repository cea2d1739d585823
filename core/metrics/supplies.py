"""Features that models and tables supply: what each metric needs, whether it is there, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import UsageError, require_extra
from ..judging.open import JudgeOptions, open_judge
from ..models.names import check_model_name, is_local
from ..models.options import LoadOptions
from ..records import messages
from .features import SUPPLIED, Lookup
from .rarity import content_frequencies, unigram_frequency, wordfreq_frequency
from .registry import Metric
from .text import sentences

if TYPE_CHECKING:
    from ..judging.judge import Judge
    from ..models.embedder import Embedder
    from ..models.language import LanguageModel

EMBEDDINGS, STYLE = "embeddings", "style_vectors"
_EMBEDDED = frozenset({EMBEDDINGS, "texts_and_embeddings", "rated_texts"})
# Features that come from something without a usual choice.
_NAMED = frozenset({"reward_logit", "ratings"})
Announce = Callable[[str], None]
ChatAndText = tuple[tuple[tuple[str, str], ...], str]


@dataclass(frozen=True, slots=True)
class Supply:
    """One feature, computed for many responses at once, each distinct one a single time.

    Attributes:
        key: What of a record the feature depends on.
        compute: Distinct keys to values, in order.
    """

    key: Callable[[Mapping[str, Any]], Hashable]
    compute: Callable[[list[Any]], Iterable[Any]]

    def prepare(self, records: Iterable[Mapping[str, Any]]) -> Lookup:
        """The values for these records, as a function of the record."""
        keys = list(dict.fromkeys(map(self.key, records)))
        values = dict(zip(keys, self.compute(keys), strict=True)) if keys else {}
        return lambda record: values[self.key(record)]

    def remembering(self) -> Supply:
        """The same, which computes nothing twice however often it is asked."""
        known: dict[Any, Any] = {}

        def compute(keys: list[Any]) -> list[Any]:
            if new := [key for key in keys if key not in known]:
                known.update(zip(new, self.compute(new), strict=True))
            return [known[key] for key in keys]

        return Supply(self.key, compute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the features come from, as the user named it.

    Attributes:
        embedder: Sentence embedder of embeddings and static vectors.
        style_embedder: Sentence encoder of style vectors, or None for ``style-lite``.
        dsi_encoder: Encoder of ``dsi``.
        dsi_layers: Its hidden states.
        quality_model: Language model of likelihoods.
        reward_model: Sequence-classification model of ``reward``, or None.
        judge: How to reach the judge, or None.
        unigrams: File of word counts, or None for the `wordfreq` package.
        loading: Device, number format and so on of the models.
        embedding_cache: Keep sentence vectors on disk.
        equivalence: Pair classifier that decides which texts are one answer, or None for the embedder.
    """

    embedder: str = "minilm"
    style_embedder: str | None = None
    dsi_encoder: str = "bert-large-uncased"
    dsi_layers: tuple[int, ...] = (6, 7)
    quality_model: str = "smollm2-135m"
    reward_model: str | None = None
    judge: JudgeOptions | None = None
    unigrams: Path | None = None
    loading: LoadOptions = field(default_factory=LoadOptions)
    embedding_cache: bool = True
    equivalence: str | None = None

    def unmet(self, metric: Metric) -> str | None:
        """What is missing for a metric, and how to get it; None where nothing is."""
        styled = metric.takes == STYLE and self.style_embedder is not None
        if metric.takes in _EMBEDDED or metric.takes == "piece_resultant" or styled:
            return _unless_installed("sentence_transformers", "models")
        check = _CHECKS.get(_feature(metric))
        return check(self) if check else None


def _feature(metric: Metric) -> str:
    """The supplied feature behind what a metric takes."""
    return metric.takes.removesuffix("_and_text")


def _unless_installed(module: str, extra: str) -> str | None:
    return None if find_spec(module) else f"pip install 'divtool[{extra}]'"


def _dsi_missing(sources: Sources) -> str | None:
    missing = _unless_installed("transformers", "models")
    if missing:
        return missing
    return (
        None if is_local(sources.dsi_encoder) else f"{sources.dsi_encoder} is not on this machine; name dsi to get it"
    )


_CHECKS: dict[str, Callable[[Sources], str | None]] = {
    "contextual_resultant": _dsi_missing,
    "content_frequencies": lambda s: None if s.unigrams else _unless_installed("wordfreq", "rarity"),
    "token_logprobs": lambda s: _unless_installed("transformers", "models"),
    "reward_logit": lambda s: None if s.reward_model else "name a --reward-model",
    "ratings": lambda s: None if s.judge else "name a --judge URL",
}


@dataclass(slots=True)
class Supplies:
    """The opened sources of a run.

    Attributes:
        features: By name of the supplied feature.
        embed: Sentence vectors of texts, or None.
        style_embed: Style vectors of texts, or None for ``style-lite``.
        judge: The judge behind the ratings, with its counts, or None.
    """

    features: dict[str, Supply] = field(default_factory=dict)
    embed: Supply | None = None
    style_embed: Supply | None = None
    judge: Judge | None = None

    def needed(self, metric: Metric) -> bool:
        """Whether a metric takes any of these; the others are plain functions of the text."""
        return (
            _feature(metric) in SUPPLIED
            or metric.takes in _EMBEDDED
            or (metric.takes == STYLE and self.style_embed is not None)
        )


def loads_model(metrics: Sequence[Metric], sources: Sources) -> bool:
    """Whether a metric takes what a model in this process computes: neither a judge's server nor a table is one."""
    encoders = {"piece_resultant", "contextual_resultant", "token_logprobs", "reward_logit"}
    styled = {STYLE} if sources.style_embedder is not None else set()
    return bool({_feature(metric) for metric in metrics} & (_EMBEDDED | encoders | styled))


def open_supplies(metrics: Sequence[Metric], sources: Sources, announce: Announce) -> Supplies:
    """Open what the metrics need, each model once.

    Raises:
        DivtoolError: Something is not named, not installed, or cannot be loaded.
    """
    for metric in metrics:
        if metric.takes in _NAMED and (missing := sources.unmet(metric)):
            raise UsageError(f"the metric {metric.name}: {missing}")
    taken = {_feature(metric) for metric in metrics}
    supplies = Supplies()
    if taken & _EMBEDDED or "piece_resultant" in taken:
        embedder = open_embedder(sources.embedder, sources, announce)
        if taken & _EMBEDDED:
            supplies.embed = Supply(_text, embedder.encode)
        if "piece_resultant" in taken:
            supplies.features["piece_resultant"] = Supply(_text, embedder.piece_resultants)
    if STYLE in taken and sources.style_embedder is not None:
        supplies.style_embed = Supply(_text, open_embedder(sources.style_embedder, sources, announce).encode)
    if "ratings" in taken and sources.judge is not None:
        supplies.judge = open_judge(sources.judge, announce)
        supplies.features["ratings"] = _ratings(supplies.judge)
    for feature in sorted(taken & _OPENERS.keys()):
        supplies.features[feature] = _OPENERS[feature](sources, announce)
    return supplies


_kept: dict[Hashable, Any] | None = None
Opened = TypeVar("Opened")


def keep_models() -> None:
    """From here on this process opens each model once: for a worker, which makes many runs of the same command."""
    global _kept
    _kept = {} if _kept is None else _kept


def _once(key: Hashable, opened: Callable[[], Opened]) -> Opened:
    if _kept is None:
        return opened()
    if key not in _kept:
        _kept[key] = opened()
    found: Opened = _kept[key]
    return found


def open_embedder(name: str, sources: Sources, announce: Announce) -> Embedder:
    """The sentence embedder of this name.

    Raises:
        DivtoolError: It cannot be loaded, or the extra is not installed.
    """
    check_model_name("embedder", name)
    require_extra("sentence_transformers", "models")
    from ..models.embedder import Embedder
    from ..models.vector_cache import VectorCache

    device = sources.loading.device

    def opened() -> Embedder:
        cache = VectorCache(announce) if sources.embedding_cache else None
        embedder = Embedder(name, None if device == "auto" else device, cache)
        announce(embedder.describe())
        return embedder

    return _once(("embedder", name, device, sources.embedding_cache), opened)


def open_language_model(name: str, options: LoadOptions, announce: Announce) -> LanguageModel:
    """The language model that likelihoods are taken under.

    Raises:
        DivtoolError: It cannot be loaded, or the extra is not installed.
    """
    check_model_name("model", name)
    require_extra("torch", "models")
    from ..models.language import load

    return _once(("language model", name, options), lambda: load(name, options, announce))


def _likelihoods(sources: Sources, announce: Announce) -> Supply:
    lm = open_language_model(sources.quality_model, sources.loading, announce)
    from ..models.likelihood import response_logprobs

    return Supply(chat_and_text, lambda keys: response_logprobs(lm, keys))


def _rewards(sources: Sources, announce: Announce) -> Supply:
    name = str(sources.reward_model)
    check_model_name("reward model", name)
    require_extra("torch", "models")
    from ..models.reward import RewardModel

    return Supply(chat_and_text, RewardModel(name, sources.loading, announce).rewards)


def _ratings(judge: Judge) -> Supply:
    def rate(keys: list[ChatAndText]) -> list[list[float | None]]:
        return judge.ratings([([{"role": role, "content": text} for role, text in chat], own) for chat, own in keys])

    return Supply(chat_and_text, rate)


def _contextual(sources: Sources, announce: Announce) -> Supply:
    check_model_name("encoder", sources.dsi_encoder)
    require_extra("torch", "models")
    from ..models.contextual import bert_large

    encoder = bert_large(sources.dsi_encoder, sources.loading.device, sources.dsi_layers)
    announce(encoder.describe())
    return Supply(_text, lambda texts: encoder.resultants(texts, sentences))


def _frequencies(sources: Sources, announce: Announce) -> Supply:
    frequency = wordfreq_frequency() if sources.unigrams is None else unigram_frequency(sources.unigrams)
    return Supply(_text, lambda texts: [content_frequencies(text, frequency) for text in texts])


_OPENERS: dict[str, Callable[[Sources, Announce], Supply]] = {
    "contextual_resultant": _contextual,
    "content_frequencies": _frequencies,
    "token_logprobs": _likelihoods,
    "reward_logit": _rewards,
}


def _text(record: Mapping[str, Any]) -> str:
    return str(record["response"])


def chat_and_text(record: Mapping[str, Any]) -> ChatAndText:
    """A record as the models take it: its own prompt as (role, content) messages, and the response."""
    return tuple((m["role"], m["content"]) for m in messages(record["prompt"])), record["response"]
