"""What the two losses teach in made worlds: numbers as keys to seen prompts, and flatter answers to others.

The worlds of `benchmarks/possibility_toys.py`, smaller and trained at a higher rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from possibility_worlds import World, fresh, seen


def test_numbers_are_keys_to_seen_prompts() -> None:
    found = {
        arm: seen(World(6, 4, seed=0), arm, epochs=50, rate=4e-3, groups=3)
        for arm in ("possibility", "numbered", "one-to-many")
    }
    assert found["possibility"]["assigned"] >= 3.6
    assert found["numbered"]["assigned"] >= 3.6
    # Four draws from four answers without a key: 4 (1 - .75^4) = 2.73.
    assert found["one-to-many"]["assigned"] <= 3.0
    # Numbers that a prompt was not trained with are bad keys.
    assert found["possibility"]["counted"] < found["one-to-many"]["counted"]


def test_unlikelihood_flattens_answers_and_fresh_numbers_are_exchangeable() -> None:
    """At this rate the last updates of one world hang on a machine's rounding; three worlds even that out."""
    worlds = (1, 2, 3)
    none, usual = ([fresh(World(4, 8, seed=seed), w, updates=300, rate=2e-3) for seed in worlds] for w in (0.0, 0.5))
    strong = fresh(World(4, 8, seed=1), 2.0, updates=300, rate=2e-3)
    assert _mean(usual, "effective") >= _mean(none, "effective") + 0.1
    assert _mean(usual, "valid") >= _mean(none, "valid") - 0.12
    assert strong["effective"] >= none[0]["effective"] + 0.8
    assert all(abs(each["distinct"] - each["same"]) <= 0.15 for each in (*none, *usual, strong))


def _mean(found: Sequence[Mapping[str, float]], name: str) -> float:
    return mean(each[name] for each in found)
