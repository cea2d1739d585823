"""Target records: the forms they come in, and what bad ones get."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from divtool.core.errors import DivtoolError, InputError
from divtool.core.targets.read import read_targets
from divtool.core.targets.target import Answer, Target

COIN = {"prompt": "Toss a coin.", "targets": [{"text": "heads"}, {"text": "tails"}]}


def read(path: Path, *lines: str | dict[str, Any], skip_bad: bool = False) -> tuple[list[Target], list[str]]:
    """The targets and warnings of a file with these lines."""
    file = path / "targets.jsonl"
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    warnings: list[str] = []
    return read_targets(str(file), skip_bad=skip_bad, warn=warnings.append), warnings


def one(path: Path, **keys: Any) -> Target:
    """The target of one record."""
    (target,), warnings = read(path, {"prompt": "Toss a coin.", **keys})
    assert not warnings
    return target


def test_weights_are_shares_in_the_record_s_order(tmp_path: Path) -> None:
    target = one(
        tmp_path,
        targets=[
            {"text": "Pizza", "weight": 2},
            {"text": "Sushi", "weight": 1, "aliases": ["sushi bar"]},
            {"text": "Salad", "weight": 1.0},
            {"text": "Nothing", "weight": 0},
        ],
        family="lunch",
        task="food",
        mine="passes",
    )
    assert target.answers == (
        Answer("Pizza", 0.5), Answer("Sushi", 0.25, ("sushi bar",)), Answer("Salad", 0.25), Answer("Nothing", 0.0)
    )  # fmt: skip
    assert target.entropy == pytest.approx(1.5 * math.log(2), abs=1e-15)
    assert (target.family, target.task, target.terminal, target.exhaustive) == ("lunch", "food", "eos", True)
    assert target.where.endswith("targets.jsonl:1")
    assert len(target.prompt_id) == 16
    assert target.chat == (("user", "Toss a coin."),)


def test_short_form_and_defaults(tmp_path: Path) -> None:
    assert one(tmp_path, targets={"heads": 3, "tails": 1}).answers == (Answer("heads", 0.75), Answer("tails", 0.25))
    uniform = one(tmp_path, targets=[{"text": str(n)} for n in range(1, 4)])
    assert [answer.weight for answer in uniform.answers] == [1 / 3] * 3
    huge = one(tmp_path, targets={"a": 1e308, "b": 1e308})
    assert [answer.weight for answer in huge.answers] == [0.5, 0.5]


def test_what_the_assistant_begins_with(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "Toss a coin."}, {"role": "assistant", "content": "It shows"}]
    target = one(tmp_path, prompt=chat, targets=COIN["targets"])
    assert (target.chat, target.prefill, target.prefills) == ((("user", "Toss a coin."),), "It shows", ())
    assert one(tmp_path, targets=COIN["targets"], prefill="It shows").prefill == "It shows"


def test_laws_are_written_out_up_to_20_000_values(tmp_path: Path) -> None:
    law = {"name": "binom", "args": {"n": 10, "p": 0.2}}
    small = one(tmp_path, law=law)
    assert [answer.text for answer in small.answers] == [*"01234567"]
    assert sum(answer.weight for answer in small.answers) == pytest.approx(1, abs=1e-12)
    assert small.law is not None
    assert small.entropy == pytest.approx(small.law.entropy, rel=1e-12)
    large = one(tmp_path, law={"name": "norm", "args": {"loc": 100, "scale": 15}}, decimals=3)
    assert (large.answers, large.decimals) == ((), 3)
    assert large.entropy > 10
    digits = one(tmp_path, law={"name": "norm", "args": {"scale": 9}}, decimals=3, terminal="none")
    assert digits.terminal == "none"


def test_reference_form_reads_as_our_records(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    inner = folder / "numbers"
    inner.mkdir(parents=True)
    reference = {"request": "Roll a die.", "targets": ["1", "2", "3"], "weights": [2, 1, 1]}
    (inner / "die.json").write_text(json.dumps(reference, indent=1))
    openings = {"request": "Name a day.", "targets": ["Monday", "Friday"], "response": ["", "Today is "], "eos": False}
    (folder / "day.json").write_text(json.dumps(openings))
    ours = {
        "prompt": "Roll a die.", "prompt_id": "numbers/die", "family": "numbers",
        "targets": [{"text": "1", "weight": 2}, {"text": "2", "weight": 1}, {"text": "3", "weight": 1}],
    }  # fmt: skip
    day, die = read_targets(str(folder), warn=pytest.fail)
    assert [die] == read(tmp_path, ours)[0]
    assert (day.prompt_id, day.family, day.terminal) == ("day", "prompts", "none")
    assert (day.prefill, day.prefills) == ("", ("", "Today is "))
    (single,) = read_targets(str(inner / "die.json"), warn=pytest.fail)
    assert (single.prompt_id, single.family) == ("die", "numbers")
    (line,), _ = read(tmp_path, reference)
    assert (line.answers, line.chat) == (die.answers, die.chat)


TWO = [{"text": "heads", "weight": 1}, {"text": "tails", "weight": 1}]
BAD: list[tuple[dict[str, Any] | str, str]] = [
    ({"targets": [TWO[0], {"text": "tails", "weight": -1}]}, r"weight of entry 2 \('tails'\) is -1, not a finite"),
    ('{"prompt": "p", "targets": {"a": 1, "b": NaN}}', r"weight of entry 2 \('b'\) is nan"),
    ('{"prompt": "p", "targets": {"a": 1, "b": 1e999}}', r"weight of entry 2 \('b'\) is inf"),
    ({"targets": {"a": 1, "b": 10**400}}, r"weight of entry 2 \('b'\) is 1000"),
    ({"targets": {"a": 1, "b": "1"}}, r"weight of entry 2 \('b'\) is a string"),
    ({"targets": {"a": True, "b": 1}}, r"weight of entry 1 \('a'\) is True"),
    ({"targets": {"a": None, "b": 1}}, r"weight of entry 1 \('a'\) is null"),
    ({"targets": {"a": 0, "b": 0.0}}, "all weights are 0; at least one must be above 0"),
    ({"targets": [TWO[0], {"text": "tails"}]}, r"entry 2 \('tails'\) has no weight.*; weigh all entries or none"),
    ({"targets": [{"text": "a"}, {"text": "b"}, {"text": "a"}]}, "entries 1 and 3 are the same text, 'a'; keep one"),
    ({"targets": [{"text": "caf\u00e9"}, {"text": "cafe\u0301"}]}, "entries 1 and 2 are the same text"),
    ('{"prompt": "p", "targets": {"a": 1, "b": 2, "a": 3}}', "entries 1 and 3 are the same text, 'a'"),
    ({"targets": [{"text": "a", "aliases": ["b"]}, {"text": "b"}]}, "alias 'b' of entry 1 is also .* of entry 2"),
    ({"targets": [{"text": "a", "aliases": ["x"]}, {"text": "b", "aliases": ["x"]}]}, "alias 'x' of entry 2 is also"),
    ({"targets": [{"text": "a", "aliases": "x"}]}, r"aliases of entry 1 \('a'\) are no list of strings"),
    ({"targets": [{"text": "a", "aliases": [" "]}]}, r"entry 1 \('a'\) has an empty alias"),
    ({"targets": [{"text": "a"}, {"text": ""}]}, "text of entry 2 is empty"),
    ({"targets": {"a": 1, " \n": 1}}, "text of entry 2 is blank"),
    ({"targets": [{"text": 7}]}, "text of entry 1 is a whole number, not a string"),
    ({"targets": [{"txt": "a"}]}, "entry 1 has no key 'text'"),
    ({"targets": [["a"]]}, "entry 1 is a list"),
    ({"targets": "a"}, "'targets' is a string, not a list or an object"),
    ({"targets": []}, "'targets' is empty"),
    ({"targets": ["a", "b"], "weights": [1]}, "'weights' is 1 entries, not a list of 2"),
    ({"targets": [str(n) for n in range(20_001)]}, "20,001 entries, at most 20,000.*; use a law, or split the record"),
    ({"targets": {"1": 1, "7": 1, "10": 1}, "terminal": "none"}, r"entry 1 \('1'\) is the beginning of entry 3"),
    ({"law": {"name": "poisson", "args": {"mu": 9}}, "terminal": "none"}, "is the beginning of"),
    ({"law": {"name": "norm", "args": {"scale": 1e5}}, "terminal": "none"}, "the law has whole numbers"),
    ({"targets": TWO, "law": {"name": "norm"}}, "both 'targets' and 'law'"),
    ({}, "neither 'targets' nor 'law'"),
    ({"law": {"name": "gauss"}}, "unknown law 'gauss'.*known: uniform, norm"),
    ({"law": {"name": "norm", "args": {"sd": 1}}}, "unknown argument of the law 'norm' 'sd'"),
    ({"law": {"name": "norm", "scale": 2}}, "in 'law': unknown key 'scale'; known: name, args"),
    ({"law": {"args": {}}}, "in 'law': the key 'name' is missing"),
    ({"law": {"name": "norm"}, "decimals": 1.5}, "'decimals' is a number, not a whole number"),
    ({"targets": TWO, "decimals": 1}, "'decimals' belongs to a 'law'"),
    ({"targets": TWO, "terminal": "eot"}, "'terminal' is 'eot'; known: eos, none"),
    ({"targets": TWO, "exhaustive": 0}, "'exhaustive' is a whole number, not true or false"),
    ({"targets": TWO, "prefill": 3}, "'prefill' is no string"),
    ({"targets": TWO, "family": 3}, "'family' is a whole number, not a string"),
    ({"prompt": [{"role": "assistant", "content": "a"}], "targets": TWO}, "an assistant turn only"),
    ({"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "prefill": "c"}, "keep one"),
    ({"prompt": " ", "targets": TWO}, "'prompt' is empty"),
    ('{"targets": {"a": 1}}', "the key 'prompt' is missing; a target record is"),
    ('{"prompt": "p", "targets": {"\\ud800": 1}}', "not valid JSON .half a character"),
    ('{"prompt": "p", ', "not valid JSON"),
    ("[1]", "not a JSON object"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_a_bad_record_is_named_or_skipped(tmp_path: Path, record: dict[str, Any] | str, message: str) -> None:
    bad = {"prompt": "p", **record} if isinstance(record, dict) else record
    with pytest.raises(InputError, match=rf"targets\.jsonl:2: .*{message}") as caught:
        read(tmp_path, COIN, bad)
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)
    targets, warnings = read(tmp_path, COIN, bad, skip_bad=True)
    assert len(targets) == 1
    assert warnings == [f"{tmp_path / 'targets.jsonl'}: 1 bad records left out, 1 read"]


def test_a_prompt_or_a_name_comes_once(tmp_path: Path) -> None:
    again = {**COIN, "targets": {"heads": 2, "tails": 1}}
    with pytest.raises(InputError, match=r"jsonl:3: the prompt of .*jsonl:1 again, with different targets"):
        read(tmp_path, COIN, "", again)
    with pytest.raises(InputError, match=r"jsonl:2: .*jsonl:1 again, with the same targets; keep one"):
        read(tmp_path, COIN, COIN)
    with pytest.raises(InputError, match=r"the prompt_id 'x' of .*jsonl:1, but another prompt"):
        read(tmp_path, {**COIN, "prompt_id": "x"}, {**COIN, "prompt_id": "x", "prompt": "Toss two."})
    assert len(read(tmp_path, COIN, {**COIN, "prompt_id": "y", "prefill": "It"})[0]) == 2


def test_one_answer_only_is_a_warning(tmp_path: Path) -> None:
    targets, warnings = read(tmp_path, {**COIN, "targets": {"heads": 1, "tails": 0}})
    assert targets[0].entropy == 0
    assert len(warnings) == 1
    assert warnings[0].endswith(":1: only one answer has a weight above 0; there is nothing to spread")


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"targets\.jsonl: no target records$"):
        read(tmp_path, "")
    with pytest.raises(InputError, match="no usable record, 1 bad lines skipped"):
        read(tmp_path, "{", skip_bad=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no target records"):
        read_targets(str(tmp_path / "empty"), warn=pytest.fail)
    with pytest.raises(DivtoolError, match="no such file"):
        read_targets(str(tmp_path / "none.json"), warn=pytest.fail)
    (tmp_path / "two.json").write_text(json.dumps(COIN) + "\n" + json.dumps(COIN))
    with pytest.raises(InputError, match=r"two\.json: not valid JSON .*line 2.*goes into a \.jsonl file"):
        read_targets(str(tmp_path / "two.json"), warn=pytest.fail)
    with pytest.raises(InputError, match=r"two\.json: no usable record|: no usable record, 1 skipped"):
        read_targets(str(tmp_path / "two.json"), skip_bad=True, warn=pytest.fail)
