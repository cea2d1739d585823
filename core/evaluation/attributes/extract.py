"""What a text says of its speaker, by patterns and word lists: precision before recall.

A class is taken from what the speaker says of themselves ("I'm a 34-year-old nurse from Leeds", "As a father, I ...",
"Age: 34"); of a text in the third person from what it says of the person it names first. Other people in a text, years
of experience, former and wished-for jobs count for nothing, and where a text is not clear the attribute is missing.
"""

from __future__ import annotations

from collections.abc import Iterator

import regex

from .ages import age_in, age_of_phrase, age_said
from .education import degree_in, education_of_phrase, education_said, highest
from .lexicon import ATTRIBUTES, country_named, demonyms, gender_words
from .phrases import NounPhrase
from .places import country_after, country_in, nationality
from .statements import ADVERBS, Statement, in_third_person, sentences, statements
from .work import label_work, work_said

# An attribute, how good the evidence is (0 is best), and the class.
Evidence = tuple[str, int, str]

_NAME = regex.compile(
    r"^\[?\p{Lu}[\p{L}'.-]*\]?(?: (?:(?:de|de la|van|von|al|bin|el|da) )?\p{Lu}[\p{L}'.-]*){0,4}"
    r"(?P<tail> (?:from|in)\b.*)?$"
)
_PLACED = regex.compile(
    r"^(?P<how>(?:originally )?(?:from|born(?: here)?(?: and raised)? in|native to|hailing from|coming from|raised in)|"
    r"(?:currently |now )?(?:living|based|residing|located) in|(?:now )?in)\s+(?P<where>.*)$",
    regex.IGNORECASE,
)
_RESIDENCE = regex.compile(r"living|based|residing|located|^(?:now )?in$", regex.IGNORECASE)
# Behind "the son of a baker" and "a friend with a dog" it need not be the speaker whom the next words are about.
_LEADS_OFF = regex.compile(
    r"^(?:for|to|on|named|called|than|with)\b"
    r"|^(?:of|from|by)\b(?! (?:two|three|four|five|six|\d+|trade|profession|training|day|night)\b| \p{Lu}"
    r"| (?:an? |the )?(?:[\p{Ll}-]+ ){0,4}(?:of|in|near) \p{Lu})"
)
_NOT = regex.compile(r"^(?:not|no longer|never|neither|hardly)\b|n't\b", regex.IGNORECASE)
_FILLER = regex.compile(r"^(?:(?:proudly|simply|basically|well|here|both|either|then|also|now|currently|just|only|"
                        r"originally|really|actually) )+(?=\S)", regex.IGNORECASE)  # fmt: skip
_ORIGIN = regex.compile(
    rf"\bI(?:'m| am| was)?{ADVERBS} (?P<verb>born|raised|grew up|come|came|hail)\b(?P<rest>[^.!?;]*)"
)
_LIVES = regex.compile(
    rf"\bI(?:'m| am|'ve| have)?{ADVERBS} (?:(?:live|reside|been living|lived|moved|settled)\b)(?P<rest>[^.!?;]*)"
)
_HOME = regex.compile(
    r"\b[Mm]y (?:home ?country|homeland|home ?town|birth ?place|native (?:country|land)|country|home|nationality|"
    r"(?:place|country) of (?:birth|origin))(?: is|,) (?P<rest>[^.!?;]*)"
)
_OTHER_CLAUSE = regex.compile(r"\b(?:but|where|when|before|until|who|which|and (?:I|now|then|my)|with my)\b")
_PRONOUNS = regex.compile(r"\b(?:(she)/her|(he)/him|(they)/them)\b", regex.IGNORECASE)
_GENDER = regex.compile(
    r"\b(?:I (?:identify|am identified|define myself) as (?:an? )?|[Mm]y gender is |I'm of the |I am of the )"
    r"(?:cis(?:gender)? |trans(?:gender)? )?([\p{L}-]+)"
)
_LABEL = regex.compile(
    r"^[-•*\d.)\s]*(age|gender|sex|occupation|job|profession|work|country|home country|nationality|birthplace|"
    r"location|home|education)\s*\**\s*:\s*\**\s*(.+)$",
    regex.IGNORECASE,
)
_HIS, _HERS = (regex.compile(rf"\b(?:{words})\b", regex.IGNORECASE) for words in ("he|him|his", "she|her|hers"))
_BELONGS = frozenset({"native", "resident", "citizen", "national", "inhabitant"})
_STATED = {"she": "woman", "he": "man", "they": "neither"}


def attributes(text: str) -> dict[str, str]:
    """The class of each attribute that a text states of its speaker; what it does not state is missing.

    Args:
        text: A response.

    Returns:
        Some of "age", "gender", "country", "education" and "occupation", each with one of its classes.
    """
    found: dict[str, list[tuple[int, int, str]]] = {name: [] for name in ATTRIBUTES}
    for order, (name, rank, value) in enumerate(_evidence(text)):
        found[name].append((rank, order, value))
    level = highest(value for _, _, value in found.pop("education"))
    best = {name: min(own)[2] for name, own in found.items() if own} | ({"education": level} if level else {})
    return {name: best[name] for name in ATTRIBUTES if name in best}


def _evidence(text: str) -> Iterator[Evidence]:
    """All that is stated, in the order of the text."""
    for line in text.splitlines():
        if label := _LABEL.match(line.strip()):
            yield from _labelled(label[1].casefold(), label[2].strip(" *_."))
    for sentence in sentences(text):
        for statement in statements(sentence):
            yield from _stated(statement)
        yield from _said(sentence)
    if in_third_person(text):
        yield from _pronouns(text)


def _stated(statement: Statement) -> Iterator[Evidence]:
    """What the segments of a predicate say, up to the first that may be about something else."""
    for place, segment in enumerate(statement.segments):
        rest = _FILLER.sub("", segment)
        if _NOT.search(rest):
            return
        if place == 0 and statement.kind == "is" and (name := _NAME.match(rest)) and rest not in demonyms():
            yield from _placed(name["tail"].strip()) if name["tail"] else ()
            continue
        evidence = list(_of_segment(rest, statement, place))
        yield from evidence
        if not (evidence or NounPhrase.of(rest).determined) or _LEADS_OFF.search(NounPhrase.of(rest).tail):
            return


def _of_segment(segment: str, statement: Statement, place: int) -> Iterator[Evidence]:
    if statement.kind == "is":
        if (age := age_in(segment)) is not None:
            yield "age", 0, age[0]
            yield from _placed(age[1])
            return
        if found := [*_placed(segment), *_pronounced(segment)]:
            yield from found
            return
    phrase = NounPhrase.of(segment)
    if not (phrase.determined or place or phrase.known or statement.kind == "works" or len(phrase.words) == 1):
        return
    if statement.kind in ("is", "as"):
        yield from _of_person(phrase)
    elif statement.kind == "been" and (gender := phrase.gender()):
        yield "gender", 0, gender
    if (sector := phrase.occupation()) is not None:
        yield "occupation", 0, sector
    if statement.kind != "been":
        yield from _placed(phrase.tail)
        if phrase.tail.startswith("with ") and (level := degree_in(phrase.tail)):
            yield "education", 0, level
        if phrase.tail.startswith("majoring in "):
            yield "education", 0, "university"


def _of_person(phrase: NounPhrase) -> Iterator[Evidence]:
    """What a noun phrase says beside an occupation."""
    if (age := age_of_phrase(phrase.before)) is not None:
        yield "age", 0, age
    if (gender := phrase.gender()) is not None:
        yield "gender", 0, gender
    if (country := nationality(list(phrase.words))) is not None:
        yield "country", 0, country
    if phrase.words and phrase.words[-1] in _BELONGS and phrase.tail.startswith("of "):
        yield from (("country", 0, found) for found in [country_in(phrase.tail[3:])] if found)
    if (level := education_of_phrase(" ".join(phrase.words))) is not None:
        yield "education", 0, level


def _placed(text: str) -> Iterator[Evidence]:
    """The country of "from Leeds" or "living in a small town in Texas"."""
    found = _PLACED.match(text)
    country = country_in(found["where"]) if found else None
    if found and country is not None:
        yield "country", int(bool(_RESIDENCE.search(found["how"]))), country


def _said(sentence: str) -> Iterator[Evidence]:
    """What a sentence says in other ways than by "I am"."""
    if (age := age_said(sentence)) is not None:
        yield "age", 0, age
    if gender := _GENDER.search(sentence):
        yield from (("gender", 0, found) for found in [gender_words().get(gender[1].casefold())] if found)
    yield from _pronounced(sentence)
    for pattern, rank in ((_ORIGIN, 0), (_LIVES, 1)):
        for match in pattern.finditer(sentence):
            rest = _OTHER_CLAUSE.split(match["rest"], maxsplit=1)[0]
            moves = rank == 0 and match["verb"] in ("come", "came", "hail")
            country = country_after(rest, "from" if moves else "in|to|near|at|of|outside" if rank else "in|near|of|at")
            if country is not None:
                yield "country", rank, country
    for match in _HOME.finditer(sentence):
        country = country_in(match["rest"]) or nationality(regex.findall(r"[\p{L}'-]+", match["rest"])[:2])
        if country is not None:
            yield "country", 0, country
    if (level := education_said(sentence)) is not None:
        yield "education", 0, level
    yield from (("occupation", rank, sector) for rank, sector in work_said(sentence))


def _labelled(label: str, value: str) -> Iterator[Evidence]:
    """What a line such as "Age: 34" states."""
    phrase = NounPhrase.of(value)
    found: tuple[str, str | None]
    if label == "age":
        age = age_in(value)
        found = "age", age[0] if age else age_of_phrase(value)
    elif label in ("gender", "sex"):
        found = "gender", phrase.gender()
    elif label in ("occupation", "job", "profession", "work"):
        found = "occupation", phrase.occupation() or label_work(value)
    elif label == "education":
        found = "education", degree_in(value)
    else:
        found = "country", country_in(value) or country_named(value) or nationality(list(phrase.words))
    if found[1] is not None:
        yield found[0], 0, found[1]


def _pronounced(text: str) -> Iterator[Evidence]:
    """The gender that "she/her" states."""
    if pronoun := _PRONOUNS.search(text):
        yield "gender", 0, _STATED[next(filter(None, pronoun.groups())).casefold()]


def _pronouns(text: str) -> Iterator[Evidence]:
    """The gender of the one person of a text, where all its pronouns are of one kind."""
    his, hers = len(_HIS.findall(text)), len(_HERS.findall(text))
    if max(his, hers) > 1 and not min(his, hers):
        yield "gender", 1, "man" if his else "woman"
