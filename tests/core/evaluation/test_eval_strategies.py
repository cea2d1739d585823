"""Models that are asked with a strategy: how often, at what length, and what counts as a response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from divtool.core.errors import InputError, UsageError
from divtool.core.evaluation.collection import drawn_run
from divtool.core.evaluation.guard.task import GUARD
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.runs import SamplePlan, read_run, sample_run
from divtool.core.evaluation.sides import blocked, unblocked
from divtool.core.evaluation.sources import Source, line_up, parse_source
from divtool.core.evaluation.strategies import settled_prefill
from divtool.core.evaluation.tasks.aut import AUT
from divtool.core.evaluation.tasks.dat import DAT
from divtool.core.evaluation.tasks.persona import PERSONA
from divtool.core.evaluation.tasks.pool import POOL, asking
from divtool.core.evaluation.tasks.story import STORY
from divtool.core.evaluation.unread import chat_of
from divtool.core.metrics.supplies import Supplies
from divtool.core.possibility.manifest import Manifest
from divtool.core.sampling.backend import Decoding, Draw, Request

_LISTED = "1. A robin\n2. A wren\n3. An owl"


class Lister:
    """A model that lists three birds to whatever it is asked, and remembers the requests."""

    name, parameters = "lister", None

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.decodings: set[Decoding] = set()

    def draw(self, requests: Sequence[Request], decoding: Decoding, on_tokens: Any) -> list[Draw]:
        self.asked += requests
        self.decodings.add(decoding)
        return [Draw(_LISTED, 9, "stop", -9.0) for _ in requests]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "Name a bird."}\n{"prompt": "Name a tree."}\n')
    return path


def _drawn(plan: SamplePlan, path: Path) -> tuple[Lister, list[dict[str, Any]], list[str]]:
    backend = Lister()
    said = sample_run(backend, asking(), plan, path, resume=False, on_tokens=lambda n: None, on_done=lambda n: None)
    return backend, [orjson.loads(line) for line in path.read_bytes().splitlines()], said


@pytest.mark.parametrize(
    ("name", "calls", "responses", "tokens"),
    [
        ("direct", 8, 8, 128),
        ("sequential", 8, 8, 128),
        ("persona", 8, 8, 128),
        ("paraphrase", 8, 8, 128),
        ("possibility", 8, 8, 128),
        ("string-seed", 8, 8, 1024),
        ("list", 2 * 4, 6, 1024),  # each is asked four times for a fourth answer, which the list never holds
        ("verbalized", 2 * 4, 6, 1024),
    ],
)
def test_every_strategy_is_asked_for_the_tasks_number(
    name: str, calls: int, responses: int, tokens: int, prompts: Path, tmp_path: Path
) -> None:
    plan = SamplePlan(preset="quick", prompt_file=prompts, strategy=name)
    backend, records, said = _drawn(plan, tmp_path / "r.jsonl")
    assert (len(backend.asked), len(records)) == (calls, responses)
    assert plan.total(asking()) == 8
    (decoding,) = backend.decodings
    assert (decoding.temperature, decoding.top_p, decoding.max_new_tokens) == (1.0, 0.9, tokens)
    assert {record["params"]["strategy"] for record in records} == {name}
    run = drawn_run("r", "lister", tmp_path / "r.jsonl", plan.demand(asking()))
    assert [len(own) for own in run.responses.values()] == [4, 4]
    assert [record["response"] == "" for own in run.responses.values() for record in own].count(True) == {
        "list": 2, "verbalized": 2, "string-seed": 8
    }.get(name, 0)  # fmt: skip
    assert bool(said) == (name in ("list", "verbalized", "string-seed"))


def test_an_answer_that_holds_several_responses_has_room_for_them() -> None:
    plan = SamplePlan(preset="standard", strategy="verbalized")
    assert plan.options(STORY).decoding.max_new_tokens == 10 * 256
    assert replace(plan, samples=2).options(STORY).decoding.max_new_tokens == 1024  # the strategy's own
    own = replace(plan, settings=(("max_new_tokens", 300), ("temperature", 0.5)))
    assert (own.options(STORY).decoding.max_new_tokens, own.options(STORY).decoding.temperature) == (300, 0.5)
    one = replace(plan, strategy="string-seed", samples=50)
    assert one.options(STORY).decoding.max_new_tokens == 1024  # each response has an answer of its own


def test_a_runs_own_strategy_comes_first() -> None:
    plan = SamplePlan(preset="quick", strategy="list")
    assert plan.chats(STORY).name == "list"
    assert plan.of(parse_source("m@strategy=direct")).chats(STORY).name == "direct"
    assert plan.of(parse_source("m@strategy=sequential,seed=3")).asked(STORY)["strategy"] == "sequential"
    hot = plan.of(parse_source("m@temperature=1.5"))
    assert (hot.chats(STORY).name, hot.options(STORY).decoding.temperature) == ("list", 1.5)


def test_numbers_of_an_adapter_begin_again_where_a_task_asks_for_more(tmp_path: Path) -> None:
    Manifest(
        template="Give possibility {n}.", pool=3, k=3, scheme="random", arm="possibility", ul_weight=0.0,
        stopwords_sha256="", version="0",
    ).write(tmp_path)  # fmt: skip
    source = Source(name="t", model="m", adapter=str(tmp_path), settings=(("strategy", "possibility"),))
    strategy = SamplePlan(preset="quick").of(source).chats(DAT)
    assert strategy.samples == 50
    assert strategy.warnings == ["50 responses a prompt from the numbers 1 to 3: each comes again"]
    three = SamplePlan(preset="quick", samples=3).of(source)
    assert three.chats(DAT).warnings == []
    assert [strategy.number("x", index) for index in range(5)] == [1, 2, 3, 1, 2]  # type: ignore[attr-defined]


def test_further_turns_are_responses_where_a_strategy_is_named(prompts: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    _drawn(SamplePlan(preset="quick", prompt_file=prompts, strategy="sequential"), path)
    assert [len(own) for own in read_run("r", str(path)).responses.values()] == [1, 1]
    every = read_run("r", str(path), (("strategy", "sequential"),))
    assert [[record["turn"] for record in own] for own in every.responses.values()] == [[1, 2, 3, 4]] * 2
    with pytest.raises(InputError, match="no responses drawn with strategy=list, only with strategy sequential"):
        read_run("r", str(path), (("strategy", "list"),))


def test_a_file_of_several_strategies_says_so(prompts: Path, tmp_path: Path) -> None:
    path = tmp_path / "both.jsonl"
    lines = []
    for place, name in enumerate(("direct", "persona")):
        _, records, _ = _drawn(SamplePlan(preset="quick", prompt_file=prompts, strategy=name), tmp_path / "one.jsonl")
        lines += [orjson.dumps(record | {"sample_index": record["sample_index"] + 4 * place}) for record in records]
    path.write_bytes(b"\n".join(lines))
    (note,) = read_run("r", str(path)).notes
    assert note.startswith("responses drawn with 2 values of strategy are measured as one run")
    assert not read_run("r", str(path), (("strategy", "persona"),)).notes


@pytest.mark.parametrize(
    ("runs", "strategy", "wanted", "settled"),
    [
        (["m"], "direct", "auto", "auto"),
        (["m"], "direct", "on", "on"),
        (["m"], "persona", "on", "on"),
        (["m"], "list", "auto", "off"),
        (["a=m", "b=m@strategy=string-seed"], "direct", "auto", "off"),
        (["a=m", "b=m@strategy=direct"], "sequential", "auto", "auto"),
        (["a=m@strategy=direct", "r.jsonl"], "verbalized", "auto", "auto"),
        (["r.jsonl@strategy=list"], "direct", "auto", "auto"),
    ],
)
def test_answers_are_begun_only_where_they_are_responses(
    runs: list[str], strategy: str, wanted: Any, settled: str
) -> None:
    lineup = line_up([parse_source(text) for text in runs], None)
    assert settled_prefill([PERSONA], lineup, strategy, wanted) == settled


@pytest.mark.parametrize(
    ("runs", "strategy", "wanted", "message"),
    [
        (["r.jsonl"], "list", "auto", "--strategy is how models are asked, and every run of this call is a file"),
        (["m"], "lists", "auto", "unknown strategy 'lists': did you mean 'list'?"),
        (["r.jsonl"], "lists", "auto", "unknown strategy 'lists'"),
        (["b=m@strategy=list"], "direct", "on", "--prefill on: strategy list of b takes responses out of an answer"),
    ],
)
def test_what_no_strategy_can_do_is_refused(runs: list[str], strategy: str, wanted: Any, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        settled_prefill([PERSONA], line_up([parse_source(text) for text in runs], None), strategy, wanted)
    assert message in str(raised.value)


def test_a_task_that_asks_in_its_own_way_takes_no_strategy() -> None:
    lineup = line_up([parse_source("m"), parse_source("n")], None)
    with pytest.raises(UsageError, match="m: task guard asks in a way of its own; leave strategy list out"):
        settled_prefill([GUARD], lineup, "list", "auto")
    assert settled_prefill([GUARD, POOL], lineup, "list", "auto") == "off"


def test_answers_of_several_lines_are_not_asked_for_in_a_list() -> None:
    lineup = line_up([parse_source("m"), parse_source("n@strategy=verbalized")], None)
    with pytest.raises(UsageError, match="m: answers to task dat, aut are lists or have several lines"):
        settled_prefill([DAT, PERSONA, AUT], lineup, "list", "auto")
    assert settled_prefill([DAT, AUT], lineup, "verbalized", "auto") == "off"


@pytest.mark.parametrize(("name", "chats", "held"), [("sequential", 10, 1), ("list", 10, 5), ("verbalized", 10, 5)])
def test_blocks_of_the_only_prompt_share_no_chat(name: str, chats: int, held: int, tmp_path: Path) -> None:
    plan = SamplePlan(preset="quick", samples=53, strategy=name)
    path = tmp_path / "r.jsonl"
    backend = Lister()
    sample_run(backend, PERSONA, plan, path, resume=False, on_tokens=lambda n: None, on_done=lambda n: None)
    assert plan.total(PERSONA) == 50
    strategy = plan.chats(PERSONA)
    assert (strategy.chats(strategy.samples), strategy.held) == (chats, held)
    assert len({request.draw[2] for request in backend.asked}) == chats
    run = drawn_run("r", "lister", path, plan.demand(PERSONA))
    (whole,) = run.responses.values()
    assert len(whole) == 50
    (split,) = blocked([run])
    assert [len({chat_of(record) for record in own}) for own in split.responses.values()] == [1] * 10
    assert not unblocked([run], [split])


def test_chats_that_blocks_would_cut_leave_the_prompt_whole(tmp_path: Path) -> None:
    plan = SamplePlan(preset="quick", samples=50, strategy="sequential")
    path = tmp_path / "r.jsonl"
    sample_run(Lister(), PERSONA, plan, path, resume=False, on_tokens=lambda n: None, on_done=lambda n: None)
    turns = read_run("turns", str(path), (("strategy", "sequential"),))
    (prompt_id,) = turns.responses
    records = turns.responses[prompt_id][:40]  # blocks of four of chats of five
    cut = replace(turns, responses={prompt_id: records})
    single = [{**record, "sample_index": n, "turn": 1} for n, record in enumerate(records)]
    direct = replace(turns, name="direct", responses={prompt_id: single})
    assert len(blocked([direct])[0].responses) == 10
    for sides in ([cut], [cut, direct], [direct, cut]):
        split = blocked(sides)
        assert [list(side.responses) for side in split] == [[prompt_id]] * len(sides)
        assert unblocked(sides, split)
    lines = [record | {"response": f'{{"first_name": "A{n}", "city": "B", "occupation": "C{n}"}}'}
             for n, record in enumerate(single)]  # fmt: skip
    there = replace(direct, responses={prompt_id: lines})
    pair = [replace(cut, responses={prompt_id: [{**line, "sample_index": n // 5, "turn": n % 5 + 1}
            for n, line in enumerate(lines)]}), there]  # fmt: skip
    measurer = Measurer(task=PERSONA, metrics=[], supplies=Supplies())
    rows = measurer.measure([pair[0], replace(there, name="also")], there)
    for row in rows:
        whole = row["run"] == "turns" and row["unit"] == "block"
        assert ("blocks would cut through chats" in str(row["note"])) == whole, row
        assert not whole or (row["n_units"], row["ci_low"], row.get("p_value")) == (1, None, None), row
    assert {row["n_units"] for row in rows if row["run"] == "also" and row["role"] == "headline"} == {10}
