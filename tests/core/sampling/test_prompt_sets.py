from __future__ import annotations

import pytest

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
    forms = {form for words in evaluation_triplets() for word in words for form in _forms(word)}
    records = _records("story-triplets", 4000)
    used = {form for record in records for word in record["words"] for form in _forms(word)}
    assert not forms & used
    assert len({tuple(record["words"]) for record in records}) == 4000


@pytest.mark.parametrize("name", ["scenes", "story-triplets", "story-eval"])
def test_set_is_seeded_and_its_ids_are_unique(name: str) -> None:
    records = _records(name)
    assert records == _records(name)
    assert len({record["prompt_id"] for record in records}) == len(records)
    assert all("{" not in str(record["prompt"]) for record in records)
    assert _records(name, 5) == records[:5]


def test_another_seed_gives_other_prompts_under_other_ids() -> None:
    one, other = _records("story-triplets", 50), _records("story-triplets", 50, seed=1)
    assert not {r["prompt_id"] for r in one} & {r["prompt_id"] for r in other}
    assert [r["words"] for r in one] != [r["words"] for r in other]


def test_story_prompt_holds_its_words() -> None:
    for record in _records("story-eval"):
        assert all(f'"{word}"' in record["prompt"] for word in record["words"])


def test_too_many_prompts_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="has 1 to 20 prompts, not 21"):
        _records("story-eval", 21)
    with pytest.raises(UsageError, match="unknown prompt set 'scene'"):
        _records("scene")
