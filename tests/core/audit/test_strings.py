from __future__ import annotations

import pytest

from divtool.core.audit.parser import Parser
from divtool.core.audit.strings import candidate_strings
from divtool.core.audit.task import AuditOption, AuditTask, Format


def options(*texts: str | tuple[str, ...]) -> tuple[AuditOption, ...]:
    given = [(text,) if isinstance(text, str) else text for text in texts]
    return tuple(AuditOption(text, 1 / len(given), tuple(aliases)) for text, *aliases in given)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (("heads", "tails"), [{"heads", "heads.", "Heads", "Heads."}, {"tails", "tails.", "Tails", "Tails."}]),
        # A digit has no other case, and nothing counts twice.
        (("7", ("8", "eight")), [{"7", "7."}, {"8", "8.", "eight", "eight.", "Eight", "Eight."}]),
        # A full stop of one's own is left out.
        (("St.", "x"), [{"St.", "St", "st.", "st"}, {"x", "x.", "X", "X."}]),
        # Only the first letter changes, and not to one that is two letters long.
        (("New York", "ßa"), [{"New York", "New York.", "new York", "new York."}, {"ßa", "ßa."}]),
        # What is another option's text stays that option's, with its full stop.
        (("a", "A"), [{"a", "a."}, {"A", "A."}]),
        (("a", ("b", "A")), [{"a", "a."}, {"b", "b.", "B", "B.", "A", "A."}]),
        # What two options could claim alike is neither's.
        (("a", "a."), [{"a"}, {"a."}]),
    ],
)
def test_strings_of_an_option(given: tuple[str, ...], wanted: list[set[str]]) -> None:
    found = candidate_strings(options(*given))
    assert [set(own) for own in found] == wanted
    assert [len(own) for own in found] == [len(own) for own in wanted]
    assert [own[0] for own in found] == [one if isinstance(one, str) else one[0] for one in given]


def test_off_keeps_texts_and_aliases() -> None:
    assert candidate_strings(options(("one", "1"), "two"), variants=False) == [["one", "1"], ["two"]]


def test_formats_wrap_the_texts_and_spell_nothing() -> None:
    assert candidate_strings(options(("one", "1"), "two"), "braces") == [["{one}", "{1}"], ["{two}"]]
    found = candidate_strings(options("007", "7", 'a"b'), "json")
    assert found == [['{"answer": "007"}'], ['{"answer": "7"}', '{"answer": 7}'], ['{"answer": "a\\"b"}']]


@pytest.mark.parametrize("answer_format", ["bare", "none", "braces", "json"])
def test_the_strict_parser_takes_every_string_for_its_option(answer_format: Format) -> None:
    given = options(("Ace", "1"), "10", ("Queen of Hearts", "queen of hearts"), "é", "iv", "v", "u.s.", "-3")
    parser = Parser(AuditTask(id="made", family="custom", options=given), answer_format)
    for place, own in enumerate(candidate_strings(given, answer_format)):
        assert [parser.strict(text) for text in own] == [place] * len(own), own
