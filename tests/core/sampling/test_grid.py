"""Every prompt at several settings of the decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from divtool.core.errors import UsageError
from divtool.core.jsonl import Row
from divtool.core.sampling.backend import Decoding, Draw, Request
from divtool.core.sampling.echo import EchoBackend
from divtool.core.sampling.grid import decoding_grid
from divtool.core.sampling.open import open_strategy
from divtool.core.sampling.possibility import Possibility
from divtool.core.sampling.run import SampleOptions, Sampler
from divtool.core.sampling.strategies import Direct, StrategyOptions

GRID = decoding_grid(Decoding(max_new_tokens=40), "0.7, 1,1.3", None)


class Watched(EchoBackend):
    """Says what it was asked for together."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, int]] = []

    def draw(self, requests: Sequence[Request], decoding: Decoding, on_tokens: Any = None) -> list[Draw]:
        self.calls.append((decoding.temperature, len(requests)))
        return super().draw(requests, decoding, on_tokens)


def _run(backend: Any, grid: Sequence[Decoding], batch_size: int = 64, name: str = "direct") -> list[dict[str, Any]]:
    options = SampleOptions(samples=3, batch_size=batch_size, decoding=grid[0], further=tuple(grid[1:]))
    rows = [Row({"prompt_id": p, "prompt": f"About {p}"}, p) for p in "ab"]
    sampler = Sampler(backend, open_strategy(name, StrategyOptions(samples=3)), options)
    return [record for batch in sampler.run(rows) for record in batch]


def test_every_temperature_with_every_top_p() -> None:
    usual = Decoding(0.9, 0.8, max_new_tokens=5)
    assert decoding_grid(usual, None, None) == [usual]
    assert decoding_grid(usual, "1", "0.5") == [replace(usual, temperature=1.0, top_p=0.5)]
    both = [(d.temperature, d.top_p) for d in decoding_grid(usual, "0,1.5", "0.5,1")]
    assert both == [(0, 0.5), (0, 1), (1.5, 0.5), (1.5, 1)]


@pytest.mark.parametrize(
    ("temperature", "top_p", "fault"),
    [
        ("hot", None, "--temperature hot: give a number, or several by commas"),
        ("0.7,", None, "--temperature 0.7,: give a number"),
        (None, "1,0.5,1.0", "--top-p 1,0.5,1.0: a number stands there twice"),
        ("0.7,-1", None, "decoding needs a temperature of 0 or more"),
        ("nan", None, "decoding needs a temperature"),
        (None, "0.9,1.1", "0 < top-p <= 1"),
    ],
)
def test_wrong_settings(temperature: str | None, top_p: str | None, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        decoding_grid(Decoding(), temperature, top_p)


def test_sample_indices_go_on_from_setting_to_setting() -> None:
    records = _run(EchoBackend(), GRID)
    assert [(r["prompt_id"], r["sample_index"], r["params"]["temperature"]) for r in records] == [
        (p, place * 3 + i, t) for p in "ab" for place, t in enumerate((0.7, 1.0, 1.3)) for i in range(3)
    ]
    assert len({record["response"] for record in records}) == 18


def test_the_first_setting_gives_what_it_gives_alone() -> None:
    whole = _run(EchoBackend(), GRID)
    assert [record for record in whole if record["params"]["temperature"] == 0.7] == _run(EchoBackend(), GRID[:1])


@pytest.mark.parametrize("batch_size", [1, 2, 4, 100])
def test_no_more_than_a_batch_is_drawn_at_one_setting(batch_size: int) -> None:
    backend = Watched()
    assert _run(backend, GRID, batch_size) == _run(EchoBackend(), GRID)
    assert max(size for _, size in backend.calls) <= batch_size
    assert sum(size for _, size in backend.calls) == 18


def test_a_chat_keeps_its_marks_at_every_setting() -> None:
    for name in ("persona", "paraphrase"):
        marks = [(r.get("persona"), r.get("wording")) for r in _run(EchoBackend(), GRID, name=name)]
        assert marks[:3] == marks[3:6] == marks[6:9] != marks[9:12] or name == "paraphrase"
        assert len(set(marks[:3])) == 3
    numbered = Possibility(StrategyOptions(samples=2))
    options = SampleOptions(samples=2, decoding=GRID[0], further=tuple(GRID[1:]))
    sampler = Sampler(EchoBackend(), numbered, options)
    drawn = [r for batch in sampler.run([Row({"prompt_id": "a", "prompt": "x"}, "a")]) for r in batch]
    assert [(r["sample_index"], r["possibility"]) for r in drawn] == [(i, i % 2 + 1) for i in range(6)]


def test_turns_of_a_chat_are_drawn_at_its_setting() -> None:
    records = _run(Watched(), GRID[:2], name="sequential")
    assert [(r["sample_index"], r["turn"], r["params"]["temperature"]) for r in records[:12]] == [
        (i, turn, 0.7 if i < 3 else 1.0) for i in range(6) for turn in (1, 2)
    ]


def test_one_setting_is_a_run_as_ever() -> None:
    rows = [Row({"prompt_id": "a", "prompt": "About a"}, "a")]
    plain = Sampler(EchoBackend(), Direct(StrategyOptions()), SampleOptions(decoding=GRID[1]))
    assert [r for batch in plain.run(rows) for r in batch][:3] == _run(EchoBackend(), GRID[1:2])[:3]
