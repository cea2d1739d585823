from __future__ import annotations

import pytest

from divtool.core.reporting import text


def test_clean_shows_what_must_not_act() -> None:
    assert text.clean("a\x00b\x1b[31m") == "a\u2400b\u241b[31m"
    assert text.clean("user\u202egpj.exe") == "user\u27e8U+202E\u27e9gpj.exe"
    assert text.clean("\x9b\ufffe\ud800") == "\u27e8U+009B\u27e9\ufffd\ufffd"


def test_clean_leaves_writing_alone() -> None:
    plain = "Zeile\n\tTab, caf\u00e9, \u05d0\u05d1\u05d2, \u0627\u0644, \U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert text.clean(plain) == plain
    assert text.clean("one\r\ntwo") == "one\ntwo"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "\u2013"),
        (0.0, "0.000"),
        (0.12345, "0.123"),
        (-1.5, "\u22121.50"),
        (12, "12"),
        (1234.6, "1,235"),
        (0.00002, "2.0e\u221205"),
        (-0.0, "0.000"),
    ],
)
def test_numbers(value: float | None, written: str) -> None:
    assert text.number(value) == written


def test_intervals_show_two_digits_of_their_width() -> None:
    assert text.with_interval(0.03, 0.01, 0.05, sign=True) == "+0.030 [0.010, 0.050]"
    assert text.with_interval(12.3456, 9.0, 15.0) == "12.3 [9.0, 15.0]"
    assert text.with_interval(0.0, 0.0, 0.0, sign=True) == "0.000 [0.000, 0.000]"
    assert text.with_interval(0.5, None, None) == "0.500"


def test_only_numbers_that_can_be_drawn() -> None:
    assert [text.as_number(v) for v in (True, "1", None, float("nan"), 1e300, 10**400, 3)] == [None] * 6 + [3.0]


def test_excerpt_says_what_it_cut() -> None:
    assert text.excerpt("short").note == ""
    assert text.excerpt("x" * 2_000_000).note == "cut: the first 1,500 of 2,000,000 characters"


def test_as_text_takes_what_a_file_may_hold() -> None:
    assert text.as_text([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]) == "a\nb"
    assert text.as_text({"a": 1}) == '{"a":1}'
    assert text.as_text(None) == ""


def test_listing() -> None:
    assert text.listing(["a", "b", "c"]) == "a, b and c"
    assert text.listing(list("abcdef"), 2) == "a, b and 4 more"
    assert text.listing([]) == ""
