"""Response records of a file, taken in one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..jsonl import Record, Row, short_hash
from ..records import check_response
from .sources import SWEPT


@dataclass(slots=True)
class Intake:
    """The responses of a file as they are read: each key once.

    Attributes:
        settings: Only responses that were drawn with these are taken in.
        drawn_with: The values that were met of these settings, or without any of those that a sweep is over.
        groups: First-turn responses by prompt_id, then by (sample index, possibility).
        models: The models that wrote them.
        repeats: How many came twice with the same text.
    """

    settings: Mapping[str, float] = field(default_factory=dict)
    drawn_with: dict[str, dict[float, None]] = field(default_factory=dict)
    groups: dict[str, dict[tuple[int, int], Record]] = field(default_factory=dict)
    models: dict[str, None] = field(default_factory=dict)
    repeats: int = 0
    _seen: dict[tuple[str, int, int, int], tuple[str, int]] = field(default_factory=dict)
    _prompts: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Take a response in, unless its key was there with the same text.

        Raises:
            InputError: The key was there with another text, or its prompt_id with another prompt.
        """
        check_response(row)
        record = row.data
        if not self._wanted(record):
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
        elif turn == 1:
            self.groups.setdefault(prompt_id, {})[index, branch] = record
            self.models[str(record.get("model", "unknown"))] = None

    def _wanted(self, record: Record) -> bool:
        """Whether a record was drawn with the settings; what it was drawn with is kept, to be said."""
        params = record.get("params")
        # A penalty of 1 is left out of the records.
        stated = {"repetition_penalty": 1.0, **params} if isinstance(params, dict) and params else {}
        stated["seed"] = record.get("seed")
        for key in self.settings or SWEPT:
            if isinstance(stated.get(key), (int, float)):
                self.drawn_with.setdefault(key, {})[stated[key]] = None
        return all(stated.get(key) == value for key, value in self.settings.items())

    @property
    def values(self) -> str:
        """The values of the settings that were met, for a message."""
        return ", ".join(f"{key} {' and '.join(map(str, values))}" for key, values in self.drawn_with.items())

    @property
    def notes(self) -> Iterator[str]:
        """What a reader must know of the records."""
        if self.repeats:
            yield f"{self.repeats} repeated responses counted once"
        several = {} if self.settings else {key: list(v) for key, v in self.drawn_with.items() if len(v) > 1}
        for key, values in several.items():
            found = f"responses drawn with {len(values)} values of {key} are measured as one run"
            yield f"{found}; --run NAME=FILE@{key}={values[0]} takes those of one"
