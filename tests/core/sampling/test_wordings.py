"""One prompt asked by several people, or in several words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from divtool.core.errors import DivtoolError, InputError, UsageError
from divtool.core.jsonl import Row
from divtool.core.sampling.open import open_strategy
from divtool.core.sampling.strategies import Strategy, StrategyOptions

ASK = [{"role": "system", "content": "s"}, {"role": "user", "content": "Name {prompt} a fruit."}]


def _row(**more: Any) -> Row:
    return Row({"prompt_id": "p", "prompt": ASK, **more}, "f:1")


def _asked(strategy: Strategy, index: int, row: Row | None = None) -> str:
    chat = strategy.messages(ASK, [], strategy.marks(row or _row(), index))
    assert chat[0] == ASK[0]
    assert ASK[1]["content"] == "Name {prompt} a fruit."
    return chat[1]["content"]


def test_personas_come_once_each_and_depend_on_seed_and_prompt() -> None:
    strategy = open_strategy("persona", StrategyOptions())
    drawn = [strategy.marks(_row(), index)["persona"] for index in range(200)]
    assert len(set(drawn[:100])) == 100
    assert drawn[100:] == drawn[:100]
    assert strategy.marks(_row(prompt_id="q"), 0) != strategy.marks(_row(), 0) == {"persona": drawn[0]}
    other = open_strategy("persona", StrategyOptions(seed=1))
    assert [other.marks(_row(), index)["persona"] for index in range(5)] != drawn[:5]
    assert _asked(strategy, 0).startswith(f"Answer as {drawn[0]} would")
    assert _asked(strategy, 0).endswith("\n\nName {prompt} a fruit.")


def test_own_personas(tmp_path: Path) -> None:
    own = tmp_path / "people.txt"
    own.write_text("a judge\n\n  a clown \n", encoding="utf-8")
    strategy = open_strategy("persona", StrategyOptions(personas=str(own)))
    assert {strategy.marks(_row(), index)["persona"] for index in range(2)} == {"a judge", "a clown"}
    own.write_text("\n")
    with pytest.raises(InputError, match=r"people\.txt: holds no personas; write one a line"):
        open_strategy("persona", StrategyOptions(personas=str(own)))
    with pytest.raises(DivtoolError, match="nowhere: cannot be read"):
        open_strategy("persona", StrategyOptions(personas="nowhere"))


def test_wordings_take_turns_and_hold_the_prompt() -> None:
    strategy = open_strategy("paraphrase", StrategyOptions())
    asked = [_asked(strategy, index) for index in range(12)]
    assert asked[0] == ASK[1]["content"]
    assert len(set(asked)) == 12
    assert all("Name {prompt} a fruit." in text for text in asked)
    assert _asked(strategy, 12) == asked[0]
    assert strategy.marks(_row(), 1) == {"wording": 1, "wording_text": "Please help me with this. {prompt}"}


def test_own_wordings_of_a_file_and_of_a_record(tmp_path: Path) -> None:
    own = tmp_path / "wordings.txt"
    own.write_text("Now: {prompt}\n{prompt} {prompt}\n")
    strategy = open_strategy("paraphrase", StrategyOptions(wordings=str(own)))
    assert _asked(strategy, 2) == "Now: Name {prompt} a fruit."
    assert _asked(strategy, 4, _row(wordings=["Which fruit?", "A fruit!"])) == "Which fruit?"
    for bad in ([], ["a", " "], "Which fruit?", [1]):
        with pytest.raises(InputError, match="f:1: 'wordings' is no list of texts"):
            strategy.marks(_row(wordings=bad), 0)
    own.write_text("Now!\n")
    with pytest.raises(InputError, match=r"the wording 'Now!' has no \{prompt\}"):
        open_strategy("paraphrase", StrategyOptions(wordings=str(own)))


def test_options_belong_to_their_strategies() -> None:
    with pytest.raises(UsageError, match="--personas is no option of --strategy paraphrase; it belongs to persona"):
        open_strategy("paraphrase", StrategyOptions(personas="x"))
    with pytest.raises(UsageError, match="--wordings is no option of --strategy direct; it belongs to paraphrase"):
        open_strategy("direct", StrategyOptions(wordings="x"))
    for name in ("verbalized", "string-seed", "persona"):
        with pytest.raises(UsageError, match=f"--turns is no option of --strategy {name}"):
            open_strategy(name, StrategyOptions(turns=2))


def test_a_chat_without_a_user_is_refused() -> None:
    for name in ("verbalized", "string-seed", "persona", "paraphrase"):
        strategy = open_strategy(name, StrategyOptions())
        with pytest.raises(DivtoolError, match="no user message"):
            strategy.messages(ASK[:1], [], strategy.marks(_row(), 0))
