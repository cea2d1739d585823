"""Reading what models answer: numbered lists, JSON objects, braced lines, and the normal form of a value."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import orjson
import regex

# At most three digits: years and other numbers that begin a line are no list marks.
_NUMBERED = regex.compile(r"^[^\S\n]*\**(\d{1,3})[.):][^\S\n]*(?!\d)", regex.MULTILINE)
_INLINE = regex.compile(r"(?:^|(?<=[\s,;]))(\d{1,3})[.)][^\S\n]*(?!\d)")
_BULLET = regex.compile(r"^[^\S\n]*(?:[-*•–—·]|\([a-z0-9]\))[^\S\n]+", regex.MULTILINE)
_OUTER = regex.compile(r"^[\p{P}\p{S}\p{Z}\p{C}]+|[\p{P}\p{S}\p{Z}\p{C}]+$")
_BLANK_LINE = regex.compile(r"\n[^\S\n]*\n")
_SPACES = regex.compile(r"\s+")
_BRACED = regex.compile(r"\{([^{}]*)\}")
_NO_LETTER = regex.compile(r"[^\p{L}]+")


def normal_form(value: str) -> str:
    """The form in which values are compared: NFC, case folded, outer punctuation and white space off.

    Args:
        value: A value as it was written.
    """
    plain = unicodedata.normalize("NFC", value).casefold()
    return str(_SPACES.sub(" ", _OUTER.sub("", unicodedata.normalize("NFC", plain))))


def exact_list(text: str, count: int) -> list[str] | None:
    """The items of a text that is a list numbered 1 to `count`, an item a line, and nothing else; else None."""
    lines = text.strip().splitlines()
    if len(lines) != count:
        return None
    items = []
    for number, line in enumerate(lines, start=1):
        mark, item = _mark(line)
        if mark != number or not item:
            return None
        items.append(item)
    return items


def _mark(line: str) -> tuple[int | None, str]:
    match = regex.match(r"\s*(\d{1,3})[.)]\s+", line)
    return (int(match[1]), line[match.end() :].strip()) if match else (None, line)


def numbered_items(text: str) -> list[str]:
    """The items behind numbers at the starts of lines, or within one line; each ends at a blank line.

    Args:
        text: Any text; what stands before the first number is left out.
    """
    found = _between(text, _NUMBERED)
    inline = _between(text, _INLINE)
    return inline if len(inline) > len(found) and len(found) < 2 else found


def bulleted_items(text: str) -> list[str]:
    """The items behind dashes, stars and the like at the starts of lines."""
    return _between(text, _BULLET)


def lines_of(text: str) -> list[str]:
    """The lines that are not empty, an introduction that ends in a colon left out."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[1:] if lines and lines[0].endswith(":") else lines


def _between(text: str, marks: regex.Pattern[str]) -> list[str]:
    places = list(marks.finditer(text))
    if not places:
        return []
    ends = [*(match.start() for match in places[1:]), len(text)]
    pieces = (_BLANK_LINE.split(text[m.end() : end], maxsplit=1)[0] for m, end in zip(places, ends, strict=True))
    return [item for piece in pieces if (item := _SPACES.sub(" ", piece).strip(" *,;"))]


def json_object(text: str) -> dict[str, object] | None:
    """The object that the whole text is as JSON, or None."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def balanced_object(text: str) -> str | None:
    """The first balanced `{...}` of a text, braces within strings left out; None where there is none."""
    start = text.find("{")
    if start < 0:
        return None
    depth, quoted, skip = 0, False, False
    for place, character in enumerate(text[start:], start=start):
        if skip:
            skip = False
        elif quoted:
            quoted, skip = character != '"', character == "\\"
        elif character == '"':
            quoted = True
        elif character in "{}":
            depth += 1 if character == "{" else -1
            if depth == 0:
                return text[start : place + 1]
    return None


def plain_key(key: str) -> str:
    """A key without case, spaces and marks: `First Name` and `first_name` are one."""
    return str(_NO_LETTER.sub("", key)).casefold()


def fields_of(text: str, keys: Sequence[str]) -> dict[str, str] | None:
    """The values of keys in a text that should be a JSON object; None unless all are there and not empty.

    Args:
        text: The first balanced object in it counts, with keys in any case; where that does not hold them all, each
            key with a colon or equals sign and a value behind it.
        keys: The keys.
    """
    inner = balanced_object(text)
    found = json_object(inner) if inner else None
    plain = {plain_key(key): value for key, value in found.items()} if found else {}
    values = {key: plain.get(plain_key(key)) for key in keys}
    if not all(isinstance(value, str) and normal_form(value) for value in values.values()):
        values = {key: _beside(text, key) for key in keys}
    whole = {key: value for key, value in values.items() if isinstance(value, str) and normal_form(value)}
    return whole if len(whole) == len(keys) else None


def _beside(text: str, key: str) -> str | None:
    """The value behind a key: in quotes that are closed again, or up to a comma, a brace or the end of the line."""
    name = "[ _-]?".join(map(regex.escape, key.split("_")))
    quoted = r"\"([^\"\n]*)\"|'((?:[^'\n]|(?<=\w)'(?=\w))*)'|“([^”\n]*)”"
    match = regex.search(rf"\b{name}\b[\"'*”]*\s*[:=][*\s]*(?:{quoted}|([^\"'“,;{{}}\n]+))", text, regex.IGNORECASE)
    return next((group for group in match.groups() if group is not None), None) if match else None


def braced_lines(text: str) -> list[str]:
    """What stands in braces on lines of their own, where every line is such a one; else nothing."""
    lines = [line.strip() for line in text.strip().splitlines()]
    matches = [_BRACED.fullmatch(line) for line in lines]
    return [match[1].strip() for match in matches if match] if all(matches) else []


def braced(text: str) -> Iterator[str]:
    """What stands in braces anywhere, innermost pairs only."""
    for match in _BRACED.finditer(text):
        yield _SPACES.sub(" ", match[1]).strip()
