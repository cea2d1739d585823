from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from divtool.core.errors import UsageError
from divtool.core.jsonl import Row
from divtool.core.metrics.catalog import METRICS, PRESETS
from divtool.core.metrics.lexical import ttr
from divtool.core.metrics.scoring import Scorer, chosen_metrics, needs_embedder, needs_language_model
from divtool.core.metrics.text import tokenizer, words


class _Embedder:
    """Texts as letter counts; counts how often it is asked."""

    name = "letters"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: list[str]) -> Any:
        self.asked += texts
        counts = np.array([[text.count(letter) + 0.01 for letter in "abcdefgh"] for text in texts], dtype=float)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    def piece_vectors(self, text: str) -> Any:
        return self.encode(text.split())


def _group(prompt: str, *texts: str, **more: Any) -> list[Row]:
    return [
        Row({"prompt_id": prompt, "prompt": prompt, "response": text, "sample_index": i, "turn": 1, **more}, f"f:{i}")
        for i, text in enumerate(texts)
    ]


def _scores(names: list[str], *groups: list[Row], embedder: Any = None) -> list[dict[str, Any]]:
    scorer = Scorer(chosen_metrics(names), tokenizer("word"), embedder)
    return [record["scores"] for records in scorer.run(groups) for record in records]


def test_scores_are_those_of_the_functions() -> None:
    texts = ("the cat sat on the mat", "a dog ran", "")
    got = _scores(["ttr", "words"], _group("p", *texts))
    assert [score["ttr"] for score in got] == [ttr(Counter(words(text))) for text in texts]
    assert [score["words"] for score in got] == [6, 3, 0]


def test_other_scores_of_a_record_stay() -> None:
    got = _scores(["ttr"], _group("p", "a b", scores={"mine": 3, "ttr": 9}))
    assert got == [{"mine": 3, "ttr": 1.0}]


def test_group_metrics_see_their_group_alone_and_each_text_is_encoded_once() -> None:
    embedder = _Embedder()
    got = _scores(["semantic_deviation"], _group("p", "aa", "bb", "aa"), _group("q", "aa", "aa"), embedder=embedder)
    values = [score["semantic_deviation"] for score in got]
    assert values[0] == pytest.approx(values[2], abs=1e-12)
    assert values[0] < values[1]
    assert values[3:] == pytest.approx([0, 0], abs=1e-12)
    assert sorted(embedder.asked) == ["aa", "bb"]


def test_chunks_do_not_change_anything() -> None:
    groups = [_group(f"p{n}", *(f"{'abcdefgh'[(n * i) % 8]} word {i}" for i in range(7))) for n in range(100)]
    names = ["semantic_deviation", "pool_word_rarity", "dsi_lite"]
    whole = _scores(names, *groups, embedder=_Embedder())
    single = [score for group in groups for score in _scores(names, group, embedder=_Embedder())]
    assert whole == single


def test_presets_and_names_mix_without_repeats() -> None:
    names = [metric.name for metric in chosen_metrics(["ttr", "lexical", "mean_logprob"])]
    assert names[0] == "ttr"
    assert sorted(names) == sorted([*PRESETS["lexical"], "mean_logprob"])


def test_needs_are_known_before_anything_loads() -> None:
    assert not needs_embedder(chosen_metrics(["lexical", "pool_word_rarity", "style_deviation"]))
    assert needs_embedder(chosen_metrics(["dsi_lite"]))
    assert needs_embedder(chosen_metrics(["semantic_deviation"]))
    assert needs_language_model(chosen_metrics(["perplexity"]))
    assert not needs_language_model(chosen_metrics(["mean_logprob", "semantic"]))


@pytest.mark.parametrize("name", ["ttrr", "self_bleu", "", "Lexical"])
def test_unknown_and_set_metrics_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="unknown metric"):
        chosen_metrics([name])


def test_every_metric_for_responses_is_computed_or_refused() -> None:
    for name, metric in METRICS.items():
        if metric.level != "set":
            assert chosen_metrics([name])[0] is metric
