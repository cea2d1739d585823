"""Groups of responses that possibility fine-tuning learns from: how many, how long, and some to read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..jsonl import Record
from ..metrics.text import words
from .blocks import Example, Section, Side, Table
from .samples import Reservoir
from .text import Excerpt, as_list, as_number, as_text, count, excerpt, listing, number, plural

_GROUPS = 12
_RESPONSES = 9
_OPEN = 3


@dataclass(frozen=True, slots=True)
class GroupExample:
    """A group to read: its first responses, with their numbers where the record has some."""

    prompt: Excerpt
    responses: list[tuple[str, Excerpt]]
    size: int


@dataclass(slots=True)
class Groups:
    """Everything kept of group records.

    Attributes:
        sizes: How many groups have so many responses.
        candidates: Responses that the groups were picked from, where the records say so.
        words: Of all responses.
        methods: What picked them.
        models: What wrote them.
        sample: Some groups.
    """

    sizes: Counter[int] = field(default_factory=Counter)
    candidates: int = 0
    words: int = 0
    methods: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    sample: Reservoir = field(default_factory=lambda: Reservoir(_GROUPS))

    def add(self, record: Record) -> None:
        """Count one group."""
        texts = [as_text(response) for response in as_list(record["responses"])]
        self.sizes[len(texts)] += 1
        self.candidates += int(as_number(record.get("n_candidates")) or 0)
        self.words += sum(len(words(text)) for text in texts)
        for counter, key in ((self.methods, "method"), (self.models, "model")):
            if record.get(key):
                counter[as_text(record[key])] += 1
        place = self.sample.slot()
        if place is not None:
            numbers = [as_number(value) for value in as_list(record.get("numbers"))]
            labels = [f"number {count(value)}" for value in numbers if value is not None]
            labels = labels if len(labels) == len(texts) else [f"response {i}" for i in range(1, len(texts) + 1)]
            shown = [(label, excerpt(text)) for label, text in zip(labels[:_RESPONSES], texts, strict=False)]
            self.sample.items[place] = GroupExample(excerpt(as_text(record.get("prompt"))), shown, len(texts))


def groups(found: Groups) -> Section:
    """How many groups there are, and some of them to read; the choice does not look at the text."""
    section = Section("groups", "Groups of responses")
    n = found.sizes.total()
    if not n:
        return section
    responses = sum(size * many for size, many in found.sizes.items())
    row = (
        count(n),
        count(responses),
        listing([f"{size} in {count(many)}" for size, many in sorted(found.sizes.items())]),
        count(found.candidates or None),
        number(found.words / responses, 1) if responses else number(None),
        listing([text for text, _ in found.methods.most_common()]),
        listing([text for text, _ in found.models.most_common()]),
    )
    head = ("Groups", "Responses", "Responses of a group", "Picked from", "Words each", "Method", "Model")
    section.tables.append(Table(head, [row], "rrtrrtt", "What the groups hold"))
    section.lead = (
        f"{plural(n, 'prompt')} with the responses that possibility fine-tuning learns; "
        f"{count(len(found.sample.items))} of them to read, drawn by chance."
    )
    section.examples += [_example(place, group) for place, group in enumerate(found.sample.items, start=1)]
    return section


def _example(place: int, group: GroupExample) -> Example:
    sides = [Side(label, "run", [("", text)]) for label, text in group.responses]
    more = f", the first {len(sides)} shown" if len(sides) < group.size else ""
    return Example(f"Group {place}: {plural(group.size, 'response')}{more}", group.prompt, sides, folded=place > _OPEN)
