"""`sample --clean chat`: what small chat models put around an answer, taken off."""

from __future__ import annotations

from typing import Literal

import regex

Clean = Literal["chat"]

# Roles and letters only: any word before a colon may be the beginning of what is said.
_SPEAKER = regex.compile(r"^\s*\**(?:(?:Person|Speaker|User|Assistant|Bot|AI|Human)(?: ?[A-Z0-9])?|[AB])\**\s*:\**\s*")
_PICTURE = r"[\p{Extended_Pictographic}--[©®™]][\ufe0f\U0001F3FB-\U0001F3FF]*"
_EXTRAS = regex.compile(
    r"[^\S\n]*(?:"
    r"\[[^\[\]\n]*\]"  # [smiles]
    r"|(?<!\*)\*(?![\s*])[^*\n]*(?<![\s*])\*(?!\*)"  # *smiles*, neither **bold** nor 2 * 3 * 4
    r"|^\([^()\n]*\)"  # (smiles), at the beginning only
    rf"|{_PICTURE}(?:\u200d{_PICTURE})*|[\U0001F1E6-\U0001F1FF]|[0-9#*]\ufe0f?\u20e3"
    r"|(?<![\p{L}\p{N}&])#\p{L}[\p{L}\p{N}_]*"  # a hashtag
    r")",
    regex.VERSION1,
)
_QUOTES = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"), ("'", "'"), ("‘", "’"))


def cleaned(text: str, clean: Clean) -> str:
    """The text without speaker label, outer quotes, stage directions in brackets or stars, emoji and hashtags.

    Args:
        text: A response.
        clean: How; there is one way.
    """
    plain = _EXTRAS.sub("", _SPEAKER.sub("", text)).strip()
    return str(_SPEAKER.sub("", _unquoted(plain))).strip()


def _unquoted(text: str) -> str:
    """The text without one pair of quotes around the whole of it."""
    for left, right in _QUOTES:
        inner = text[1:-1]
        if len(text) > 2 and text[0] == left and text[-1] == right and left not in inner and right not in inner:
            return inner.strip()
    return text
