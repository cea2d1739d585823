from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from divtool.core.metrics.catalog import ALIASES, METRICS, PER_RESPONSE, PRESETS
from divtool.core.metrics.definition import Setup, definition
from divtool.core.metrics.features import SUPPLIED, GroupFeatures, ResponseFeatures
from divtool.core.metrics.semantic import resultant
from divtool.core.metrics.text import words

DIRECTIONS = {
    "+": """ttr root_ttr herdan_c mattr mtld hdd word_entropy word_entropy_norm within_distinct_1 within_distinct_2
        within_distinct_3 within_distinct_4 dsi dsi_lite word_rarity pool_word_rarity
        dd_<metric> dd_mean semantic_deviation style_deviation distinct_1
        distinct_2 distinct_3 distinct_4 ngram_diversity unique_share unique_first_1 unique_first_5 unique_first_10
        semantic_distance style_distance chamfer vendi vendi_q0.5 vendi_q2 vendi_qinf effective_rank semantic_clusters
        cluster_entropy cluster_entropy_norm distinct_k_nb utility_k utility_k_mean corpus_distinct_1
        corpus_distinct_2 corpus_distinct_3 corpus_distinct_4""",
    "-": """maas repetition compression_ratio compression_ratio_lzma self_bleu homogenization_rougel self_repetition
        set_compression_ratio set_compression_ratio_lzma dullness opening_share avgout_dullness""",
    "0": "words chars sentences words_per_sentence mean_logprob perplexity bits_per_char reward judge",
}
NEVER_NULL = {"words", "chars", "sentences"}


def _resultant(embed, own: list[str]):
    return resultant(embed(own) if own else np.zeros((0, 16)))


# What stands in for models: every supplied feature as a simple function of the text.
SUPPLIES = {
    "piece_resultant": lambda embed: lambda record: _resultant(embed, words(record["response"])),
    "contextual_resultant": lambda embed: lambda record: _resultant(embed, words(record["response"])),
    "token_logprobs": lambda embed: lambda record: np.full(len(record["response"].split()), -1.0),
    "reward_logit": lambda embed: lambda record: None,
    "ratings": lambda embed: lambda record: [],
    "content_frequencies": lambda embed: lambda record: [0.5 if w == "old" else 0.1 for w in words(record["response"])],
}
OF_A_PROMPT = [name for name, metric in METRICS.items() if metric.level in ("response", "group", "set")]


@pytest.fixture
def value(embed):
    """The values of a metric: one number for a set, a list of one number a response else."""

    def compute(name: str, texts: list[str]):
        metric = METRICS[name]
        supplied = {feature: made(embed) for feature, made in SUPPLIES.items()}
        responses = [ResponseFeatures({"response": t, "logprob": None, "n_tokens": 0}, words, supplied) for t in texts]
        function = metric.load()
        if metric.level == "response":
            return [function(response.get(metric.takes)) for response in responses]
        group = GroupFeatures(responses, embed, ratings=[9.0] * len(texts))
        result = function(group.get(metric.takes))
        return [result] if metric.level == "set" else result

    return compute


def test_names_and_directions():
    expected = {name: direction for direction, names in DIRECTIONS.items() for name in names.split()}
    assert {name: metric.direction for name, metric in METRICS.items()} == expected
    assert {metric.name for metric in METRICS.values()} == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_every_row_states_its_contract(name):
    metric = METRICS[name]
    assert all((metric.formula, metric.range, metric.null, metric.source))
    assert callable(metric.load())
    if metric.level in ("response", "group", "set"):
        holder = GroupFeatures if metric.level != "response" else ResponseFeatures
        instance = {"record", "text"}  # set on the object, the rest are properties of the class
        assert metric.takes in instance | SUPPLIED or hasattr(holder, metric.takes)


@pytest.mark.parametrize("name", [name for name in OF_A_PROMPT if METRICS[name].sign])
def test_a_diverse_text_or_set_is_better_in_its_direction(name, value):
    one = "The old king walked slowly to the sea, and then he sat on a stone."
    others = [
        "Why did nobody tell me? I would have gone (at once) if they had asked!",
        "Under seven moons; beyond all maps: a copper whale hums lullabies to sleeping engineers.",
        "She cooks, he paints, we argue... yet Sunday always smells of cardamom and rain.",
        "Dear Anna, the trains are late again, so I write to you from platform nine.",
        "Take two eggs and a spoon of flour; whisk until the bowl sings.",
        "No wind; no moon. Only frogs in the reeds, counting themselves to sleep.",
        "Because it was Tuesday, Mister Okoro wore both hats and refused to explain.",
        "Who moved my ladder? Whoever it was will climb down hungry!",
        "In spring a glacier writes its memoirs with gravel on the valley floor.",
    ]
    if METRICS[name].level == "response":
        varied = " ".join([one, *others[:3]])
        same = " ".join([one] * 4 + ["The old king walked"])
        better, worse = value(name, [varied])[0], value(name, [same])[0]
    else:
        better, worse = value(name, [one, *others]), value(name, [one] * 10)
        better, worse = np.mean(better), np.mean(worse)
    assert METRICS[name].sign * (better - worse) > 0


@pytest.mark.parametrize("name", OF_A_PROMPT)
@pytest.mark.parametrize("texts", [[""], ["", ""]])
def test_empty_responses_are_null(name, texts, value):
    result = value(name, texts)
    assert result == [0 if name in NEVER_NULL else None] * (1 if METRICS[name].level == "set" else len(texts))


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.level == "set"])
def test_empty_responses_do_not_change_a_set(name, value, texts_d):
    assert value(name, ["", *texts_d, "!?"]) == pytest.approx(value(name, texts_d))


def test_settings_reach_the_function_and_the_definition():
    setup = Setup(settings={"window": 3, "cut": 0.5})
    assert METRICS["mattr"].load({"window": 3})(["a", "b", "a", "a"]) == pytest.approx(2 / 3)
    assert METRICS["mattr"].load()(["a"] * 49) is None
    assert METRICS["mattr"].formula == "mean V / N of all windows of 50 words"
    assert definition(METRICS["mattr"], setup).startswith("mattr: mean V / N of all windows of 3 words; tokenizer word")
    assert "cut at 0.50" in definition(METRICS["semantic_clusters"], setup)
    assert definition(METRICS["ttr"], setup) == "ttr: V / N; tokenizer word; higher is more diverse"


@pytest.mark.parametrize("name", METRICS)
def test_a_definition_says_what_was_used_and_the_direction(name):
    text = definition(METRICS[name], Setup(tokenizer="char", embedder="my-encoder", quality_model="my-model"))
    assert text.startswith(f"{name}: ")
    assert text.endswith(("is more diverse", "no diversity metric"))
    assert "{" not in text
    if METRICS[name].takes in ("words", "counts", "word_lists"):
        assert "tokenizer char" in text
    if METRICS[name].takes == "embeddings":
        assert "embedder my-encoder" in text


def test_presets():
    names = list(METRICS)
    assert PRESETS["lexical"] == tuple(names[: names.index("compression_ratio_lzma") + 1])
    assert PRESETS["lexical"][0] == "words"
    assert PRESETS["semantic"] == ("dsi_lite", "semantic_deviation", "style_deviation")
    assert set(PRESETS["all"]) == {name for name, metric in METRICS.items() if metric.level in PER_RESPONSE}
    assert set(ALIASES.values()) <= set(METRICS)
    assert not set(ALIASES) & set(METRICS)


def test_listing_the_metrics_imports_nothing_heavy():
    code = (
        "import divtool.core.metrics.catalog, json, sys; "
        "print(json.dumps([m for m in ('numpy', 'scipy', 'torch', 'regex', 'rapidfuzz') if m in sys.modules]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []
