from __future__ import annotations

import math
from typing import Any

import pytest

from divtool.core.errors import UsageError
from divtool.core.selection.recipe import SelectOptions, diversity_sign, is_judgement, null_rule, quality_sign
from divtool.core.selection.run import pair_recipe


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("pairs", 0),
        ("length_tolerance", -1.0),
        ("length_tolerance", math.nan),
        ("length_relative", -0.1),
        ("quality_eps", -0.1),
        ("quality_floor", 1.0),
        ("quality_floor", -0.1),
        ("min_words", -1),
        ("per_prompt", 0),
    ],
)
def test_values_that_make_no_sense_are_wrong_usage(option: str, value: Any) -> None:
    with pytest.raises(UsageError, match="--" + option.replace("_", "-")):
        SelectOptions(**{option: value})


def test_the_edges_of_the_ranges_are_fine() -> None:
    SelectOptions(length_tolerance=0, length_relative=0, quality_eps=0, quality_floor=0, min_words=0, pairs=1)
    SelectOptions(length_tolerance=math.inf)


@pytest.mark.parametrize("name", ["tttr", "words", "perplexity", "self_bleu", "dd_nothing"])
def test_a_diversity_metric_needs_a_direction_and_a_value_for_each_response(name: str) -> None:
    with pytest.raises(UsageError, match=f"unknown diversity metric '{name}'.*ttr"):
        SelectOptions(diversity=(name,))


def test_an_unknown_tokenizer_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="wrod"):
        SelectOptions(tokenizer="wrod")


@pytest.mark.parametrize(
    ("name", "sign"),
    [("ttr", 1), ("maas", -1), ("compression_ratio", -1), ("dsi", 1), ("dd_maas", 1), ("dd_mean", 1), ("dd_ttr", 1)],
)
def test_signs_of_diversity(name: str, sign: int) -> None:
    assert diversity_sign(name) == sign


@pytest.mark.parametrize(("name", "sign"), [("perplexity", -1), ("maas", -1), ("reward", 1), ("ttr", 1), ("words", 1)])
def test_signs_of_quality(name: str, sign: int) -> None:
    assert quality_sign(name) == sign


def test_what_judges_and_what_stands_in() -> None:
    assert [is_judgement(name) for name in ("reward", "judge", "perplexity", "maas", "ttr")] == [True] * 3 + [False] * 2


def test_null_rules_in_words() -> None:
    assert null_rule("maas") == "under 2 words"
    assert null_rule("dd_ttr") == "a length outside the map"
    assert null_rule("reward") == "too long for the model"
    assert null_rule("mine") == ""


def test_no_length_takes_the_rules_of_its_base() -> None:
    for base in ("diverse-ns", "diverse-ns-lite"):
        plain, without = pair_recipe(base, SelectOptions()), pair_recipe("no-length", SelectOptions(base=base))
        assert (without.diversity, without.quality, without.gate) == (plain.diversity, plain.quality, plain.gate)
        assert (plain.length_rules, plain.strict) == (True, True)
        assert (without.length_rules, without.strict) == (False, False)


@pytest.mark.parametrize("base", ["no-length", "random", "quality-only"])
def test_a_base_without_rules_is_wrong_usage(base: str) -> None:
    with pytest.raises(UsageError, match="--base"):
        pair_recipe("no-length", SelectOptions(base=base))


def test_an_unknown_method_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'diverse-ns-lite'.*no-length"):
        pair_recipe("diverse-ns-light", SelectOptions())


def test_a_method_that_only_trains_is_no_method_of_select() -> None:
    with pytest.raises(UsageError, match="unknown method 'dpo'"):
        pair_recipe("dpo", SelectOptions())


def test_a_method_that_makes_one_pair_a_prompt_refuses_more() -> None:
    assert pair_recipe("random", SelectOptions()).proposal == "random"
    for name in ("random", "quality-only"):
        with pytest.raises(UsageError, match=f"--per-prompt 2: {name} makes one pair a prompt"):
            pair_recipe(name, SelectOptions(per_prompt=2))
