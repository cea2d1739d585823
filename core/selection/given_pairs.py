"""Pairs in, pairs out: each gets its weight from the texts of its prompt's pairs, and keeps all else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..jsonl import Record, Row
from .encoders import OF_THE_POOL
from .numbers import REWARDS
from .pools import column, same_text_form
from .recipe import first_present

if TYPE_CHECKING:
    from .pool_engine import PoolRun

_OF_PAIRING = ("pairing", "min_gap", "pairs", "length_tolerance", "clean", "shuffle_labels")
# What `select` may change in a pair that it did not make.
_KEYS = ("weight", "weight_rejected", "weight_parts", "pool_size")
SIDES = ("chosen", "rejected")


class GivenPairs:
    """Weighs pairs.

    Args:
        run: The run that they belong to.

    Raises:
        UsageError: Its options are about making pairs.
    """

    def __init__(self, run: PoolRun) -> None:
        unused = run.options.changed(*_OF_PAIRING)
        if unused:
            raise UsageError(f"the input is pairs, which are taken as they are: leave out {', '.join(unused)}")
        if getattr(run.options, "pool", None) == "all":
            raise UsageError("the input is pairs, which hold no pool: leave out --pool all")
        self._run = run
        run.encoders.open(run.weigher.names)
        run.numbers.scores = tuple(name for name in run.weigher.names if name not in OF_THE_POOL)
        run.numbers.optional = True

    def weighed(self, group: list[Row]) -> Iterator[Record]:
        """The pairs of one prompt, weighed; those of equal texts are left out."""
        run = self._run
        if run.numbers.reward is None:
            # For the summary alone: weights need no reward.
            run.numbers.reward = first_present(REWARDS, group[0].data.get("chosen_scores") or {})
        stage = run.funnel.stage("pairs", "pairs")
        kept = []
        for row in group:
            run.numbers.check(row, keys=tuple(f"{side}_scores" for side in SIDES))
            stage.enter()
            if _text(row.data, "chosen") == _text(row.data, "rejected"):
                stage.drop("equal texts")
            else:
                kept.append(row.data)
        if not kept:
            return
        texts, scores = _texts(kept)
        places = {text: place for place, text in enumerate(texts)}

        def values(name: str) -> Any:
            if name in OF_THE_POOL:
                return run.encoders.signal(name, texts)
            return column([own.get(name) for own in scores])

        weights = run.weigher.weigh(values, len(texts))
        sides = [(places[_text(pair, "chosen")], places[_text(pair, "rejected")]) for pair in kept]
        for pair, keys in zip(kept, run.keys(weights, sides), strict=True):
            if keys["weight"] != keys["weight"]:
                stage.drop("no weight: a signal is null")
            else:
                yield pair | {key: keys[key] for key in _KEYS}


def _text(pair: Record, side: str) -> str:
    return same_text_form("\n".join(message["content"] for message in pair[side]))


def _texts(pairs: list[Record]) -> tuple[list[str], list[Record]]:
    """The distinct texts of some pairs, winners and losers together, each with its scores."""
    found: dict[str, Record] = {}
    for pair in pairs:
        for side in SIDES:
            found.setdefault(_text(pair, side), pair.get(f"{side}_scores") or {})
    return list(found), list(found.values())
