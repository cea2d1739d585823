"""One run of `select`, whatever the method: what it is asked to do, and what it has to say at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from ..jsonl import Row
from ..passes import Pass
from ..writer import RecordWriter
from .audit import Audit
from .funnel import Stage

Check = Callable[[Row], None]
GroupCheck = Callable[[list[Row]], None]
Made = TypeVar("Made", bound=Pass)


class First(Protocol):
    """How the first pass of a method is run: what `make` makes has then read, or absorbed, the whole input."""

    def __call__(self, make: Callable[[], Made], check: Check, check_group: GroupCheck) -> Made:
        """Make a pass and lead it through the input."""
        ...


def in_one(groups: Callable[[Check, GroupCheck], Iterable[list[Row]]]) -> First:
    """The first pass over all prompts here, one after the other.

    Args:
        groups: Opens the input prompt by prompt; every record and every group passes its check.
    """

    def first(make: Callable[[], Made], check: Check, check_group: GroupCheck) -> Made:
        found = make()
        for group in groups(check, check_group):
            found.read(group)
        return found

    return first


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectJob:
    """What `select` is asked to do.

    Attributes:
        method: Name of the method.
        options: What the user set, of the class that the method's recipe names.
        rows: Opens the input; every record passes the check.
        first: Makes a pass and lets it read all prompts, on this machine or in parts on several; every record passes
            the check, every group of them the second one. What makes the pass, and the checks, may be pickled.
        writer: Takes the records.
        audit: "warn" writes pairs whatever the audit says.
        note: Hears what goes on.
    """

    method: str
    options: Any
    rows: Callable[[Check], Iterable[Row]]
    first: First
    writer: RecordWriter
    audit: Literal["fail", "warn"] = "fail"
    note: Callable[[str], None] = lambda text: None


class Table(NamedTuple):
    """A table for people: title, column heads, rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(slots=True, kw_only=True)
class Selected:
    """What a run came to.

    Attributes:
        stages: What each stage kept.
        report: The content of `--report FILE`, without what the command line adds.
        audit: The pair audit, where pairs were made.
        tables: Further tables for people.
        notes: Further lines for people.
        warnings: Lines that deserve a look.
        failure: The one line that ends the run, or None.
    """

    stages: Sequence[Stage]
    report: dict[str, Any]
    audit: Audit | None = None
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    warnings: Sequence[str] = field(default_factory=list)
    failure: str | None = None
