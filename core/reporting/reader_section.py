"""The section in which a reader searches and sorts the responses, prompt by prompt. The page's one script draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..metrics.text import words
from ..selection.near import SAME_TEXT, SeenTexts, fivegrams
from .blocks import Section
from .load import Inputs
from .shelf import RUN_ENTRIES, Entry, Kept, PairEntry, Shelf, Text, as_script_data
from .text import clean, count, percent, plural, title_words


def reader(inputs: Inputs) -> Section:
    """All responses and pairs, or a sample of whole prompts that says how large it is.

    Responses of one run to one prompt are marked as near-duplicates where they share more than half of their 5-grams
    of words with an earlier one, the rule by which `select` leaves texts out.
    """
    section = Section("responses", "Responses")
    shelf = inputs.shelf
    kept = sorted(shelf.kept.values(), key=lambda entry: entry.order)
    if not kept:
        return section
    data = _data(kept)
    responses = sum(run.responses for run in inputs.responses.runs.values())
    section.lead = " ".join(_lead(shelf, data, responses, inputs.pairs.n))
    section.reader = as_script_data(data)
    return section


def _lead(shelf: Shelf, data: Mapping[str, Any], responses: int, pairs: int) -> list[str]:
    """What is shown, out of what; and what is marked."""
    shown = {"response": (len(data["responses"]), responses), "pair": (len(data["pairs"]), pairs)}
    told = [
        plural(n, kind) if n == of else f"{count(n)} of {plural(of, kind)}" for kind, (n, of) in shown.items() if of
    ]
    prompts = len(shelf.kept)
    whole = prompts == len(shelf.prompts)
    of = plural(prompts, "prompt") if whole else f"{count(prompts)} of {plural(len(shelf.prompts), 'prompt')}"
    lead = [f"{' and '.join(told)} to {of}."]
    if not whole:
        lead = [f"A sample, so that the page stays small: {lead[0]} Prompts are taken whole, by a hash of their id."]
    if sum(shelf.left_out.values()):
        lead.append(f"Of one prompt and run, the first {RUN_ENTRIES} are here.")
    marked = sum(row[_SAME] is not None for row in data["responses"])
    if len(data["responses"]):
        share = percent(marked / len(data["responses"]), 1)
        rule = (
            f"shares more than {percent(SAME_TEXT)} of its 5-grams of words with an earlier one of its prompt and run"
        )
        lead.append(f"{count(marked)} ({share}) nearly repeat another: each {rule}." if marked else f"None {rule}.")
    return lead


_SAME = 7  # the column of a response that names the earlier one which it nearly repeats


def _data(kept: Sequence[Kept]) -> dict[str, Any]:
    """What the script reads: prompts, and responses and pairs as rows that name their prompt by its place."""
    runs = list(dict.fromkeys(run for entry in kept for run in entry.runs))
    scores = sorted({name for one in kept for of in one.runs.values() for e in of.values() for name in e.scores})
    responses: list[list[Any]] = []
    for place, one in enumerate(kept):
        for run, entries in one.runs.items():
            responses += _rows(place, runs.index(run), list(entries.values()), scores, len(responses))
    return {
        "prompts": [_text(one.prompt) for one in kept],
        "runs": [clean(run) for run in runs],
        "scores": [clean(title_words(name)) for name in scores],
        "responses": responses,
        "pairs": [[place, *_pair(pair)] for place, one in enumerate(kept) for pair in one.pairs],
    }


def _text(text: Text) -> list[Any]:
    """A text and, where it was cut, the number of all its characters."""
    return [text.text] if text.shown == text.characters else [text.text, text.characters]


def _rows(prompt: int, run: int, entries: Sequence[Entry], names: Sequence[str], start: int) -> list[list[Any]]:
    """One row a response: prompt, run, sample, turn, number, words, cut, near-duplicate of, text, scores."""
    entries = sorted(entries, key=lambda entry: tuple(-1.0 if part is None else part for part in entry.place))
    seen, first = SeenTexts(), []
    rows = []
    for i, entry in enumerate(entries):
        earlier = seen.add(_grams(entry.text.text))
        if earlier is None:
            first.append(start + i)
        same = None if earlier is None else first[earlier]
        scores = [entry.scores.get(name) for name in names]
        rows.append([prompt, run, *entry.place, entry.words, int(entry.cut), same, _text(entry.text), scores])
    return rows


def _grams(text: str) -> frozenset[int]:
    """The 5-grams of a text; of one without words, such as an emoji, the text itself."""
    found = words(text)
    return fivegrams(found) if found else frozenset([hash(text)])


def _pair(pair: PairEntry) -> list[Any]:
    return [*pair.words, _text(pair.chosen), _text(pair.rejected), pair.facts.get("gap"), pair.facts.get("weight")]
