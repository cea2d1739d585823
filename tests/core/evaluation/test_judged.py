"""A judge and other measures of quality in measure records, with a made server as the judge."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from divtool.core.cache import BlobCache
from divtool.core.endpoint.client import Endpoint
from divtool.core.errors import UsageError
from divtool.core.evaluation.collection import Collection
from divtool.core.evaluation.cost import cost, dockets
from divtool.core.evaluation.judged import Bench
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.quality import Quality, open_quality
from divtool.core.evaluation.quality_options import QualityOptions
from divtool.core.evaluation.runs import Run, SamplePlan
from divtool.core.evaluation.sources import line_up, parse_source
from divtool.core.evaluation.tasks.dat import DAT
from divtool.core.evaluation.tasks.pool import POOL
from divtool.core.evaluation.tasks.story import STORY
from divtool.core.judging.judge import Judge
from divtool.core.judging.open import JudgeOptions
from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.supplies import Supplies, Supply, chat_and_text
from divtool.core.models.language import load
from divtool.core.models.likelihood import response_logprobs
from divtool.core.models.options import LoadOptions

pytest.importorskip("openai")

OPTIONS = JudgeOptions(url="http://localhost:1", model="judge-model")


def complain(text: str) -> None:
    raise AssertionError(text)


@pytest.fixture
def make_quality(stub_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Quality]]:
    """Makes a `Quality` with a judge: `make_quality(path of its cache, **keys of the judge)`."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    opened: list[Any] = []

    def make(path: Path | None = None, *, timeout: float = 60.0, **options: Any) -> Quality:
        client = Endpoint(stub_server.url, tries=1, timeout=timeout)
        cache = BlobCache(path, 1 << 30, complain) if path else None
        opened.extend([client, *([cache] if cache else [])])
        judge = Judge(client, "judge-model", cache=cache, **options)
        return Quality(options=QualityOptions(judge=OPTIONS), bench=Bench(judge, OPTIONS))

    yield make
    for thing in opened:
        thing.close()


def question(body: dict[str, Any]) -> str:
    return str(body["messages"][0]["content"])


def shown(text: str) -> list[str]:
    """The responses in a question, in their order."""
    return re.findall(r"<(?:set \w, )?response(?: \w+,?)? \w{8}>\n(.*?)\n</", text, re.DOTALL)


def likes_zest(body: dict[str, Any]) -> str:
    """Rates by the number of times `zest` occurs, prefers more of it, and finds sets with more of it more varied."""
    text = question(body)
    if "Rating: [[x]]" in text:
        return f"Rating: [[{min(10, 1 + text.count('zest'))}]]"
    if "<set A" in text:
        sides = [text.split("<set B", 1)[0].count("zest"), text.split("<set B", 1)[1].count("zest")]
    else:
        sides = [one.count("zest") for one in shown(text)]
    return "Verdict: [[tie]]" if sides[0] == sides[1] else f"Verdict: [[{'A' if sides[0] > sides[1] else 'B'}]]"


def with_zest(run: Run, count: Callable[[int, int], int]) -> Run:
    """The run with `zest` put that many times behind each response: `count(prompt, index)`."""
    for p, records in enumerate(run.responses.values()):
        for i, record in enumerate(records):
            record["response"] += " zest" * count(p, i)
    return run


def test_ratings_and_wins(stub_server: Any, make_quality: Any, make_run: Any, measure: Any) -> None:
    stub_server.answer = likes_zest
    run = with_zest(make_run("secret-run"), lambda p, i: 4 if i else 0)  # mean 1 + 3 = 4
    base = with_zest(make_run("secret-base", seed=1), lambda p, i: 2 if i < 3 else 4)  # mean 1 + 2.5 = 3.5
    rows = measure(run, base, "semantic_distance", "utility_k", truncate="none", quality=make_quality())
    judge, wins, sets = rows["judge"], rows["win_rate"], rows["win_rate_sets"]
    assert (judge["value"], judge["baseline_value"], judge["delta"]) == (4.0, 3.5, 0.5)
    assert (judge["role"], judge["direction"], judge["margin"], judge["verdict"]) == ("quality", "+", 0.5, "not worse")
    assert (judge["null_share"], judge["n_units"], judge["n_responses"]) == (0, 12, 48)
    # Of the four pairs of a prompt: lost, won, won, tie.
    assert (wins["value"], wins["baseline_value"], wins["delta"]) == (0.625, 0.5, 0.125)
    assert (wins["role"], wins["margin"], wins["verdict"]) == ("quality", 0.05, "not worse")
    assert (sets["value"], sets["baseline_value"], sets["role"]) == (1.0, 0.5, "detail")
    assert (rows["usable_rate"]["role"], rows["usable_rate"]["verdict"]) == ("detail", None)
    assert "judge judge-model, template rate 2, criteria general 1, mean of 1" in judge["definition"]
    assert "template compare 2, criteria general 1; both orders asked" in wins["definition"]
    assert "ratings: judge judge-model, template rate 2" in rows["utility_k"]["definition"]
    assert list(rows)[-5:] == ["judge", "win_rate", "win_rate_sets", "usable_rate", "words"]
    asked = "".join(map(question, stub_server.requests))
    assert "secret" not in asked
    # Each rating once, each pair and each two sets in both orders.
    assert len(stub_server.requests) == 96 + 2 * 48 + 2 * 12
    firsts = {shown(text)[0] for text in map(question, stub_server.requests) if "<response A" in text}
    assert len(firsts) == 96


def test_a_run_against_itself_is_equivalent(stub_server: Any, make_quality: Any, make_run: Any, measure: Any) -> None:
    stub_server.answer = likes_zest
    run = with_zest(make_run("one"), lambda p, i: i)
    rows = measure(Run("two", "two", run.responses), run, "distinct_1", truncate="none", quality=make_quality())
    for name in ("judge", "win_rate"):
        assert [rows[name][key] for key in ("delta", "delta_ci_low", "delta_ci_high")] == [0, 0, 0]
        assert (rows[name]["p_value"], rows[name]["verdict"]) == (1, "equivalent")
    assert rows["win_rate_sets"]["delta"] == 0
    assert len(stub_server.requests) == 48


@pytest.mark.parametrize(("bad", "note"), [(2, ""), (3, "judge unreliable")])
def test_nonsense_is_null_and_noted(
    stub_server: Any, make_quality: Any, make_run: Any, measure: Any, bad: int, note: str
) -> None:
    def answer(body: dict[str, Any]) -> str:
        return "Rating: [[many]]" if "nonsense" in question(body) else "Rating: [[6]]"

    stub_server.answer = answer
    run = make_run("one", prompts=24, samples=1)
    for records in list(run.responses.values())[:bad]:
        records[0]["response"] = "nonsense"
    row = measure(run, None, "distinct_1", truncate="none", quality=make_quality())["judge"]
    assert (row["value"], row["null_share"], row["n_units"]) == (6.0, bad / 24, 24 - bad)
    assert (note or "unreliable") in row["note"] or not note
    assert ("judge unreliable" in row["note"]) == bool(note)


def test_a_judge_that_gives_no_answer_leaves_the_other_rows(
    stub_server: Any, make_quality: Any, make_run: Any, measure: Any, tmp_path: Path
) -> None:
    runs = make_run("one", prompts=6, samples=2), make_run("two", prompts=6, samples=2, seed=1)

    def slow(body: dict[str, Any]) -> str:
        time.sleep(0.6)
        return "Rating: [[5]]"

    stub_server.answer = slow
    quality = make_quality(tmp_path / "judge.sqlite", timeout=0.2)
    rows = measure(*runs, "distinct_1", truncate="none", quality=quality)
    for name in ("judge", "win_rate", "win_rate_sets"):
        assert rows[name]["value"] is rows[name]["delta"] is None
        assert re.match(r"no answer of the judge: .* no answer within 0.2 s", rows[name]["note"])
    assert rows["distinct_1"]["value"] is not None
    assert (rows["usable_rate"]["role"], rows["usable_rate"]["verdict"]) == ("quality", "equivalent")
    assert "the judge: " in str(quality.bench.failure)
    assert len(stub_server.requests) <= 8  # once it has failed, it is not asked on
    stub_server.answer = likes_zest
    again = measure(*runs, "distinct_1", truncate="none", quality=make_quality(tmp_path / "judge.sqlite"))
    assert (again["judge"]["value"], again["win_rate"]["value"]) == (1.0, 0.5)


def test_ratings_that_stand_in_the_records_are_not_asked_for(
    stub_server: Any, make_quality: Any, make_run: Any, measure: Any
) -> None:
    stub_server.answer = likes_zest
    keys = {"prompts": 6, "samples": 2}
    rated = {"scores": lambda p, i: {"judge": 2 + 4 * i}}
    run, base = make_run("one", **keys, **rated), make_run("two", seed=1, **keys, **rated)
    row = measure(run, None, "distinct_1", truncate="none")["judge"]
    assert (row["value"], row["role"]) == (4.0, "quality")
    assert "by scores.judge of the records" in row["definition"]
    rows = measure(run, base, "distinct_1", truncate="none", quality=make_quality())
    assert (rows["judge"]["value"], rows["win_rate"]["value"]) == (4.0, 0.5)
    assert not any("Rating: [[x]]" in question(body) for body in stub_server.requests)
    del base.responses["p00"][0]["scores"]  # One judge rates both sides.
    rows = measure(run, base, "distinct_1", truncate="none", quality=make_quality())
    assert (rows["judge"]["value"], "judge-model" in rows["judge"]["definition"]) == (1.0, True)


def test_a_score_of_the_records_is_a_measure_of_quality(make_run: Any, measure: Any) -> None:
    scores = {"fluency": lambda p, i: {"fluency": 0.1 * p + i}, "perplexity": lambda p, i: {"perplexity": 9.0 - i}}
    for key, direction in (("fluency", "+"), ("perplexity", "-")):
        run = make_run("one", scores=scores[key])
        base = make_run("two", scores=lambda p, i, key=key: {key: "high"} if (p, i) == (0, 0) else scores[key](p, i))
        quality = Quality(options=QualityOptions(names=(f"scores.{key}",)))
        rows = measure(run, base, "distinct_1", truncate="none", quality=quality)
        assert (rows[key]["direction"], rows[key]["role"], rows["usable_rate"]["role"]) == (
            direction,
            "quality",
            "detail",
        )
        assert rows[key]["n_responses"] == 48
    assert rows["perplexity"]["value"] == 7.5


def test_cost_is_what_is_asked_and_for_models_an_upper_bound(
    stub_server: Any, make_quality: Any, make_run: Any, measure: Any, tmp_path: Path
) -> None:
    stub_server.answer = likes_zest
    quality, runs = make_quality(), [make_run("one", samples=3), make_run("two", prompts=9, seed=1)]
    lineup = line_up([parse_source("one=one.jsonl")], "two=two.jsonl")
    found = Collection(lineup, {(s.origin, "pool"): run for s, run in zip(lineup.every, runs[::-1], strict=True)})
    expected = cost(quality, [POOL, DAT], found, SamplePlan())
    assert (expected.drawn, expected.price.calls) == (0, (27 + 9) + 27 + 54 + 18)
    assert not stub_server.requests
    measure(*runs, "distinct_1", truncate="none", quality=quality)
    asked = (
        expected.price.calls - 9
    )  # `measure` leaves the baseline's own rows out, and with them its fourth responses.
    assert len(stub_server.requests) == asked
    lineup = line_up([parse_source("a=model-a"), parse_source("b=model-a@temperature=2")], "model-c")
    models = Collection(lineup)
    expected = cost(quality, [STORY, DAT], models, SamplePlan(preset="quick"))
    assert expected.drawn == 3 * (8 * 5 + 50)
    assert expected.price.calls == 3 * 40 + 2 * (2 * 40 + 2 * 8)
    assert not models.runs
    assert [docket.criteria for docket in dockets([POOL, DAT], found, 0)] == ["general"]


@pytest.mark.parametrize(
    ("names", "runs", "baseline", "message"),
    [
        (("rewards",), "f.jsonl", None, "did you mean 'reward'"),
        (("reward",), "f.jsonl", None, "--quality-model"),
        (("judge",), "f.jsonl", None, "--judge URL"),
        (("scores.judge",), "f.jsonl", None, "by itself"),
        (("scores.fluency",), "a-model", None, "a-model is a model"),
        (("scores.ttr",), "f.jsonl", None, "ask for one"),
        (("logprob",), "f.jsonl", "g.jsonl", "--baseline MODEL"),
    ],
)
def test_what_cannot_be_had_is_said_at_once(names: Any, runs: str, baseline: str | None, message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        QualityOptions(names=names).check([POOL], line_up([parse_source(runs)], baseline), {"ttr"})
    assert getattr(caught.value, "exit_code", 0) == 2


def test_a_task_whose_quality_is_its_usable_rate_takes_no_judge() -> None:
    options, lineup = QualityOptions(judge=OPTIONS), line_up([parse_source("f.jsonl")], None)
    with pytest.raises(Exception, match="the usable rate is the quality of dat"):
        options.check([DAT], lineup, ())
    options.check([DAT, POOL], lineup, ())
    compared = line_up([parse_source("f.jsonl")], "g.jsonl")
    assert options.directions(DAT, compared) == {}
    assert set(options.directions(POOL, compared)) == {"judge", "win_rate", "win_rate_sets"}


def test_only_records_of_files_can_hold_ratings_without_a_judge() -> None:
    file = parse_source("f.jsonl")
    assert set(QualityOptions().directions(POOL, line_up([file], "g.jsonl"))) == {"judge"}
    assert QualityOptions().directions(POOL, line_up([file], "smollm2-135m")) == {}


@pytest.mark.parametrize("key", ["ttr", "win_rate", "win_rate_sets", "mean_logprob_under_baseline"])
def test_a_score_is_not_called_like_a_row_of_the_call(key: str) -> None:
    with pytest.raises(UsageError, match=f"{key} is computed in this call as well"):
        QualityOptions(names=(f"scores.{key}",)).check([POOL], line_up([parse_source("f.jsonl")], None), {"ttr"})


def test_likelihood_under_the_baseline_is_no_quality(make_run: Any, measure: Any, tiny_model: str) -> None:
    run = make_run("one", prompts=6, samples=2, length=8)
    run.responses["p00"][0]["response"] = ""
    options = QualityOptions(names=("logprob",))
    quality = open_quality(options, parse_source(tiny_model), LoadOptions(dtype="float32", device="cpu"), print)
    rows = measure(run, make_run("two", prompts=6, samples=2, length=8), "distinct_1", truncate="none", quality=quality)
    row = rows["mean_logprob_under_baseline"]
    lm = load(tiny_model, LoadOptions(dtype="float32", device="cpu"))
    by_prompt = [
        [own.mean() for own in response_logprobs(lm, [((("user", p),), r["response"]) for r in records]) if own.size]
        for p, records in run.responses.items()
    ]
    assert row["value"] == pytest.approx(np.mean([np.mean(own) for own in by_prompt]), abs=1e-6)
    assert (row["role"], row["direction"], row["verdict"], row["n_responses"]) == ("detail", "0", None, 11)
    assert "falls when diversity rises; not a quality measure" in row["definition"]
    assert rows["usable_rate"]["role"] == "quality"


def test_a_reward_leads_and_its_margin_is_a_share_of_the_spread(make_run: Any) -> None:
    asked: list[Any] = []

    def compute(keys: list[Any]) -> list[float]:
        asked.extend(keys)
        return [float(len(response)) for _, response in keys]

    run, base = (make_run(name, seed=n, length=lambda p, i: 20 + p) for n, name in enumerate(("one", "two")))
    supplies = Supplies(features={"reward_logit": Supply(chat_and_text, compute).remembering()})
    measurer = Measurer(task=POOL, metrics=[METRICS["reward"]], supplies=supplies, truncate="none")
    rows = {record["metric"]: record for record in measurer.measure([run], base)}
    means = [np.mean([len(r["response"]) for r in records]) for records in base.responses.values()]
    assert rows["reward"]["margin"] == pytest.approx(0.2 * np.std(means, ddof=1))
    assert [rows[name]["role"] for name in ("reward", "usable_rate")] == ["quality", "detail"]
    assert len(asked) == len(set(asked)) == 96
