"""Taking apart what models write when they are asked for several answers, or for a string first."""

from __future__ import annotations

import math
import time
from typing import Any

import orjson
import pytest

from divtool.core.sampling.stated import Stated, probability, shares, stated_answers
from divtool.core.sampling.string_seed import Seeded, read_seeded

TAGS = "<response><text>a</text><probability>0.5</probability></response>"
JSON = '{"responses": [{"text": "a", "probability": 0.5}, {"text": "b", "probability": "30%"}]}'


def _pairs(text: str, count: int = 3, *, cut: bool = False) -> list[tuple[str, float | None]]:
    return [(answer.text, answer.probability) for answer in stated_answers(text, count, cut=cut)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TAGS, [("a", 0.5)]),
        (
            f"Sure!\n```xml\n{TAGS}\n<RESPONSE id='2'>\n<text>\nb < c\n</text><probability>30%</RESPONSE>\n```",
            [("a", 0.5), ("b < c", 0.3)],
        ),
        ("<response><text>a<probability>.2</probability></response>", [("a", 0.2)]),
        ("<response><text>a</text></response><response>b</response>", [("a", None), ("b", None)]),
        ("<response>a <probability>0.1</probability></response>", [("a", 0.1)]),
        ('<response probability="0.25">a</response>', [("a", 0.25)]),
        ("<response><text>a</text><probability>0.5<response><text>b", [("a", 0.5), ("b", None)]),
        ("<response><text>...</text><probability>...</probability></response>\n1. a\n2. b", [("a", None), ("b", None)]),
        (JSON, [("a", 0.5), ("b", 0.3)]),
        (f"Here:\n```json\n```\n{JSON}\n```\n```", [("a", 0.5), ("b", 0.3)]),
        ('[{"Text": "a {x}", "Probability": 1,},]', [("a {x}", 1.0)]),
        ('{"text": "a", "p": 0.1}\n{"answer": "b", "prob": NaN}\n{"text": 3}', [("a", 0.1), ("b", None)]),
        ('[{"text": "a", "probability": 0.1}, {"text": "b", "probability": 0.2', [("a", 0.1)]),
        ('[1] see {"text": "a\nb", "probability": true}', [("a\nb", None)]),
        ('{"text": "\\ud800 a", "probability": 0.2}', [("\ufffd a", 0.2)]),
        ('{"text": "a", "probability": 1e400}', [("a", None)]),
        ('{"text": "a", "probability": ' + "9" * 5000 + "}", []),
        ("1. Paris (0.45)\n2. Rome - 30%\n3. Oslo: Probability: .2", [("Paris", 0.45), ("Rome", 0.3), ("Oslo", 0.2)]),
        (
            "1. **Text:** Paris\n   **Probability:** 0.4\n2. Rome (p = 0.1).\n3. Sales rose by 45%.",
            [("Paris", 0.4), ("Rome", 0.1), ("Sales rose by 45%.", None)],
        ),
        ("1. a (probability: high)\n2. b (Probability: -0.1)\n3. c (3)", [("a", None), ("b", None), ("c (3)", None)]),
        ("I cannot do that.", []),
        ("", []),
    ],
)
def test_answers_with_probabilities(text: str, expected: list[tuple[str, float | None]]) -> None:
    assert _pairs(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TAGS + "<response><text>half of", [("a", 0.5)]),
        (TAGS + "<response><text>b</text><prob", [("a", 0.5), ("b", None)]),
        (TAGS + "<response><text>b<probability>0.", [("a", 0.5), ("b", 0.0)]),
        ("1. a (0.1)\n2. half of", [("a", 0.1)]),
    ],
)
def test_answer_that_was_cut_is_left_out(text: str, expected: list[tuple[str, float | None]]) -> None:
    assert _pairs(text, cut=True) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0), (1, 1.0), (0.25, 0.25), ("0.25", 0.25), (" ~ 30 % ", 0.3), ("100%", 1.0), ("1e-3", 0.001),
        ("+.5", 0.5), (1.01, None), ("30", None), ("101%", None), (-0.1, None), ("-5%", None), (math.nan, None),
        (math.inf, None), ("nan", None), ("1e999", None), ("high", None), ("", None), (None, None), (True, None),
        ([0.1], None), (10**400, None), ("0." + "1" * 50, None),
    ],
)  # fmt: skip
def test_probability_is_a_number_from_0_to_1_or_nothing(value: Any, expected: float | None) -> None:
    assert probability(value) == expected


def test_shares_are_those_of_the_valid_probabilities() -> None:
    assert shares([Stated("a", 0.3), Stated("b", None), Stated("c", 0.1)]) == [pytest.approx(0.75), None, 0.25]
    assert shares([Stated("a", 0.0), Stated("b", 0.0)]) == [None, None]
    assert shares([]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<random_string>x7#</random_string><thinking>x</thinking><answer>tea</answer>", Seeded("x7#", "tea", True)),
        ("<Random_String>\nx7\n</Random_String>\n<answer>tea\n</answer> I hope it helps!", Seeded("x7", "tea", True)),
        ("<random_string>x7</random_string><answer>tea", Seeded("x7", "tea")),
        ("<random_string>x7</random_string>\nTea.", Seeded("x7", "Tea.")),
        ("<random_string>x7</random_string><thinking>7 is t</thinking>\nTea.", Seeded("x7", "Tea.")),
        ("<random_string>x7</random_string><thinking>7 is t, so", Seeded("x7", "")),
        ("<random_string>x</random_string><answer>b</answer><answer>.</answer>", Seeded("x", "b", True)),
        ("<random_string>x7</random_string><answer>a</answer><answer>b", Seeded("x7", "a", True)),
        ("**Random string:** x7\nSo it is 7.\n**Answer:** tea", Seeded("x7", "tea")),
        ("Random string: x7\nTea, then.", Seeded("x7", "Tea, then.")),
        ("<answer>tea</answer>", Seeded(None, "tea", True)),
        ("<random_string>...</random_string><answer>...</answer>", Seeded(None, "")),
        ("<random_string>x7", Seeded(None, "")),
        ("Just tea.", Seeded(None, "")),
        ("", Seeded(None, "")),
    ],
)  # fmt: skip
def test_string_and_answer(text: str, expected: Seeded) -> None:
    assert read_seeded(text) == expected


HOSTILE = [
    "<response" * 10**6, "<response>" * 10**6, "<response><text>" * 10**6, "<text>" * 10**6, "[" * 10**7,
    "{" * 10**7, '{"text": ' * 10**6, '{"responses": [' * 10**6, "{" + "a" * 10**7, "," + " " * 10**7, "\n" * 10**7,
    "1. (" * 10**6,
    "1." + " probability" * 10**6, "# " * 5 * 10**6, "<random_string>" * 10**6, "<answer>" * 10**6, "</answer>" * 10**6,
    "<random_string>a</random_string>" + "<thinking>" * 10**6, "answer:\n" * 10**6, "*" * 10**7, "```" * 3 * 10**6,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:24].strip() or "blank lines")
def test_ten_megabytes_of_anything_are_read_in_seconds(text: str) -> None:
    begun = time.process_time()
    answers, seeded = stated_answers(text, 4), read_seeded(text)
    assert time.process_time() - begun < 5
    assert not seeded.closed
    orjson.dumps([[answer.text[:9] for answer in answers], seeded.answer])
