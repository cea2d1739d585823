from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from divtool.core.audit.choice import Choice
from divtool.core.audit.earlier import finished
from divtool.core.audit.handed import HandedOver
from divtool.core.audit.output import AuditOutput
from divtool.core.audit.plan import Plan
from divtool.core.audit.reader import ModelReader, TextReader
from divtool.core.audit.reading import Mode, Reading
from divtool.core.audit.run import audit, pending, summary
from divtool.core.audit.session import Session
from divtool.core.errors import DivtoolError, InputError, UsageError
from divtool.core.jsonl import Row


class Fake:
    """Reads every prompt as the same law over its options."""

    name = "fake"

    def __init__(self, law: Any) -> None:
        self.law = law
        self.asked: list[str] = []

    def prepare(self, prompts: Sequence[Any]) -> None:
        self.asked.append("prepared")

    def read(self, prompt: Any, mode: Mode | None = None) -> Reading:
        self.asked.append(prompt.prompt_id)
        return Reading(mode="exact", p=np.asarray(self.law(len(prompt.task.options))))


def perfect(size: int) -> Any:
    return np.full(size, 1 / size)


def one_hot(size: int) -> Any:
    return np.eye(size)[0]


def silent(size: int) -> Any:
    return np.zeros(size)


def _records(law: Any, **choice: Any) -> tuple[list[dict[str, Any]], list[Any]]:
    prompts = Choice(**choice).prompts()
    return list(audit(prompts, Fake(law), Plan())), prompts


def test_a_perfect_model() -> None:
    records, prompts = _records(perfect)
    assert {(r["tv"], r["verdict"], r["draws_to_detect"]) for r in records} == {(0.0, "pass", None)}
    assert summary(records, prompts, None, 0)["score"] == 100


def test_a_model_of_one_answer() -> None:
    (record, *_), _ = _records(one_hot, tasks=["digit"])
    assert record["tv"] == pytest.approx(0.9)
    assert record["effective_options"] == pytest.approx(1)
    assert record["over_representation"] == pytest.approx(10)
    assert record["verdict"] == "fail"
    assert record["options"][0] == {"text": "0", "target": 0.1, "p": 1.0}


def test_a_model_that_never_answers_gives_plain_json() -> None:
    records, prompts = _records(silent, presets=["quick"])
    text = json.dumps([*records, summary(records, prompts, None, 0)], allow_nan=False)
    assert "NaN" not in text
    assert all(r["tv"] == pytest.approx(1) and r["valid_mass"] == 0 and r["tv_valid"] is None for r in records)


def test_a_task_without_a_result_counts_in_full() -> None:
    records, prompts = _records(perfect, tasks=["coin", "rps"])
    found = summary([record for record in records if record["task"] == "coin"], prompts, None, 0)
    assert found["score"] == 50
    assert found["missing"] == ["rps"]


def test_only_what_is_left_is_done() -> None:
    prompts = Choice(tasks=["coin"]).prompts()
    records = list(audit(prompts, Fake(perfect), Plan()))
    made = {"model": "fake", "seed": 0, "params": Plan().params()}
    todo, done = pending(prompts, records[:2], made)
    assert ([p.wording for p in todo], len(done)) == (["w3", "w4", "w0"], 2)
    for other in ({**made, "model": "x"}, {**made, "seed": 1}, {**made, "params": Plan(variants=False).params()}):
        assert pending(prompts, records, other) == (prompts, [])
    assert pending(prompts, records, made, lambda _: "baseline") == (prompts, [])


def _session(path: Path, prompts: Any, **plan: Any) -> Session:
    earlier = path if path.exists() else None
    return Session(
        plan=Plan(**plan),
        prompts=prompts,
        output=str(path),
        earlier=earlier,
        tell=lambda _: None,
        progress=lambda *_: nullcontext(lambda _: None),
    )


def test_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    prompts = Choice(tasks=["die-6"]).prompts()
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    _session(whole, prompts).over_reader(Fake(perfect), None)
    lines = whole.read_bytes().splitlines(keepends=True)
    cut.write_bytes(b"".join(lines[:2]) + lines[2][:50])
    fake = Fake(perfect)
    out, _ = _session(cut, prompts).over_reader(fake, None)
    assert fake.asked == ["prepared", "die-6:w3", "die-6:w4", "die-6:w0"]
    assert cut.read_bytes() == whole.read_bytes()
    assert len(out.records) == 5
    done = Fake(perfect)
    _session(cut, prompts).over_reader(done, None)
    assert done.asked == []
    cut.write_text('{"task": "die-6"}\n')
    with pytest.raises(InputError, match=r"cut\.jsonl:1: the key 'wording' is missing"):
        finished(cut)


def _draws(law: dict[str, int]) -> Any:
    texts = [text for text, count in law.items() for _ in range(count)]
    return SimpleNamespace(sent=lambda _: {"temperature": 1.0}, texts=lambda prompt, n: (texts, ["stop"] * len(texts)))


def test_samples_are_adjusted_in_the_end(tmp_path: Path) -> None:
    prompts = Choice(tasks=["coin"]).prompts()
    path = tmp_path / "audit.jsonl"
    reader = TextReader("fake", _draws({"heads": 70, "Tails.": 20, "Sure!": 10}), Plan(n=100, mode="sampled"))
    out, _ = _session(path, prompts, n=100, mode="sampled").over_reader(reader, None)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(records) == 5
    assert records == json.loads(json.dumps(out.records))
    first = records[0]
    assert (first["n"], first["valid_mass"], first["sampling"]) == (100, pytest.approx(0.9), {"temperature": 1.0})
    assert [option["p"] for option in first["options"]] == [0.7, 0.2]
    assert all(record["g_p"] <= record["g_p_adjusted"] < 0.01 for record in records)


def test_a_failure_leaves_finished_records(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    broken = DivtoolError("broken")
    out = AuditOutput(str(path))
    for record in _records(perfect, tasks=["coin"])[0]:
        out.add(record)
    out.__exit__(DivtoolError, broken, None)
    assert len(path.read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n": 0}, "-n 0: sampled mode takes 1 response or more"),
        ({"tau": 0.0}, "--tau 0.0: give a number between 0 and 1"),
        ({"max_nodes": 0}, "--max-nodes 0"),
        ({"mode": "exakt"}, "unknown mode 'exakt': did you mean 'exact'"),
    ],
)
def test_plans_that_cannot_be(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Plan(**fields)


def test_modes() -> None:
    prompts = {p.task.id: p for p in Choice(tasks=["coin", "fruit"]).prompts()}
    assert Plan().mode_for(prompts["coin"]) == "exact"
    assert Plan().mode_for(prompts["fruit"]) == "bounds"
    assert Plan(mode="exact").mode_for(prompts["fruit"]) == "exact"


def _row(number: int, **keys: Any) -> Row:
    data = {"prompt": "Draw.", "prompt_id": "p", "response": "heads", "sample_index": number, "task": "coin", **keys}
    return Row(data, f"r.jsonl:{number}")


def test_responses_find_their_tasks() -> None:
    handed = HandedOver(Choice(tasks=["coin"]).prompts())
    rows = [_row(n, wording="w2", format="json", params={"prefill": "x"}) for n in range(3)]
    for row in rows:
        handed.check(row)
    ((prompt, group),) = handed.prompts([rows])
    assert (prompt.wording, prompt.format, prompt.prefill, prompt.chat) == ("w2", "json", "x", (("user", "Draw."),))
    assert group == rows


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"task": 3}, r"r\.jsonl:0: 'task' is a whole number"),
        ({"task": "nix"}, r"r\.jsonl:0: the task 'nix' is not known; .*--builtin audit/.*--spec"),
        ({"format": "x"}, "the format 'x' is not known"),
    ],
)
def test_responses_without_a_task(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        HandedOver(Choice(tasks=["coin"]).prompts()).check(_row(0, **keys))


def test_groups_that_do_not_belong_together() -> None:
    handed = HandedOver(Choice(tasks=["coin", "rps"]).prompts())
    with pytest.raises(InputError, match="another task, wording or format"):
        list(handed.prompts([[_row(0), _row(1, task="rps")]]))
    with pytest.raises(InputError, match=r"stands at r\.jsonl:0 with another prompt_id"):
        list(handed.prompts([[_row(0)], [_row(1, prompt_id="q")]]))


def _grid(number: int, **params: Any) -> Row:
    return _row(number, params={"temperature": 0.7, "top_p": 1.0, "strategy": "direct", **params}, seed=number)


def test_one_setting_of_a_grid_at_a_time() -> None:
    prompts = Choice(tasks=["coin"]).prompts()
    group = [_grid(0), _grid(1, top_p=0.9), _grid(2, temperature=1), _grid(3, repetition_penalty=1.2)]
    with pytest.raises(
        InputError, match=r"^r\.jsonl:1: drawn with top_p 0\.9, and r\.jsonl:0 of the same prompt with 1"
    ):
        list(HandedOver(prompts).prompts([group]))
    with pytest.raises(InputError, match=r"--responses FILE@temperature=0\.7,top_p=1\.0$"):
        list(HandedOver(prompts, {"temperature": 0.7}).prompts([group]))
    with pytest.raises(InputError, match=r"--responses FILE@temperature=0\.7,top_p=1,repetition_penalty=1\.0$"):
        list(HandedOver(prompts, {"temperature": 0.7, "top_p": 1}).prompts([group]))
    for settings, kept in (
        ({"temperature": 0.7, "top_p": 1, "repetition_penalty": 1}, [group[0]]),
        ({"temperature": 1}, [group[2]]),
        ({"seed": 1}, [group[1]]),
    ):
        assert [rows for _, rows in HandedOver(prompts, settings).prompts([group])] == [kept]
    with pytest.raises(
        InputError, match=r"^r\.jsonl: no responses drawn with temperature=2, only with temperature 0\.7 and 1$"
    ):
        list(HandedOver(prompts, {"temperature": 2}).prompts([group]))
    # What a record does not state is no other setting.
    assert len(list(HandedOver(prompts).prompts([[_grid(0), _row(1)]]))) == 1


def _loaded(folder: str) -> Any:
    from divtool.core.models.language import LoadOptions, load

    return load(folder, LoadOptions(device="cpu"))


def test_a_model_is_read_in_every_mode(make_table_model: Any) -> None:
    law = {str(digit): 0.1 for digit in range(10)}
    lm = _loaded(make_table_model(law))
    prompts = Choice(tasks=["digit"]).prompts()[:1]
    p = {}
    for mode in ("exact", "bounds", "sampled"):
        plan = Plan(mode=mode, n=400, max_nodes=64)  # type: ignore[arg-type]
        (record,) = audit(prompts, ModelReader(lm, plan, 256, lambda _: None), plan)
        assert record["mode"] == mode
        p[mode] = np.array([option["p"] for option in record["options"]])
        assert record["verdict"] == ("warn" if mode == "sampled" else "pass")
    np.testing.assert_allclose(p["exact"], 0.1, atol=1e-6)
    assert np.all(p["bounds"] <= p["exact"] + 1e-6)
    assert p["bounds"].sum() > 0.98
    np.testing.assert_allclose(p["sampled"], 0.1, atol=0.06)


def test_bounds_that_say_too_little_go_on_as_samples(tiny_model: str) -> None:
    heard: list[str] = []
    prompts = Choice(tasks=["fruit"]).prompts()[:1]
    plan = Plan(n=3, max_nodes=1)
    (record,) = audit(prompts, ModelReader(_loaded(tiny_model), plan, 8, heard.append), plan)
    assert record["mode"] == "sampled"
    assert "fruit w1: bounds leave 1.00 of the mass open; goes on with 3 samples" in heard
    (bounds,) = audit(prompts, ModelReader(_loaded(tiny_model), plan, 8, heard.append), Plan(mode="bounds"))
    assert record["params"] == plan.params()
    assert bounds["mode"] in ("bounds", "sampled")
