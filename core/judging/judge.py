"""The judge: asks a model for ratings and verdicts, remembers its answers, and counts what could not be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from ..cache import BlobCache
from ..endpoint import Answer, Chat, Endpoint
from ..errors import DivtoolError
from ..records import Message
from . import parsing, templates
from .templates import Question

_Result = TypeVar("_Result")
_Ask = tuple[Question, dict[str, Any]]
_UNRELIABLE_SHARE = 0.1
_OPTIONAL = frozenset({"temperature", "seed"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """How side a did against side b.

    Attributes:
        share: 1 where both orders prefer a, 0 where both prefer b, ½ for a tie, and for orders that do not agree;
            None where either verdict could not be read.
        verdicts: "a", "b", "tie" or None for each of the two orders, as they were asked.
    """

    share: float | None
    verdicts: tuple[str | None, str | None]


class Judge:
    """A model behind an endpoint that judges responses; it never learns where they come from.

    An answer that cannot be read is asked for once more, in few words; then it is None and counted. Answers that can be
    read are kept in the cache, by server and model, so that a second run asks only for the others.

    Args:
        client: The server.
        model: The model's name there.
        votes: Ratings an item. One is asked for at temperature 0; more at temperature 1, each with a fixed seed.
        cache: Keeps the answers between runs.
        max_calls: The most requests; checked before any of a batch is sent. The client's repeated tries of a request
            that failed do not count.
        max_tokens: The longest answer.
        seed: Fixes the seeds of the votes and which order of a comparison is asked first.

    Attributes:
        calls: Requests that were answered by the server.
        asked: Ratings and verdicts that were asked for, the remembered ones included.
        unparsed: Those among them that could not be read.
    """

    def __init__(
        self,
        client: Endpoint,
        model: str,
        *,
        votes: int = 1,
        cache: BlobCache | None = None,
        max_calls: int | None = None,
        max_tokens: int = 1024,
        seed: int = 0,
    ) -> None:
        self._client = client
        self._model = model
        self._votes = votes
        self._cache = cache
        self._max_calls = max_calls
        self._max_tokens = max_tokens
        self._seed = seed
        self.calls = 0
        self.asked = 0
        self.unparsed = 0

    @property
    def unreliable(self) -> bool:
        """Whether more than 10 % of the answers could not be read."""
        return self.unparsed > _UNRELIABLE_SHARE * self.asked

    def summary(self) -> str:
        """One line for people: what was asked, what it cost, what could not be read."""
        line = f"judge {self._model}: {self.asked} judgements, {self.calls} calls, {self.unparsed} unparsed"
        return f"{line}; judge unreliable" if self.unreliable else line

    def ratings(self, items: Sequence[tuple[Sequence[Message], str]]) -> list[list[float | None]]:
        """Rate responses.

        Args:
            items: Prompt and response.

        Returns:
            For each item its votes: whole or half numbers in 1..10, higher is better; None where unparsed.

        Raises:
            EndpointError: The server cannot be used; answers that came before are in the cache.
            DivtoolError: The calls needed are more than `max_calls` leaves.
        """
        questions = [templates.rate(prompt, response) for prompt, response in items]
        asks = [(question, self._params(vote)) for question in questions for vote in range(self._votes)]
        votes = self._results(asks, parsing.rating, "again-rating")
        return [votes[start : start + self._votes] for start in range(0, len(votes), self._votes)]

    def compare(self, items: Sequence[tuple[Sequence[Message], str, str]]) -> list[Comparison]:
        """Compare two responses to each prompt, in both orders: which is better?

        Args:
            items: Prompt, response a, response b.

        Returns:
            For each item a's share of the win.

        Raises:
            EndpointError: The server cannot be used; answers that came before are in the cache.
            DivtoolError: The calls needed are more than `max_calls` leaves.
        """
        return self._compared(
            [(templates.compare(prompt, a, b), templates.compare(prompt, b, a)) for prompt, a, b in items]
        )

    def compare_sets(self, items: Sequence[tuple[Sequence[Message], Sequence[str], Sequence[str]]]) -> list[Comparison]:
        """Compare two sets of responses to each prompt, in both orders: which is more varied?

        Args:
            items: Prompt, responses of side a, responses of side b.

        Returns:
            For each item a's share of the win.

        Raises:
            EndpointError: The server cannot be used; answers that came before are in the cache.
            DivtoolError: The calls needed are more than `max_calls` leaves.
        """
        return self._compared(
            [(templates.compare_sets(prompt, a, b), templates.compare_sets(prompt, b, a)) for prompt, a, b in items]
        )

    def _compared(self, orders: Sequence[tuple[Question, Question]]) -> list[Comparison]:
        """Ask both orders of each pair; the first holds side a as A."""
        flips = [self._flipped(ab, ba) for ab, ba in orders]
        asks = [
            (question, {"temperature": 0.0})
            for pair, flip in zip(orders, flips, strict=True)
            for question in (pair[::-1] if flip else pair)
        ]
        said = iter(self._results(asks, parsing.verdict, "again-verdict"))
        return [_comparison(next(said), next(said), flip) for flip in flips]

    def _flipped(self, ab: Question, ba: Question) -> bool:
        """Whether the order with side b as A is asked first."""
        return hashlib.sha256(orjson.dumps([self._seed, ab.text, ba.text])).digest()[0] % 2 == 1

    def _params(self, vote: int) -> dict[str, Any]:
        if self._votes == 1:
            return {"temperature": 0.0}
        return {"temperature": 1.0, "seed": self._seed + vote}

    def _results(
        self, asks: Sequence[_Ask], parse: Callable[[str], _Result | None], repeat: str
    ) -> list[_Result | None]:
        """The parsed answers; those that cannot be read are asked for once more."""
        results = [parse(text) for text in self._answers(asks, parse)]
        missing = [place for place, result in enumerate(results) if result is None]
        again = [(question.again(repeat), params) for question, params in (asks[place] for place in missing)]
        for place, text in zip(missing, self._answers(again, parse), strict=True):
            results[place] = parse(text)
        self.asked += len(results)
        self.unparsed += sum(result is None for result in results)
        return results

    def _answers(self, asks: Sequence[_Ask], parse: Callable[[str], object]) -> list[str]:
        """The answers' texts; each different request is sent once, and none whose readable answer is remembered."""
        keys = [self._key(ask) for ask in asks]
        known = self._cache.get_many(list(dict.fromkeys(keys))) if self._cache else {}
        missing = {key: ask for key, ask in zip(keys, asks, strict=True) if key not in known}
        self._check_budget(len(missing))
        order = list(missing)

        def keep(number: int, answer: Answer) -> None:
            self.calls += 1
            # A last line that was cut must not be read: "Rating: 1" may have become 10.
            text = f"{answer.text}…" if answer.finish_reason == "length" else answer.text
            known[order[number]] = text.encode()
            if self._cache and parse(text) is not None:
                self._cache.put_many({order[number]: text.encode()})

        self._client.ask([self._chat(ask) for ask in missing.values()], keep)
        return [known[key].decode() for key in keys]

    def _chat(self, ask: _Ask) -> Chat:
        question, params = ask
        messages = [{"role": "user", "content": question.text}]
        return Chat(self._model, messages, {**params, "max_tokens": self._max_tokens}, _OPTIONAL)

    def _key(self, ask: _Ask) -> bytes:
        """What an answer depends on: servers may give different models one name."""
        question, params = ask
        parts = [self._client.url, self._model, question.template, question.text, params, self._max_tokens]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()

    def _check_budget(self, needed: int) -> None:
        if self._max_calls is None or self.calls + needed <= self._max_calls:
            return
        kept = "the answers so far are remembered" if self._cache else "nothing is remembered between runs"
        raise DivtoolError(
            f"the judge needs {needed} more calls, and {self._max_calls - self.calls} of {self._max_calls} are left; "
            f"allow more calls or give fewer responses ({kept})"
        )


def _comparison(first: str | None, second: str | None, flip: bool) -> Comparison:
    """The result of the two orders; `flip`: side b stood as A in the first."""
    verdicts = (_side(first, swapped=flip), _side(second, swapped=not flip))
    if verdicts[0] is None or verdicts[1] is None:
        return Comparison(None, verdicts)
    agreed = verdicts[0] if verdicts[0] == verdicts[1] else "tie"
    return Comparison({"a": 1.0, "b": 0.0, "tie": 0.5}[agreed], verdicts)


def _side(verdict: str | None, *, swapped: bool) -> str | None:
    if verdict is None or verdict == "tie":
        return verdict
    return "b" if (verdict == "A") == swapped else "a"
