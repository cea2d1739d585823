"""Which numbers a run reads off its records: the reward settled at the first one, all demanded of every other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..errors import InputError, unknown_name
from ..jsonl import Record, Row
from ..records import require
from .recipe import first_present, null_warnings, quality_sign

REWARDS = ("reward", "judge", "upvotes")
_VALID_JSON = "valid_json:"


@dataclass(slots=True)
class Numbers:
    """The reward and the scores that a run reads.

    Attributes:
        reward: Its name; None until the first record has settled it.
        scores: Names in `scores`.
        optional: Go on without a reward where there is none.
        otherwise: How to go on without the scores, for messages; empty where there is no way.
        where: The record that settled the reward.
        nulls: How often each was null.
        records: How many responses were checked, the two sides of a pair each for itself.
    """

    reward: str | None
    scores: tuple[str, ...] = ()
    optional: bool = False
    otherwise: str = ""
    where: str = ""
    nulls: Counter[str] = field(default_factory=Counter)
    records: int = 0

    def check(self, row: Row, keys: Iterable[str] = ("scores",)) -> None:
        """Demand the numbers of a record, and count its nulls.

        Args:
            row: The record.
            keys: Where its scores are: in `scores`, or in those of both sides of a pair.

        Raises:
            InputError: One is missing, or no number.
        """
        for key in keys:
            self.records += 1
            scores = row.data.get(key) or {}
            for name in self.scores:
                if name not in scores:
                    raise _missing(row, name, scores, self.scores, self.otherwise)
                self.nulls[name] += scores[name] is None
            if self.reward is None and not self.optional:
                self.reward, self.where = self._settled(row, scores), row.where
            if self.reward is not None and not self.optional:
                self._check_reward(row, scores, self.reward)

    def state(self) -> dict[str, Any]:
        """What was settled and counted, as plain data to be kept."""
        return {
            "reward": self.reward,
            "scores": self.scores,
            "optional": self.optional,
            "where": self.where,
            "nulls": list(self.nulls.items()),
            "records": self.records,
        }

    def absorb(self, state: Mapping[str, Any]) -> None:
        """Add what another part has settled and counted.

        Raises:
            InputError: Its first record settled another reward than the first one here did.
        """
        if self.reward is None:
            self.reward, self.where = state["reward"], state["where"]
        elif not self.optional and state["reward"] not in (None, self.reward):
            raise InputError(
                state["where"],
                f"the reward is '{state['reward']}' here, and '{self.reward}' from {self.where} on",
                "name one with --quality-metric",
            )
        self.optional = self.optional or state["optional"]
        self.scores = self.scores or tuple(state["scores"])
        self.nulls.update(dict(state["nulls"]))
        self.records += state["records"]

    def _settled(self, row: Row, scores: Mapping[str, Any]) -> str:
        found = first_present(REWARDS, [*scores, *row.data])
        if found is None:
            raise row.fault(
                f"no reward in the record: none of {', '.join(REWARDS)} ({_listed('reward', scores)})",
                "run divtool score --quality reward (or judge) first, or name a score with --quality-metric",
            )
        return found

    def _check_reward(self, row: Row, scores: Mapping[str, Any], name: str) -> None:
        if name.startswith(_VALID_JSON):
            return
        if name not in scores and name not in row.data:
            raise _missing(row, name, scores, (name,))
        if name not in scores:
            require(row, name, float, nullable=True)
        self.nulls[name] += scores.get(name, row.data.get(name)) is None

    def reward_of(self, record: Record) -> float | None:
        """The reward of a response, turned so that higher is better; None where it is null."""
        if self.reward is None:
            return None
        if self.reward.startswith(_VALID_JSON):
            return float(_holds(record["response"], self.reward.removeprefix(_VALID_JSON).split(",")))
        value = record.get("scores", {}).get(self.reward, record.get(self.reward))
        return None if value is None else quality_sign(self.reward) * float(value)

    def warnings(self) -> list[str]:
        """A line for every number that is null for more than half of the records."""
        return null_warnings(self.nulls, self.records)


def _missing(row: Row, name: str, scores: Mapping[str, Any], needed: Iterable[str], otherwise: str = "") -> InputError:
    fault = f"no score '{name}' in the record ({_listed(name, scores)})"
    return row.fault(fault, f"run divtool score --metrics {','.join(needed)} first{otherwise}")


def _listed(name: str, scores: Mapping[str, Any]) -> str:
    return str(unknown_name("score", name, scores)).partition(": ")[2] if scores else "it has no scores"


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a response is, or None."""
    try:
        value = orjson.loads(text.strip())
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    return value if isinstance(value, dict) else None


def _holds(text: str, keys: Iterable[str]) -> bool:
    value = json_object(text) or {}
    return all(isinstance(value.get(key.strip()), str) and value[key.strip()].strip() for key in keys)
