"""Text and numbers from files, made fit to print. Every string of a file is untrusted until it has passed `clean`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

MINUS = "\u2212"
DASH = "\u2013"
EXCERPT_CHARACTERS = 1_500
CELL_CHARACTERS = 2_000
NAME_CHARACTERS = 60
_ROUNDING = 1e-12  # what is smaller is zero but for rounding
_LARGEST = 1e15  # beyond it a chart's axis arithmetic overflows; no number of ours comes near

# C0 and C1 controls, the marks and overrides that reorder text, and what XML cannot hold. Tab and line feed stay.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """The text with control characters, bidirectional overrides and non-characters made visible.

    NUL becomes its control picture, an override becomes its code point in angle brackets: the reader sees that it was
    there, and it acts on nothing.
    """
    return _UNSAFE.sub(_visible, text.replace("\r\n", "\n"))


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\ufffd" if code >= 0xD800 else f"\u27e8U+{code:04X}\u27e9"


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, the last an ellipsis where some are left out."""
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The beginning of a text.

    Attributes:
        text: At most `EXCERPT_CHARACTERS` characters.
        characters: How many the whole text has.
    """

    text: str
    characters: int

    @property
    def note(self) -> str:
        """What was cut, or "" where nothing was."""
        if self.characters <= len(self.text):
            return ""
        return f"cut: the first {count(len(self.text))} of {count(self.characters)} characters"


def excerpt(text: str) -> Excerpt:
    """The beginning of a text, with what a reader must know about the rest."""
    return Excerpt(text[:EXCERPT_CHARACTERS], len(text))


def as_text(value: Any) -> str:
    """A text, a message list's contents, or any other JSON value as one string; None becomes ""."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(m, Mapping) and isinstance(m.get("content"), str) for m in value):
        return "\n".join(m["content"] for m in value)
    return orjson.dumps(value).decode()


def as_number(value: Any) -> float | None:
    """A finite number of a size that can be drawn, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= _LARGEST else None  # false for NaN too


def as_mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def count(value: float | None) -> str:
    """A whole number with thousands separators; a dash for None."""
    return DASH if value is None else f"{value:,.0f}".replace("-", MINUS)


def number(value: float | None, decimals: int | None = None, *, sign: bool = False) -> str:
    """A number for people: three significant digits unless told, a real minus sign, a dash for None.

    Args:
        value: The number.
        decimals: Digits behind the point.
        sign: Write the plus sign too.
    """
    if value is None:
        return DASH
    if abs(value) < _ROUNDING:
        value = 0.0
    if decimals is None and value != 0 and abs(value) < 0.001:
        return f"{value:{'+' if sign else ''}.1e}".replace("-", MINUS)
    if decimals is None:
        whole = float(value).is_integer() and abs(value) >= 1
        decimals = 0 if whole or abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    written = f"{value:{'+' if sign else ''},.{decimals}f}"
    if not written.strip("+-0.,"):
        written = f"{0:.{decimals}f}"  # no "-0.00"
    return written.replace("-", MINUS)


def short(value: float | None) -> str:
    """A share of 1 in two decimals; in three where two would make it zero."""
    return number(value, 2 if value is None or value >= 0.01 else 3)


def interval_decimals(values: Iterable[float | None]) -> int:
    """Decimals that show two digits of the spread of these values."""
    known = [value for value in values if value is not None]
    width = max(known) - min(known) if known else 0
    return min(4, max(0, math.ceil(-math.log10(width)) + 1)) if width > 0 else 3


def with_interval(value: float | None, low: float | None, high: float | None, *, sign: bool = False) -> str:
    """A value and its interval in brackets, as far as it has one: ``+0.030 [0.010, 0.050]``."""
    if low is None or high is None:
        return number(value, sign=sign)
    digits = interval_decimals([low, high, value])
    return f"{number(value, digits, sign=sign)} [{number(low, digits)}, {number(high, digits)}]"


def percent(share: float | None, decimals: int = 0, *, sign: bool = False) -> str:
    """A share as a percentage with a narrow space before the sign."""
    return DASH if share is None else number(100 * share, decimals, sign=sign) + "\u202f%"


def small(share: float | None) -> str:
    """A percentage that does not make zero of what is not zero."""
    least = 0.0001
    if share is not None and 0 < share < least:
        return f"<{percent(least, 2)}"
    return percent(share, 2 if share is not None and 0 < share < 10 * least else 1)


def as_name(value: Any) -> str:
    """A name of a file, run, task or stage at a length that fits a sentence."""
    return cut(as_text(value), NAME_CHARACTERS)


def title_words(name: str) -> str:
    """A key as words: ``semantic_distance`` becomes "semantic distance"."""
    return cut(name.replace("_", " "), NAME_CHARACTERS)


def plural(n: int, noun: str) -> str:
    """A count with its noun: "1 pair", "3,000 pairs"."""
    return f"{count(n)} {noun}" + ("" if n == 1 else "s")


def listing(items: list[str], limit: int = 4) -> str:
    """The items in a row, those beyond the limit as a count."""
    if len(items) > limit:
        items = [*items[:limit], f"{len(items) - limit} more"]
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""
