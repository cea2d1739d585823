"""Response records of a file, taken in one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..jsonl import Record, Row, short_hash
from ..records import check_response
from ..sampling.settings import Wanted
from .unread import unread_note, with_unread


@dataclass(slots=True)
class Intake:
    """The responses of a file as they are read: each key once.

    Attributes:
        wanted: Which responses are taken in, by what they were drawn with.
        every_turn: Further turns of a chat are responses too; else those of the first turn count.
        groups: The responses by prompt_id, then by (sample index, turn, possibility).
        models: The models that wrote them.
        repeats: How many came twice with the same text.
        unread: How many are not there since an answer did not hold them.
        turns: How many further turns are left out.
    """

    wanted: Wanted
    every_turn: bool = False
    groups: dict[str, dict[tuple[int, int, int], Record]] = field(default_factory=dict)
    models: dict[str, None] = field(default_factory=dict)
    repeats: int = 0
    unread: int = 0
    turns: int = 0
    _seen: dict[tuple[str, int, int, int], tuple[str, int]] = field(default_factory=dict)
    _prompts: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Take a response in, unless its key was there with the same text.

        Raises:
            InputError: The key was there with another text, or its prompt_id with another prompt.
        """
        check_response(row)
        record = row.data
        if not self.wanted.takes(record):
            return
        prompt_id, index, turn = record["prompt_id"], record["sample_index"], record["turn"]
        possibility = record.get("possibility")
        branch = possibility if isinstance(possibility, int) else 0
        where, prompt = self._prompts.setdefault(prompt_id, (row.where, short_hash(record["prompt"])))
        if prompt != short_hash(record["prompt"]):
            raise row.fault(f"the same prompt_id as {where} but another prompt")
        text = short_hash(record["response"])
        first, known = self._seen.setdefault((prompt_id, index, turn, branch), (row.where, text))
        if known != text:
            raise row.fault(
                f"another response for sample_index {index} of this prompt, which stands at {first} already",
                "give it an own sample_index, or take one of the two out",
            )
        if first != row.where:
            self.repeats += 1
        elif turn == 1 or self.every_turn:
            self.groups.setdefault(prompt_id, {})[index, turn, branch] = record
            self.models[str(record.get("model", "unknown"))] = None
        else:
            self.turns += 1

    def taken(self) -> dict[str, list[Record]]:
        """The responses by prompt_id in the order of their keys, with empty ones where an answer held too few."""
        found = {}
        for prompt_id, group in self.groups.items():
            found[prompt_id] = with_unread([group[key] for key in sorted(group)])
            self.unread += len(found[prompt_id]) - len(group)
        return found

    def forget(self) -> None:
        """Forget the responses, where a prompt is over and none comes back; counts and models stay."""
        self.groups, self._seen, self._prompts = {}, {}, {}

    @property
    def notes(self) -> Iterator[str]:
        """What a reader must know of the records."""
        if self.repeats:
            yield f"{self.repeats} repeated responses counted once"
        yield from unread_note(self.unread)
        if self.turns:
            yield f"{self.turns:,} further turns left out (--run NAME=FILE@strategy=sequential counts them)"
        wanted = self.wanted
        several = {} if wanted.settings else {key: list(v) for key, v in wanted.met.items() if len(v) > 1}
        for key, values in several.items():
            found = f"responses drawn with {len(values)} values of {key} are measured as one run"
            yield f"{found}; --run NAME=FILE@{key}={values[0]} takes those of one"
