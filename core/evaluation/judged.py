"""What a judge is asked about the runs of a task: ratings, and comparisons with the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..endpoint.faults import EndpointError
from ..errors import DivtoolError
from ..jsonl import Record
from ..judging.docket import Docket, Pair, Price, Sets
from ..judging.judge import Judge
from ..judging.open import JudgeOptions
from ..judging.templates import version
from ..metrics.quality import judge as mean_rating
from ..metrics.supplies import ChatAndText, chat_and_text
from ..records import Message, messages
from .hooks import Asked
from .runs import Run
from .sides import every_record
from .task import Reading

_Result = TypeVar("_Result")
Votes = Sequence[float | None]

_LOWEST, _HIGHEST = 1, 10
# Sets are shown whole to the judge, and must fit into what it can read.
SET_SIZE = 10


@dataclass(frozen=True, slots=True)
class Ratings:
    """What each response is worth.

    Attributes:
        votes: By the identity of a record, its ratings from 1 to 10; None for one that could not be read.
        source: Where they come from, for definitions.
    """

    votes: Mapping[int, Votes]
    source: str

    def of(self, record: Record) -> float | None:
        """The mean of a response's ratings; None where none could be read."""
        return mean_rating(self.votes[id(record)])


class Bench:
    """A judge for all tasks of a call. Once a request has failed for good, nothing more is asked.

    Args:
        judge: The judge.
        options: How it is called, for definitions.

    Attributes:
        judge: The judge.
        options: Likewise.
        failure: Why it cannot be asked any more; None while it can.
        excuse: The same beside a row that is null for it.
    """

    def __init__(self, judge: Judge, options: JudgeOptions) -> None:
        self.judge = judge
        self.options = options
        self.failure: DivtoolError | None = None
        self.excuse = ""
        self._known: dict[tuple[str, ChatAndText], Votes] = {}

    def price(self, dockets: Iterable[Docket]) -> Price:
        """What it costs to judge all this."""
        return self.judge.price(dockets)

    def ask(self, question: Callable[[], _Result]) -> _Result | None:
        """What a question to the judge gives; None where the judge cannot be asked."""
        if self.failure is not None:
            return None
        try:
            return question()
        except EndpointError as error:
            self.excuse = f"no answer of the judge: {error}"
            self.failure = DivtoolError(f"the judge: {error}")
            return None

    def lacking(self, what: str) -> DivtoolError:
        """The failure, with what a task is without an answer, and how to go on."""
        return DivtoolError(f"{self.failure}; {what}, the same command (with --resume) asks for the rest")

    def ratings(self, items: Sequence[ChatAndText], criteria: str) -> dict[ChatAndText, Votes] | None:
        """The ratings of responses, each asked for once in a call; None where the judge cannot be asked."""
        new = [item for item in items if (criteria, item) not in self._known]
        votes = self.ask(lambda: self.judge.ratings([_rated(item) for item in new], criteria)) if new else []
        if votes is None:
            return None
        self._known.update(zip(((criteria, item) for item in new), votes, strict=True))
        return {item: self._known[criteria, item] for item in items}


def recorded(records: Sequence[Record], *, part: bool = False) -> Ratings | None:
    """The ratings that stand in the records as `scores.judge`; None unless every record has one.

    A rating may be null, which is one that could not be read, but not all of them.

    Args:
        records: The responses.
        part: They are a part of a run, whose ratings may all be null.
    """
    votes: dict[int, Votes] = {}
    for record in records:
        scores = record.get("scores")
        rating: Any = scores.get("judge", "") if isinstance(scores, dict) else ""
        if rating is not None and not _is_rating(rating):
            return None
        votes[id(record)] = [rating]
    known = part or any(rating is not None for own in votes.values() for rating in own)
    return Ratings(votes, "scores.judge of the records") if known else None


def _is_rating(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _LOWEST <= value <= _HIGHEST


def docket(criteria: str, compared: Sequence[Sequence[Run]]) -> Docket:
    """All that is to be judged of a task.

    Args:
        criteria: Name of the criteria.
        compared: Runs, each alone or before its baseline, on their common prompts and with equally many responses.
    """
    records = [record for sides in compared for record in every_record(sides)]
    items = dict.fromkeys(map(chat_and_text, records)) if recorded(records) is None else ()
    pairs = [sides for sides in compared if len(sides) > 1]
    return Docket(
        criteria=criteria,
        rated=[_rated(item) for item in items],
        pairs=[pair for run, base in pairs for p in run.responses for pair in response_pairs(run, base, p)],
        sets=[set_pair(run, base, p) for run, base in pairs for p in run.responses],
    )


def rate(bench: Bench, records: Sequence[Record], criteria: str) -> Ratings | None:
    """The judge's ratings of these records, each different response once; None where it cannot be asked."""
    votes = bench.ratings(list(dict.fromkeys(map(chat_and_text, records))), criteria)
    if votes is None:
        return None
    by = {id(record): votes[chat_and_text(record)] for record in records}
    return Ratings(by, f"judge {bench.options.describe(criteria)}")


def form_docket(asked: Asked, compared: Sequence[Sequence[Run]]) -> Docket:
    """All that a judge is to read of a task.

    Args:
        asked: How.
        compared: Runs, each alone or before its baseline.
    """
    return Docket(form=asked.form, read=_texts(record for sides in compared for record in every_record(sides)))


def read_by(bench: Bench, asked: Asked, records: Sequence[Record]) -> list[Reading]:
    """What the judge reads in the responses, each different text once.

    Raises:
        DivtoolError: It cannot be asked.
    """
    texts = _texts(records)
    said = bench.ask(lambda: bench.judge.read(texts, asked.form))
    if said is None:
        raise bench.lacking("it was to read the responses, so the task has no rows")
    by = dict(zip(texts, said, strict=True))
    return [asked.reading(record, by.get(record["response"])) for record in records]


def reader_name(asked: Asked, bench: Bench | None) -> str:
    """What reads the responses, for definitions."""
    if bench is None:
        return asked.usual
    return f"judge {bench.options.model}, template {asked.form.template} {version(asked.form.template)}"


def _texts(records: Iterable[Record]) -> list[str]:
    """The different texts that are not empty."""
    return list(dict.fromkeys(text for record in records if (text := record["response"]).strip()))


def response_pairs(run: Run, base: Run, prompt_id: str) -> list[Pair]:
    """The responses of both sides to a prompt, in pairs by the order of sample_index."""
    own, other = run.responses[prompt_id], base.responses[prompt_id]
    return [(_chat(a), a["response"], b["response"]) for a, b in zip(own, other, strict=True)]


def set_pair(run: Run, base: Run, prompt_id: str) -> Sets:
    """The first responses of both sides to a prompt."""
    own, other = run.responses[prompt_id][:SET_SIZE], base.responses[prompt_id][:SET_SIZE]
    return _chat(own[0]), [record["response"] for record in own], [record["response"] for record in other]


def _rated(item: ChatAndText) -> tuple[list[Message], str]:
    chat, response = item
    return [{"role": role, "content": content} for role, content in chat], response


def _chat(record: Record) -> list[Message]:
    return list(messages(record["prompt"]))
