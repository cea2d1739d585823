"""What a number was computed with, in one line that a reader can recompute it from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .registry import Metric

_WAYS = {"+": "higher is more diverse", "-": "lower is more diverse", "0": "no diversity metric"}
_WORDS = "tokenizer {tokenizer}"
_EMBEDDER = "embedder {embedder}, unit vectors, long texts as the mean of their pieces by tokens"
_LIKELIHOOD = "model {quality_model}, given the prompt, in its chat template where it has one, end token left out"
_CUT = 0.20
_STYLE_LITE = "style-lite, square roots of the shares of 150 function words and 12 marks"
_ALIKE = (
    "alike where {alike}; two texts of at most 5 white-space words: where twice their shared word types "
    "reach the words of the longer"
)
_PARTS = "not comparable with published figures, which come from another classifier and reward model"
_AS_PUBLISHED = "parts as in the published figures of March 2025, comparable with them on the same prompts and decoding"

# By feature: what stands behind it.
_WITH = {
    "words": _WORDS,
    "counts": _WORDS,
    "word_lists": _WORDS,
    "words_and_sentences": _WORDS,
    "embeddings": _EMBEDDER,
    "texts_and_embeddings": f"{_ALIKE}; {{parts}}",
    "rated_texts": f"{_ALIKE}; ratings: {{ratings}}; {{parts}}",
    "piece_resultant": "input embedding table of {embedder}, specials and punctuation left out; not comparable "
    "with dsi",
    "contextual_resultant": "encoder {dsi_encoder}, layers {dsi_layers}, sentences of 50 tokens with [CLS] and "
    "[SEP], punctuation taken out first",
    "style_vectors": "style vectors {style}",
    "token_logprobs": _LIKELIHOOD,
    "token_logprobs_and_text": _LIKELIHOOD,
    "next_tokens": "model {quality_model}, given the prompt, in its chat template where it has one, temperature 1",
    "record": "as recorded by the sampling model at temperature 1",
    "reward_logit": "reward model {reward_model}, in its chat template where it has one",
    "ratings": "judge {judge}",
    "content_frequencies": "frequencies {word_frequencies}, tokenizer word, 150 function words left out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a run computes its metrics with, by name.

    Attributes:
        tokenizer: As in `text.tokenizer`.
        embedder: Sentence embedder.
        style: Sentence encoder of style vectors, or None for ``style-lite``.
        dsi_encoder: Encoder of ``dsi``.
        dsi_layers: Its hidden states, by commas.
        quality_model: Language model behind likelihoods.
        reward_model: Reward model.
        judge: Model, template version and votes of the judge.
        word_frequencies: Source of the word frequencies.
        alike: When two texts count as one answer; by default where the embedder finds them near.
        ratings: Where the ratings behind ``utility_k`` come from.
        settings: Settings of metrics that differ from the usual ones.
        published: Metrics whose parts are those of published figures.
    """

    tokenizer: str = "word"
    embedder: str = "minilm"
    style: str | None = None
    dsi_encoder: str = "bert-large-uncased"
    dsi_layers: str = "6,7"
    quality_model: str = ""
    reward_model: str = ""
    judge: str = ""
    word_frequencies: str = "wordfreq, English"
    alike: str = ""
    ratings: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: frozenset[str] = frozenset()


def definition(metric: Metric, setup: Setup) -> str:
    """One line: name, formula, what it was computed with, direction.

    Args:
        metric: A row of the catalog.
        setup: What the run used.
    """
    names = {name: getattr(setup, name) for name in Setup.__dataclass_fields__}
    names["style"] = setup.style or _STYLE_LITE
    names["alike"] = setup.alike or f"1 - cos <= {setup.settings.get('cut', _CUT):.2f} under {setup.embedder}"
    names["parts"] = _AS_PUBLISHED if metric.name in setup.published else _PARTS
    behind = _WITH.get(metric.takes, "").format(**names)
    parts = (f"{metric.name}: {metric.formula_with(setup.settings)}", behind, _WAYS[metric.direction])
    return "; ".join(part for part in parts if part)
