"""Which words count, where they stand, and what a group record may hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from divtool.core.errors import DivtoolError, InputError, UsageError
from divtool.core.jsonl import Row
from divtool.core.possibility.groups import dialogue_group, group_of, text_key
from divtool.core.possibility.manifest import NAME, Manifest, read_manifest
from divtool.core.possibility.numbers import assigned, check_pool
from divtool.core.possibility.prompt import TEMPLATE, check_template, numbered
from divtool.core.possibility.words import content_words, stop_words, unspaced, words_of


def test_content_words_stand_where_they_are() -> None:
    text = "I\u2019m \u201cwell-known\u201d -- don't WON'T; Mary's 3.5 cats, can't shan't (it's) let's"
    found = content_words(text, stop_words())
    assert [word.core for word in found] == ["well-known", "Mary's", "3.5", "cats"]
    assert all(text[word.start : word.end] == word.core for word in found)
    assert [word.core for word in words_of("-- 'tis.")] == ["tis"]
    assert [word.core for word in words_of("cafe\u0301!")] == ["cafe\u0301"]


def test_own_stop_words_replace_the_built_in_ones(tmp_path: Path) -> None:
    own = tmp_path / "stop.txt"
    own.write_text("der\nDie\n", encoding="utf-8")
    stop = stop_words(own)
    assert [word.core for word in content_words("die the Der Hund", stop)] == ["the", "Hund"]
    assert stop.sha256 != stop_words().sha256
    own.write_text(" \n")
    with pytest.raises(InputError, match="holds no word"):
        stop_words(own)
    with pytest.raises(InputError, match="cannot be read"):
        stop_words(tmp_path / "none.txt")


def test_text_without_spaces() -> None:
    assert unspaced(["\u4eca\u65e5\u306f" * 12])
    assert not unspaced(["a short text", "another"])


def test_numbers_depend_on_seed_and_prompt_alone() -> None:
    drawn = assigned(4, 9, scheme="random", seed=0, prompt_id="p")
    assert drawn == assigned(4, 9, scheme="random", seed=0, prompt_id="p")
    assert len(set(drawn)) == 4
    assert set(drawn) <= set(range(1, 10))
    every = {tuple(assigned(4, 9, scheme="random", seed=0, prompt_id=f"p{n}")) for n in range(40)}
    assert len(every) > 30
    assert {number for row in every for number in row} == set(range(1, 10))
    assert assigned(3, 9, scheme="rank", seed=5, prompt_id="q") == [1, 2, 3]
    with pytest.raises(UsageError, match="k = 12 needs at least 12 numbers; raise --max-number"):
        check_pool(12, 9)


def test_the_number_goes_behind_the_last_user_message() -> None:
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}, {"role": "user", "content": "b {n}"}]
    asked = numbered(chat, 3)
    assert asked[:2] == chat[:2]
    assert asked[2]["content"] == "b {n}\n\n" + TEMPLATE.replace("{n}", "3")
    assert chat[2]["content"] == "b {n}"
    with pytest.raises(DivtoolError, match="no user message"):
        numbered(chat[:1], 1)
    for wrong in ("no number", "{n} and {n}"):
        with pytest.raises(UsageError, match=r"--number-prompt holds \{n\}"):
            check_template(wrong)


def record(**more: Any) -> Row:
    return Row({"prompt": "p", "prompt_id": "x", "responses": ["a", "b"], **more}, "f:1")


def test_a_group_has_different_responses_only() -> None:
    group = group_of(record(responses=[" A  b ", "", "a B", "c", "\n"], numbers=[5, 1, 2, 9, 3]))
    assert (group.responses, group.numbers, group.empty, group.collapsed) == (["A  b", "c"], [5, 9], 2, 1)
    assert text_key("Cafe\u0301") == text_key("CAF\u00c9")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"responses": ["a", 3]}, "f:1: response 2 of 'responses' is a whole number, not a string"),
        ({"responses": "a"}, "run select --method possibility first"),
        ({"numbers": [1]}, "'numbers' has 1 entries for 2 responses"),
        ({"numbers": [4, 4]}, "one number twice"),
        ({"numbers": [0, 4]}, "whole numbers from 1"),
        ({"numbers": [True, 4]}, "whole numbers from 1"),
        ({"prompt": [{"role": "system", "content": "s"}]}, "no user message"),
    ],
)
def test_bad_groups(more: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        group_of(record(**more))


def test_pairs_are_no_groups() -> None:
    with pytest.raises(InputError, match="f:2: the key 'responses' is missing; expects groups"):
        group_of(Row({"prompt": "p", "chosen": [], "rejected": []}, "f:2"))


def test_a_dialogue_ends_with_person_a() -> None:
    long = " ".join(["word"] * 150)
    group = dialogue_group(Row({"context": f"{long}\n{long}\nhi\nwell", "candidates": ["x", "y"], "n": 1}, "f:1"))
    assert group.chat[0]["content"].splitlines() == [f"Person A: {long}", "Person B: hi", "Person A: well"]
    assert group.responses == ["x", "y"]
    assert group.record["n"] == 1


def test_manifest(tmp_path: Path) -> None:
    made = Manifest(
        template=TEMPLATE, pool=9, k=4, scheme="random", arm="possibility", ul_weight=0.5, stopwords_sha256="0",
        version="1",
    )  # fmt: skip
    assert read_manifest(tmp_path) is None
    made.write(tmp_path)
    assert read_manifest(tmp_path) == made
    data = json.loads((tmp_path / NAME).read_text())
    for key, value in (("pool", "9"), ("pool", 0), ("template", "x"), ("k", None)):
        (tmp_path / NAME).write_text(json.dumps({**data, key: value}))
        with pytest.raises(InputError, match=f"'{key}'"):
            read_manifest(tmp_path)
    (tmp_path / NAME).write_text("[")
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path)
