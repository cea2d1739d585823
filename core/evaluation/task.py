"""What an evaluation task is: what it asks, how it reads an answer, and what it measures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UsageError
from ..jsonl import Record
from ..metrics.lexical import within_distinct
from ..metrics.registry import Direction, Metric
from ..metrics.text import words
from .hooks import Asked, Drawing, ItemMeasure
from .pooled import Pooling

if TYPE_CHECKING:
    from ..metrics.supplies import Sources
    from .tools import Tools

# The shares of distinct 4-grams under which a text of so many words only goes round in circles.
_LONG, _LEAST_DISTINCT = 20, 0.80
# A task of one prompt has so many units, each of equally many of its samples; fewer than two each say nothing.
BLOCKS, _LEAST_BLOCK = 10, 2
CIRCLES_RULE = "within_distinct_4 >= 0.80 where it has 20 words or more"


@dataclass(frozen=True, slots=True)
class Preset:
    """How much of a task to run.

    Attributes:
        prompts: How many prompts of the task's set.
        samples: Responses a prompt.
        max_new_tokens: Longest response in tokens.
        top_p: Nucleus of the decoding; temperature is 1 throughout.
        prefill: Whether the answer is begun with the task's prefill, where it has one.
        top_k: So many most likely tokens are kept; 0 keeps all.
        repetition_penalty: As in `Decoding`.
    """

    prompts: int
    samples: int
    max_new_tokens: int
    top_p: float = 1.0
    prefill: bool = False
    top_k: int = 0
    repetition_penalty: float = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One response as its task reads it.

    Attributes:
        strict: Whether it keeps the asked format exactly.
        value: What was read leniently; None where that failed as well.
        usable: Whether it does what the task asks; implies a value.
    """

    strict: bool
    value: Any = None
    usable: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """What a task's own metric sees of a prompt, a block or a whole run.

    Attributes:
        values: The values of the usable responses, by sample index.
        total: How many responses there are, usable or not.
        rarefied: To how many usable responses counts of a whole run are brought down.
    """

    values: Sequence[Any]
    total: int
    rarefied: int


@dataclass(frozen=True, slots=True)
class Tally:
    """A metric that rests on counts alone, so that those of the parts of a run can be added up.

    Attributes:
        key: What is counted of a usable response's value.
        number: The metric of the counts; None where it is undefined.
    """

    key: Callable[[Any], str]
    number: Callable[[Counter[str]], float | None]

    def counts(self, values: Iterable[Any]) -> Counter[str]:
        """How often each key is there."""
        return Counter(map(self.key, values))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMetric:
    """A metric that a task computes from what it read.

    Attributes:
        name: The key in a measure record.
        direction: `+`, `-` or `0`.
        formula: The definition in one line; `{words}` and `{embedder}` become the names of what gave the vectors.
        value: The metric; None where it is undefined.
        null: When it is null.
        level: ``set`` for a value by prompt or block, ``run`` for one over the whole run.
        equal: Whether it moves with the number of usable responses, and so takes as many on both sides.
        shown: What else a row of level ``run`` holds.
        of_words: Whether it rests on word vectors, and is comparable where these are.
        pooled: Of a measure of the values of all units together, how they are counted; in the place of `value`.
        tally: Of a measure of the whole run that rests on counts, which; in the place of `value`.
    """

    name: str
    direction: Direction
    formula: str
    value: Callable[[Unit], float | None] = lambda unit: None
    null: str
    level: Literal["set", "run"] = "set"
    equal: bool = False
    shown: Callable[[Unit], Mapping[str, Any]] | None = None
    of_words: bool = False
    pooled: Pooling | None = None
    tally: Tally | None = None


Read = Callable[[Sequence[Record], "Tools"], list[Reading]]


def blocks(samples: int) -> int:
    """Into how many blocks so many samples of the only prompt of a task are split."""
    return BLOCKS if samples // BLOCKS >= _LEAST_BLOCK else 1


def unread(records: Sequence[Record], tools: Tools) -> list[Reading]:
    """The `read` of a task of items: only its measures look at responses."""
    return [Reading(strict=False) for _ in records]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An evaluation task.

    Attributes:
        name: As in the catalog.
        headline: The metric that the verdict is about: one of its own, or one of `metrics`.
        metrics: Metrics of the catalog that are reported.
        own: Metrics of what the task read; they stand in every table of the task.
        variants: Metrics of the catalog under other names, with settings that no option changes.
        read: Responses to what they say, in order.
        usable_rule: What is usable, in words, for the definition.
        parsing: How a response is read, likewise; empty for free text.
        unit: "block" for a task of one prompt, whose samples are split into blocks that play the prompt's part.
        lines: Whether an answer has several lines, or is a list itself, so that a list of answers cannot be read.
        prompt_set: Name of the built-in prompt set that it asks; None for a task without one.
        prompts_from_file: Whether it asks the prompts of a file that the user names.
        prefill: How an answer is begun for a model that rarely keeps the format; None for none.
        unrelated: Draws made responses for the reference row of unrelated ones: (tools, how many, seed). Without it
            they are responses to other prompts.
        presets: By name: "quick", "standard", "paper".
        published: Which metrics of the catalog have the parts of published figures, by the models and settings of the
            call; None for none.
        published_prompts: How many prompts those figures are of.
        human: What is shown of responses by humans: the headline, or all metrics of sets.
        note: What a reader must know of every number of the task.
        items: Measures of single items, for a task that has no other ones and no headline.
        caveat: What the definitions of these measures end in, such as what they cannot be compared with.
        drawing: How it gets its responses where sampling its prompts would not do.
        criteria: Name of what a judge rates its responses by; None where the usable rate says all about their quality.
        asked: How a judge reads its responses in the place of `read`; None where it does not.
    """

    name: str
    headline: str = ""
    metrics: tuple[str, ...] = ()
    read: Read = unread
    usable_rule: str = ""
    own: tuple[TaskMetric, ...] = ()
    variants: tuple[Metric, ...] = ()
    parsing: str = ""
    unit: Literal["prompt", "block"] = "prompt"
    lines: bool = False
    prompt_set: str | None = None
    prompts_from_file: bool = False
    prefill: str | None = None
    unrelated: Callable[[Tools, int, int], list[Record]] | None = None
    presets: Mapping[str, Preset] = field(default_factory=dict)
    published: Callable[[Sources, Mapping[str, Any]], frozenset[str]] | None = None
    published_prompts: int = 0
    human: Literal["headline", "all"] = "headline"
    note: str = ""
    items: tuple[ItemMeasure, ...] = ()
    caveat: str = ""
    drawing: Drawing | None = None
    criteria: str | None = None
    asked: Asked | None = None

    def parts(self, samples: int) -> int:
        """Into how many units so many samples of a prompt are split."""
        return blocks(samples) if self.unit == "block" else 1

    @property
    def leads_itself(self) -> bool:
        """Whether the verdict is about a metric of its own, which no choice of metrics takes away."""
        return self.headline in {metric.name for metric in self.own}

    def prompts(self) -> str:
        """The name of the prompt set.

        Raises:
            UsageError: The task has no prompts to ask a model.
        """
        if self.prompts_from_file:
            raise UsageError(
                f"task {self.name} asks the prompts of a file: name it with --prompts, or take novelty-lite"
            )
        if self.prompt_set is None:
            raise UsageError(
                f"task {self.name} has no prompts of its own: name a file of them with --prompts, or files of "
                "responses in the place of models, or a --protocol"
            )
        return self.prompt_set


def each(parse: Callable[[Record], Reading]) -> Read:
    """A task's `read` that looks at one response at a time."""

    def read(records: Sequence[Record], tools: Tools) -> list[Reading]:
        return [parse(record) for record in records]

    return read


def finished(record: Record) -> bool:
    """Whether a response was not cut at the token limit; a file that does not say so is believed."""
    return record.get("finish_reason") != "length"


def goes_in_circles(text: str) -> bool:
    """Whether a text of 20 words or more repeats itself: within_distinct_4 below .80."""
    own = words(text)
    return len(own) >= _LONG and (within_distinct(own, k=4) or 0.0) < _LEAST_DISTINCT
