"""Which option a text is, strictly and leniently (random-audit.md A4)."""

from __future__ import annotations

import json

import pytest

from divtool.core.audit.parser import Ambiguity, Parser, ambiguities
from divtool.core.audit.strings import candidate_strings
from divtool.core.audit.task import FORMATS, AuditOption, AuditTask, Format

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def _task(*options: tuple[str, ...]) -> AuditTask:
    return AuditTask("made", "made", tuple(AuditOption(text, 1 / len(options), tuple(own)) for text, *own in options))


NUMBERS = _task(*((str(number), word) for number, word in enumerate(_WORDS, start=1)))
COIN = _task(("Heads",), ("Tails",))
DATES = _task(("December 1", "1 December", "12-01"), ("December 12", "12 December", "12-12"))
LETTERS = _task(("a",), ("A",), ("b",))
NATIONS = _task(("Côte d'Ivoire", "Ivory Coast"), ("Guinea",), ("Guinea-Bissau",), ("U.S.", "United States"))
CARDS = _task(("Queen of Hearts",), ("Ten of Hearts", "10 of Hearts"))
BRACED = _task(("{7}",), ("{8}",))
CHINESE = _task(("星期一",), ("星期二",))

STRICT = [
    (NUMBERS, "bare", "7", "7"),
    (NUMBERS, "bare", "7.", "7"),
    (NUMBERS, "bare", '"7"', "7"),
    (NUMBERS, "bare", "'7'", "7"),
    (NUMBERS, "bare", "`7`", "7"),
    (NUMBERS, "bare", "“7”", "7"),
    (NUMBERS, "bare", "{7}", "7"),
    (NUMBERS, "bare", '"7."', "7"),
    (NUMBERS, "bare", "\t7 \n\n", "7"),
    (NUMBERS, "bare", " seven", "7"),
    (NUMBERS, "bare", "Seven.", "7"),
    (NUMBERS, "none", "SEVEN", "7"),
    (NUMBERS, "bare", "10", "10"),
    (NUMBERS, "bare", "<think>8 or 9? 8.</think>7", "7"),
    (NUMBERS, "bare", "maybe 8</think>\n\n7.", "7"),
    (NUMBERS, "bare", "[THINK]8[/THINK]7", "7"),
    (NUMBERS, "bare", "<think>7", None),
    (NUMBERS, "bare", "<think>8</think>7<think>9", None),
    (NUMBERS, "bare", "7\n8", None),
    (NUMBERS, "bare", "7\n7", None),
    (NUMBERS, "bare", "I pick 7", None),
    (NUMBERS, "bare", "a 7", None),
    (NUMBERS, "bare", "7!", None),
    (NUMBERS, "bare", "7..", None),
    (NUMBERS, "bare", '""7""', None),
    (NUMBERS, "bare", '"7', None),
    (NUMBERS, "bare", "07", None),
    (NUMBERS, "bare", "7.0", None),
    (NUMBERS, "bare", "11", None),
    (NUMBERS, "bare", "7 points", None),
    (NUMBERS, "bare", "", None),
    (NUMBERS, "bare", ".", None),
    (NUMBERS, "bare", '{"answer": 7}', None),
    (NUMBERS, "braces", "{7}", "7"),
    (NUMBERS, "braces", " {Seven} ", "7"),
    (NUMBERS, "braces", "7", None),
    (NUMBERS, "braces", "{{7}}", None),
    (NUMBERS, "braces", "{7} {8}", None),
    (NUMBERS, "json", '{"answer": "7"}', "7"),
    (NUMBERS, "json", '{"answer": 7}', "7"),
    (NUMBERS, "json", ' {"why": null, "answer": "seven."}\n', "7"),
    (NUMBERS, "json", '{"answer": 7.0}', None),
    (NUMBERS, "json", '{"answer": true}', None),
    (NUMBERS, "json", '{"answer": ["7"]}', None),
    (NUMBERS, "json", "[7]", None),
    (NUMBERS, "json", "7", None),
    (NUMBERS, "json", '{"answer": "7"', None),
    (COIN, "bare", "heads", "Heads"),
    (COIN, "bare", "Heads!", None),
    (COIN, "bare", "Heads or tails", None),
    (DATES, "bare", "1 december", "December 1"),
    (DATES, "bare", "12-12.", "December 12"),
    (DATES, "bare", "December 1st", None),
    (LETTERS, "bare", "a", "a"),
    (LETTERS, "bare", "A", "A"),
    (LETTERS, "bare", "B", "b"),
    (NATIONS, "bare", "Co\u0302te d'Ivoire", "Côte d'Ivoire"),
    (NATIONS, "bare", "ivory coast", "Côte d'Ivoire"),
    (NATIONS, "bare", "U.S.", "U.S."),
    (NATIONS, "bare", "u.s", "U.S."),
    (NATIONS, "bare", "The United States", None),
    (CARDS, "bare", "10 of hearts", "Ten of Hearts"),
    (BRACED, "none", "{7}", "{7}"),
    (BRACED, "none", "7", None),
    (CHINESE, "bare", "星期一", "星期一"),
]


def _text(task: AuditTask, place: int | None) -> str | None:
    return None if place is None else task.options[place].text


@pytest.mark.parametrize(("task", "answer_format", "text", "option"), STRICT)
def test_strict(task: AuditTask, answer_format: Format, text: str, option: str | None) -> None:
    parser = Parser(task, answer_format)
    assert _text(task, parser.strict(text)) == option
    # Exact mode never counts what the parser calls invalid, nor for another option.
    claimed = [
        option.text
        for option, own in zip(task.options, candidate_strings(task.options, answer_format), strict=True)
        if text in own
    ]
    assert claimed in ([], [option])
    # The lenient reading leaves what is valid alone.
    assert option is None or _text(task, parser.lenient(text)) == option


@pytest.mark.parametrize("answer_format", FORMATS)
@pytest.mark.parametrize("task", [NUMBERS, COIN, DATES, LETTERS, NATIONS, CARDS])
def test_whatever_exact_mode_counts_reads_as_its_option(task: AuditTask, answer_format: Format) -> None:
    parser = Parser(task, answer_format)
    for place, own in enumerate(candidate_strings(task.options, answer_format)):
        assert {parser.strict(text) for text in own} == {place}, own


@pytest.mark.parametrize(
    ("task", "text", "option"),
    [
        (NUMBERS, "I pick 7", "7"),
        (NUMBERS, "My number is seven!", "7"),
        (NUMBERS, "7, yes, 7", "7"),
        (NUMBERS, "7\n8", None),
        (NUMBERS, "A 10.", "10"),
        (NUMBERS, "about 7.5", None),
        (NUMBERS, "1,000", None),
        (NUMBERS, "17 or 70", None),
        (NUMBERS, "seventy", None),
        (NUMBERS, "<think>8 or 9?</think>It is 7", "7"),
        (NUMBERS, "<think>7", None),
        (COIN, "It lands on HEADS!", "Heads"),
        (COIN, "Heads or tails?", None),
        (COIN, "headstrong", None),
        (DATES, "On December 12, I think", "December 12"),
        (NATIONS, "Guinea-Bissau of course", "Guinea-Bissau"),
        (CHINESE, "我选星期一吧", "星期一"),
    ],
)
def test_lenient(task: AuditTask, text: str, option: str | None) -> None:
    assert _text(task, Parser(task).lenient(text)) == option


def test_every_outcome_has_a_name() -> None:
    parser = Parser(NUMBERS)
    assert (parser.outcome(" 7. "), parser.outcome(" Forty\n")) == (6, "Forty")


def test_entries_that_read_alike_are_named() -> None:
    assert ambiguities(NUMBERS.options) == ambiguities(LETTERS.options) == []
    clash = _task(("7", "seven"), ("eight", '"7."'))
    assert ambiguities(clash.options) == [Ambiguity(0, "7", 1, '"7."')]
    same = _task(("Côte",), ("Co\u0302te",))
    assert len(ambiguities(same.options)) == 1


def test_numbers_in_json_stay_as_written() -> None:
    decimals = _task(("0.50",), ("1e3",), ("0.25",))
    parser = Parser(decimals, "json")
    assert [parser.strict(f'{{"answer": {text}}}') for text in ("0.50", "1e3", "0.5")] == [0, 1, None]
    assert parser.strict(json.dumps({"answer": "0.25"})) == 2
    assert parser.strict("[" * 100_000) is None
