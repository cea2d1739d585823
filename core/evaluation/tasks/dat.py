"""The divergent association task: ten nouns as unlike each other as possible (arXiv 2505.16245; Olson et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import regex

from ...jsonl import Record
from ..parsing import exact_list, lines_of, numbered_items
from ..task import CIRCLES_RULE, Preset, Reading, Task, TaskMetric, goes_in_circles
from ..tools import Tools
from ..values import Vectors, mean, mean_distance
from ..word_vectors import Known, found_share

_ASKED, _SCORED = 10, 7
_ONE_WORD = regex.compile(r"\p{L}+(?:-\p{L}+)?")
# What a model adds behind a word: an explanation after a colon, a dash or in brackets.
_REMARK = regex.compile(r"\s[-–—]+\s|[:(\[=]")
_NO_LETTER = regex.compile(r"[^a-z \-]+")
_SPACES, _HYPHENS = regex.compile(r" +"), regex.compile(r"-+")
# Below this share of words in a file of vectors, the file does not fit the language of the answers.
_LEAST_FOUND = 0.50


@dataclass(frozen=True, slots=True)
class Words:
    """The words of an answer that count.

    Attributes:
        words: The first seven different ones of the vocabulary.
        valid: All of its different words that are in the vocabulary.
        vectors: Those of `words`, [7, d].
    """

    words: tuple[str, ...]
    valid: tuple[str, ...]
    vectors: Vectors


def strict(text: str) -> bool:
    """Whether a text is ten numbered lines, each of one alphabetic word with at most one hyphen, all different."""
    items = exact_list(text, _ASKED)
    if items is None or not all(_ONE_WORD.fullmatch(item) for item in items):
        return False
    return len({item.casefold() for item in items}) == _ASKED


def candidates(text: str) -> list[tuple[str, ...]]:
    """What may be the words of an answer, in order: each item in the forms to look up, the likelier first.

    Items stand behind numbers, else between commas and line breaks. A compound is looked up with a hyphen and joined,
    as in the code of the task's authors.
    """
    items = numbered_items(text)
    if len(items) < 2:
        items = [part for line in lines_of(items[0] if items else text) for part in line.split(",")]
    return [forms for item in items if (forms := _forms(item))]


def _forms(item: str) -> tuple[str, ...]:
    word = _REMARK.split(item.lower().strip(), maxsplit=1)[0]
    word = _NO_LETTER.sub("", word).strip(" -")
    if len(word) < 2:
        return ()
    if " " in word:
        return _SPACES.sub("-", word), _SPACES.sub("", word)
    return (word, _HYPHENS.sub("", word)) if "-" in word else (word,)


def chosen(items: Sequence[tuple[str, ...]], known: Mapping[str, Known]) -> Words | None:
    """The words that count, or None under seven different ones.

    Args:
        items: As from `candidates`.
        known: The forms that are in the vocabulary.
    """
    found: dict[str, Vectors] = {}
    for forms in items:
        entry = next((known[form] for form in forms if form in known), None)
        if entry is not None:
            found.setdefault(*entry)
    if len(found) < _SCORED:
        return None
    first = tuple(found)[:_SCORED]
    return Words(first, tuple(found), np.stack([found[word] for word in first]))


def read(records: Sequence[Record], tools: Tools) -> list[Reading]:
    """The words of each response."""
    items = [candidates(record["response"]) for record in records]
    every = {form for own in items for forms in own for form in forms}
    known = tools.words.look_up(every)
    fits = tools.words_fit(found_share(known, (forms[0] for own in items for forms in own)), _LEAST_FOUND)
    readings = []
    for record, own in zip(records, items, strict=True):
        words = chosen(own, known) if fits else None
        usable = words is not None and not goes_in_circles(record["response"])
        readings.append(Reading(strict(record["response"]), words, usable))
    return readings


def dat(words: Sequence[Words]) -> float | None:
    """100 x mean 1 - cos over the pairs of the first seven words, mean over the answers.

    Range [0, 200], higher is more diverse. Null for no answer.
    """
    scores = (mean_distance(answer.vectors) for answer in words)
    return mean(None if score is None else 100 * score for score in scores)


def word_distinct(words: Sequence[Words]) -> float | None:
    """Different / all valid words of several answers. Range (0, 1], higher is more diverse. Null under 2 answers."""
    every = [word for answer in words for word in answer.valid]
    return len(set(every)) / len(every) if len(words) > 1 else None


def _unrelated(tools: Tools, count: int, seed: int) -> list[Record]:
    """Answers of random words of the vocabulary, of which the first seven count."""
    return [{"response": _as_list(tools.words.random_words(_ASKED, seed + number))} for number in range(count)]


def _as_list(words: Sequence[str]) -> str:
    return "\n".join(f"{number}. {word}" for number, word in enumerate(words, start=1))


DAT = Task(
    name="dat",
    prompt_set="dat",
    unit="block",
    lines=True,
    prefill="1.",
    presets={
        "quick": Preset(1, 50, 64, 0.9, prefill=True),
        "standard": Preset(1, 100, 64),
        "paper": Preset(1, 100, 64),
    },
    headline="dat",
    metrics=(),
    own=(
        TaskMetric(
            name="dat",
            direction="+",
            formula="100 x mean 1 - cos over pairs of the first 7 different words that are in the vocabulary; "
            "word vectors: {words}",
            value=lambda unit: dat(unit.values),
            null="no list with 7 words",
            of_words=True,
        ),
        TaskMetric(
            name="word_distinct",
            direction="+",
            formula="different / all valid words of the lists; word vectors: {words}",
            value=lambda unit: word_distinct(unit.values),
            null="under 2 lists with 7 words",
            equal=True,
        ),
    ),
    read=read,
    unrelated=_unrelated,
    parsing="numbered lines, else split at commas and line breaks",
    usable_rule=f"7 different words of the vocabulary, and {CIRCLES_RULE}",
)
