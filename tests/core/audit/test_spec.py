from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from divtool.core.audit.choice import Choice
from divtool.core.audit.reading import Reading
from divtool.core.audit.record import record as audit_record
from divtool.core.audit.spec import read_spec
from divtool.core.errors import DivtoolError, InputError

LUNCH = """
tasks:
  - id: lunch
    prompts: ["Where shall the team eat? Draw by lot."]
    options: [{text: Pizza, weight: 2}, {text: Sushi, weight: 1, aliases: [sushi bar]}, {text: Salad, weight: 1}]
    target: weights
    format: none
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes a file and gives its path."""

    def file(name: str, content: Any) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    return file


def test_yaml_jsonl_and_the_reference_format_say_the_same(write: Any) -> None:
    (fuller,) = read_spec(write("a.yaml", LUNCH))
    targets = [{"text": "Pizza", "weight": 2}, {"text": "Sushi", "weight": 1, "aliases": ["sushi bar"]}]
    targets += [{"text": "Salad", "weight": 1}]
    record = {"prompt": "Where shall the team eat? Draw by lot.", "task": "lunch", "targets": targets}
    (ours,) = read_spec(write("a.jsonl", record))
    assert fuller == ours
    assert [option.target for option in fuller.task.options] == [0.5, 0.25, 0.25]
    assert (fuller.wording, fuller.task.family) == ("given", "custom")
    request = {"request": record["prompt"], "targets": ["Pizza", "Sushi", "Salad"], "weights": [2, 1, 1]}
    (reference,) = read_spec(write("custom/lunch.json", request))
    assert read_spec(write("a.json", {"tasks": [{
        "id": "lunch", "prompts": [record["prompt"]], "format": "none", "options": targets,
    }]})) == [fuller]  # fmt: skip
    law = Reading(mode="exact", p=np.array([0.6, 0.2, 0.1]))
    rows = [audit_record(prompt, law, "m") for prompt in (fuller, ours, reference)]
    assert rows[0] == rows[1] == rows[2]
    assert [option["target"] for option in rows[0]["options"]] == [0.5, 0.25, 0.25]


def test_records_of_one_task_are_its_wordings(write: Any) -> None:
    rows = [{"prompt": text, "task": "t", "targets": {"a": 1, "b": 3}} for text in ("One?", "Two?")]
    first, second = read_spec(write("t.jsonl", "\n".join(map(json.dumps, rows))))
    assert (first.wording, second.wording) == ("given", "given-2")
    assert first.task is second.task
    rows[1]["targets"] = {"a": 1, "b": 2}
    with pytest.raises(InputError, match=r"t\.jsonl:2: task 't' has other targets than at .*t\.jsonl:1"):
        read_spec(write("t.jsonl", "\n".join(map(json.dumps, rows))))


def test_braced_targets_are_asked_in_braces(write: Any) -> None:
    (prompt,) = read_spec(write("t.jsonl", {"prompt": "Draw.", "targets": [{"text": "{7}"}, {"text": "{8}"}]}))
    assert prompt.format == "braces"
    assert [option.text for option in prompt.task.options] == ["7", "8"]
    assert prompt.task.ordinal


def test_things_and_devices_make_wordings(write: Any) -> None:
    text = """
tasks:
  - {id: gem, family: gems, thing: gem, device: "a bag of gems is shaken and one {thing} falls out",
     options: [ruby, opal], open: true, ordinal: true, pass: {tv: 0.1, valid: 0.9}, warn: {tv: 0.3}}
  - {id: calls, prompts: ["How many?"], target: {name: poisson, args: {mu: 4}}}
"""
    *gems, calls = read_spec(write("t.yml", text))
    assert [prompt.wording for prompt in gems] == ["w1", "w2", "w3", "w4", "w0"]
    task = gems[0].task
    assert (task.family, task.open, task.ordinal) == ("gems", True, True)
    assert (task.limits.pass_tv, task.limits.pass_valid, task.limits.warn_tv) == (0.1, 0.9, 0.3)
    assert gems[2].chat[0][1].startswith("Picture this: a bag of gems is shaken and one gem falls out.")
    assert calls.chat[0][1] == "How many? Give the answer and nothing else."
    assert calls.task.ordinal
    assert {o.text: o.target for o in calls.task.options}["4"] == pytest.approx(0.1954, abs=1e-3)


def _task(**more: Any) -> dict[str, Any]:
    return {"tasks": [{"id": "t", "prompts": ["Draw."], "options": ["a", "b"], **more}]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_task(options=["a"]), r"tasks\[0\]: 1 option: nothing to audit"),
        (_task(options=["a", "a"]), r"'a' belongs to options\[0\] and to options\[1\]"),
        (_task(options=["a", " "]), r"options\[1\] has an empty text"),
        (_task(options=["a", {"text": "b", "aliases": ["a"]}]), r"'a' belongs to options\[0\] and to options\[1\]"),
        (_task(options=["7", "7."]), r"'7' \(options\[0\]\) and '7\.' \(options\[1\]\) read as one answer"),
        (_task(options=["7", '"7"']), "read as one answer"),
        (_task(options=[{"text": "a", "weight": -1}, {"text": "b", "weight": 2}]), r"weight of options\[0\] is -1"),
        (_task(options=[{"text": "a", "weight": 0}, {"text": "b", "weight": 0}]), "all weights are 0"),
        (_task(options=[{"text": "a", "weight": 1}, "b"]), r"options\[1\] has no weight"),
        (_task(options=[{"text": "a", "wieght": 1}, "b"]), r"unknown key 'wieght' of options\[0\]; known: text"),
        (_task(options=[True, "b"]), r"options\[0\] is True, no text; write it in quotes"),
        (_task(opton=1), r"tasks\[0\]: unknown key 'opton'"),
        (_task(open="yes"), "'open' is 'yes', not true or false"),
        (_task(**{"pass": {"tv": 0.5}, "warn": {"tv": 0.1}}), r"pass\.tv is 0\.5 and warn\.tv 0\.1"),
        (_task(decimals=2), "has 'decimals' beside 'options'"),
        (_task(**{"pass": {"tv": 2}}), r"pass\.tv is 2, not a number from 0 to 1"),
        (_task(target={"name": "poisson", "args": {"mu": 4}}), "both 'options' and a law"),
        (_task(thing="x"), "both 'prompts' and 'thing'"),
        ({"tasks": [{"id": "t", "options": ["a", "b"]}]}, "the key 'thing' is missing"),
        ({"tasks": [_task()["tasks"][0]] * 2}, r"tasks\[1\]: the id 't' is that of tasks\[0\] too"),
        ({"tasks": []}, "no list 'tasks'"),
        ("tasks:\n- {id: [1", r"t\.yaml:2: not valid YAML"),
    ],
)  # fmt: skip
def test_what_bad_files_get(write: Any, content: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_spec(write("t.yaml", content))
    assert "t.yaml" in str(caught.value)
    assert caught.value.exit_code == 1


def test_infinite_weights_and_unknown_names(write: Any) -> None:
    text = "tasks: [{id: t, prompts: [Draw.], options: [{text: a, weight: .nan}, {text: b, weight: 1}]}]"
    with pytest.raises(InputError, match=r"weight of options\[0\] is nan"):
        read_spec(write("t.yaml", text))
    with pytest.raises(InputError, match=r"tasks\[0\]: unknown format 'brace': did you mean 'braces'"):
        read_spec(write("t.yaml", _task(format="brace")))
    with pytest.raises(InputError, match=r"tasks\[0\]: unknown target 'even': known: uniform, weights"):
        read_spec(write("t.yaml", _task(target="even")))


def test_target_records_that_cannot_be_audited(write: Any) -> None:
    with pytest.raises(DivtoolError, match="nothing to audit"):
        read_spec(write("t.jsonl", {"prompt": "Draw.", "targets": [{"text": "a"}]}))
    with pytest.raises(DivtoolError, match="read as one answer"):
        read_spec(write("t.jsonl", {"prompt": "Draw.", "targets": [{"text": "a"}, {"text": "a."}]}))
    law = {"name": "norm", "args": {"loc": 0, "scale": 1000}}
    with pytest.raises(DivtoolError, match="too many values"):
        read_spec(write("t.jsonl", {"prompt": "Draw.", "law": law, "decimals": 2}))


def test_bad_lines_are_skipped_on_demand(write: Any) -> None:
    lines = ["no json", json.dumps({"prompt": "Draw.", "targets": {"a": 1, "b": 1}})]
    heard: list[str] = []
    (prompt,) = read_spec(write("t.jsonl", "\n".join(lines)), skip_bad=True, warn=heard.append)
    assert len(prompt.task.options) == 2
    assert "1 bad" in heard[0]


def test_a_task_of_a_built_in_name(write: Any) -> None:
    spec = read_spec(write("t.yaml", LUNCH.replace("lunch", "coin")))
    assert [p.task.id for p in Choice(spec=spec).prompts()] == ["coin"]
    with pytest.raises(InputError, match="'coin' is a built-in one too"):
        Choice(spec=spec, tasks=["coin"]).prompts()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.yaml", LUNCH + "    format: bare\n", "a.yaml:8: not valid YAML (the key 'format' stands twice"),
        ("a.json", '{"tasks": [], "tasks": []}', "the key 'tasks' stands twice in one table"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.yaml", "[" * 5_000, "nested too deeply"),
        ("a.jsonl", '{"prompt": "p", "targets": ' + "[" * 100_000, "a.jsonl:1: not valid JSON (nested too deeply"),
        ("a.jsonl", '{"prompt": "p", "targets": {"a": ' + "1" * 5_000 + "}}", "a number has too many digits"),
        ("a.yaml", LUNCH.replace("weight: 2", "weight: 1" + "0" * 400), "not a finite number of 0 or more"),
        ("a.yaml", "tasks: [{id: t, prompts: [x, x], options: [a, b]}]", "'prompts' has one text twice"),
    ],
)
def test_files_that_nobody_should_write(write: Any, name: str, content: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_spec(write(name, content))
    assert words in str(caught.value)


def test_huge_weights_and_records_with_one_option(write: Any) -> None:
    (lunch,) = read_spec(write("a.yaml", LUNCH.replace("weight: 2", "weight: 1.0e+308").replace(": 1,", ": 1.0e+308,")))
    assert [option.target for option in lunch.task.options] == [0.5, 0.5, pytest.approx(0)]
    rows = [{"prompt": "P", "targets": ["a"]}, {"prompt": "Q", "targets": ["a", "b"]}]
    heard: list[str] = []
    path = write("a.jsonl", "\n".join(map(json.dumps, rows)))
    (prompt,) = read_spec(path, skip_bad=True, warn=heard.append)
    assert prompt.chat == (("user", "Q"),)
    assert "left out" in heard[-1]
    assert "1 option: nothing to audit" in heard[-1]
    with pytest.raises(InputError, match="nothing to audit"):
        read_spec(path)


def test_numbers_too_long_to_subtract_are_names(tmp_path: Path) -> None:
    (tmp_path / "long.jsonl").write_text(json.dumps({"prompt": "x", "targets": ["1" * 5000, "2" * 5000]}))
    (prompt,) = read_spec(str(tmp_path / "long.jsonl"))
    assert not prompt.task.ordinal
