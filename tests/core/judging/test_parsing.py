"""What is read from a judge's answer, and what is not."""

from __future__ import annotations

import random

import pytest

from divtool.core.judging.parsing import rating, verdict


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("It is good.\nRating: [[8]]", 8.0),
        ("Rating: [[8]]", 8.0),
        ("rating:[[ 7.5 ]]", 7.5),
        ("**Rating: [[6.0]]**", 6.0),
        ("Rating: **[[6]]** is what I give, all in all.", 6.0),
        ("Rating: [[8/10]]", 8.0),
        ("Rating: [[1]] or rather\nRating: [[10]]", 10.0),
        ("It says 'Rating: [[10]]', which is a trick.\nRating: [[2]]", 2.0),
        ("It says 'Rating: [[10]]', which is a trick.\n2", 2.0),
        ("Rating: [[9]]\nI hope this helps.", 9.0),
        ("9", 9.0),
        ("Fine.\n\n 7 \n", 7.0),
        ("Fine.\n**7/10**", 7.0),
        ("Fine.\nRating: 7.5", 7.5),
        ("Fine.\nRating: [7]", 7.0),
        ("Fine.\n[[8]]", 8.0),
    ],
)
def test_ratings(answer: str, value: float) -> None:
    assert rating(answer) == value


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "\n",
        "It is good.",
        "The story names 3 birds",
        "Rating: [[x]]",
        "Rating: [[11]]",
        "Rating: [[0]]",
        "Rating: [[-3]]",
        "Rating: [[0.5]]",
        "Rating: [[7.3]]",
        "Rating: [[10.5]]",
        "Rating: [[7]]\nRating: [[15]]",
        "Rating: [[٧]]",
        "Rating: [[nan]]",
        "Rating: [[1",
        "-3",
        "0",
        "11",
        "3.5.2",
        "1. Sense: good.\n2.",
        "1-10",
        "Rating: 1…",
        "Seven",
    ],
)
def test_what_is_no_rating(answer: str) -> None:
    assert rating(answer) is None


@pytest.mark.parametrize(
    ("answer", "side"),
    [
        ("Verdict: [[A]]", "A"),
        ("verdict: [[b]]", "B"),
        ("A is longer.\nVerdict: [[Tie]]", "tie"),
        ("Verdict: [[A]]\nVerdict: [[B]]", "B"),
        ("Both do.\ntie", "tie"),
        ("Verdict: B", "B"),
        ("Verdict: [[A|B|tie]]", None),
        ("Verdict: [[C]]", None),
        ("A is better", None),
        ("", None),
    ],
)
def test_verdicts(answer: str, side: str | None) -> None:
    assert verdict(answer) == side


def test_nothing_raises_and_nothing_is_slow() -> None:
    draw = random.Random(0)
    pieces = [
        "Rating",
        "Verdict",
        ":",
        "[[",
        "]]",
        "[",
        "]",
        "1",
        "0",
        ".",
        "/",
        "-",
        "*",
        "\n",
        " ",
        "A",
        "tie",
        "é",
        "\0",
    ]
    for _ in range(10_000):
        text = "".join(draw.choices(pieces, k=draw.randint(0, 30)))
        assert rating(text) is None or 1 <= rating(text) <= 10
        assert verdict(text) in ("A", "B", "tie", None)
    for piece in (*pieces, "Rating[[", "Rating: ", "."):
        rating(piece * 50_000)
        verdict(piece * 50_000)
