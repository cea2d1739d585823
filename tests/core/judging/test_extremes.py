"""The most and the least different response, asked in two orders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from divtool.core.endpoint.client import Endpoint
from divtool.core.judging.extremes import agreed, most_and_least, two_orders
from divtool.core.judging.judge import Judge

PROMPT = [{"role": "user", "content": "Write about rain."}]
TEXTS = ["fog", "rain, rain", "a storm", "drizzle"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Reasons.\nMost: [[3]]\nLeast: [[1]]", (3, 1)),
        ("**Most**: [[ 2 ]], least: [[4]]", (2, 4)),
        ("Most: [[1]]\nLeast: [[2]]\nNo:\nMost: [[4]]\nLeast: [[2]]", (4, 2)),
        ("Most: [[3]]\nLeast: [[3]]", None),
        ("Most: [[0]]\nLeast: [[1]]", None),
        ("Most: 3, least: 1", None),
        ("Most: [[3]]", None),
    ],
)
def test_answers(answer: str, expected: Any) -> None:
    assert most_and_least(answer) == expected


def test_orders_depend_on_the_texts_and_the_seed() -> None:
    first, second = two_orders(0, PROMPT, TEXTS)
    assert second == first[::-1]
    assert sorted(first) == [0, 1, 2, 3]
    shown = [TEXTS[place] for place in first]
    moved = TEXTS[::-1]
    assert [moved[place] for place in two_orders(0, PROMPT, moved)[0]] == shown
    assert any([TEXTS[place] for place in two_orders(seed, PROMPT, TEXTS)[0]] != shown for seed in range(1, 9))


def test_agreement() -> None:
    orders = ([2, 0, 1], [1, 0, 2])
    assert agreed([(1, 3), (3, 1)], orders) == (2, 1)
    assert agreed([(1, 3), (1, 3)], orders) is None
    assert agreed([(1, 3), None], orders) is None
    assert agreed([(1, 4), (1, 4)], orders) is None


pytest.importorskip("openai")


@pytest.fixture
def judge(stub_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Judge]]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    client = Endpoint(stub_server.url, tries=1)
    yield lambda **options: Judge(client, "judge-model", **options)
    client.close()


def by_text(body: dict[str, Any]) -> str:
    """An answer by content alone: the storm differs most, the fog least."""
    text = body["messages"][0]["content"]
    place = {name: re.search(rf"<response (\d+), \w+>\n{name}\n", text)[1] for name in ("a storm", "fog")}  # type: ignore[index]
    return f"Most: [[{place['a storm']}]]\nLeast: [[{place['fog']}]]"


def test_a_consistent_judge_is_believed_in_any_order(stub_server: Any, judge: Any) -> None:
    stub_server.answer = by_text
    made = judge()
    assert made.most_least_diverse([(PROMPT, TEXTS), (PROMPT, TEXTS[::-1])]) == [(2, 0), (1, 3)]
    # The second list is the first in another order: the same two questions.
    assert (made.asked, made.calls, made.unparsed) == (4, 2, 0)


def test_a_judge_that_goes_by_place_is_not_believed(stub_server: Any, judge: Any) -> None:
    stub_server.answer = lambda body: "Most: [[1]]\nLeast: [[2]]"
    assert judge().most_least_diverse([(PROMPT, TEXTS)]) == [None]


def test_what_cannot_be_read_is_asked_for_once_more(stub_server: Any, judge: Any) -> None:
    stub_server.answer = lambda body: by_text(body) if "Give no reasons" in body["messages"][0]["content"] else "Hm."
    made = judge()
    assert made.most_least_diverse([(PROMPT, TEXTS)]) == [(2, 0)]
    assert (made.calls, made.unparsed) == (4, 0)
    stub_server.answer = lambda body: "Hm."
    assert judge(seed=1).most_least_diverse([(PROMPT, TEXTS)]) == [None]
