"""Very short stories from three given words; stimuli as published with arXiv 2505.16245, wording ours."""

from __future__ import annotations

from functools import cache
from importlib import resources

import orjson

from ...jsonl import Record
from ...metrics.lexical import within_distinct
from ...metrics.text import sentences, words
from ..task import Preset, Reading, Task, each, finished
from .free_text import OPENING_SHARE

_SENTENCES = range(3, 13)
_WORDS = range(30, 251)
_LEAST_DISTINCT = 0.95


def parse(record: Record) -> Reading:
    """A story: strictly read where it is finished and holds its words as given, leniently in any inflection."""
    text: str = record["response"]
    own = frozenset(words(text))
    wanted = _wanted(record)
    if not own or not all(holds_word(word, own) for word in wanted):
        return Reading(strict=False)
    strict = finished(record) and all(word.lower() in own for word in wanted)
    return Reading(strict, text, _is_story(text))


def usable(record: Record) -> bool:
    """Whether a response is a story with its three words: inflected or not, 3 to 12 sentences, 30 to 250 words."""
    return parse(record).usable


def _wanted(record: Record) -> list[str]:
    given = record.get("words")
    return [word for word in given if isinstance(word, str) and word] if isinstance(given, list) else []


def _is_story(text: str) -> bool:
    own = words(text)
    if len(own) not in _WORDS or len(sentences(text)) not in _SENTENCES:
        return False
    return (within_distinct(own, k=4) or 0.0) >= _LEAST_DISTINCT


def holds_word(word: str, own: frozenset[str]) -> bool:
    """Whether a text holds a word in any inflection.

    Args:
        word: The word as given, in its base form.
        own: The words of the text.
    """
    return not own.isdisjoint(_forms(word.lower()))


@cache
def _forms(word: str) -> frozenset[str]:
    """The word with s, es, d, ed, ing, a doubled consonant, y turned to ies and ied, and irregular forms."""
    forms = {word + ending for ending in ("", "s", "es", "d", "ed", "ing", "'s")}
    forms |= {word + word[-1] + ending for ending in ("ed", "ing")}
    if word.endswith("e"):
        forms.add(word[:-1] + "ing")
    if word.endswith("y"):
        forms |= {word[:-1] + ending for ending in ("ies", "ied")}
    return frozenset(forms | set(_irregular().get(word, ())))


@cache
def _irregular() -> dict[str, list[str]]:
    content = resources.files("divtool.prompts").joinpath("eval", "irregular.json").read_bytes()
    forms: dict[str, list[str]] = orjson.loads(content)
    return forms


STORY = Task(
    name="story",
    prompt_set="story-eval",
    criteria="story",
    presets={
        "quick": Preset(8, 5, 160, 0.9),
        "standard": Preset(20, 10, 256),
        "paper": Preset(7, 10, 256),
    },
    headline="semantic_distance",
    metrics=(
        "semantic_distance",
        "vendi",
        "distinct_1",
        "distinct_2",
        "distinct_3",
        "distinct_4",
        "self_bleu",
        "unique_share",
    ),
    own=(OPENING_SHARE,),
    read=each(parse),
    parsing="the three words in any inflection",
    usable_rule="holds the three words in any inflection, 3 to 12 sentences, 30 to 250 words, "
    "within_distinct_4 >= 0.95",
)
