"""Every strategy can be sent to another process, and asks there as it does here."""

from __future__ import annotations

import pickle

import pytest

from divtool.core.catalog import STRATEGIES
from divtool.core.jsonl import Row
from divtool.core.sampling.open import open_strategy
from divtool.core.sampling.strategies import StrategyOptions


@pytest.mark.parametrize("numbers", [None, "random"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_it_asks_the_same_there(name: str, numbers: str | None) -> None:
    options = StrategyOptions(samples=4, seed=2, numbers=numbers if name == "possibility" else None)
    here = open_strategy(name, options)
    there = pickle.loads(pickle.dumps(here))
    prompt = [{"role": "user", "content": "Name a bird."}]
    for prompt_id in ("a", "b", "a"):
        row = Row({"prompt": "Name a bird.", "prompt_id": prompt_id}, "")
        for index in range(4):
            marks = [strategy.marks(row, index) for strategy in (here, there)]
            assert marks[0] == marks[1]
            assert here.messages(prompt, [], marks[0]) == there.messages(prompt, [], marks[1])
