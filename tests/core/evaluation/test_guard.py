"""The guard on a made model: what is drawn, what is measured of it, and how an interrupted run goes on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import orjson
import pytest
import torch

from divtool.core.errors import DivtoolError, InputError
from divtool.core.evaluation.guard.checks import passes
from divtool.core.evaluation.guard.draw import draw
from divtool.core.evaluation.guard.items import guard_items
from divtool.core.evaluation.guard.task import GUARD, compares_models, short_share, with_guard
from divtool.core.evaluation.hooks import DrawPlan
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.runs import Run, SamplePlan, read_run, sample_run
from divtool.core.evaluation.sources import line_up, parse_source
from divtool.core.jsonl import Record
from divtool.core.metrics.supplies import Supplies
from divtool.core.models.chat import chat_ids
from divtool.core.models.language import LanguageModel, load
from divtool.core.sampling.echo import EchoBackend
from divtool.core.sampling.local import LocalBackend


def _file(path: Path, lm: LanguageModel, *, resume: bool = False, done: Callable[[int], None] = lambda n: None) -> Path:
    sample_run(LocalBackend(lm), GUARD, SamplePlan(), path, resume=resume, on_tokens=lambda n: None, on_done=done)
    return path


def _measured(run: Run, baseline: Run | None = None) -> dict[str, Record]:
    records = Measurer(task=GUARD, metrics=[], supplies=Supplies()).measure([run], baseline, references=True)
    return {record["metric"]: record for record in records}


@pytest.fixture(scope="module")
def drawn(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _file(tmp_path_factory.mktemp("guard") / "guard.jsonl", load(tiny_model))


def _records(path: Path) -> list[Record]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def _direct(lm: LanguageModel, item: Record) -> tuple[float, int]:
    """-log p of a given text and its tokens, from the logits of one forward pass."""
    if item["part"] == "plain":
        before = lm.tokenizer(item["prompt"])["input_ids"]
        ids = lm.tokenizer(f"{item['prompt']} {item['text']}")["input_ids"]
    else:
        before = chat_ids(lm.tokenizer, [("user", item["prompt"])])
        ids = before + lm.tokenizer(item["text"], add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logs = lm.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return -sum(float(logs[i - 1, ids[i]]) for i in range(len(before), len(ids))), len(ids) - len(before)


def test_nll_is_that_of_the_logits(tiny_model: str, drawn: Path) -> None:
    lm, responses = load(tiny_model), read_run("run", str(drawn)).responses
    per_token = []
    for item in guard_items().values():
        if item["part"] in ("plain", "chat"):
            nats, n = _direct(lm, item)
            per_token.append(nats / n)
            record = responses[item["prompt_id"]][0]
            assert (record["response"], record["n_tokens"]) == (item["text"], n)
            assert -record["logprob"] == pytest.approx(nats, rel=1e-5)
    rows = _measured(read_run("run", str(drawn)))
    assert rows["nll"]["value"] == pytest.approx(sum(per_token) / 40, rel=1e-5)
    parts = [rows["nll_plain"]["value"], rows["nll_chat"]["value"]]
    assert rows["nll"]["value"] == pytest.approx(sum(parts) / 2)


def test_the_likeliest_option_is_the_response(drawn: Path) -> None:
    records = [record for record in _records(drawn) if record["part"] == "mc"]
    for record in records:
        best = max(range(4), key=lambda place: record["option_logprobs"][place])
        assert record["response"] == record["options"][best]
        assert record["logprob"] / record["n_tokens"] == pytest.approx(record["option_logprobs"][best])
        assert record["correct"] == (best == record["right"])
    row = _measured(read_run("run", str(drawn)))["mc"]
    assert row["value"] == pytest.approx(sum(record["correct"] for record in records) / 60)
    assert 0 < row["value"] < 0.6


def test_rows_say_what_they_are(drawn: Path) -> None:
    run = read_run("run", str(drawn))
    rows = _measured(run, read_run("again", str(drawn)))
    shown = {name: (row["role"], row["direction"], row["n_units"], row["n_responses"]) for name, row in rows.items()}
    assert shown == {
        "nll": ("guard", "-", 40, 40),
        "mc": ("guard", "+", 60, 60),
        "format": ("guard", "+", 30, 30),
        "words": ("length", "0", 16, 48),
        "short_share": ("length", "0", 16, 48),
        "capped_share": ("length", "0", 16, 48),
        "nll_plain": ("detail", "-", 20, 20),
        "nll_chat": ("detail", "-", 20, 20),
    }
    for row in rows.values():
        assert row["unit"] == "item"
        assert row["definition"].endswith("not comparable to MMLU or IFEval")
        assert (row["delta"], row["p_value"], row["comparable"]) == (0, 1, False)
        assert row["parse_rate"] is None
    assert {name: row["margin"] for name, row in rows.items() if "margin" in row} == dict.fromkeys(
        ("nll", "mc", "format"), 0.05
    )
    assert {rows[name]["verdict"] for name in ("nll", "mc", "format")} == {"equivalent"}


def test_lengths_are_those_of_the_everyday_answers(drawn: Path) -> None:
    records = [record for record in _records(drawn) if record["part"] == "length"]
    rows = _measured(read_run("run", str(drawn)))
    assert rows["nll"]["mean_words"] == rows["words"]["mean_words"] < 25  # the given texts have over 30
    assert {(r["params"]["temperature"], r["params"]["max_new_tokens"]) for r in records} == {(1.0, 64)}
    assert rows["capped_share"]["value"] == pytest.approx(sum(r["finish_reason"] == "length" for r in records) / 48)
    assert short_share([{"n_tokens": 4}, {"n_tokens": 5}, {"n_tokens": None}]) == 0.5


def test_format_is_looked_at_again_in_the_text(drawn: Path, tmp_path: Path) -> None:
    records = [record for record in _records(drawn) if record["part"] == "format"]
    assert {record["params"]["temperature"] for record in records} == {0.0}
    passed = [passes(record["response"], record["check"], record["arguments"]) for record in records]
    assert _measured(read_run("run", str(drawn)))["format"]["value"] == pytest.approx(sum(passed) / 30)
    path = tmp_path / "yes.jsonl"
    path.write_bytes(b"".join(orjson.dumps({**r, "response": "YES?"}) + b"\n" for r in records))
    right = {"one_word", "one_of", "upper", "sentence_count", "word_count", "question"}
    fitting = [passes("YES?", r["check"], r["arguments"]) for r in records]
    assert {r["check"] for r, good in zip(records, fitting, strict=True) if good} <= {*right, "without"}
    assert _measured(read_run("run", str(path)))["format"]["value"] == pytest.approx(sum(fitting) / 30)


@pytest.mark.parametrize("kept", [7, 40, 99, 125, 171])
def test_an_interrupted_run_goes_on_to_the_same_file(tiny_model: str, drawn: Path, tmp_path: Path, kept: int) -> None:
    lines = drawn.read_bytes().splitlines(keepends=True)
    path = tmp_path / "guard.jsonl"
    path.write_bytes(b"".join(lines[:kept]) + lines[kept][: len(lines[kept]) // 2])
    counted: list[int] = []
    _file(path, load(tiny_model), resume=True, done=counted.append)
    if kept < 100:  # given texts are computed once more, all together
        assert path.read_bytes() == drawn.read_bytes()
    for new, whole in zip(_records(path), _records(drawn), strict=True):
        assert new.pop("logprob") == pytest.approx(whole.pop("logprob"), rel=1e-5)
        assert new == whole
    assert sum(counted) == len(lines) - kept == 178 - kept


def test_records_of_something_else_are_not_gone_on_from(tiny_model: str, drawn: Path, tmp_path: Path) -> None:
    lines = drawn.read_bytes().splitlines(keepends=True)
    path = tmp_path / "guard.jsonl"
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(InputError, match=r"guard.jsonl:2: is no response of the guard in this place"):
        _file(path, load(tiny_model), resume=True)


def test_a_model_elsewhere_is_refused() -> None:
    with pytest.raises(DivtoolError, match="only a model in this process"):
        list(draw(EchoBackend(), DrawPlan(seed=0, batch_size=8, finished=(), on_tokens=lambda n: None)))


@pytest.mark.parametrize(
    ("runs", "baseline", "compared"),
    [
        (["a=m"], "b=n", True),
        (["a=m+d"], "b=m", True),
        (["a=m@temperature=0.5", "c=m+d"], "b=m", True),
        (["a=m@temperature=0.5"], "b=m", False),
        (["a=m@seed=2"], "b=m", False),
        (["a=m"], None, False),
        (["a=x.jsonl"], "b=m", False),
        (["a=m", "c=x.jsonl"], "b=n", False),
    ],
)
def test_the_guard_joins_where_models_are_compared(runs: list[str], baseline: str | None, compared: bool) -> None:
    lineup = line_up([parse_source(text) for text in runs], baseline)
    assert compares_models(lineup) == compared
    assert with_guard([GUARD], lineup) == [GUARD]
    assert with_guard([], lineup) == ([GUARD] if compared else [])


@pytest.mark.model
def test_noise_in_the_weights_is_worse_and_a_copy_is_equivalent() -> None:
    """Acceptance test 17, on the given texts alone."""
    lm = load("smollm2-135m")
    base = _given(lm, "base")
    lm.model = copy.deepcopy(lm.model)
    assert _measured(_given(lm, "copy"), base)["nll"]["verdict"] == "equivalent"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for weight in lm.model.parameters():
            if weight.ndim == 2:
                weight.data += 0.1 * weight.data.std() * torch.randn_like(weight)
    noisy = _measured(_given(lm, "noisy"), base)
    assert noisy["nll"]["verdict"] == "worse"
    assert noisy["nll_plain"]["baseline_value"] == pytest.approx(3.9, abs=0.3)
    assert noisy["nll_plain"]["delta"] > 0.5


def _given(lm: LanguageModel, name: str) -> Run:
    """The two parts of given texts."""
    plan = DrawPlan(seed=0, batch_size=8, finished=(), on_tokens=lambda n: None)
    records = [record for batch in islice(draw(LocalBackend(lm), plan), 2) for record in batch]
    return Run(name, name, {record["prompt_id"]: [record] for record in records})
