"""Taking an answer that lists several responses apart."""

from __future__ import annotations

import regex

_NUMBER = regex.compile(r"^[^\S\n]*(?:\*\*|\()?(\d{1,4})(?:[.):]\**|\*\*[.):]?)[^\S\n]*(?!\d)", regex.MULTILINE)
_BULLET = regex.compile(r"^[-*•–][^\S\n]+", regex.MULTILINE)
_BLANK_LINE = regex.compile(r"\n[^\S\n]*\n")


def list_items(text: str, count: int, *, cut: bool = False) -> list[str]:
    """The responses in an answer that was asked for a numbered list, in order; an item may have several lines.

    Numbers must count up from 1, so that those inside an item are no marks. Without numbers, bullets at the starts of
    lines count; without bullets, lines, if there are as many as asked for.

    Args:
        text: The answer; what stands before the first mark is left out, and what follows a blank line after the last
            item, unless other items hold blank lines too.
        count: How many were asked for.
        cut: The answer was cut at its end, where an item is not whole.
    """
    marks: list[tuple[int, int]] = []
    for match in _NUMBER.finditer(text):
        if int(match[1]) == len(marks) + 1:
            marks.append(match.span())
    marks = marks or [match.span() for match in _BULLET.finditer(text)]
    if marks:
        return _between(text, marks, cut)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[: len(lines) - cut] if len(lines) == count else []


def _between(text: str, marks: list[tuple[int, int]], cut: bool) -> list[str]:
    ends = [start for start, _ in marks[1:]] + [len(text)]
    *items, last = [text[end:stop].strip() for (_, end), stop in zip(marks, ends, strict=True)]
    if not any(_BLANK_LINE.search(item) for item in items):
        last, *rest = _BLANK_LINE.split(last, maxsplit=1)
        cut = cut and not rest
    return [item for item in [*items, "" if cut else last.strip()] if item]
