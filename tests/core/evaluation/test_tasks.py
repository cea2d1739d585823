"""The tasks on made responses: blocks, parse rates, floors, noise, and the rows of made runs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from divtool.core.catalog import TASKS
from divtool.core.errors import UsageError
from divtool.core.evaluation.choice import choose_measures
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.runs import Run, SamplePlan
from divtool.core.evaluation.tools import Tools
from divtool.core.evaluation.values import mean_distance
from divtool.core.evaluation.word_vectors import EncodedWords
from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.supplies import Sources, Supplies, Supply
from divtool.core.sampling.prompt_sets import builtin_rows

_NOUNS = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in ("nal", "rix", "sto")]
_NOISE = random.Random(5)


def _encode(texts: list[str]) -> Any:
    return np.array([np.random.default_rng(list(text.encode()) or [0]).normal(size=16) for text in texts])


def _rows(task: str, texts: Any, baseline: Any = None, *, references: bool = False, **keys: Any) -> Any:
    """Measure records by (run, metric); texts by prompt or of one prompt."""
    found = TASKS[task].load()
    tools = Tools(Sources(), supplied=Supply(lambda record: record["response"], _encode))
    tools.words = EncodedWords("made", _encode, frozenset(_NOUNS))
    runs = [_run(name, own, **keys) for name, own in (("run", texts), ("base", baseline)) if own is not None]
    measurer = Measurer(
        task=found,
        metrics=choose_measures(None, found, Sources(), None).metrics,
        supplies=Supplies(embed=Supply(lambda record: record["response"], _encode)),
        tools=tools,
    )
    records = measurer.measure(runs[:1], runs[1] if baseline is not None else None, references=references)
    return {(record["run"], record["metric"]): record for record in records}


def _run(name: str, texts: Any, **keys: Any) -> Run:
    by_prompt = texts if isinstance(texts, dict) else {"only": texts}
    responses = {
        p: [{"prompt_id": p, "sample_index": i, "response": text, **keys} for i, text in enumerate(own)]
        for p, own in by_prompt.items()
    }
    return Run(name, name, responses)


def _list(draw: random.Random, pool: int = len(_NOUNS)) -> str:
    return "\n".join(f"{n}. {word}" for n, word in enumerate(draw.sample(_NOUNS[:pool], 10), start=1))


def _person(draw: random.Random, names: int = 12) -> str:
    return orjson.dumps({key: draw.choice(_NOUNS[:names]) for key in ("first_name", "city", "occupation")}).decode()


def _uses(draw: random.Random) -> str:
    return "\n".join(f"{n}. {' '.join(draw.sample(_NOUNS, 4))}" for n in range(1, 6))


def _letters(draw: random.Random) -> str:
    return "".join(draw.choice("xqzjv") for _ in range(30))


def _many(make: Any, count: int, seed: int = 0, **keys: Any) -> list[str]:
    draw = random.Random(seed)
    return [make(draw, **keys) for _ in range(count)]


@pytest.mark.parametrize(
    ("count", "unit_count", "size"), [(100, 10, 10), (43, 10, 4), (20, 10, 2), (19, 1, 19), (4, 1, 4)]
)
def test_samples_of_one_prompt_are_split_into_ten_blocks(count: int, unit_count: int, size: int) -> None:
    row = _rows("persona", _many(_person, count))["run", "field_distinct"]
    assert (row["n_units"], row["n_responses"], row["n_prompts"], row["unit"]) == (
        unit_count,
        unit_count * size,
        1,
        "block",
    )
    assert f"{unit_count} blocks x {size} responses" in row["definition"]
    assert (row["ci_low"] is None) == (count < 20)
    assert (row["value"] is None) == (count < 2)


def test_blocks_follow_the_sample_index() -> None:
    """Ten equal people in every block but the last, which holds ten different ones."""
    person = '{{"first_name": "{0}", "city": "{0}", "occupation": "{0}"}}'
    texts = [person.format(f"name{max(0, n - 89)}") for n in range(100)]
    assert _rows("persona", texts)["run", "field_distinct"]["value"] == pytest.approx((9 * 0.1 + 1) / 10)


@pytest.mark.parametrize(
    ("task", "text"), [("persona", _person(_NOISE)), ("biographies", "{Ann B}{f}{May 1, 1900}{X, Y}{cook}{Cooks.}")]
)
def test_identical_people_give_the_floor(task: str, text: str) -> None:
    rows = {metric: row["value"] for (_, metric), row in _rows(task, [text] * 100).items()}
    for metric, value in rows.items():
        if metric.startswith("field_distinct"):
            assert value == pytest.approx(0.1, abs=1e-12)
        elif metric.startswith("field_unique_share"):
            assert value == pytest.approx(0.01, abs=1e-12)
        elif metric.startswith("field_entropy"):
            assert value == 0
        elif metric.startswith(("field_collision", "field_top_share")):
            assert value == 1
    assert rows["usable_rate"] == 1


def test_identical_lists_and_uses_give_the_floor() -> None:
    text = _list(_NOISE)
    rows = _rows("dat", [text] * 40)
    vectors = _encode([line.split(". ")[1] for line in text.splitlines()][:7])
    assert rows["run", "dat"]["value"] == pytest.approx(100 * (mean_distance(vectors) or 0), abs=1e-9)
    assert rows["run", "word_distinct"]["value"] == 0.25
    text = _uses(_NOISE)
    rows = _rows("aut", {f"p{n}": [text] * 5 for n in range(8)}, object="brick")
    within = rows["run", "use_distance_within"]["value"]
    assert rows["run", "use_distance"]["value"] == pytest.approx(within * 4 / 5, abs=1e-12)
    assert rows["run", "semantic_distance"]["value"] == pytest.approx(0, abs=1e-12)
    assert rows["run", "unique_share"]["value"] == 0.2
    rows = _rows("novelty-lite", {f"p{n}": ["A quiet name"] * 10 for n in range(8)})
    assert rows["run", "distinct_k_nb"]["value"] == rows["run", "distinct_k_nb_cut10"]["value"] == 1


def test_half_noise_lowers_counts_and_leaves_distances_alone() -> None:
    clean = _many(_person, 100, names=12)
    half = [text if n % 2 else _letters(_NOISE) for n, text in enumerate(clean)]
    rows = _rows("persona", half, clean)["run", "field_distinct"], _rows("persona", half, clean)["run", "usable_rate"]
    assert rows[0]["delta"] < -0.1
    assert rows[0]["verdict"] == "less"
    assert (rows[1]["value"], rows[1]["baseline_value"]) == (0.5, 1)

    lists = _many(_list, 100)
    half = [text if n % 2 else _letters(_NOISE) for n, text in enumerate(lists)]
    alone = _rows("dat", lists[1::2])["run", "dat"]["value"]
    assert _rows("dat", half)["run", "dat"]["value"] == pytest.approx(alone, abs=1e-12)
    assert _rows("dat", half, lists)["run", "usable_rate"]["delta"] == -0.5

    answers = {f"p{n}": [" ".join(random.Random(f"{n} {i}").sample(_NOUNS, 8)) for i in range(10)] for n in range(8)}
    noisy = {p: [text if i % 2 else "" for i, text in enumerate(own)] for p, own in answers.items()}
    rows = _rows("novelty-lite", noisy, answers)
    assert rows["run", "distinct_k_nb"]["value"] == 5
    assert rows["run", "distinct_k_nb"]["baseline_value"] == 10
    assert rows["run", "unique_share"]["delta"] == -0.5


def test_parse_rates_stand_in_every_row() -> None:
    texts = [text if n % 4 else "```\n" + text for n, text in enumerate(_many(_person, 40))]
    texts[1] = texts[2] = "no"
    rows = _rows("persona", texts)
    assert {(row["parse_rate_strict"], row["parse_rate"]) for row in rows.values()} == {(28 / 40, 38 / 40)}
    assert not any(row["comparable"] for row in rows.values())
    assert "first balanced {...}" in rows["run", "usable_rate"]["definition"]


def test_top_values_and_rarefied_counts_are_shown() -> None:
    texts = _many(_person, 40, names=3)
    rows = _rows("persona", texts, _many(_person, 20, seed=1))
    top = rows["run", "field_top_share_city"]
    assert top["value"] == top["top_values"][0][1] / 20
    assert (top["unit"], top["ci_low"]) == ("run", None)
    assert rows["run", "field_unique_share_city"]["rarefied_to"] == 20


def test_uses_are_far_apart_between_responses_and_from_the_object() -> None:
    texts = {f"p{n}": _many(_uses, 5, seed=n) for n in range(8)}
    rows = _rows("aut", texts, object="brick")
    assert rows["run", "use_distance"]["role"] == "headline"
    assert 0.9 < rows["run", "use_distance"]["value"] < 1.1
    assert 0.9 < rows["run", "originality"]["value"] < 1.1
    assert "offline stand-in" in rows["run", "originality"]["definition"]
    assert _rows("aut", texts)["run", "originality"]["value"] is None


@pytest.mark.parametrize(("task", "make"), [("dat", _list), ("persona", _person)])
def test_reference_rows_of_made_runs(task: str, make: Any) -> None:
    rows = _rows(task, _many(make, 40), references=True)
    metric = TASKS[task].load().headline
    low, high = rows["[identical]", metric], rows["[unrelated]", metric]
    assert low["role"] == high["role"] == "reference"
    assert high["n_responses"] == low["n_responses"] == 40
    assert high["parse_rate_strict"] == 1
    assert high["value"] >= rows["run", metric]["value"] - (5 if task == "dat" else 0)
    if task == "persona":
        assert low["value"] == 0.25


def test_reference_rows_of_other_prompts() -> None:
    """Two prompts with equal answers each: only responses to other prompts lie apart."""
    texts = {f"p{n}": [f"The same answer number {n}"] * 3 for n in range(8)}
    texts["p0"][0] = ""
    rows = _rows("pool", texts, references=True)
    assert rows["[identical]", "semantic_distance"]["value"] == pytest.approx(0, abs=1e-12)
    assert 0.7 < rows["[unrelated]", "semantic_distance"]["value"] < 1.3
    assert rows["run", "semantic_distance"]["value"] == pytest.approx(0, abs=1e-12)


def test_presets_fit_their_prompt_sets() -> None:
    for name in TASKS:
        task = TASKS[name].load()
        own = {metric.name for metric in task.own}
        assert task.headline in own or task.headline in task.metrics or (task.items and not task.headline)
        assert all(METRICS[metric].level == "set" for metric in task.metrics)
        for preset in task.presets.values():
            if task.prompt_set is not None:
                assert len(list(builtin_rows(task.prompt_set, preset.prompts, 0))) == preset.prompts
            assert task.prefill is not None or not preset.prefill


def test_novelty_bench_asks_for_a_file() -> None:
    with pytest.raises(UsageError, match="asks the prompts of a file: name it with --prompts, or take novelty-lite"):
        TASKS["novelty-bench"].load().prompts()


def test_novelty_bench_takes_the_first_prompts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "curated.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"prompt": f"Question {n}?", "kind": "x"}) + b"\n" for n in range(30)))
    task = TASKS["novelty-bench"].load()
    rows = SamplePlan(preset="quick", prompt_file=path).rows(task)
    assert [row.data["prompt"] for row in rows] == [f"Question {n}?" for n in range(24)]
    assert len({row.data["prompt_id"] for row in rows}) == 24


@pytest.mark.parametrize(
    ("preset", "prefill", "begins"),
    [("quick", "auto", "1."), ("standard", "auto", ""), ("standard", "on", "1."), ("quick", "off", "")],
)
def test_prefill_is_the_presets_unless_told(preset: str, prefill: Any, begins: str) -> None:
    assert SamplePlan(preset=preset, prefill=prefill).options(TASKS["dat"].load()).prefill == begins
