"""Answers that list responses, and the clean-up of a response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from divtool.core.errors import InputError
from divtool.core.jsonl import Row
from divtool.core.sampling.backend import Decoding, Draw, Request
from divtool.core.sampling.cleaning import cleaned
from divtool.core.sampling.echo import EchoBackend
from divtool.core.sampling.listed import Listed, ListSampler
from divtool.core.sampling.lists import list_items
from divtool.core.sampling.run import SampleOptions
from divtool.core.sampling.strategies import StrategyOptions

Record = dict[str, Any]
GREEDY = SampleOptions(samples=3, batch_size=2, decoding=Decoding(0.0))
GOOD = "1. a\n2. b\n3. c"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. a b\n2. c\n3. d", ["a b", "c", "d"]),
        ("Sure, here they are:\n\n1) a\n\n2) c\n\n3) d", ["a", "c", "d"]),
        ("**1.** a\n**2.** c\n3: d\n\nI hope that helps!", ["a", "c", "d"]),
        ("1. a\n1. inside\n2. c\n   more of c\n3. d", ["a\n1. inside", "c\n   more of c", "d"]),
        ("1. a\n2. born in\n1987. He left.\n3. d", ["a", "born in\n1987. He left.", "d"]),
        ("- a\n- b\n- c", ["a", "b", "c"]),
        ("a\n\nb\nc\n", ["a", "b", "c"]),
        ("a\nb", []),
        ("I cannot do that.", []),
        ("1. a\n2.\n3. d", ["a", "d"]),
        ("1. a\n2. b\n3. c\n4. d", ["a", "b", "c", "d"]),
    ],
)
def test_items_of_a_list(text: str, expected: list[str]) -> None:
    assert list_items(text, 3) == expected


def test_item_that_was_cut_is_left_out() -> None:
    assert list_items("1. a\n2. b\n3. c and", 3, cut=True) == ["a", "b"]
    assert list_items("1. a\n2. b\n3. c\n\nThese are", 3, cut=True) == ["a", "b", "c"]
    assert list_items("a\nb\nc and", 3, cut=True) == ["a", "b"]


class _Scripted:
    name, parameters = "scripted", None

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Request, float]] = []

    def draw(self, requests: Sequence[Request], decoding: Decoding, on_tokens: Any = None) -> list[Draw]:
        self.asked += [(request, decoding.temperature) for request in requests]
        return [Draw(self.answers.pop(0), 9, "stop", -1.0) for _ in requests]


def _run(backend: Any, *names: str, finished: Sequence[Record] = ()) -> tuple[list[Record], ListSampler]:
    rows = [Row({"prompt_id": name, "prompt": f"About {name}"}, f"f:{n}") for n, name in enumerate(names, 1)]
    sampler = ListSampler(backend, Listed(StrategyOptions(samples=3)), GREEDY)
    old = [Row(record, f"old:{n}") for n, record in enumerate(finished, 1)]
    return [record for batch in sampler.run(rows, old) for record in batch], sampler


def test_one_answer_becomes_the_responses() -> None:
    backend = _Scripted(GOOD)
    records, sampler = _run(backend, "p")
    assert [(r["sample_index"], r["turn"], r["response"]) for r in records] == [(0, 1, "a"), (1, 1, "b"), (2, 1, "c")]
    assert records[0]["prompt"] == "About p"
    assert records[0]["params"]["strategy"] == "list"
    assert records[0]["n_tokens"] is records[0]["logprob"] is None
    assert records[0]["finish_reason"] == "stop"
    assert records[0]["listed"] == {"asked": 3, "read": 3, "tries": 1, "n_tokens": 9}
    request, temperature = backend.asked[0]
    assert request.messages[-1][1].startswith("About p\n\nGive 3 different good answers")
    assert temperature == 0
    assert sampler.notes == ["lists: 1 of 1 answers hold all 3 responses; 3 of 3 responses read (parse rate 100%)"]


def test_short_answers_are_asked_for_again_and_the_best_is_kept() -> None:
    backend = _Scripted("1. a", GOOD, "1. a\n2. b", "no", "1. x\n2. y")
    records, sampler = _run(backend, "p", "q")
    assert [(r["prompt_id"], r["response"]) for r in records] == [("p", "a"), ("p", "b"), *(("q", t) for t in "abc")]
    assert [temperature for _, temperature in backend.asked] == [0, 0, 0.75, 0.75, 0.75]
    assert len({request.draw for request, _ in backend.asked}) == 5
    assert [r["listed"]["tries"] for r in records] == [4, 4, 1, 1, 1]
    assert "1 of 2 answers" in sampler.notes[0]
    assert "5 of 6 responses" in sampler.notes[0]


@pytest.mark.parametrize("kept", range(6))
def test_resumed_run_gives_what_an_uninterrupted_one_gives(kept: int) -> None:
    """Nothing can be read for q; of r two responses can."""
    answers = {"p": GOOD, "q": "no", "r": "1. a\n2. b"}

    class Steady(_Scripted):
        def draw(self, requests: Sequence[Request], decoding: Decoding, on_tokens: Any = None) -> list[Draw]:
            return [Draw(answers[request.draw[1]], 9, "stop", None) for request in requests]

    whole, _ = _run(Steady(), "p", "q", "r")
    assert len(whole) == 5
    rest, _ = _run(Steady(), "p", "q", "r", finished=whole[:kept])
    assert whole[:kept] + rest == whole
    with pytest.raises(InputError, match="no such response"):
        _run(Steady(), "q", finished=whole[:1])


def test_echo_lists_too() -> None:
    records, _ = _run(EchoBackend(), "p", "q")
    assert len(records) == 6
    assert all(record["response"] for record in records)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Person B: I am fine.", "I am fine."),
        ('"Person B: I am fine."', "I am fine."),
        ('B: "I am fine."', "I am fine."),
        ("**Assistant:** I am fine.", "I am fine."),
        ("The truth is: I am fine.", "The truth is: I am fine."),
        ('"Yes," he said, "no."', '"Yes," he said, "no."'),
        ("“I am fine.”", "I am fine."),
        ("[smiles] I am *waves* fine 😀! 👩‍👩‍👧 🇫🇷 #happy #so_happy", "I am fine!"),
        ("(laughs) I am fine (really).", "I am fine (really)."),
        ("2 * 3 * 4 is **24**, item #3, C# and R&D", "2 * 3 * 4 is **24**, item #3, C# and R&D"),
        ("Übung © macht den Meister", "Übung © macht den Meister"),
        ("😀", ""),
    ],
)
def test_clean_up(text: str, expected: str) -> None:
    assert cleaned(text, "chat") == expected


def test_clean_up_keeps_the_raw_text() -> None:
    sampler = ListSampler(
        _Scripted('1. A: "x"\n2. b\n3. c'), Listed(StrategyOptions(samples=3)),
        SampleOptions(samples=3, decoding=Decoding(0.0), clean="chat"),
    )  # fmt: skip
    records = [r for batch in sampler.run([Row({"prompt_id": "p", "prompt": "P"}, "f:1")]) for r in batch]
    assert [(r["response"], r["response_raw"]) for r in records] == [("x", 'A: "x"'), ("b", "b"), ("c", "c")]
    assert records[0]["params"]["clean"] == "chat"
