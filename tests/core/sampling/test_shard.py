"""Runs side by side over one input: together they give what one run gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from divtool.core.errors import InputError, UsageError
from divtool.core.jsonl import Row
from divtool.core.models.language import load
from divtool.core.models.options import LoadOptions
from divtool.core.sampling.backend import Backend, Decoding, ignore_tokens
from divtool.core.sampling.echo import EchoBackend
from divtool.core.sampling.local import LocalBackend
from divtool.core.sampling.open import open_sampler, open_strategy
from divtool.core.sampling.run import SampleOptions
from divtool.core.sampling.shard import Shard
from divtool.core.sampling.strategies import StrategyOptions

PROMPTS = ("the river", "a bridge", "old towns", "some bread", "quiet", "night and day", "seven")
Records = list[dict[str, Any]]


def _rows(names: Sequence[str] = PROMPTS) -> list[Row]:
    rows = enumerate(names, start=1)
    return [Row({"prompt_id": name, "prompt": f"About {name}"}, f"f:{line}") for line, name in rows]


def _options(numbers: str | None = None) -> StrategyOptions:
    return StrategyOptions(samples=3, seed=5, numbers=numbers)


@pytest.fixture
def draw() -> Callable[..., Records]:
    """The records of a shard: `draw(backend, strategy, "1/2", finished=[], names=PROMPTS, max_new_tokens=12)`."""

    def run(
        backend: Backend, strategy: str, shard: str = "1/1", finished: Records | None = None,
        names: Sequence[str] = PROMPTS, max_new_tokens: int = 40,
    ) -> Records:  # fmt: skip
        chats = open_strategy(strategy, _options("random" if strategy == "possibility" else None))
        settings = [Decoding(temperature=t, max_new_tokens=max_new_tokens) for t in (0.7, 1.2)]
        options = SampleOptions(
            samples=chats.samples, seed=5, batch_size=4, decoding=settings[0], further=(settings[1],),
            shard=Shard.parse(shard),
        )  # fmt: skip
        old = [Row(record, f"old:{n}") for n, record in enumerate(finished or [], start=1)]
        batches = open_sampler(backend, chats, options, ignore_tokens).run(_rows(names), old)
        return [record for batch in batches for record in batch]

    return run


def _key(record: dict[str, Any]) -> tuple[int, int, int]:
    return PROMPTS.index(record["prompt_id"]), record["sample_index"], record["turn"]


@pytest.mark.parametrize("shards", [2, 3, 9])
@pytest.mark.parametrize(
    "strategy",
    ["direct", "sequential", "possibility", "list", "verbalized", "string-seed", "persona", "paraphrase"],
)
def test_shards_together_are_the_whole(draw: Any, strategy: str, shards: int) -> None:
    whole = draw(EchoBackend(), strategy)
    parts = [draw(EchoBackend(), strategy, f"{i}/{shards}") for i in range(1, shards + 1)]
    assert sorted((record for part in parts for record in part), key=_key) == whole
    for place, part in enumerate(parts):
        assert {record["prompt_id"] for record in part} == set(PROMPTS[place::shards])


@pytest.mark.parametrize("strategy", ["direct", "sequential", "possibility"])
def test_shards_of_a_model(draw: Any, tiny_model: str, strategy: str) -> None:
    backend = LocalBackend(load(tiny_model, LoadOptions(device="cpu")))
    whole = draw(backend, strategy, max_new_tokens=12)
    parts = [draw(backend, strategy, shard, max_new_tokens=12) for shard in ("1/2", "2/2")]
    together = sorted((record for part in parts for record in part), key=_key)
    # Rows of another batch are padded otherwise, which changes the last digits of a sum.
    logprobs = [[record.pop("logprob") for record in records] for records in (together, whole)]
    assert together == whole
    assert logprobs[0] == pytest.approx(logprobs[1], abs=1e-4)


@pytest.mark.parametrize("kept", [0, 1, 5, 6, 7, 17, 36])
@pytest.mark.parametrize("strategy", ["sequential", "verbalized"])
def test_a_shard_is_gone_on_with(draw: Any, strategy: str, kept: int) -> None:
    whole = draw(EchoBackend(), strategy, "2/3")
    assert whole[:kept] + draw(EchoBackend(), strategy, "2/3", whole[:kept]) == whole


@pytest.mark.parametrize("other", ["1/2", "2/3", "1/1"])
def test_another_shard_is_not_gone_on_with(draw: Any, other: str) -> None:
    finished = draw(EchoBackend(), "direct", "2/2")
    with pytest.raises(InputError, match=r"holds response .* where this run has .*; --resume goes on with the same"):
        draw(EchoBackend(), "direct", other, finished)


@pytest.mark.parametrize("shard", ["1/2", "2/2", "3/3", "9/9"])
@pytest.mark.parametrize("twice", [(0, 1), (2, 6), (5, 6)])
def test_every_shard_finds_repeated_prompts(draw: Any, shard: str, twice: tuple[int, int]) -> None:
    names = list(PROMPTS)
    names[twice[1]] = names[twice[0]]
    with pytest.raises(InputError, match=f"f:{twice[1] + 1}: the same prompt_id as f:{twice[0] + 1}"):
        draw(EchoBackend(), "direct", shard, names=names)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1/0", "1", "1/2/3", "a/b", "-1/2", "1.0/2", "", "1 / 2"])
def test_wrong_shards(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--shard .*: give I/N with I from 1 to N, such as 2/4$"):
        Shard.parse(text)


def test_sizes_add_up() -> None:
    assert [Shard(i, 3).size(7) for i in (1, 2, 3)] == [3, 2, 2]
    assert Shard(5, 9).size(4) == 0
    assert Shard().size(7) == 7
