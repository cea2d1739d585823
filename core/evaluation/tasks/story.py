"""Very short stories from three given words; stimuli as published with arXiv 2505.16245, wording ours."""

from __future__ import annotations

from functools import cache
from importlib import resources

import orjson

from ...jsonl import Record
from ...metrics.lexical import within_distinct
from ...metrics.text import sentences, words
from ..task import Preset, Task

_SENTENCES = range(3, 13)
_WORDS = range(30, 251)
_LEAST_DISTINCT = 0.95


def usable(record: Record) -> bool:
    """Whether a response is a story with its three words: inflected or not, 3 to 12 sentences, 30 to 250 words."""
    text: str = record["response"]
    own = words(text)
    if len(own) not in _WORDS or len(sentences(text)) not in _SENTENCES:
        return False
    if (within_distinct(own, k=4) or 0.0) < _LEAST_DISTINCT:
        return False
    given = record.get("words")
    wanted = [word for word in given if isinstance(word, str) and word] if isinstance(given, list) else []
    return all(holds_word(word, frozenset(own)) for word in wanted)


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
    usable=usable,
    usable_rule="holds the three words in any inflection, 3 to 12 sentences, 30 to 250 words, "
    "within_distinct_4 >= 0.95",
)
