"""Answers with stated probabilities, and answers that follow from a string."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from divtool.core.errors import InputError
from divtool.core.jsonl import Row
from divtool.core.sampling.backend import REFUSED, Decoding, Draw, Request
from divtool.core.sampling.echo import EchoBackend
from divtool.core.sampling.open import open_sampler, open_strategy
from divtool.core.sampling.run import SampleOptions, Sampler
from divtool.core.sampling.strategies import StrategyOptions

Record = dict[str, Any]
OPTIONS = SampleOptions(samples=3, batch_size=2)


class Answering:
    """Answers a prompt's tries one by one with given texts, the last for good."""

    name, parameters = "answering", None

    def __init__(self, finish_reason: str = "stop", **answers: Sequence[str]) -> None:
        self._answers, self._finish_reason = answers, finish_reason
        self.asked: list[Request] = []

    def draw(self, requests: Sequence[Request], decoding: Decoding, on_tokens: Any = None) -> list[Draw]:
        self.asked += requests
        return [Draw(self._text(*request.draw), 9, self._finish_reason, -1.5, 1) for request in requests]

    def _text(self, seed: int, name: str, index: int, turn: int) -> str:
        texts = self._answers[name]
        return texts[min(index + turn, len(texts)) - 1]


def _run(
    backend: Any, name: str, *prompts: str, options: SampleOptions = OPTIONS, finished: Sequence[Record] = ()
) -> tuple[list[Record], Sampler]:
    rows = [Row({"prompt_id": prompt, "prompt": f"About {prompt}"}, f"f:{prompt}") for prompt in prompts]
    strategy = open_strategy(name, StrategyOptions(samples=options.samples))
    sampler = open_sampler(backend, strategy, options, lambda _: None)
    old = [Row(record, f"old:{n}") for n, record in enumerate(finished, 1)]
    return [record for batch in sampler.run(rows, old) for record in batch], sampler


def _tagged(*stated: tuple[str, str]) -> str:
    return "\n".join(f"<response><text>{t}</text><probability>{p}</probability></response>" for t, p in stated)


GOOD = _tagged(("a", "0.5"), ("b", "20%"), ("c", "0.3"))
PART = _tagged(("x", "30"), ("y", "0.2"))
STATED = {"p": (GOOD,), "q": ("no",), "r": ("no", PART, "1. z", "no")}


def test_probabilities_stand_in_the_records() -> None:
    backend = Answering(p=[GOOD])
    records, sampler = _run(backend, "verbalized", "p")
    assert [(r["sample_index"], r["response"], r["stated_probability"]) for r in records] == [
        (0, "a", 0.5), (1, "b", 0.2), (2, "c", 0.3),
    ]  # fmt: skip
    assert [r["stated_probability_normalised"] for r in records] == pytest.approx([0.5, 0.2, 0.3])
    assert records[0]["n_tokens"] is records[0]["logprob"] is None
    assert records[0]["listed"] == {"asked": 3, "read": 3, "tries": 1, "n_tokens": 9}
    assert records[0]["params"]["strategy"] == "verbalized"
    assert backend.asked[0].messages[-1][1].startswith("About p\n\nGive 3 different answers")
    assert sampler.notes == [
        "verbalized: 1 of 1 answers hold all 3 responses; 3 of 3 responses read (parse rate 100%)",
        "stated probabilities: 3 of 3 are numbers from 0 to 1; those of one answer add up to 1.00 to 1.00",
    ]


def test_the_best_of_four_tries_is_kept_and_the_counts_add_up() -> None:
    records, sampler = _run(Answering(**STATED), "verbalized", "p", "q", "r")
    kept = [(r["prompt_id"], r["stated_probability"], r["stated_probability_normalised"]) for r in records[3:]]
    assert kept == [("r", None, None), ("r", 0.2, 1.0)]
    assert records[3]["listed"] == {"asked": 3, "read": 2, "tries": 4, "n_tokens": 9}
    assert sampler.notes == [
        "verbalized: 1 of 3 answers hold all 3 responses; 5 of 9 responses read (parse rate 56%)",
        "stated probabilities: 4 of 5 are numbers from 0 to 1; those of one answer add up to 0.20 to 1.00",
    ]
    nothing, sampler = _run(Answering(q=["no"]), "verbalized", "q")
    assert not nothing
    assert "0 of 3 responses read (parse rate 0%)" in sampler.notes[0]
    assert len(sampler.notes) == 1


def test_what_a_server_refuses_is_asked_for_once() -> None:
    backend = Answering(REFUSED, p=[""])
    records, sampler = _run(backend, "verbalized", "p")
    assert (records, len(backend.asked)) == ([], 1)
    assert "0 of 3 responses read" in sampler.notes[0]
    seeded = _run(backend, "string-seed", "p")
    assert (seeded[0], seeded[1].notes) == ([], [])


def test_more_than_was_asked_for_is_left_out_before_the_shares() -> None:
    records, _ = _run(Answering(p=[GOOD + PART]), "verbalized", "p", options=replace(OPTIONS, samples=2))
    assert [r["stated_probability_normalised"] for r in records] == pytest.approx([5 / 7, 2 / 7])


SEEDED = {
    "p": ("<random_string>k3</random_string><thinking>3</thinking><answer>tea</answer>", "Just tea."),
    "q": ("<random_string>k4</random_string>", "<answer>*waves* milk"),
}


def test_the_response_is_the_answer_and_the_rest_is_kept() -> None:
    backend = Answering("length", **SEEDED)
    records, sampler = _run(backend, "string-seed", "p", "q", options=replace(OPTIONS, samples=2))
    assert [(r["prompt_id"], r["sample_index"], r["response"], r["seed_string"]) for r in records] == [
        ("p", 0, "tea", "k3"), ("p", 1, "", None), ("q", 0, "", "k4"), ("q", 1, "*waves* milk", None),
    ]  # fmt: skip
    assert [r["response_raw"] for r in records] == [*SEEDED["p"], *SEEDED["q"]]
    assert [r["finish_reason"] for r in records] == ["stop", "length", "length", "length"]
    assert {r["n_tokens"] for r in records} == {r["logprob"] for r in records} == {None}
    assert records[0]["seeded"] == {"n_tokens": 9, "logprob": -1.5, "finish_reason": "length"}
    assert backend.asked[0].messages[-1][1].startswith("About p\n\nFirst make up a long random string")
    assert sampler.notes == [
        "string-seed: 1 of 4 responses read with their string (parse rate 25%); 2 answers, 2 strings"
    ]
    cleaned, _ = _run(backend, "string-seed", "q", options=replace(OPTIONS, samples=2, clean="chat"))
    assert (cleaned[1]["response"], cleaned[1]["response_raw"]) == ("milk", SEEDED["q"][1])


@pytest.mark.parametrize("strategy", ["verbalized", "list", "string-seed", "persona", "paraphrase"])
@pytest.mark.parametrize("backend", ["echo", "answering"])
def test_a_run_that_was_cut_anywhere_gives_the_same(strategy: str, backend: str) -> None:
    """Also at several settings of the decoding, where a list of one setting may hold nothing."""
    answers = SEEDED | {"r": ("x",)} if strategy == "string-seed" else STATED
    source = EchoBackend() if backend == "echo" else Answering(**answers)
    options = replace(OPTIONS, further=(Decoding(0.5), Decoding(top_p=0.5)))
    prompts = ("p", "q", "r")
    whole, _ = _run(source, strategy, *prompts, options=options)
    keys = [(r["prompt_id"], r["sample_index"], r["turn"]) for r in whole]
    assert len(set(keys)) == len(keys)
    assert keys == sorted(keys)
    assert len(keys) == 27 or (backend == "answering" and len(keys) == {"verbalized": 11, "list": 10}[strategy])
    for kept in range(len(whole) + 1):
        rest, _ = _run(source, strategy, *prompts, options=options, finished=whole[:kept])
        assert whole[:kept] + rest == whole
    other = replace(options, further=(Decoding(0.6), Decoding(top_p=0.5)))
    with pytest.raises(InputError, match="drawn with params"):
        _run(source, strategy, *prompts, options=other, finished=whole)


@pytest.mark.parametrize("strategy", ["verbalized", "string-seed", "persona", "paraphrase"])
def test_the_seed_fixes_the_draws(strategy: str) -> None:
    echo = EchoBackend()
    whole, sampler = _run(echo, strategy, "p", "q")
    assert all(record["response"] for record in whole)
    assert whole == _run(echo, strategy, "p", "q", options=replace(OPTIONS, batch_size=1))[0]
    assert whole[0]["response"] != _run(echo, strategy, "p", options=replace(OPTIONS, seed=1))[0][0]["response"]
    assert all("parse rate 100%" in line for line in sampler.notes[:1])
