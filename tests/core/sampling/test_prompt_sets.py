from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from divtool.core.catalog import PROMPT_SETS
from divtool.core.errors import UsageError
from divtool.core.evaluation.tasks.story import _forms
from divtool.core.sampling.prompt_sets import builtin_rows, evaluation_triplets

PUBLISHED = (
    "stamp letter send", "petrol diesel pump", "statement stealth detect", "belief faith sing", "gloom payment exist",
    "organ empire comply", "year week embark",
)  # fmt: skip


def _records(name: str, count: int | None = None, seed: int = 0) -> list[dict[str, object]]:
    return [row.data for row in builtin_rows(name, count, seed)]


def test_published_triplets_come_first() -> None:
    triplets = evaluation_triplets()
    assert tuple(" ".join(words) for words in triplets[:7]) == PUBLISHED
    assert len(triplets) == 20
    assert len({word for words in triplets for word in words}) == 60


def test_training_words_are_disjoint_from_the_evaluation_words_in_every_form() -> None:
    objects = [str(record["object"]) for record in _records("aut")]
    words_of = [word for words in evaluation_triplets() for word in words]
    forms = {form for word in (*words_of, *objects) for form in _forms(word)}
    records = _records("story-triplets", 4000)
    used = {form for record in records for word in record["words"] for form in _forms(word)}
    assert not forms & used
    assert len({tuple(record["words"]) for record in records}) == 4000


@pytest.mark.parametrize("name", sorted(PROMPT_SETS))
def test_set_is_seeded_and_its_ids_are_unique(name: str) -> None:
    records = _records(name)
    assert records == _records(name)
    assert len({record["prompt_id"] for record in records}) == len(records)
    if name not in ("biographies", "audit/diffuse"):  # their examples have braces
        assert all("{" not in str(record["prompt"]) for record in records)
    few = min(5, len(records))
    assert _records(name, few) == records[:few]


def test_published_objects_and_questions_of_six_kinds() -> None:
    objects = "belt brick broom bucket candle clock comb knife lamp pencil pillow purse rope sock table"
    assert " ".join(str(record["object"]) for record in _records("aut")) == objects
    assert all(f"a {record['object']}." in str(record["prompt"]) for record in _records("aut"))
    questions = _records("novelty-lite")
    assert sorted(Counter(record["kind"] for record in questions).values()) == [4] * 6
    assert len({record["prompt"] for record in questions}) == 24


def test_task_of_one_prompt_has_one() -> None:
    for name in ("dat", "persona", "biographies"):
        assert len(_records(name)) == 1
        with pytest.raises(UsageError, match=f"--builtin {name} has 1 prompt, not 2"):
            _records(name, 2)


def test_another_seed_gives_other_prompts_under_other_ids() -> None:
    one, other = _records("story-triplets", 50), _records("story-triplets", 50, seed=1)
    assert not {r["prompt_id"] for r in one} & {r["prompt_id"] for r in other}
    assert [r["words"] for r in one] != [r["words"] for r in other]


def test_story_prompt_holds_its_words() -> None:
    for record in _records("story-eval"):
        assert all(f'"{word}"' in record["prompt"] for word in record["words"])


def test_dialogues_end_with_person_a_and_openings_are_one_sentence() -> None:
    spoken = [
        [line[:9] for line in str(record["prompt"]).splitlines() if line.startswith("Person ")]
        for record in _records("dialogues")
    ]
    assert Counter(map(len, spoken)) == {2: 20, 3: 20, 4: 20}
    assert all(labels[-2:] == ["Person B:", "Person A:"] for labels in spoken)
    openings = [str(record["prompt"]).splitlines()[2] for record in _records("story-openings")]
    assert len(set(openings)) == 80
    assert all(opening[-1] == "." and 5 < len(opening.split()) < 25 for opening in openings)


def test_short_answers_are_different_requests_with_six_answers_of_few_words() -> None:
    records = _records("short-answers")
    requests = [str(record["prompt"]).splitlines()[0] for record in records]
    assert len(set(requests)) == 160
    assert all(request[-1] == "." and request.count(".") == 1 for request in requests)
    for record in records:
        answers: Any = record["responses"]
        assert len({answer.casefold() for answer in answers}) == 6
        assert all(1 <= len(answer.split()) <= 4 for answer in answers)
