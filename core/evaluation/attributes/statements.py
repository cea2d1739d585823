"""What a text says about its speaker: the predicates of "I am", "my name is", "I work as", in segments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import regex

from .lexicon import plain
from .places import joined

# What may stand between "I" and what is said.
ADVERBS = (
    r"(?: (?:now|currently|just|also|actually|really|still|simply|proudly|originally|only|presently|already|truly|"
    r"today|recently|mostly|mainly|usually))*"
)
Kind = Literal["is", "been", "works", "as"]

_FIRST_PERSON = regex.compile(r"\b(?:I|[Mm]y|[Mm]e|[Mm]yself)\b")
_QUOTED = regex.compile(r'"[^"\n]{1,600}"')
_ENDS = regex.compile(r"(?<=[.!?;])[\"')*]*\s+|(?<=[.!?])(?=\p{Lu})|\n+|\.\.\.")
_ANCHOR = regex.compile(
    rf"(?P<works>\bI{ADVERBS} (?:work|serve)\b{ADVERBS} as\b|\bI(?:'m| am){ADVERBS} (?:working|employed|serving) as\b"
    rf"|(?<=\bI\b[^.!?]{{0,150}})\band{ADVERBS} work{ADVERBS} as\b"
    r"|\bI(?:'ve| have) (?:been working|been employed|worked) as\b|\bI (?:make|earn) (?:my|a) living as\b"
    r"|\b[Mm]y (?:current |present |day |main )?(?:job|work|occupation|profession|career|trade|job title) is\b"
    r"(?: (?:that of|as|being))?)"
    r"|(?P<been>\bI(?:'ve| have) been\b)"
    r"|(?P<is>\b[Mm]y (?:full |real |first )?name(?:'s| is)\b|\b[Cc]all me\b|\bI(?:'m| am) (?:called|named)\b"
    r"|(?<!\b(?:[Ii]f|[Ww]hen|[Uu]nless|[Ww]hether|[Uu]ntil|wish|[Ii]magine|[Pp]retend|like) )\bI(?:'m| am)\b)"
    rf"|(?P<as>^As(?= (?:an?|the|your) ))"
)
_OFF = regex.compile(
    r"\b(?:but|because|so|when|while|if|although|though|whose|whom|where|which|who|that|before|until|I|we|he|she|"
    r"my(?! (?:early|mid|middle|late|teens|\w+ies|\d0)\b))\b"
)
_BREAKS = regex.compile(r"\s*(?:,|\(|\)|—|–|\s-+\s|\band\b|&|\"|\bas well as\b)\s*")
_BORN = regex.compile(r"\bborn (?:and|&) (?:raised|bred|brought up)\b")
_NAME = r"\p{Lu}[\p{L}'’-]+(?: \p{Lu}[\p{L}.'’-]*){0,3}"
_ABOUT = regex.compile(
    rf"^(?P<who>{_NAME}|She|He),? (?P<does>is|was born|works|lives|grew up|comes|hails|has|holds|studied|graduated)\b"
)
_NOBODY = frozenset({"The", "This", "It", "There", "That", "They", "We", "You", "What", "Who", "Here", "My", "Our"})
_IN_FIRST = {"is": "I am", "works": "I work", "lives": "I live", "comes": "I come", "hails": "I hail", "has": "I have",
             "holds": "I hold"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """One predicate.

    Attributes:
        kind: "is" of what the speaker is, "been" of what they have been for some time, "works" of their work, "as"
            of a beginning like "As a mother, ...".
        segments: What is said, taken apart at commas and "and"; up to where somebody or something else may be meant.
    """

    kind: Kind
    segments: tuple[str, ...]


def sentences(text: str) -> list[str]:
    """The sentences of a text that tells about its speaker, or about one other person, as if that one spoke.

    Quotations are left out of a text in the first person: others are quoted.
    """
    whole = joined(_BORN.sub("born", plain(text)))
    if _FIRST_PERSON.search(outside := _QUOTED.sub(" ", whole)):
        return _split(outside)
    return _split(whole) if _FIRST_PERSON.search(whole) else list(_retold(_split(whole)))


def in_third_person(text: str) -> bool:
    """Whether nobody speaks of themselves in a text."""
    return not _FIRST_PERSON.search(text)


def statements(sentence: str) -> Iterator[Statement]:
    """The predicates of a sentence, in order."""
    anchors = list(_ANCHOR.finditer(sentence))
    ends = [*(anchor.start() for anchor in anchors), len(sentence)][1:]
    for anchor, end in zip(anchors, ends, strict=True):
        said = _OFF.split(sentence[anchor.end() : end], maxsplit=1)[0]
        segments = [part.strip(" .!?:;'*_") for part in _BREAKS.split(said)]
        kind: Kind = anchor.lastgroup
        yield Statement(kind, tuple(filter(None, segments)))


def _split(text: str) -> list[str]:
    return [part.strip(" *_#>\"'") for part in _ENDS.split(text) if part.strip(" *_#>\"'")]


def _retold(parts: list[str]) -> Iterator[str]:
    """What the sentences of a text in the third person say of the one who is named first."""
    hero = ""
    for part in parts:
        found = _ABOUT.match(part)
        if found is None or found["who"].split()[0] in _NOBODY:
            yield part
            continue
        who = found["who"].split()[0]
        hero = hero or who
        if who in (hero, "She", "He"):
            does = found["does"]
            yield f"{_IN_FIRST.get(does, f'I {does}')}{part[found.end() :]}"
