"""One response a number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from divtool.core.errors import InputError, UsageError
from divtool.core.jsonl import Row
from divtool.core.models.language import load
from divtool.core.models.options import LoadOptions
from divtool.core.possibility.manifest import Manifest
from divtool.core.sampling.backend import Backend, Decoding
from divtool.core.sampling.echo import EchoBackend
from divtool.core.sampling.local import LocalBackend
from divtool.core.sampling.open import open_strategy
from divtool.core.sampling.possibility import Possibility
from divtool.core.sampling.run import SampleOptions, Sampler
from divtool.core.sampling.strategies import StrategyOptions

GREEDY = SampleOptions(decoding=Decoding(0.0, max_new_tokens=12))
ASK = [{"role": "user", "content": "x"}]


def _manifest(folder: Path, **more: Any) -> str:
    usual: dict[str, Any] = {
        "template": "Number {n}, please.", "pool": 4, "k": 4, "scheme": "random", "arm": "possibility",
        "ul_weight": 0.5, "stopwords_sha256": "", "version": "0",
    }  # fmt: skip
    Manifest(**{**usual, **more}).write(folder)
    return str(folder)


def _rows(*names: str) -> list[Row]:
    return [Row({"prompt_id": name, "prompt": f"the {name}"}, f"f:{n}") for n, name in enumerate(names, 1)]


def _run(
    backend: Backend, strategy: Possibility, options: SampleOptions, finished: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    sampler = Sampler(backend, strategy, replace(options, samples=strategy.samples))
    old = [Row(record, "old") for record in finished or ()]
    return [record for batch in sampler.run(_rows("river", "town"), old) for record in batch]


@pytest.fixture(scope="module")
def tiny(tiny_model: str) -> LocalBackend:
    return LocalBackend(load(tiny_model, LoadOptions(device="cpu")))


def test_numbers_one_to_k_and_what_is_recorded(tiny: LocalBackend) -> None:
    strategy = Possibility(StrategyOptions(samples=4))
    drawn = SampleOptions(decoding=Decoding(strategy.temperature, max_new_tokens=12))
    records = _run(tiny, strategy, drawn)
    assert [(r["prompt_id"], r["sample_index"], r["turn"], r["possibility"]) for r in records] == [
        (p, i, 1, i + 1) for p in ("river", "town") for i in range(4)
    ]
    assert records[0]["prompt"] == "the river"
    assert records[0]["params"]["strategy"] == "possibility"
    assert records[0]["params"]["temperature"] == 0.75
    assert records[0]["params"]["numbers"] == "1..K"
    assert "{n}" in records[0]["params"]["number_prompt"]
    assert records == _run(tiny, Possibility(StrategyOptions(samples=4)), drawn)


def test_batch_size_and_resume_change_nothing(tiny: LocalBackend) -> None:
    strategy = Possibility(StrategyOptions(samples=4))
    whole = _run(tiny, strategy, GREEDY)
    assert len({r["response"] for r in whole}) > 2, "numbers are in the prompt"
    texts = [r["response"] for r in whole]
    for size in (1, 4):
        assert [r["response"] for r in _run(tiny, strategy, replace(GREEDY, batch_size=size))] == texts
    for kept in (1, 3, 6):
        rest = _run(tiny, strategy, GREEDY, whole[:kept])
        assert [r["response"] for r in whole[:kept] + rest] == texts


def test_resume_refuses_other_numbers() -> None:
    echo, options = EchoBackend(), SampleOptions()
    old = _run(echo, Possibility(StrategyOptions(numbers="random")), options)[:2]
    other = Possibility(StrategyOptions(numbers="random", seed=1))
    with pytest.raises(InputError, match="drawn with possibility"):
        _run(echo, other, options, old)
    with pytest.raises(InputError, match="drawn with params"):
        _run(echo, Possibility(StrategyOptions(numbers="same")), options, old)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"samples": 2, "numbers": "1..k"}, [1, 2]),
        ({"samples": 3, "numbers": "same"}, [1, 1, 1]),
        ({"samples": 40, "numbers": "same"}, [1] * 40),
        ({"numbers": "2, 4,7"}, [2, 4, 7]),
        ({"numbers": "3..5,9"}, [3, 4, 5, 9]),
        ({"numbers": "2,4", "samples": 5, "cycle_numbers": True}, [2, 4, 2, 4, 2]),
        ({"samples": 11, "cycle_numbers": True}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2]),
        ({"numbers": "8,10", "cycle_numbers": True}, [8, 1]),
    ],
)
def test_forms_of_numbers(options: Any, expected: list[int]) -> None:
    strategy = Possibility(StrategyOptions(**options))
    assert [strategy.number("p", index) for index in range(strategy.samples)] == expected


def test_random_numbers_differ_within_a_prompt_and_between_prompts() -> None:
    strategy = Possibility(StrategyOptions(samples=9, numbers="random"))
    drawn = {prompt: [strategy.number(prompt, i) for i in range(9)] for prompt in ("a", "b", "c")}
    assert all(sorted(numbers) == list(range(1, 10)) for numbers in drawn.values())
    assert len({tuple(numbers) for numbers in drawn.values()}) == 3
    cycled = Possibility(StrategyOptions(samples=20, numbers="random", cycle_numbers=True))
    assert sorted(cycled.number("a", i) for i in range(9)) == list(range(1, 10))
    assert [cycled.number("a", i) for i in range(9)] == [cycled.number("a", i) for i in range(9, 18)]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"samples": 10}, r"-n 10 goes beyond the pool.* 1 to 9; --cycle-numbers"),
        ({"samples": 10, "numbers": "random"}, "beyond the pool"),
        ({"numbers": "2,12"}, r"--numbers 2,12 goes beyond the pool.* 1 to 9; --cycle-numbers"),
        ({"numbers": "2,4", "samples": 3}, "more than the 2 numbers.*--cycle-numbers"),
        ({"numbers": "2,4", "samples": 1}, "leave out -n"),
        ({"numbers": "0,4"}, "'0' is no number from 1"),
        ({"numbers": "all"}, "--numbers takes 1..K, random, same"),
        ({"number_prompt": "no number"}, "holds {n} 0 times"),
        ({"number_prompt": "{n} of {n}"}, "holds {n} 2 times"),
    ],
)
def test_wrong_numbers(options: Any, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        Possibility(StrategyOptions(**options))


def test_the_adapter_says_how_it_was_trained(tmp_path: Path) -> None:
    trained = Possibility(StrategyOptions(adapter=_manifest(tmp_path)))
    assert trained.warnings == []
    assert trained.messages(ASK, [], {"possibility": 3})[0]["content"] == "x\n\nNumber 3, please."
    with pytest.raises(UsageError, match="this adapter was trained with the numbers 1 to 4; --cycle-numbers"):
        Possibility(StrategyOptions(adapter=str(tmp_path), samples=5))
    other = Possibility(StrategyOptions(adapter=str(tmp_path), number_prompt="Way {n}"))
    assert other.messages(ASK, [], {"possibility": 3})[0]["content"] == "x\n\nWay 3"
    assert "trained with another number prompt: Number {n}, please." in other.warnings[0]
    plain = Possibility(StrategyOptions(adapter=_manifest(tmp_path, arm="one-to-many")))
    assert "--strategy direct" in plain.warnings[0]
    (tmp_path / "possibility.json").write_text("{}")
    with pytest.raises(InputError, match=r"possibility\.json"):
        Possibility(StrategyOptions(adapter=str(tmp_path)))


def test_untrained_model_warns_once() -> None:
    assert "untrained baseline, with the numbers 1 to 9" in " ".join(Possibility(StrategyOptions()).warnings)


def test_tokens_are_counted_without_the_end_of_turn(make_table_model: Any) -> None:
    backend = LocalBackend(load(make_table_model({"7": 1.0}), LoadOptions(device="cpu")))
    records = _run(backend, Possibility(StrategyOptions(samples=1)), GREEDY)
    assert (records[0]["response"], records[0]["n_tokens"], records[0]["finish_reason"]) == ("7", 1, "stop")


def test_options_belong_to_their_strategies() -> None:
    for name in ("direct", "sequential", "list"):
        with pytest.raises(UsageError, match=f"--numbers is no option of --strategy {name}; it belongs to possibility"):
            open_strategy(name, StrategyOptions(numbers="same"))
    with pytest.raises(UsageError, match=r"--turn2-prompt is no option of --strategy possibility; .*sequential"):
        open_strategy("possibility", StrategyOptions(turn2_prompt="file"))
    with pytest.raises(UsageError, match="--turns is no option of --strategy list"):
        open_strategy("list", StrategyOptions(turns=2))
    with pytest.raises(UsageError, match="--no-length-hint is no option of --strategy direct"):
        open_strategy("direct", StrategyOptions(length_hint=False))
