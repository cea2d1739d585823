"""The judge: asks a model for ratings and verdicts, remembers its answers, and counts what could not be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import orjson

from ..cache import BlobCache
from ..endpoint.client import Answer, Chat, Endpoint
from ..errors import DivtoolError
from ..records import Message
from . import parsing, templates
from .comparing import Comparison, Orders, comparison, pair_orders, set_orders
from .docket import Docket, Pair, Price, Rated, Sets
from .extremes import Extremes, agreed, most_and_least, two_orders
from .extremes import question as extremes_question
from .templates import GENERAL, Form, Question

_Result = TypeVar("_Result")
_Ask = tuple[Question, dict[str, Any]]
_UNRELIABLE_SHARE = 0.1
_OPTIONAL = frozenset({"temperature", "seed"})


def cost_line(model: str, *, asked: int, calls: int, unparsed: int) -> str:
    """One line for people on what one judge or several of one model did; the counts are those of `Judge`."""
    line = f"judge {model}: {asked} judgements, {calls} calls, {unparsed} unparsed"
    return f"{line}; judge unreliable" if _unreliable(asked, unparsed) else line


def _unreliable(asked: int, unparsed: int) -> bool:
    return unparsed > _UNRELIABLE_SHARE * asked


class Judge:
    """A model behind an endpoint that judges responses; it never learns where they come from.

    An answer that cannot be read is asked for once more, in few words, as far as the budget goes; then it is None and
    counted. Answers that can be read are kept in the cache, by server and model, so that a second run asks only for the
    others. Equal sides of a comparison are a tie without being asked about.

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
        self._reserved = 0
        self.calls = 0
        self.asked = 0
        self.unparsed = 0

    @property
    def unreliable(self) -> bool:
        """Whether more than 10 % of the answers could not be read."""
        return _unreliable(self.asked, self.unparsed)

    def summary(self) -> str:
        """One line for people: what was asked, what it cost, what could not be read."""
        return cost_line(self._model, asked=self.asked, calls=self.calls, unparsed=self.unparsed)

    def price(self, dockets: Iterable[Docket]) -> Price:
        """What it costs to judge all this; nothing is asked."""
        kinds: tuple[set[bytes], ...] = (set(), set(), set(), set())
        for docket in dockets:
            kinds[0].update(map(self._key, self._rating_asks(docket.rated, docket.criteria)))
            kinds[1].update(map(self._key, self._order_asks(pair_orders(docket.pairs, docket.criteria))))
            kinds[2].update(map(self._key, self._order_asks(set_orders(docket.sets))))
            if docket.form is not None:
                kinds[3].update(map(self._key, self._reading_asks(docket.read, docket.form)))
        known = self._cache.get_many(list(set.union(*kinds))).keys() if self._cache else set()
        ratings, comparisons, set_comparisons, readings = (len(keys - known) for keys in kinds)
        return Price(
            ratings=ratings,
            comparisons=comparisons,
            set_comparisons=set_comparisons,
            remembered=len(known),
            readings=readings,
        )

    def check_budget(self, needed: int) -> None:
        """Raise `DivtoolError` where so many more calls are not allowed."""
        left = self._left()
        if left is None or needed <= left:
            return
        kept = "the answers so far are remembered" if self._cache else "nothing is remembered between runs"
        raise DivtoolError(
            f"the judge needs {needed} more calls, and {left} of {self._max_calls} are left; "
            f"allow more calls or give fewer responses ({kept})"
        )

    def reserve(self, needed: int) -> None:
        """Keep so many calls for first questions: what cannot be read is asked for once more from the others alone.

        Raises:
            DivtoolError: So many more calls are not allowed.
        """
        self.check_budget(needed)
        self._reserved = needed

    def ratings(self, items: Sequence[Rated], criteria: str = GENERAL) -> list[list[float | None]]:
        """Rate responses.

        Args:
            items: Prompt and response.
            criteria: Name of what to rate by, a file in `prompts/judge/criteria`.

        Returns:
            For each item its votes: whole or half numbers in 1..10, higher is better; None where unparsed.

        Raises:
            EndpointError: The server cannot be used; answers that came before are in the cache.
            DivtoolError: The calls needed are more than `max_calls` leaves.
        """
        votes = self._results(self._rating_asks(items, criteria), parsing.rating, "again-rating")
        return [votes[start : start + self._votes] for start in range(0, len(votes), self._votes)]

    def compare(self, items: Sequence[Pair], criteria: str = GENERAL) -> list[Comparison]:
        """Compare two responses to each prompt, in both orders: which is better?

        Args:
            items: Prompt, response a, response b.
            criteria: Name of what to judge by.

        Returns:
            For each item a's share of the win.

        Raises:
            EndpointError: The server cannot be used; answers that came before are in the cache.
            DivtoolError: The calls needed are more than `max_calls` leaves.
        """
        return self._compared(pair_orders(items, criteria))

    def compare_sets(self, items: Sequence[Sets]) -> list[Comparison]:
        """Compare two sets of responses to each prompt, in both orders: which is more varied?

        Args:
            items: Prompt, responses of side a, responses of side b.

        Returns:
            For each item a's share of the win.

        Raises:
            EndpointError: The server cannot be used; answers that came before are in the cache.
            DivtoolError: The calls needed are more than `max_calls` leaves.
        """
        return self._compared(set_orders(items))

    def most_least_diverse(self, items: Sequence[tuple[Sequence[Message], Sequence[str]]]) -> list[Extremes | None]:
        """Which response differs most from the others, and which least, asked in a seeded order and its reverse.

        Args:
            items: Prompt and its responses, at least two.

        Returns:
            For each item the places of the two; None where the two answers differ, or one could not be read.

        Raises:
            EndpointError: The server cannot be used; answers that came before are in the cache.
            DivtoolError: The calls needed are more than `max_calls` leaves.
        """
        orders = [two_orders(self._seed, prompt, responses) for prompt, responses in items]
        asks: list[_Ask] = [
            (extremes_question(prompt, responses, order), {"temperature": 0.0})
            for (prompt, responses), pair in zip(items, orders, strict=True)
            for order in pair
        ]
        said = iter(self._results(asks, most_and_least, "again-most-least"))
        return [agreed((next(said), next(said)), pair) for pair in orders]

    def read(self, texts: Sequence[str], form: Form) -> list[Any]:
        """Read something out of responses.

        Args:
            texts: The responses.
            form: What is read, and in which words it is asked.

        Returns:
            For each response what was read; None where the answer could not be.

        Raises:
            EndpointError: The server cannot be used; answers that came before are in the cache.
            DivtoolError: The calls needed are more than `max_calls` leaves.
        """
        return self._results(self._reading_asks(texts, form), form.parse, form.again)

    def _reading_asks(self, texts: Iterable[str], form: Form) -> list[_Ask]:
        return [(templates.read(text, form), {"temperature": 0.0}) for text in texts]

    def _rating_asks(self, items: Iterable[Rated], criteria: str) -> list[_Ask]:
        questions = [templates.rate(prompt, response, criteria) for prompt, response in items]
        return [(question, self._params(vote)) for question in questions for vote in range(self._votes)]

    def _compared(self, pairs: Sequence[Orders]) -> list[Comparison]:
        """Ask both orders of each pair; the first holds side a as A."""
        said = iter(self._results(self._order_asks(pairs), parsing.verdict, "again-verdict"))
        return [
            Comparison(0.5, ("tie", "tie")) if pair is None else comparison(next(said), next(said), self._flips(pair))
            for pair in pairs
        ]

    def _order_asks(self, pairs: Iterable[Orders]) -> list[_Ask]:
        asked = (pair[::-1] if self._flips(pair) else pair for pair in pairs if pair is not None)
        return [(question, {"temperature": 0.0}) for pair in asked for question in pair]

    def _flips(self, pair: tuple[Question, Question]) -> bool:
        """Whether the order with side b as A is asked first."""
        texts = [question.text for question in pair]
        return hashlib.sha256(orjson.dumps([self._seed, *texts])).digest()[0] % 2 == 1

    def _params(self, vote: int) -> dict[str, Any]:
        if self._votes == 1:
            return {"temperature": 0.0}
        return {"temperature": 1.0, "seed": self._seed + vote}

    def _results(
        self, asks: Sequence[_Ask], parse: Callable[[str], _Result | None], repeat: str
    ) -> list[_Result | None]:
        """The parsed answers; those that cannot be read are asked for once more, while calls are left."""
        results = [parse(text) for text in self._answers(asks, parse)]
        missing = [place for place, result in enumerate(results) if result is None]
        again = [(question.again(repeat), params) for question, params in (asks[place] for place in missing)]
        said = dict(zip(missing, self._answers(again, parse, cut=True), strict=True))
        results = [parse(said[place]) if place in said else result for place, result in enumerate(results)]
        # Under the first question too, so that a second run asks neither.
        self._keep({self._key(asks[place]): text for place, text in said.items() if results[place] is not None})
        self.asked += len(results)
        self.unparsed += sum(result is None for result in results)
        return results

    def _answers(self, asks: Sequence[_Ask], parse: Callable[[str], object], *, cut: bool = False) -> list[str]:
        """The answers' texts; each different request is sent once, and none whose readable answer is remembered.

        With `cut`, requests beyond the budget are not sent, and their answers are empty.
        """
        keys = [self._key(ask) for ask in asks]
        known = self._cache.get_many(list(dict.fromkeys(keys))) if self._cache else {}
        missing = {key: ask for key, ask in zip(keys, asks, strict=True) if key not in known}
        if cut:
            left = self._left()
            missing = dict(islice(missing.items(), None if left is None else max(0, left - self._reserved)))
        else:
            self._reserved = max(0, self._reserved - len(missing))
        self.check_budget(len(missing))
        order = list(missing)

        def keep(number: int, answer: Answer) -> None:
            self.calls += 1
            # A last line that was cut must not be read: "Rating: 1" may have become 10.
            text = f"{answer.text}…" if answer.finish_reason == "length" else answer.text
            known[order[number]] = text.encode()
            if parse(text) is not None:
                self._keep({order[number]: text})

        self._client.ask([self._chat(ask) for ask in missing.values()], keep)
        return [known.get(key, b"").decode() for key in keys]

    def _keep(self, answers: Mapping[bytes, str]) -> None:
        """Remember readable answers for later runs."""
        if self._cache is not None:
            self._cache.put_many({key: text.encode() for key, text in answers.items()})

    def _chat(self, ask: _Ask) -> Chat:
        question, params = ask
        messages = [{"role": "user", "content": question.text}]
        return Chat(self._model, messages, {**params, "max_tokens": self._max_tokens}, _OPTIONAL)

    def _key(self, ask: _Ask) -> bytes:
        """What an answer depends on: servers may give different models one name."""
        question, params = ask
        parts = [self._client.url, self._model, question.template, question.text, params, self._max_tokens]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()

    def _left(self) -> int | None:
        """How many calls the budget still allows; None for any number."""
        return None if self._max_calls is None else self._max_calls - self.calls
