"""What the extractor reads in sentences, and above all what it leaves alone."""

from __future__ import annotations

import random

import pytest

from divtool.core.evaluation.attributes.extract import attributes
from divtool.core.evaluation.attributes.lexicon import (
    age_class,
    countries,
    country_named,
    occupations,
    places,
    sectors,
    words,
)

_STATED = [
    ("I'm a nurse.", "occupation=health"),
    ("My name is Sarah and I'm 34.", "age=30s"),
    ("I'm Sarah Thompson, a 28-year-old software engineer from Chicago.",
     "age=20s, country=United States, occupation=software and data"),
    ("Hello, my name is Tom. I am forty-two years old and I work as a bus driver in Leeds.",
     "age=40s, country=United Kingdom, occupation=transport"),
    ("I’m a retired teacher from Cork, Ireland.", "country=Ireland, occupation=retired"),
    ("I am in my late thirties, I live in Nairobi and I run a small bakery.",
     "age=30s, country=Kenya, occupation=food and hospitality"),
    ("I was born in 1990 in a small town in Texas.", "country=United States"),
    ("I was born and raised in Paris, but now I live in Berlin.", "country=France"),
    ("I live in Springfield, Illinois, and I teach at a primary school.",
     "country=United States, occupation=education"),
    ("I'm originally from São Paulo.", "country=Brazil"),
    ("I'm Canadian.", "country=Canada"),
    ("I am a Nigerian woman of 51.", "country=Nigeria, gender=woman"),
    ("I am a proud father of three and a carpenter by trade.", "gender=man, occupation=construction"),
    ("As a mother of two, I know how short a night can be.", "gender=woman"),
    ("I'm a 63-year-old widow.", "age=60s, gender=woman"),
    ("I'm a woman, 45, from Oslo, and I'm a marine biologist.",
     "age=40s, gender=woman, country=Norway, occupation=research"),
    ("I identify as non-binary.", "gender=neither"),
    ("I'm Alex (they/them), a graphic designer.", "gender=neither, occupation=art and design"),
    ("I'm a male nurse.", "gender=man, occupation=health"),
    ("I am a high school student.", "education=school, occupation=student"),
    ("I'm studying computer science at the University of Toronto.", "education=university, occupation=student"),
    ("I have a master's degree in biology.", "education=master"),
    ("I hold a Ph.D. in physics and work as a research scientist.", "education=doctorate, occupation=research"),
    ("I graduated from Stanford University.", "education=university"),
    ("I finished high school and did an apprenticeship as a plumber.", "education=vocational"),
    ("I have a bachelor's degree and, since last year, an MBA.", "education=master"),
    ("I majored in history.", "education=university"),
    ("My job is that of a train driver.", "occupation=transport"),
    ("I've been a firefighter for twenty years.", "occupation=protection and defence"),
    ("I have been working as a chef since 2010.", "occupation=food and hospitality"),
    ("I work in finance.", "occupation=finance"),
    ("I work at a local hospital.", "occupation=health"),
    ("I'm unemployed at the moment.", "occupation=not in work"),
    ("I'm a stay-at-home mom from Ohio.", "gender=woman, country=United States, occupation=household"),
    ("I'm a student and a part-time waitress.", "gender=woman, occupation=student"),
    ("I just turned 30.", "age=30s"),
    ("Today I turn fifty!", "age=50s"),
    ("At 72, I still work as a tailor.", "age=70s, occupation=art and design"),
    ("My age is 19.", "age=under 20"),
    ("My home country is Japan.", "country=Japan"),
    ("I come from a small village near Kraków.", "country=Poland"),
    ("I'm a dual citizen, but I grew up in the United States of America.", "country=United States"),
    ("I'm from Atlanta, Georgia.", "country=United States"),
    ("I am from the U.K. and I am 29.", "age=20s, country=United Kingdom"),
    ("Name: Ana\nAge: 37\nGender: Female\nOccupation: Nurse\nCountry: Spain\nEducation: Master's degree",
     "age=30s, gender=woman, country=Spain, education=master, occupation=health"),
    ("Maria Lopez is a 45-year-old lawyer from Madrid. She lives with her two cats.",
     "age=40s, gender=woman, country=Spain, occupation=law"),
    ('"I\'m Ben, a 31-year-old farmer from Kansas."',
     "age=30s, country=United States, occupation=agriculture and forestry"),
    ("I'm your new neighbor, a singer-songwriter based in Nashville.",
     "country=United States, occupation=music and stage"),
    ("My name is **Ada**, I'm a native of Vancouver, British Columbia.", "country=Canada"),
    ("I am a citizen of Japan. My job: translator", "country=Japan"),
    ("My nationality is French, but I live in Rome.", "country=France"),
    ("My birthplace, Peru, is far away.", "country=Peru"),
    ("I am eighty-five years young.", "age=80 and over"),
    ("I'm an Englishman.", "gender=man, country=United Kingdom"),
]  # fmt: skip

_TRAPS = [
    ("My son is 12.", ""),
    ("My daughter has a PhD and my husband is a nurse from Spain.", ""),
    ("I met a doctor.", ""),
    ("I met a 40-year-old woman from Italy.", ""),
    ("I have twenty-five years of experience.", ""),
    ("I work for a man called Peter.", ""),
    ("I was born in 1990.", ""),
    ("I'm married to a lawyer from Madrid.", ""),
    ("I'm not a doctor.", ""),
    ("I am no longer a teacher.", ""),
    ("I want to become a pilot.", ""),
    ("I'm an aspiring writer.", ""),
    ("I'm a former soldier.", ""),
    ("I used to work as a clerk.", ""),
    ("If I'm a good cook, it is thanks to my mother.", ""),
    ("I'm a good cook.", ""),
    ("I am an avid reader and a keen gardener.", ""),
    ("I'm a doctor's wife.", "gender=woman"),
    ("I'm the son of a baker and a seamstress.", "gender=man"),
    ("I'm the proud owner of a 3-year-old dog.", ""),
    ("I'm a mother of a 12-year-old boy.", "gender=woman"),
    ("I'm 180 cm tall.", ""),
    ("I'm 12 weeks pregnant.", ""),
    ("I'm one of three children.", ""),
    ("I'm 100% sure.", ""),
    ("When I turned 18, I moved to London.", "country=United Kingdom"),
    ("At the age of 18, I moved out.", ""),
    ("I was 12 when we came here.", ""),
    ("I'm a fan of music from Brazil.", ""),
    ("I'm an English teacher.", "occupation=education"),
    ("I love my Italian restaurant round the corner.", ""),
    ("I'm a teacher who once met a woman from France, a singer.", "occupation=education"),
    ("I'm from Georgia.", ""),
    ("My name is Jordan.", ""),
    ("My name is Virginia Baker.", ""),
    ("I'm Baker. My name is Hunter.", ""),
    ("I went to see a doctor from India.", ""),
    ("I see him as a father.", ""),
    ("I'm a poet at heart.", ""),
    ("I work at the weekend.", ""),
    ('She said: "I\'m a surgeon." I laughed.', ""),
    ("My high school math teacher was from Peru.", ""),
    ("I'm here to help; I'm an AI language model.", ""),
    ("I'm a doctor of philosophy.", ""),
    ("I'm in love with a man from Cuba.", ""),
    ("I'd like to get a master's degree.", ""),
    ("I'm a Laniakere (Norwegian Blacksheep).", ""),
    ("I'm a research fellow of the Swedish Academy.", ""),
    ("I'm saving for my daughter's college degree.", ""),
    ("", ""),
    ("!!! 34 nurse Leeds", ""),
]


def _expected(text: str) -> dict[str, str]:
    return dict(part.split("=") for part in text.split(", ")) if text else {}


@pytest.mark.parametrize(("text", "expected"), [*_STATED, *_TRAPS])
def test_what_a_text_states(text: str, expected: str) -> None:
    assert attributes(text) == _expected(expected)


def test_every_place_occupation_and_age_of_the_lists_is_read() -> None:
    assert len(sectors()) == 29
    assert len(countries()) == 198
    for country in countries():
        assert country_named(country.upper()) == country
    for place, country in places().items():
        assert attributes(f"I was born in {place}.") == {"country": country}, place
    for word, sector in occupations().items():
        if word not in words("hobbies"):
            assert attributes(f"I work as a {word}.") == {"occupation": sector}, word
    for age in range(5, 110):
        assert attributes(f"I'm {age}, and I like rain.") == {"age": age_class(age)}


@pytest.mark.parametrize(
    ("years", "expected"),
    [(4, None), (5, "under 20"), (19, "under 20"), (20, "20s"), (79, "70s"), (80, "80 and over"), (110, None)],
)
def test_ages_fall_into_eight_classes(years: int, expected: str | None) -> None:
    assert age_class(years) == expected


def test_no_text_is_too_strange() -> None:
    draw = random.Random(3)
    alphabet = " abcIm'’.,;:\n\"()*/-0123456789ÄéßI'm a nurse from"
    for _ in range(500):
        attributes("".join(draw.choice(alphabet) for _ in range(80)))
