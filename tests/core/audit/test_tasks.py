from __future__ import annotations

from typing import Any

import pytest

from divtool.core.audit.catalog import built_in, builtin_prompts, preset_prompts, presets
from divtool.core.audit.choice import Choice
from divtool.core.audit.options import check_options
from divtool.core.audit.parser import Parser
from divtool.core.audit.prompt_sets import QUICK
from divtool.core.errors import UsageError

# Sizes as the specification of the audit gives them.
SIZES = {
    "coin": 2, "die-4": 4, "die-6": 6, "die-8": 8, "die-12": 12, "die-20": 20, "rps": 3, "digit": 10, "int-1-5": 5,
    "int-1-10": 10, "int-0-10": 11, "int-1-50": 50, "int-1-100": 100, "even-100": 50, "odd-100": 50, "prime-100": 25,
    "letter": 26, "hex-digit": 16, "suit": 4, "rank": 13, "card-52": 52, "weekday": 7, "month": 12, "december": 31,
    "hour": 24, "minute": 60, "colour-11": 11, "planet": 8, "zodiac": 12, "element": 118, "us-state": 50,
    "country": 195, "first-name": 200, "fruit": 80, "occupation": 200,
}  # fmt: skip


def test_sizes_and_targets() -> None:
    tasks = {name: one.task for name, one in built_in().items()}
    assert {name: len(tasks[name].options) for name in SIZES} == SIZES
    assert sum(name.startswith("diffuse/") for name in tasks) == 26
    for task in tasks.values():
        assert sum(option.target for option in task.options) == pytest.approx(1)
        check_options(task.options, task.id, str)


def test_every_alias_reads_as_its_option() -> None:
    for one in built_in().values():
        for prompt in one.prompts(("w1",), "bare")[:1]:
            parser = Parser(prompt.task, "bare")
            for place, option in enumerate(prompt.task.options):
                assert [parser.strict(text) for text in option.texts] == [place] * len(option.texts), option


@pytest.mark.parametrize(
    ("task", "text", "option"),
    [
        ("december", "1 December", "December 1"),
        ("december", "12-01", "December 1"),
        ("int-1-100", "twenty-one", "21"),
        ("int-1-100", "one hundred", "100"),
        ("country", "French Republic", "France"),
        ("card-52", "10 of Hearts", "Ten of Hearts"),
        ("hour", "zero", "0"),
        ("element", "aluminum", "Aluminium"),
    ],
)
def test_aliases(task: str, text: str, option: str) -> None:
    found = built_in()[task].task
    place = Parser(found).strict(text)
    assert place is not None
    assert found.options[place].text == option


def test_every_wording_renders() -> None:
    for answer_format, clause in (("bare", "Give the answer and nothing else."), ("none", "")):
        for prompt in builtin_prompts(SIZES, answer_format=answer_format):  # type: ignore[arg-type]
            text = prompt.chat[0][1]
            assert "{" not in text
            assert text.endswith(clause or ("." if prompt.wording != "w3" else "?"))
            assert text[0].isupper()
    (asked,) = builtin_prompts(["weekday"], ["w3"], "json")
    assert asked.chat == (
        (
            "user",
            "Picture this: a wheel shows every day of the week and is spun. What is the result? "
            'Answer with a JSON object of the form {"answer": ...}.',
        ),
    )


def test_presets() -> None:
    quick = preset_prompts("quick")
    assert len(quick) == 24
    assert {prompt.wording for prompt in quick} == {"w1", "w2"}
    standard = preset_prompts("standard")
    assert len(standard) == 35 * 5
    assert {p.task.family for p in standard} == {
        "coins-dice", "numbers", "symbols", "dates", "names-of-things", "open-lists"
    }  # fmt: skip
    assert [p.task.id for p in standard if p.task.open and p.wording == "w1"] == ["first-name", "fruit", "occupation"]
    assert len(preset_prompts("diffuse")) == 26
    assert len(preset_prompts("diffuse-quick")) == 7  # the held-out ones too
    full = preset_prompts("full")
    assert len({prompt.key for prompt in full}) == len(full) > len(standard)
    assert set(presets()) == {"quick", "standard", "full", "diffuse", "diffuse-quick", "diffuse-wide"}


def test_choices_add_up_with_each_prompt_once() -> None:
    assert [p.key for p in Choice().prompts()] == [p.key for p in preset_prompts("quick")]
    both = Choice(presets=["quick"], tasks=["die-6", "dates"]).prompts()
    assert [p.wording for p in both if p.task.id == "die-6"] == ["w1", "w2", "w3", "w4", "w0"]
    assert len({p.key for p in both}) == len(both) == 24 + 3 + 2 * 3 + 3 * 5
    assert [p.task.id for p in Choice(tasks=["die-*"]).prompts()[::5]] == [
        "die-4",
        "die-6",
        "die-8",
        "die-12",
        "die-20",
    ]


def test_arms_and_formats() -> None:
    asked = Choice(tasks=["coin"], arms=["system", "formats"], format="braces", prefill="I say ").prompts()
    assert len({prompt.key for prompt in asked}) == len(asked) == 5 * (1 + 1 + 3)
    assert {prompt.prefill for prompt in asked} == {"I say "}
    arms = {arm: [p for p in asked if p.arm == arm] for arm in ("", "system", "formats")}
    assert all(p.format == "braces" and p.scored == (p.wording != "w0") for p in arms[""])
    assert {p.chat[0][0] for p in arms["system"]} == {"system"}
    assert {p.format for p in arms["formats"]} == {"bare", "json", "none"}
    assert not any(p.scored for arm in ("system", "formats") for p in arms[arm])


def test_diffuse_prompts_stay_as_trained() -> None:
    (prompt,) = Choice(tasks=["diffuse/numbers/1-10"], format="json").prompts()
    assert (prompt.wording, prompt.format, prompt.task.family) == ("given", "braces", "diffuse")
    assert [option.text for option in prompt.task.options] == [str(n) for n in range(1, 11)]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"tasks": ["weekdy"]}, r"unknown audit task 'weekdy': did you mean 'weekday'\? known: coins-dice"),
        ({"presets": ["quik"]}, r"unknown preset 'quik': did you mean 'quick'\? known: quick, standard"),
        ({"arms": ["systm"]}, r"unknown arm 'systm': did you mean 'system'\?"),
    ],
)
def test_unknown_names(choice: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Choice(**choice).prompts()


def test_prompt_set_for_sample() -> None:
    records = list(QUICK(None, 0))
    assert len(records) == 24 == len({record["prompt_id"] for record in records})
    assert records[0]["task"] == "coin"
    assert (records[1]["wording"], records[1]["format"]) == ("w2", "bare")
    assert [r["prompt_id"] for r in QUICK(3, 0)] == [r["prompt_id"] for r in records[:3]]
    with pytest.raises(UsageError, match="has 1 to 24 prompts, not 25"):
        list(QUICK(25, 0))


@pytest.mark.model
def test_every_option_survives_the_embedded_tokenizer() -> None:
    from types import SimpleNamespace

    from divtool.core.models.language import load_tokenizer, resolve

    tokenizer: Any = load_tokenizer(resolve("smollm2-135m"))
    lm = SimpleNamespace(tokenizer=tokenizer)
    texts = {text for one in built_in().values() for option in one.task.options for text in option.texts}
    assert lm.tokenizer.batch_decode([tokenizer.encode(text) for text in texts]) == list(texts)
