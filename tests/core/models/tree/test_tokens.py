"""Answers as token ids behind their prompt: end ids, borders, round trips."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from divtool.core.errors import DivtoolError
from divtool.core.models.language import LanguageModel, load
from divtool.core.models.tree.tokens import EndIds, end_ids, tails_of
from divtool.core.models.tree.trie import TokenTrie

from ...architectures import character_tokenizer

CHAT = (("user", "x"),)
BLANK_LAW = "{% for m in messages %}{% if m.role == 'user' %}[{{ m.content }}]{% else %}t{{ m.content }}<e>\n{% endif %}{% endfor %}"  # noqa: E501
OPENED = "{% if add_generation_prompt %}t{% endif %}"


def _lm(
    template: str | None, *, merges: Any = (), specials: tuple[str, ...] = ("<e>",), eos: str | None = "<e>",
    configured: Any = None, longest: int = 64,
) -> LanguageModel:  # fmt: skip
    """A tokenizer of single characters and some merges, without a model."""
    tokenizer = character_tokenizer(template, merges=merges, specials=specials, eos=eos)
    config = SimpleNamespace(max_position_embeddings=longest)
    config.get_text_config = lambda: config
    model = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=configured), config=config)
    return LanguageModel("made", model, tokenizer)


def _read(lm: LanguageModel, ids: Any) -> list[str]:
    return lm.tokenizer.convert_ids_to_tokens(list(ids))  # type: ignore[no-any-return]


def test_a_tail_ends_before_its_end_id_and_starts_behind_the_prompt(tiny_model: str) -> None:
    lm = load(tiny_model)
    found = tails_of(lm, CHAT, ["1", "10", "100"])
    assert lm.tokenizer.decode(found.prompt_ids) == "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n"
    assert [lm.tokenizer.decode(tail) for tail in found.tails] == ["1", "10", "100"]
    assert (found.boundary, found.ends) == ("template", EndIds(1, (1,)))
    trie = TokenTrie.build(found.trained)
    assert (trie.edge_child < 0).sum() == len(set(trie.leaf_edge)) == 3
    whole = lm.tokenizer("7<|im_end|>\n", add_special_tokens=False)["input_ids"]
    assert tails_of(lm, CHAT, ["7"]).trained == [tuple(whole[:2])]


def test_without_an_end_no_answer_may_begin_another(tiny_model: str) -> None:
    lm = load(tiny_model)
    with pytest.raises(DivtoolError, match=r"'1' begins the answer '10', and nothing ends it"):
        tails_of(lm, CHAT, ["1", "10", "100"], terminal="none")
    found = tails_of(lm, CHAT, ["{1}", "{10}"], terminal="none")
    assert found.ends is None
    assert found.trained == found.tails
    assert [lm.tokenizer.decode(tail) for tail in found.tails] == ["{1}", "{10}"]


@pytest.mark.parametrize(
    ("merges", "boundary", "tails"),
    [
        ([], "template", [["h", "i"], ["7"]]),
        ([("t", "h")], "blank", [[" ", "h", "i"], [" ", "7"]]),
        ([("t", "h"), ("t", " ")], "concat", [["h", "i"], ["7"]]),
    ],
)
def test_a_merge_across_the_border_takes_the_blank_then_the_concatenation(
    merges: Any, boundary: str, tails: list[list[str]]
) -> None:
    lm = _lm(BLANK_LAW + OPENED, merges=merges)
    found = tails_of(lm, CHAT, ["hi", "7"])
    assert found.boundary == boundary
    assert [_read(lm, tail) for tail in found.tails] == tails
    assert "".join(_read(lm, found.prompt_ids)) == "[x]t"


def test_a_prefill_is_part_of_the_prompt() -> None:
    lm = _lm(BLANK_LAW + OPENED, merges=[(":", " ")])
    found = tails_of(lm, (*CHAT, ("assistant", "It ")), ["7"], prefill="is:")
    assert "".join(_read(lm, found.prompt_ids)) == "[x]tIt is:"
    assert (found.boundary, _read(lm, found.tails[0])) == ("template", ["7"])
    assert found == tails_of(lm, CHAT, ["7"], prefill="It is:")


def test_without_a_template_prompt_and_answer_are_one_text() -> None:
    lm = _lm(None)
    found = tails_of(lm, CHAT, ["7"])
    assert ("".join(_read(lm, found.prompt_ids)), found.boundary) == ("x\n\n", "plain")
    assert _read(lm, found.trained[0]) == ["7", "<e>"]


def test_thinking_is_switched_off_where_the_template_knows_it() -> None:
    opened = "{% if add_generation_prompt %}t{% if enable_thinking is defined and not enable_thinking %}()\n{% endif %}"
    whole = BLANK_LAW.replace("t{{ m.content }}", "t()\n{{ m.content }}")
    found = tails_of(_lm(whole + opened + "{% endif %}"), CHAT, ["7"])
    assert (found.boundary, len(found.tails[0])) == ("template", 1)


def test_every_end_is_found_and_one_is_trained() -> None:
    template = BLANK_LAW.replace("<e>", "<turn>") + OPENED
    lm = _lm(template, specials=("<e>", "<turn>", "<more>"), configured=[2])
    assert end_ids(lm) == EndIds(1, (1, 0, 2))
    assert end_ids(lm, "<e>") == end_ids(lm, "0") == EndIds(0, (0, 1, 2))
    assert _read(lm, tails_of(lm, CHAT, ["7"], end_token="<e>").trained[0]) == ["7", "<e>"]
    # A template without an end token: the tokenizer's is appended, and what the template writes there is left out.
    plain = _lm(BLANK_LAW.replace("<e>", ";") + OPENED)
    assert _read(plain, tails_of(plain, CHAT, ["7", "8"]).trained[0]) == ["7", "<e>"]


def test_a_tokenizer_without_an_end_is_refused() -> None:
    lm = _lm(BLANK_LAW.replace("<e>", ";") + OPENED, specials=(), eos=None)
    with pytest.raises(DivtoolError, match="give --end-token"):
        tails_of(lm, CHAT, ["7"])
    assert _read(lm, tails_of(lm, CHAT, ["7"], terminal="none").tails[0]) == ["7"]
    assert _read(lm, tails_of(lm, CHAT, ["7"], end_token=";").trained[0]) == ["7", ";"]
    for name in ("<x>", "²"):
        with pytest.raises(DivtoolError, match=f"no token '{name}'"):
            end_ids(lm, name)


def test_answers_that_the_template_changes_are_refused() -> None:
    trims = BLANK_LAW.replace("{{ m.content }}", " {{ m.content | trim }} ") + OPENED
    assert _read(_lm(trims), tails_of(_lm(trims), CHAT, ["7"]).tails[0]) == [" ", "7", " "]
    for template, text in ((BLANK_LAW.replace("m.content }}<", "m.content | trim }}<"), " 7"), (BLANK_LAW, "\u00e9")):
        with pytest.raises(DivtoolError, match="template or tokenizer trims or changes it"):
            tails_of(_lm(template + OPENED), CHAT, [text])
    with pytest.raises(DivtoolError, match="'7' and ' 7' have the same tokens"):
        tails_of(_lm(trims), CHAT, ["7", " 7"])


def test_answers_that_are_too_long_are_refused() -> None:
    with pytest.raises(DivtoolError, match=r"prompt has 4 tokens and the answer 'a+' 61: together more than the 64"):
        tails_of(_lm(BLANK_LAW + OPENED), CHAT, ["a" * 61])
    with pytest.raises(DivtoolError, match="has 513 tokens, more than 512"):
        tails_of(_lm(BLANK_LAW + OPENED, longest=9999), CHAT, ["a" * 513])


@pytest.mark.model
def test_the_embedded_model_answers_with_one_token_and_its_end_of_turn() -> None:
    lm = load("smollm2-135m")
    found = tails_of(lm, (("user", "Pick a number."),), ["7"])
    assert _read(lm, found.trained[0]) == ["7", "<|im_end|>"]
    assert found.boundary == "template"
