from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from divtool.core.errors import InputError, UsageError
from divtool.core.jsonl import Row
from divtool.core.sampling.backend import Decoding, Draw, Request
from divtool.core.sampling.echo import EchoBackend
from divtool.core.sampling.run import SampleOptions, Sampler
from divtool.core.sampling.strategies import Direct, Sequential, Strategy, StrategyOptions

OPTIONS = SampleOptions(samples=3, seed=0, batch_size=4)


def _prompts(*texts: str) -> list[Row]:
    return [
        Row({"prompt_id": text, "prompt": f"About {text}", "mine": n}, f"f:{n + 1}") for n, text in enumerate(texts)
    ]


def _run(
    prompts: Iterable[Row],
    options: SampleOptions = OPTIONS,
    strategy: Strategy | None = None,
    finished: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    sampler = Sampler(EchoBackend(), strategy or Direct(StrategyOptions()), options)
    rows = [Row(record, f"old:{n}") for n, record in enumerate(finished, start=1)]
    return [record for batch in sampler.run(prompts, rows) for record in batch]


def test_records_are_in_order_and_complete() -> None:
    records = _run(_prompts("a", "b"), strategy=Sequential(StrategyOptions()))
    assert [(r["prompt_id"], r["sample_index"], r["turn"]) for r in records] == [
        (p, i, t) for p in "ab" for i in range(3) for t in (1, 2)
    ]
    first = records[0]
    assert first["mine"] == 0
    assert first["prompt"] == "About a"
    assert first["params"] == {
        "temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "max_new_tokens": 512, "strategy": "sequential",
    }  # fmt: skip
    assert first["logprob"] < 0 < first["n_tokens"]


def test_prefill_stands_in_the_response_and_in_the_settings() -> None:
    begun = _run(_prompts("a"), replace(OPTIONS, prefill="1."))
    assert all(record["response"].startswith("1. ") for record in begun)
    assert begun[0]["params"]["prefill"] == "1."
    assert "prefill" not in _run(_prompts("a"))[0]["params"]
    with pytest.raises(InputError, match="drawn with params"):
        _run(_prompts("a"), finished=begun[:2])


def test_penalty_stands_in_the_settings_where_it_changes_something() -> None:
    """A file that was drawn before there was a penalty can be gone on with."""
    penalised = _run(_prompts("a"), replace(OPTIONS, decoding=Decoding(repetition_penalty=1.1)))
    assert penalised[0]["params"]["repetition_penalty"] == 1.1
    plain = _run(_prompts("a"), replace(OPTIONS, decoding=Decoding(repetition_penalty=1.0)))
    assert plain == _run(_prompts("a"))
    assert "repetition_penalty" not in plain[0]["params"]
    with pytest.raises(InputError, match="drawn with params"):
        _run(_prompts("a"), finished=penalised[:2])


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batch_size_changes_nothing(batch_size: int) -> None:
    assert _run(_prompts("a", "b", "c"), replace(OPTIONS, batch_size=batch_size)) == _run(_prompts("a", "b", "c"))


def test_draws_depend_on_seed_prompt_and_index_alone() -> None:
    alone = _run(_prompts("b"))
    together = [record for record in _run(_prompts("a", "b")) if record["prompt_id"] == "b"]
    assert [r["response"] for r in alone] == [r["response"] for r in together]
    assert len({r["response"] for r in alone}) == 3
    assert [r["response"] for r in _run(_prompts("b"), replace(OPTIONS, seed=1))] != [r["response"] for r in alone]


@pytest.mark.parametrize("kept", range(13))
def test_resumed_run_gives_what_an_uninterrupted_one_gives(kept: int) -> None:
    strategy = Sequential(StrategyOptions())
    whole = _run(_prompts("a", "b"), strategy=strategy)
    assert whole[:kept] + _run(_prompts("a", "b"), strategy=strategy, finished=whole[:kept]) == whole


def test_resume_refuses_another_run() -> None:
    whole = _run(_prompts("a", "b"))
    with pytest.raises(InputError, match="drawn with seed 0, this run has 1"):
        _run(_prompts("a", "b"), replace(OPTIONS, seed=1), finished=whole[:2])
    with pytest.raises(InputError, match="drawn with params"):
        _run(_prompts("a", "b"), replace(OPTIONS, decoding=Decoding(temperature=0.5)), finished=whole[:2])
    edited = [Row(row.data | {"prompt": "Something else"}, row.where) for row in _prompts("a", "b")]
    with pytest.raises(InputError, match="another prompt"):
        _run(edited, finished=whole[:2])
    with pytest.raises(InputError, match="holds response"):
        _run(_prompts("b", "a"), finished=whole[:2])
    with pytest.raises(InputError, match="no such response"):
        _run(_prompts("a"), finished=whole)


def test_repeated_prompt_id_names_both_lines() -> None:
    with pytest.raises(InputError, match=r"f:2: the same prompt_id as f:1"):
        _run(_prompts("a", "a"))


class _Recorder:
    name, parameters = "recorder", None

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def draw(self, requests: Sequence[Request], decoding: Decoding, on_tokens: Any = None) -> list[Draw]:
        self.requests += requests
        return [Draw("one two three", 3, "stop", None) for _ in requests]


def test_second_turn_keeps_the_first_answer_and_asks_for_its_length() -> None:
    backend = _Recorder()
    options = replace(OPTIONS, samples=1)
    records = [
        r for batch in Sampler(backend, Sequential(StrategyOptions()), options).run(_prompts("a")) for r in batch
    ]
    roles = [role for role, _ in backend.requests[1].messages]
    assert roles == ["user", "assistant", "user"]
    assert backend.requests[1].messages[1][1] == "one two three"
    assert "about 3 words" in backend.requests[1].messages[2][1]
    assert all(record["prompt"] == "About a" for record in records)


def test_length_hint_can_be_left_out(tmp_path: Any) -> None:
    plain = Sequential(StrategyOptions(length_hint=False)).messages([{"role": "user", "content": "x"}], ["a b"])
    assert "words." in plain[-1]["content"]
    assert "2" not in plain[-1]["content"]
    own = tmp_path / "again.txt"
    own.write_text("Again, {n_words} words.\n")
    told = Sequential(StrategyOptions(turn2_prompt=str(own))).messages([{"role": "user", "content": "x"}], ["a b"])
    assert told[-1]["content"] == "Again, 2 words."


def test_strategies_refuse_what_does_not_fit() -> None:
    with pytest.raises(UsageError, match="sequential needs --turns 2"):
        Sequential(StrategyOptions(turns=1))
    with pytest.raises(UsageError, match="--turns needs --strategy sequential"):
        Direct(StrategyOptions(turns=2))


@pytest.mark.parametrize(
    "bad", [{"temperature": -1}, {"top_p": 0}, {"top_p": 1.1}, {"min_p": 2}, {"top_k": -1}, {"repetition_penalty": 0}]
)
def test_decoding_out_of_range_is_a_usage_error(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Decoding(**bad)  # type: ignore[arg-type]
