"""What training must not cost: how likely given texts are, and how long everyday answers get, before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ThresholdMissed
from ..evaluation.guard.draw import read_texts
from ..evaluation.guard.items import guard_items
from ..jsonl import Record
from ..sampling.backend import Decoding, Request

if TYPE_CHECKING:
    from ..models.language import LanguageModel

PPL_LIMIT, LENGTH_LIMIT = 1.05, 0.15
CAP, SHORT, DRAWS = 100, 5, 3


@dataclass(frozen=True, slots=True)
class Capability:
    """Measured on the guard's texts; null where the model's positions hold none of them.

    Attributes:
        nats_plain: -log p a token of 20 plain passages; lower is better.
        nats_chat: The same of 20 answers in chats.
        mean_tokens: Mean tokens of answers to 16 everyday prompts, 3 each, cut at 100; no direction.
        capped: Share of them that was cut, 0 to 1.
        short: Share of them under 5 tokens, 0 to 1.
    """

    nats_plain: float | None
    nats_chat: float | None
    mean_tokens: float
    capped: float
    short: float


@dataclass(frozen=True, slots=True)
class Change:
    """A model beside its base.

    Attributes:
        before: The base model.
        after: The trained one.
    """

    before: Capability
    after: Capability

    @property
    def ratio_plain(self) -> float | None:
        """Perplexity of the plain passages, trained / base; lower is better."""
        return _ratio(self.before.nats_plain, self.after.nats_plain)

    @property
    def ratio_chat(self) -> float | None:
        """The same of the answers in chats."""
        return _ratio(self.before.nats_chat, self.after.nats_chat)

    @property
    def ratio(self) -> float | None:
        """The larger of the two."""
        return max((each for each in (self.ratio_plain, self.ratio_chat) if each is not None), default=None)

    @property
    def length(self) -> float:
        """Change of the mean length of everyday answers, as a share of the base's."""
        return self.after.mean_tokens / self.before.mean_tokens - 1

    def facts(self) -> dict[str, Any]:
        """Everything as data."""
        return {
            "before": asdict(self.before),
            "after": asdict(self.after),
            "ppl_ratio_plain": self.ratio_plain,
            "ppl_ratio_chat": self.ratio_chat,
            "length_change": self.length,
        }

    def rows(self) -> list[tuple[str, Any, Any, Any]]:
        """Rows of a table: what, base, trained, change."""
        one, other = self.before, self.after
        return [
            ("perplexity, 20 plain passages", _exp(one.nats_plain), _exp(other.nats_plain), _times(self.ratio_plain)),
            ("perplexity, 20 answers in chats", _exp(one.nats_chat), _exp(other.nats_chat), _times(self.ratio_chat)),
            ("tokens of everyday answers, mean", one.mean_tokens, other.mean_tokens, f"{self.length:+.1%}"),
            (f"share of them cut at {CAP}", one.capped, other.capped, None),
            (f"share of them under {SHORT}", one.short, other.short, None),
        ]

    def warnings(self) -> list[str]:
        """What deserves a look."""
        found = []
        if self.ratio is not None and self.ratio > PPL_LIMIT:
            found.append(
                f"the perplexity of given texts rose to {self.ratio:.3f} of the base's (limit {PPL_LIMIT}): "
                "a stronger --anchor, a lower --learning-rate or fewer --epochs keep it"
            )
        if abs(self.length) > LENGTH_LIMIT:
            found.append(
                f"everyday answers changed their length by {self.length:+.0%} (limit {LENGTH_LIMIT:.0%}): "
                "a stronger --anchor keeps it"
            )
        return found

    def check(self, most: float | None) -> None:
        """Raise `ThresholdMissed` where the perplexity ratio is above a user's bound."""
        if most is not None and self.ratio is not None and self.ratio > most:
            raise ThresholdMissed(
                f"the perplexity of given texts is {self.ratio:.3f} times the base's, above --max-ppl-ratio {most:g}; "
                "the adapter has been written all the same"
            )


def capability(lm: LanguageModel, seed: int) -> Capability:
    """Measure a model as it stands.

    Args:
        lm: The model.
        seed: Of the answers that are drawn.
    """
    from ..sampling.local import LocalBackend

    requests = [
        Request((("user", item["prompt"]),), (seed, item["prompt_id"], number, 1))
        for item in _items("length")
        for number in range(DRAWS)
    ]
    draws = LocalBackend(lm).draw(requests, Decoding(max_new_tokens=CAP))
    lengths = [draw.n_tokens or 0 for draw in draws]
    return Capability(
        _nats(read_texts(lm, "plain", _items("plain"))),
        _nats(read_texts(lm, "chat", _items("chat"))),
        sum(lengths) / len(draws),
        sum(draw.finish_reason == "length" for draw in draws) / len(draws),
        sum(length < SHORT for length in lengths) / len(draws),
    )


def _items(part: str) -> list[Record]:
    return [item for item in guard_items().values() if item["part"] == part]


def _nats(records: Sequence[Record]) -> float | None:
    """Over the tokens of all texts."""
    read = [record for record in records if record["n_tokens"]]
    tokens = sum(record["n_tokens"] for record in read)
    return -sum(record["logprob"] for record in read) / tokens if tokens else None


def _ratio(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else math.exp(min(after - before, 700.0))


def _exp(nats: float | None) -> float | None:
    return None if nats is None else math.exp(min(nats, 700.0))


def _times(ratio: float | None) -> str | None:
    return None if ratio is None else f"x {ratio:.3f}"
