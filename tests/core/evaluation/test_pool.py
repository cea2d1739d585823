from __future__ import annotations

import pytest

from divtool.core.errors import UsageError
from divtool.core.evaluation.tasks.pool import POOL, usable

VARIED = " ".join(f"w{n}" for n in range(30))


@pytest.mark.parametrize("text", ["Yes.", "na na na na na na na na na", VARIED, "猫"])
def test_usable(text: str) -> None:
    assert usable({"response": text})
    assert usable({"response": text, "finish_reason": "length"})


@pytest.mark.parametrize("text", ["", "  ", "...!", "one two three four " * 5])
def test_not_usable(text: str) -> None:
    assert not usable({"response": text})


def test_it_has_nothing_to_ask_a_model() -> None:
    with pytest.raises(UsageError, match="task pool has no prompts of its own: it measures files"):
        POOL.prompts()
