"""What a task may do in its own way: draw its responses, and measure items one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..jsonl import Record, Row
from ..metrics.registry import Direction

if TYPE_CHECKING:
    from ..judging.templates import Form
    from ..sampling.backend import Backend
    from .task import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMeasure:
    """A measure of items that have a value of their own each, such as questions with one right answer.

    Attributes:
        name: The key in a measure record.
        direction: `+`, `-` or `0`.
        role: As in the measure records. Of the items that measures of the role "length" cover, the mean length of the
            responses stands in every row.
        definition: How it is computed, without the name.
        covers: Whether a response is to one of its items.
        value: The value of an item from its responses; None where it is undefined.
        null: When it is null.
    """

    name: str
    direction: Direction
    role: Literal["guard", "length", "detail"]
    definition: str
    covers: Callable[[Record], bool]
    value: Callable[[Sequence[Record]], float | None]
    null: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a judge reads the responses of a task.

    Attributes:
        form: What it is asked.
        usual: What reads them without a judge, in words.
        reading: A response with what the judge read in it; None where its answer could not be read.
    """

    form: Form
    usual: str
    reading: Callable[[Record, Any], Reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawPlan:
    """What a task that draws its responses itself is told.

    Attributes:
        seed: Fixes the draws.
        batch_size: Responses drawn together.
        finished: The records that an interrupted run has left, in order.
        on_tokens: Hears of tokens as they come.
    """

    seed: int
    batch_size: int
    finished: Iterable[Row]
    on_tokens: Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How a task gets its responses where asking all its prompts in one way would not do.

    Decoding, prefill and numbers are the task's: of the user's settings the seed counts, and no other.

    Attributes:
        prompts: The prompt records, in a fixed order.
        total: How many responses come of them.
        settings: What the responses depend on beside the model, the prompts and the seed.
        draw: The response records that are not finished, batch by batch, in a fixed order.
    """

    prompts: Callable[[], list[Record]]
    total: int
    settings: Mapping[str, Any]
    draw: Callable[[Backend, DrawPlan], Iterator[list[Record]]]
