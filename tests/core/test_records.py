from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from divtool.core.errors import InputError
from divtool.core.jsonl import Row
from divtool.core.records import check_group, check_pair, check_prompt, check_response, messages

RESPONSE: dict[str, Any] = {"prompt": "Hi", "prompt_id": "p", "response": "Ho", "sample_index": 0, "turn": 1}
SCORED = {**RESPONSE, "scores": {"ttr": 0.5, "mtld": None}}
MESSAGE = [{"role": "user", "content": "x"}]
PAIR = {"prompt": MESSAGE, "chosen": MESSAGE, "rejected": MESSAGE, "weight": 1.0}


def _row(record: dict[str, Any]) -> Row:
    return Row(record, "file.jsonl:3")


@pytest.mark.parametrize(
    ("check", "record", "fault"),
    [
        (check_prompt, {}, "the key 'prompt' is missing"),
        (check_prompt, {"prompt": 5}, "'prompt' is a whole number, not a string"),
        (check_prompt, {"prompt": None}, "'prompt' is null"),
        (check_prompt, {"prompt": "  "}, "'prompt' is empty"),
        (check_prompt, {"prompt": []}, "no list of messages"),
        (check_prompt, {"prompt": [{"role": "user"}]}, "no list of messages"),
        (check_prompt, {"prompt": "x", "prompt_id": 7}, "'prompt_id' is a whole number"),
        (check_response, {**RESPONSE, "response": None}, "'response' is null, not a string"),
        (check_response, {**RESPONSE, "sample_index": "0"}, "'sample_index' is a string"),
        (check_response, {**RESPONSE, "sample_index": True}, "'sample_index' is true or false"),
        (check_response, {**RESPONSE, "sample_index": -1}, "counts from 0"),
        (check_response, {**RESPONSE, "turn": 0}, "'turn' from 1"),
        (check_response, {**RESPONSE, "turn": 1.5}, "'turn' is a number"),
        (check_response, {**RESPONSE, "logprob": "x"}, "'logprob' is a string, not a number"),
        (check_response, {**RESPONSE, "scores": []}, "'scores' is a list, not an object"),
        (check_response, {**RESPONSE, "scores": {"ttr": "high"}}, "the score 'ttr' is a string"),
        (check_pair, {**PAIR, "prompt": "text"}, "'prompt' is a string, not a list"),
        (check_pair, {**PAIR, "chosen": [{"role": "assistant", "content": " "}]}, "'chosen' is empty"),
        (check_pair, {**PAIR, "weight": -1}, "'weight' is -1"),
    ],
)
def test_fault_names_place_and_key(check: Callable[[Row], None], record: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError) as caught:
        check(_row(dict(record)))
    assert str(caught.value).startswith("file.jsonl:3: ")
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_good_records_pass_with_every_unknown_key() -> None:
    record = {**SCORED, "mine": [1], "logprob": None, "n_tokens": 3}
    check_response(_row(record))
    assert record["mine"] == [1]
    check_pair(_row(dict(PAIR)))


def test_missing_prompt_id_is_a_hash_of_the_prompt() -> None:
    one, same, other = {"prompt": "a"}, {"prompt": "a", "k": 1}, {"prompt": "b"}
    for record in (one, same, other):
        check_prompt(_row(record))
    assert one["prompt_id"] == same["prompt_id"] != other["prompt_id"]


def test_missing_turn_becomes_one() -> None:
    record = {key: value for key, value in RESPONSE.items() if key != "turn"}
    check_response(_row(record))
    assert record["turn"] == 1


def test_group_names_both_lines() -> None:
    first, again = Row(RESPONSE, "f:1"), Row({**RESPONSE, "response": "x"}, "f:2")
    with pytest.raises(InputError, match=r"f:2: .*f:1"):
        check_group([first, again])
    with pytest.raises(InputError, match=r"f:2: .*f:1 but another prompt"):
        check_group([first, Row({**RESPONSE, "prompt": "y", "sample_index": 1}, "f:2")])


def test_messages_of_text_and_of_messages() -> None:
    assert messages("x") == MESSAGE
    assert messages(MESSAGE) == MESSAGE
