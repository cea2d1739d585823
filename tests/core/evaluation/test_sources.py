"""What names of runs mean, and how files and models become runs."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from divtool.core.errors import DivtoolError, InputError, UsageError
from divtool.core.evaluation import collect
from divtool.core.evaluation.call import failure, measure_all
from divtool.core.evaluation.collect import Collector
from divtool.core.evaluation.collection import Collection
from divtool.core.evaluation.matching import matching_notes
from divtool.core.evaluation.plan import MeasurePlan, open_all, parse_margins
from divtool.core.evaluation.runs import SamplePlan, read_run
from divtool.core.evaluation.sources import Lineup, Source, file_source, line_up, model_source, parse_source
from divtool.core.evaluation.tasks.persona import PERSONA
from divtool.core.evaluation.tasks.pool import POOL
from divtool.core.evaluation.tasks.story import STORY
from divtool.core.metrics.supplies import Sources, Supplies, Supply
from divtool.core.models.options import LoadOptions
from divtool.core.sampling.echo import EchoBackend


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.jsonl", Source(name="a.jsonl", file="a.jsonl")),
        ("-", Source(name="-", file="-")),
        ("old=runs/a.jsonl.gz", Source(name="old", stem="old", file="runs/a.jsonl.gz")),
        ("m", Source(name="m", model="m")),
        ("m.gguf", Source(name="m.gguf", model="m.gguf")),
        ("new=m+out/adapter", Source(name="new", stem="new", model="m", adapter="out/adapter")),
        (
            "hot=o/m@temperature=1.5, top-p=0.9",
            Source(name="hot", stem="hot", model="o/m", settings=(("temperature", 1.5), ("top_p", 0.9))),
        ),
        ("m+d@seed=3", Source(name="m+d@seed=3", model="m", adapter="d", settings=(("seed", 3),))),
        ("x=m@main", Source(name="x", stem="x", model="m@main")),
        (
            "l=m@strategy=list,temperature=0",
            Source(name="l", stem="l", model="m", settings=(("strategy", "list"), ("temperature", 0.0))),
        ),
    ],
)
def test_a_name_stands_for_a_file_or_a_model(text: str, expected: Source) -> None:
    assert parse_source(text) == expected


def test_an_existing_file_is_one_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "a=b").write_text("")
    (tmp_path / "weights").mkdir()
    assert parse_source("a=b") == Source(name="a=b", file="a=b")
    assert parse_source("weights").model == "weights"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=a.jsonl", "give NAME=FILE"),
        ("a=", "give NAME=FILE"),
        ("a=m@strategy=verbalised", "unknown strategy 'verbalised': did you mean 'verbalized'?"),
        ("a=m@temprature=1", "unknown setting of a model 'temprature': did you mean 'temperature'?"),
        ("a=m@temperature=hot", "temperature takes a number"),
        ("a=m@top_k=1.5", "top_k takes a number"),
        ("a=m@top_p=2", "0 < top-p <= 1"),
        ("a=m@seed=-1", "seeds are 0 to"),
        ("a=+adapter", "no model is named"),
    ],
)
def test_wrong_names_are_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        parse_source(text)


def _names(lineup: Lineup) -> tuple[list[str], str | None]:
    return [source.name for source in lineup.runs], lineup.baseline.name if lineup.baseline else None


def test_the_baseline_may_be_one_of_the_runs() -> None:
    runs = [parse_source(text) for text in ("a=a.jsonl", "b=b.jsonl", "c=m")]
    assert _names(line_up(runs, "b")) == (["a", "c"], "b")
    assert _names(line_up(runs, "b.jsonl")) == (["a", "c"], "b")
    assert _names(line_up(runs, "d=d.jsonl")) == (["a", "b", "c"], "d")
    assert _names(line_up(runs, None)) == (["a", "b", "c"], None)
    assert not line_up(runs, "b").itself
    assert line_up([parse_source("a=x.jsonl"), parse_source("b=x.jsonl")], "a").itself


def test_the_only_run_may_be_its_own_baseline() -> None:
    alone = line_up([model_source("m", "d")], "m+d")
    assert _names(alone) == (["m+d"], "m+d")
    assert alone.itself
    assert not line_up([model_source("m", "d")], "m").itself


@pytest.mark.parametrize(("texts", "baseline"), [(("a=x.jsonl", "a=y.jsonl"), None), (("a=x.jsonl",), "a=y.jsonl")])
def test_two_runs_of_one_name_are_refused(texts: tuple[str, ...], baseline: str | None) -> None:
    with pytest.raises(UsageError, match="called 'a'"):
        line_up([parse_source(text) for text in texts], baseline)


def test_a_sweep_is_the_baseline_at_each_value_in_order() -> None:
    lineup = line_up([parse_source("a=x.jsonl")], "m+d@temperature=2,top_k=5", "temperature=1.3, 0.5,1.0")
    assert [source.name for source in lineup.sweep] == ["[temperature=0.5]", "[temperature=1.0]", "[temperature=1.3]"]
    assert {(source.model, source.adapter) for source in lineup.sweep} == {("m", "d")}
    assert lineup.sweep[0].settings == (("temperature", 0.5), ("top_k", 5))
    assert lineup.sweep[0].stem == "sweep-temperature-0.5"
    assert lineup.swept == [("temperature", 0.5), ("temperature", 1.0), ("temperature", 1.3)]
    assert [source.name for source in lineup.every][1:] == ["a", *(source.name for source in lineup.sweep)]
    assert line_up([parse_source("a=x.jsonl")], "m", "top-p=0.5,0.9").swept[0] == ("top_p", 0.5)


@pytest.mark.parametrize(
    ("baseline", "sweep", "message"),
    [
        (None, "temperature=0.5,1", "give --baseline MODEL (there is none)"),
        ("b=b.jsonl", "temperature=0.5,1", "give --baseline MODEL (b is a file)"),
        ("m", "temprature=0.5,1", "unknown setting to sweep 'temprature': did you mean 'temperature'?"),
        ("m", "top_k=5,10", "unknown setting to sweep 'top_k'"),
        ("m", "temperature", "give a setting and its values"),
        ("m", "temperature=", "give a setting and its values"),
        ("m", "temperature=0.7", "two values or more, all different"),
        ("m", "temperature=0.7,1,0.70", "two values or more, all different"),
        ("m", "temperature=0.7,hot", "temperature takes a number"),
        ("m", "temperature=0.7,,1", "temperature takes a number"),
        ("m", "temperature=0.7,nan", "temperature of 0 or more"),
        ("m", "top_p=0.5,1.5", "0 < top-p <= 1"),
    ],
)
def test_wrong_sweeps_are_said(baseline: str | None, sweep: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        line_up([parse_source("a=x.jsonl")], baseline, sweep)


def test_file_names_of_runs_are_safe_and_different() -> None:
    runs = [parse_source(f"{name}=m@seed={i}") for i, name in enumerate(("../a/b", "A b", "a_b", "A_B", "x" * 300))]
    lineup = line_up(runs, None)
    stems = [source.stem for source in lineup.runs]
    assert len({stem.lower() for stem in stems}) == len(stems)
    assert all("/" not in stem and " " not in stem and len(stem) < 100 for stem in stems)
    one = line_up([model_source("m", None)], "n")
    assert one.baseline is not None
    assert [source.stem for source in one.runs] == ["run"]
    assert one.baseline.stem == "baseline"


def _lines(path: str, prompts: list[str], samples: int = 3, **more: Any) -> str:
    records = [
        {"prompt": f"ask {p}", "prompt_id": p, "sample_index": i, "response": f"{p} answer {i} of words", **more}
        for p in prompts
        for i in range(samples)
    ]
    Path(path).write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


class Models:
    """Stands in for the models of this machine: a fake one of any name, and how often each was opened and asked."""

    def __init__(self, break_after: int | None = None) -> None:
        self.opened: list[str] = []
        self.asked = 0
        self._break_after = break_after

    def open(self, backend: str, model: str, loading: LoadOptions, announce: Any) -> Any:
        self.opened.append(f"{model}+{loading.adapter}" if loading.adapter else model)
        if model == "broken":
            raise DivtoolError("the model is broken")
        return self

    name, parameters = "echo", 1_000_000

    def draw(self, requests: Any, decoding: Any, on_tokens: Any) -> Any:
        if self._break_after is not None and self.asked + len(requests) > self._break_after:
            raise KeyboardInterrupt
        self.asked += len(requests)
        return EchoBackend().draw(requests, decoding, on_tokens)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    made = Models()
    monkeypatch.setattr(collect, "open_backend", made.open)
    return made


def _collector(lineup: Lineup, *tasks: Any, said: list[str] | None = None, **more: Any) -> Collector:
    @contextmanager
    def progress(total: int) -> Any:
        yield (lambda n: None), (lambda n: None)

    heard = [] if said is None else said
    plan = SamplePlan(preset="quick", batch_size=4)
    usual: dict[str, Any] = {"plan": plan, "resume": False, "skip_bad": False, "folder": Path("w")}
    return Collector(
        tasks=tasks or (STORY,),
        lineup=lineup,
        loading=LoadOptions(),
        announce=heard.append,
        warn=heard.append,
        progress=progress,
        **{**usual, **more},
    )


def _collected(collector: Collector) -> Collection:
    found = collector.read()
    collector.sample(found)
    return found


def test_every_model_is_loaded_once_and_equal_runs_are_drawn_once(models: Models) -> None:
    runs = ["a=m", "hot=m@temperature=2", "again=m", "b=m+d", "cold=m@temperature=0.1"]
    Path("d").mkdir()
    Path("d/adapter_config.json").write_text("{}")
    found = _collected(_collector(line_up([parse_source(text) for text in runs], "a")))
    assert models.opened == ["m", "m+d"]
    assert models.asked == 4 * 8 * 5
    measured, baseline = found.of("story")
    assert [run.name for run in measured] == ["hot", "again", "b", "cold"]
    assert baseline is not None
    assert measured[1].responses == baseline.responses != measured[0].responses
    assert sorted(path.name for path in Path("w").glob("*.jsonl")) == [
        "story.a.jsonl", "story.b.jsonl", "story.cold.jsonl", "story.hot.jsonl",
    ]  # fmt: skip


def test_files_are_read_before_a_model_is_loaded(models: Models) -> None:
    _lines("bad.jsonl", ["p"])
    Path("bad.jsonl").write_bytes(Path("bad.jsonl").read_bytes() + b"{broken\n")
    for baseline, message in (("none.jsonl", "no such file"), ("bad.jsonl", "not valid JSON")):
        collector = _collector(line_up([model_source("m", None)], baseline))
        with pytest.raises(InputError, match=message):
            _collected(collector)
    assert models.opened == []


def test_a_baseline_in_the_work_folder_is_not_drawn_over(models: Models) -> None:
    _collected(_collector(line_up([model_source("m", None)], None)))
    lineup = line_up([model_source("n", None)], "w/story.run.jsonl")
    with pytest.raises(UsageError, match=r"story\.run\.jsonl is the input as well"):
        _collector(lineup).check()
    _collector(lineup, folder=Path("other")).check()


def test_the_first_model_decides_on_the_preset(models: Models) -> None:
    said: list[str] = []
    found = _collected(_collector(line_up([model_source("m", None)], "n"), plan=SamplePlan(), said=said))
    run, baseline = found.of("story")
    assert models.opened == ["n", "m"]
    assert baseline is not None
    assert len(run[0].responses) == len(baseline.responses) == 8
    assert "preset quick, for every model of this call" in said


def test_an_interrupted_run_is_finished_and_equals_an_uninterrupted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lineup = line_up([model_source("m", None)], None)
    whole = Models()
    monkeypatch.setattr(collect, "open_backend", whole.open)
    _collected(_collector(lineup, folder=Path("whole")))
    monkeypatch.setattr(collect, "open_backend", Models(break_after=20).open)
    with pytest.raises(KeyboardInterrupt):
        _collected(_collector(lineup))
    assert len(Path("w/story.run.jsonl").read_bytes().splitlines()) == 20
    rest = Models()
    monkeypatch.setattr(collect, "open_backend", rest.open)
    _collected(_collector(lineup, resume=True))
    assert rest.asked == 20
    assert Path("w/story.run.jsonl").read_bytes() == Path("whole/story.run.jsonl").read_bytes()


def test_a_work_folder_that_is_removed_is_there_again_to_go_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    class Removing(Models):
        def draw(self, requests: Any, decoding: Any, on_tokens: Any) -> Any:
            if self.asked == 12:
                shutil.rmtree("w")
            return super().draw(requests, decoding, on_tokens)

    lineup = line_up([model_source("m", None)], None)
    monkeypatch.setattr(collect, "open_backend", Removing().open)
    with pytest.raises(DivtoolError, match=r"w/story\.run\.jsonl: was removed during the run; .*--resume goes on"):
        _collected(_collector(lineup)).of("story")
    rest = Models()
    monkeypatch.setattr(collect, "open_backend", rest.open)
    _collected(_collector(lineup, resume=True))
    assert rest.asked == 40 - 16


@pytest.mark.parametrize("changed", ["decoding", "seed", "samples", "adapter"])
def test_what_was_drawn_otherwise_is_not_used_again(models: Models, changed: str) -> None:
    Path("d").mkdir()
    Path("d/adapter_config.json").write_text("{}")
    plan, model = SamplePlan(preset="quick"), "x=m+d"
    _collected(_collector(line_up([parse_source(model)], None), plan=plan))
    model += {"decoding": "@temperature=0.5", "seed": "@seed=4"}.get(changed, "")
    if changed == "samples":
        plan = SamplePlan(preset="quick", samples=3)
    if changed == "adapter":
        Path("d/adapter_config.json").write_text("{ }")
        os.utime("d/adapter_config.json", ns=(1, 1))
    said: list[str] = []
    before = models.asked
    found = _collected(_collector(line_up([parse_source(model)], None), plan=plan, resume=True, said=said))
    assert models.asked - before == (24 if changed == "samples" else 40)
    assert any("nothing of it is used" in line for line in said)
    records = [record for group in found.of("story")[0][0].responses.values() for record in group]
    if changed == "decoding":
        assert {record["params"]["temperature"] for record in records} == {0.5}


def test_a_finished_run_is_not_drawn_again(models: Models) -> None:
    lineup = line_up([model_source("m", None)], None)
    for _ in range(2):
        _collected(_collector(lineup, resume=True))
    assert models.asked == 40


def test_a_sweep_draws_what_is_not_there_and_nothing_twice(models: Models) -> None:
    """1.0 is how the baseline is drawn anyway, and 1.3 one of the runs; --resume keeps all of it."""
    runs = [parse_source("hot=m@temperature=1.3"), parse_source("old=" + _lines("f.jsonl", ["story-eval-00"]))]
    lineup = line_up(runs, "m", "temperature=0.5,1.0,1.3")
    found = _collected(_collector(lineup))
    assert models.asked == 3 * 40
    points = found.swept("story")
    assert [point.name for point in points] == ["[temperature=0.5]", "[temperature=1.0]", "[temperature=1.3]"]
    (hot, _), baseline = found.of("story")
    assert baseline is not None
    assert points[1].responses == baseline.responses
    assert points[2].responses == hot.responses
    assert sorted(path.name for path in Path("w").glob("*.jsonl")) == [
        "story.baseline.jsonl", "story.hot.jsonl", "story.sweep-temperature-0.5.jsonl",
    ]  # fmt: skip
    _collected(_collector(lineup, resume=True))
    assert models.asked == 3 * 40


def test_a_task_that_is_refused_is_not_swept(models: Models) -> None:
    lineup = line_up([file_source(_lines("f.jsonl", ["story-eval-00", "story-eval-01"]))], "m", "min_p=0,0.1")
    found = _collected(_collector(lineup, STORY, PERSONA))
    assert list(found.refused) == ["persona"]
    assert not any(path.name.startswith("persona") for path in Path("w").iterdir())


def test_tasks_share_a_file_by_its_prompts() -> None:
    _lines("both.jsonl", ["story-eval-00", "story-eval-01", "other"])
    _lines("none.jsonl", ["other"])
    said: list[str] = []
    found = _collector(line_up([parse_source("both.jsonl"), parse_source("none.jsonl")], None), STORY, POOL, said=said)
    collection = _collected(found)
    assert [sorted(run.responses) for run in collection.of("story")[0]] == [["story-eval-00", "story-eval-01"]]
    assert [len(run.responses) for run in collection.of("pool")[0]] == [3, 1]
    assert said == [
        "task story without none.jsonl: none.jsonl holds no responses to its prompts "
        "(divtool sample --builtin story-eval)"
    ]


def test_a_task_without_responses_is_refused_and_the_others_are_measured() -> None:
    _lines("none.jsonl", ["other"])
    collection = _collected(_collector(line_up([file_source("none.jsonl")], None), STORY, POOL))
    assert "holds no responses to its prompts" in collection.refused["story"]
    assert list(collection.of("pool")[0][0].responses) == ["other"]
    alone = _collected(_collector(line_up([file_source("none.jsonl")], None), STORY))
    assert alone.refused == {}  # who names one task means it


def test_what_goes_wrong_in_one_task_leaves_the_others_alone(models: Models, encoder: Any) -> None:
    lineup = line_up([file_source(_lines("f.jsonl", ["story-eval-00", "x", "y"]))], None)
    collection = _collected(_collector(lineup, STORY, POOL))
    collection.failed["story"] = RuntimeError("out of memory")
    plans = [MeasurePlan.settled(task, ["distinct_1"], Sources()) for task in (STORY, POOL)]
    outcomes = measure_all(open_all(plans, lambda _: None), collection, "holm")
    assert [bool(outcome.records) for outcome in outcomes] == [False, True]
    error = failure(outcomes)
    assert isinstance(error, DivtoolError)
    assert error.exit_code == 1
    assert "1 of 2 tasks failed; task story: RuntimeError('out of memory')" in str(error)


def test_one_task_that_fails_ends_with_its_own_error() -> None:
    collection = _collected(_collector(line_up([file_source(_lines("f.jsonl", ["a", "b"], samples=1))], None), POOL))
    plans = [MeasurePlan.settled(POOL, ["distinct_1"], Sources())]
    error = failure(measure_all(open_all(plans, lambda _: None), collection, "holm"))
    assert isinstance(error, InputError)
    assert "sample with -n 2 or more" in str(error)


def test_twelve_runs_embed_every_text_once(monkeypatch: pytest.MonkeyPatch, encoder: Any) -> None:
    """One encoding of each distinct text over runs, tasks and comparisons; one family over all of them."""
    prompts = [f"story-eval-{n:02d}" for n in range(6)]
    texts = [parse_source(f"r{n}={_lines(f'{n}.jsonl', prompts, samples=2, response='')}") for n in range(12)]
    for n in range(12):
        records = [orjson.loads(line) for line in Path(f"{n}.jsonl").read_bytes().splitlines()]
        for place, record in enumerate(records):
            record["response"] = f"text {place % 7} of {n % 5}, some more words"
        Path(f"{n}.jsonl").write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    supply = Supply(lambda record: record["response"], encoder)
    monkeypatch.setattr("divtool.core.evaluation.plan.open_supplies", lambda *_: Supplies(embed=supply))
    tasks = (STORY, POOL)
    plans = [MeasurePlan.settled(task, ["semantic_distance"], Sources()) for task in tasks]
    found = _collected(_collector(line_up(texts, "r0"), *tasks))
    outcomes = measure_all(open_all(plans, lambda _: None), found, "bh")
    asked = [text for call in encoder.calls for text in call]
    assert len(asked) == len(set(asked)) >= 35
    headlines = [r for o in outcomes for r in o.records if r["role"] == "headline" and "delta" in r]
    assert len(headlines) == 22
    assert {record["family_size"] for record in headlines} == {22}
    assert not any("no p can reach" in record["note"] for record in headlines)
    outcomes = measure_all(open_all(plans, lambda _: None), found, "holm")
    headlines = [r for o in outcomes for r in o.records if r["role"] == "headline" and "delta" in r]
    tested = [record for record in headlines if record["p_value"] is not None]
    why = f"no p can reach .05 with 6 prompts and {len(tested)} comparisons: use more prompts"
    assert len(tested) > 1
    assert [record for record in headlines if record["note"].endswith(why)] == tested


def _record(index: int, text: str, **more: Any) -> dict[str, Any]:
    return {"prompt": "ask", "prompt_id": "p", "sample_index": index, "response": text, **more}


def _write(path: str, *records: dict[str, Any]) -> str:
    Path(path).write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


def test_a_repeated_response_is_counted_once_or_refused() -> None:
    path = _write("r.jsonl", _record(0, "x"), _record(1, "y"), _record(0, "x"))
    run = read_run("r", path)
    assert [record["response"] for record in run.responses["p"]] == ["x", "y"]
    assert run.notes == ("1 repeated responses counted once",)
    other = _write("o.jsonl", _record(0, "x"), _record(1, "y"), _record(0, "z"))
    with pytest.raises(InputError, match=r"o\.jsonl:3: another response .* stands at o\.jsonl:1 already"):
        read_run("r", other)
    skipped = read_run("r", other, skip_bad=True)
    assert [record["response"] for record in skipped.responses["p"]] == ["x", "y"]
    assert skipped.notes == ("1 bad lines left out",)


def test_settings_take_their_responses_out_of_a_file() -> None:
    made = [_record(i, f"t{i}", seed=i % 3, params={"temperature": t}) for i, t in enumerate((0.7, 0.7, 1, 1, 1.0))]
    path = _write("g.jsonl", *made, _record(9, "silent"))
    cool = parse_source(f"cool={path}@temperature=0.7")
    assert (cool.name, cool.file, cool.settings) == ("cool", path, (("temperature", 0.7),))
    assert cool.origin != parse_source(path).origin
    run = read_run("cool", path, cool.settings)
    assert [record["response"] for record in run.responses["p"]] == ["t0", "t1"]
    assert run.notes == ()
    assert (
        len(read_run("r", path, [("temperature", 1.0), ("seed", 2), ("repetition_penalty", 1.0)]).responses["p"]) == 1
    )
    whole = read_run("whole", path)
    assert len(whole.responses["p"]) == 6
    assert whole.notes[0].startswith("responses drawn with 2 values of temperature are measured as one run; --run")
    with pytest.raises(InputError, match=r"no first-turn responses drawn with temperature=2.0, only with .* 0.7 and 1"):
        read_run("none", path, [("temperature", 2.0)])
    with pytest.raises(InputError, match=r"no first-turn responses drawn with top_p=0.5$"):
        read_run("none", path, [("top_p", 0.5)])


def test_possibilities_are_responses_of_their_own_and_prompts_agree() -> None:
    path = _write("p.jsonl", _record(0, "x", possibility=1), _record(0, "y", possibility=2))
    assert len(read_run("r", path).responses["p"]) == 2
    path = _write("q.jsonl", _record(0, "x"), {**_record(1, "y"), "prompt": "ask otherwise"})
    with pytest.raises(InputError, match=r"q\.jsonl:2: the same prompt_id as q\.jsonl:1 but another prompt"):
        read_run("r", path)


def test_notes_say_how_two_runs_differ() -> None:
    params = {"temperature": 1.0, "top_p": 0.9}
    one = read_run("one", _lines("1.jsonl", ["a", "b", "c", "d", "e"], samples=4, params=params))
    two = read_run("two", _lines("2.jsonl", ["a", "b", "x"], samples=3, params={**params, "temperature": 0.5}))
    assert matching_notes(one, two) == (
        "only 2 prompts in common, of 5 against 3",
        "3 prompts of one are not in two",
        "1 prompts of two are not in one",
        "responses a prompt cut to the smaller number: 4 against 3",
        "decoding differs: temperature 1.0 against 0.5",
    )
    assert matching_notes(one, one) == ()
    silent = read_run("silent", _lines("3.jsonl", ["a", "b", "c", "d", "e"], samples=4))
    assert matching_notes(one, silent) == ()


def test_answers_that_were_begun_for_one_side_only_are_refused() -> None:
    one = read_run("one", _lines("1.jsonl", ["a"], params={"prefill": "1.", "top_p": 1}))
    two = read_run("two", _lines("2.jsonl", ["a"], params={"top_p": 1}))
    with pytest.raises(UsageError, match="begun differently"):
        matching_notes(one, two)


def test_margins() -> None:
    assert parse_margins(["usable_rate=0.02", "judge = 1"]) == {"usable_rate": 0.02, "judge": 1.0}
    for text, message in (("usable=1", "did you mean 'usable_rate'"), ("judge=0", "above 0"), ("judge", "above 0")):
        with pytest.raises(UsageError, match=message):
            parse_margins([text])
