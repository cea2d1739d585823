"""Text to words and sentences: the conventions that every metric on words shares."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from importlib.resources import files

import regex

from ..errors import unknown_name

Tokenizer = Callable[[str], list[str]]

# Not the standard library's `re`: its \w splits words at combining marks.
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['\-][\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*")
# The same words in plain ASCII, where the standard library's engine is right and twice as fast.
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:['\-][a-z0-9]+)*")
# The same words in text that is not normalised, where their places in the original matter.
_RAW_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['‘’\-‐‑][\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*")
_CHARACTER = regex.compile(r"[\p{L}\p{N}]\p{M}*")
_MANY_MARKS = regex.compile(r"(\p{M}{30})\p{M}+")
_PLAIN = {"‘": "'", "’": "'", "‐": "-", "‑": "-"}

_MARKS = regex.compile(r"""(?P<mark>[.!?…。！？]+)["'”’»›)\]}」』】）]*|[\r\n\u2028\u2029]+""")
_NEXT = regex.compile(r"\s*(\S?)")
_LAST_WORD = regex.compile(r"(?<![\p{L}\p{M}\p{N}])\p{L}+\Z")
_FULL_WIDTH = "。！？"
_ABBREVIATIONS = frozenset({"mr", "mrs", "ms", "dr", "prof", "st", "mt", "jr", "sr", "vs", "etc"})
_LOOK_BACK = 10  # characters; more than the longest abbreviation


def normalise(text: str) -> str:
    """Unicode NFC (at most thirty marks in a row), curly apostrophes and Unicode hyphens made plain, lower case."""
    if text.isascii():
        return text.lower()
    # Composing takes quadratic time in a run of marks; Unicode's stream-safe form allows thirty.
    text = unicodedata.normalize("NFC", _MANY_MARKS.sub(r"\1", text))
    for mark, plain in _PLAIN.items():
        text = text.replace(mark, plain)
    return text.lower()


def words(text: str) -> list[str]:
    """The words of the default tokenizer.

    A word starts with a letter or number and goes on over letters, marks and numbers; apostrophes
    and hyphens join where a letter or number stands on both sides.

    Args:
        text: Any text; it is normalised first.
    """
    plain = normalise(text)
    found: list[str] = (_ASCII_WORD if plain.isascii() else _WORD).findall(plain)
    return found


def _whitespace(text: str) -> list[str]:
    """Lower-cased pieces between white space, punctuation included."""
    return text.lower().split()


def _characters(text: str) -> list[str]:
    """Letters and numbers one by one, each with its combining marks."""
    found: list[str] = _CHARACTER.findall(normalise(text))
    return found


_TOKENIZERS: dict[str, Tokenizer] = {"word": words, "whitespace": _whitespace, "char": _characters}


def tokenizer(name: str = "word") -> Tokenizer:
    """The tokenizer of this name.

    Args:
        name: ``word``, ``whitespace``, ``char`` (for scripts without spaces) or ``model:NAME`` for the subwords of a
            language model.

    Raises:
        UsageError: No tokenizer has this name.
        DivtoolError: The model's tokenizer cannot be loaded.
    """
    kind, _, model = name.partition(":")
    if kind == "model" and model:
        from .subwords import subword_tokenizer

        return subword_tokenizer(model)
    if name not in _TOKENIZERS:
        raise unknown_name("tokenizer", name, [*_TOKENIZERS, "model:NAME"])
    return _TOKENIZERS[name]


def sentences(text: str) -> list[str]:
    """Split text into sentences, each stripped and with at least one word.

    A sentence ends at a run of ``.!?…`` with its closing quotes or brackets before white space or
    the end of the text; at a line break; and at full-width ``。！？``, whose scripts write no space.
    No end: a mark before a lower-case letter; a single dot after a common abbreviation or a
    one-letter capital.

    Args:
        text: The text as written; case and punctuation matter.
    """
    pieces, start = [], 0
    for match in _MARKS.finditer(text):
        if match["mark"] is None or _ends(text, match["mark"], match.start(), match.end()):
            pieces.append(text[start : match.end()])
            start = match.end()
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if _RAW_WORD.search(piece)]


def _ends(text: str, mark: str, start: int, end: int) -> bool:
    """Whether the run of marks at ``start``, over at ``end`` with its closing quotes, ends a sentence."""
    # Text may go on at once after a full-width mark, but not after its closing quote: 「本当？」と言った。
    unspaced = text[end - 1] in _FULL_WIDTH
    if end < len(text) and not text[end].isspace() and not unspaced:
        return False
    after = _NEXT.match(text, end)
    following: str = after[1] if after else ""
    if following.islower():
        return False
    if mark != ".":
        return True
    last = _LAST_WORD.search(text[max(0, start - _LOOK_BACK) : start])
    if last is None:
        return True
    word: str = last[0]
    if word.lower() == "no":  # "No. 5", but not "She said no."
        return not following.isdigit()
    return word.lower() not in _ABBREVIATIONS and not (len(word) == 1 and word.isupper())


def truncate_words(text: str, n: int) -> str | None:
    """The original characters up to the end of word ``n``, so that every tokenizer and encoder sees real text.

    Args:
        text: The text as written.
        n: How many words to keep, at least 1.

    Returns:
        The beginning of the text, or None where it has fewer words.
    """
    for count, match in enumerate(_RAW_WORD.finditer(text), start=1):
        if count == n:
            return text[: match.end()]
    return None


@cache
def function_words() -> frozenset[str]:
    """The 150 English function words of ``prompts/function_words.txt``, as the word tokenizer writes them."""
    package = __package__.rpartition(".core.")[0]
    content = files(f"{package}.prompts").joinpath("function_words.txt").read_text(encoding="utf-8")
    return frozenset(content.split())
