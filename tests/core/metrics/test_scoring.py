from __future__ import annotations

import itertools
import multiprocessing
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from divtool.core.errors import DivtoolError, UsageError
from divtool.core.jsonl import Row
from divtool.core.metrics.catalog import METRICS, PER_RESPONSE, PRESETS
from divtool.core.metrics.lexical import ttr
from divtool.core.metrics.scoring import Scorer, choose_metrics
from divtool.core.metrics.semantic import Resultant, resultant
from divtool.core.metrics.supplies import Sources, Supplies, Supply, open_supplies
from divtool.core.metrics.text import words


class _Embedder:
    """Texts as letter counts; counts how often it is asked."""

    name = "letters"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: list[str]) -> Any:
        self.asked += texts
        counts = np.array([[text.count(letter) + 0.01 for letter in "abcdefgh"] for text in texts], dtype=float)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    def piece_resultants(self, texts: list[str]) -> list[Resultant]:
        return [resultant(self.encode(text.split()) if text.split() else np.zeros((0, 8))) for text in texts]


def _group(prompt: str, *texts: str, **more: Any) -> list[Row]:
    return [
        Row({"prompt_id": prompt, "prompt": prompt, "response": text, "sample_index": i, "turn": 1, **more}, f"f:{i}")
        for i, text in enumerate(texts)
    ]


def _text(record: Any) -> str:
    return str(record["response"])


def _scores(names: list[str], *groups: list[Row], embedder: Any = None, workers: int = 1) -> list[dict[str, Any]]:
    supplies = Supplies()
    if "semantic_deviation" in names:
        supplies.embed = Supply(_text, embedder.encode)
    if "dsi_lite" in names:
        supplies.features["piece_resultant"] = Supply(_text, embedder.piece_resultants)
    scorer = Scorer(choose_metrics(names, Sources()).metrics, supplies, workers=workers)
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


def test_workers_change_nothing() -> None:
    groups = [_group(f"p{n}", *(f"the {n} cats and {i} dogs, " * (i + n % 7) for i in range(5))) for n in range(150)]
    names = ["lexical", "pool_word_rarity", "style_deviation", "mean_logprob"]
    assert _scores(names, *groups, workers=2) == _scores(names, *groups)


def test_workers_do_the_plain_metrics_beside_the_models() -> None:
    groups = [_group(f"p{n}", "aa bb", f"cc {n}") for n in range(200)]
    names = ["semantic_deviation", "ttr", "dsi_lite"]
    both = [_scores(names, *groups, embedder=_Embedder(), workers=workers) for workers in (1, 2)]
    assert both[0] == both[1]
    assert list(both[0][0]) == names


def test_a_dead_worker_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = iter([_group("p", *["word " * 50] * 300)])

    def die(*_: Any) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    scorer = Scorer(choose_metrics(["ttr"], Sources()).metrics, workers=2)
    monkeypatch.setattr("divtool.core.metrics.plain._read", lambda row: die() or dict(row.data))
    with pytest.raises(DivtoolError, match="--workers"):
        list(scorer.run(itertools.chain(groups, (_group(f"q{n}", *["a b"] * 300) for n in range(20)))))


def test_presets_and_names_mix_without_repeats() -> None:
    names = [metric.name for metric in choose_metrics(["ttr", "lexical", "mean_logprob"], Sources()).metrics]
    assert names[0] == "ttr"
    assert sorted(names) == sorted([*PRESETS["lexical"], "mean_logprob"])


def test_all_leaves_out_what_is_not_there_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("divtool.core.metrics.supplies.find_spec", lambda module: None)
    choice = choose_metrics(["all"], Sources())
    names = {metric.name for metric in choice.metrics}
    assert names == {*PRESETS["lexical"], "style_deviation", "pool_word_rarity", "mean_logprob"}
    assert choice.skipped.keys() == set(PRESETS["all"]) - names
    assert choice.skipped["word_rarity"] == "pip install 'divtool[rarity]'"
    assert "--judge" in choice.skipped["judge"]
    assert "--reward-model" in choice.skipped["reward"]


def test_a_metric_asked_for_by_name_is_not_left_out() -> None:
    choice = choose_metrics(["all", "reward"], Sources())
    assert "reward" in {metric.name for metric in choice.metrics}
    assert "reward" not in choice.skipped
    with pytest.raises(UsageError, match="reward: name a --reward-model"):
        open_supplies([METRICS["reward"]], Sources(), lambda _: None)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ttrr", "did you mean 'ttr'"),
        ("", "unknown metric"),
        ("Lexical", "unknown metric"),
        ("self_bleu", "divtool eval --metrics self_bleu"),
        ("corpus_distinct_2", "divtool eval"),
        ("dd_ttr", "--deciles"),
    ],
)
def test_other_names_are_refused(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(hint)):
        choose_metrics([name], Sources())


def test_every_metric_for_responses_is_computed_or_refused() -> None:
    for name, metric in METRICS.items():
        if metric.level in PER_RESPONSE:
            assert choose_metrics([name], Sources()).metrics == [metric]
