"""Which strings count as an option: its texts, and the spellings that the strict parser takes for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from .task import AuditOption, Format

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


def candidate_strings(
    options: Sequence[AuditOption], answer_format: Format = "bare", *, variants: bool = True
) -> list[list[str]]:
    """The strings whose probabilities are summed for each option.

    A text or alias counts as written and with its first letter in the other case, each with and without a final full
    stop. A string that two options could claim belongs to the one whose own text it is, then to the one whose alias it
    is, then to the one that it is but for a full stop; what two options could claim alike counts for neither.

    Args:
        options: The options of a task.
        answer_format: How an answer is written; braces and JSON wrap the texts and get no spellings of their own.
        variants: False keeps texts and aliases as written.

    Returns:
        For each option its strings without repetition, its text first.
    """
    spelled = variants and answer_format in ("bare", "none")
    owners: dict[str, tuple[int, int | None]] = {}
    for place, option in enumerate(options):
        for rank, string in _claims(option, answer_format, spelled):
            held = owners.get(string)
            if held is None or rank < held[0]:
                owners[string] = (rank, place)
            elif rank == held[0] and held[1] != place:
                owners[string] = (rank, None)
    strings: list[list[str]] = [[] for _ in options]
    for string, (_, owner) in sorted(owners.items(), key=lambda item: item[1][0]):
        if owner is not None:
            strings[owner].append(string)
    return strings


def _claims(option: AuditOption, answer_format: Format, spelled: bool) -> Iterator[tuple[int, str]]:
    """What an option could claim, with the rank of the claim: its text, an alias, a full stop, the other case."""
    for number, text in enumerate(option.texts):
        for string in _written(text, answer_format):
            yield min(number, 1), string
        if spelled:
            yield from ((2, string) for string in _stopped(text))
            first = text[:1].swapcase()
            # The other case of some letters is two letters long: that is another word.
            if len(first) == 1:
                yield from ((3, string) for string in (first + text[1:], *_stopped(first + text[1:])))


def _written(text: str, answer_format: Format) -> list[str]:
    """A text in its format; in JSON a number may stand without quotes."""
    if answer_format == "braces":
        return ["{" + text + "}"]
    if answer_format == "json":
        quoted = json.dumps({"answer": text}, ensure_ascii=False)
        return [quoted, f'{{"answer": {text}}}'] if _NUMBER.fullmatch(text) else [quoted]
    return [text]


def _stopped(text: str) -> list[str]:
    """A text with the final full stop that it lacks, or without the one that it has."""
    return [text + "."] if not text.endswith(".") else [text[:-1]] if len(text) > 1 else []
