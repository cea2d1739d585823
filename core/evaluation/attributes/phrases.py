"""Noun phrases that name the speaker: "a 34-year-old nurse from Seattle"."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from .ages import OLD
from .lexicon import gender_words, occupations, words

_DETERMINER = regex.compile(
    r"^(?:an?|the|your|his|her|their|our|one of the|\p{Lu}[\p{L}-]+'s?|my (?:\p{L}+)'s)\s+", regex.IGNORECASE
)
_TAIL = regex.compile(
    r"(?:^|\s)(?:of|in|at|from|with|for|by|to|on|that|named|called|turned|living|based|working|currently|here|"
    r"speciali[sz](?:ing|e|es|ed)|studying|majoring|catering|focus(?:ing|ed)|dealing|helping|serving|making|selling|"
    r"teaching(?! assistant)|residing|raised|born|hailing|running|just|who|than|since|over|under|as)(?=\s|$)",
    regex.IGNORECASE,
)
_EDGES = " .,;:!?\"'()[]*_"
RETIRED, NOT_IN_WORK = "retired", "not in work"
_STATES = {"retired": RETIRED, "unemployed": NOT_IN_WORK, "jobless": NOT_IN_WORK}
# "A poet at heart" writes no poems for a living, and a "nurse in training" is none yet.
_NOT_FOR_A_LIVING = regex.compile(r"^(?:at heart|in training|in the making|for fun|as a hobby|to be|wannabe)\b")
# "Doctor of philosophy" is no physician.
_OF_A_TITLE = regex.compile(r"^of (?:philosophy|letters|law|laws|medicine|science|education)\b", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun phrase.

    Attributes:
        determined: Whether it has an article or a possessive.
        words: Its words as they are spelled, without the article, an age and what follows the noun.
        before: All of it up to there, with the age.
        tail: What follows the noun, from a preposition on.
    """

    determined: bool
    words: tuple[str, ...]
    before: str
    tail: str

    @classmethod
    def of(cls, segment: str) -> NounPhrase:
        """The noun phrase that a segment begins with, whether it is one or not."""
        start = _DETERMINER.match(segment)
        rest = segment[start.end() :] if start else segment
        end = _TAIL.search(rest)
        before = rest[: end.start()] if end else rest
        named = tuple(filter(None, (word.strip(_EDGES) for word in OLD.sub(" ", before).replace("/", " ").split())))
        return cls(start is not None, named, before, rest[end.start() :].strip() if end else "")

    @property
    def _folded(self) -> list[str]:
        return [word.casefold() for word in self.words]

    @property
    def known(self) -> bool:
        """Whether all of it is an occupation or a word of gender, so that no article is needed."""
        whole = " ".join(self._folded)
        return whole in occupations() or whole in gender_words() or whole in _STATES

    def gender(self) -> str | None:
        """The gender that its last word states, or a word like "female" before it."""
        folded = self._folded
        if not folded:
            return None
        found = gender_words().get(folded[-1].split("-of-")[0])
        stated = (word for word in folded[:-1] if word in ("female", "male", "woman", "non-binary", "nonbinary"))
        last = folded[-1].rsplit("-", maxsplit=1)[-1]
        return found or gender_words().get(last) or next((gender_words()[word] for word in stated), None)

    def occupation(self) -> str | None:
        """The sector of the longest occupation that it ends in; of former, wished for and spare-time ones none."""
        folded = self._folded
        if not folded or _NOT_FOR_A_LIVING.search(self.tail) or _OF_A_TITLE.search(self.tail):
            return None
        if state := next((_STATES[word] for word in folded if word in _STATES), None):
            return state
        of_hobby = folded[-1] in words("hobbies") and words("of a hobby").intersection(folded[:-1])
        if of_hobby or words("not a job yet").intersection(word.split("-")[0] for word in folded):
            return None
        for start in range(len(folded)):
            rest = " ".join(folded[start:])
            if rest in words("no occupation"):
                return None
            sector = occupations().get(rest) or occupations().get(rest.replace("-", " "))
            if sector is not None:
                return sector
        return None
