"""What the rows of a call say of the front, of the trade-off, and of the baseline's curve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from divtool.core.evaluation.choice import choose_measures
from divtool.core.evaluation.frontier import MATCHED
from divtool.core.evaluation.frontier_rows import add_tradeoffs, matched_directions, place_runs
from divtool.core.evaluation.measure import Measured, Measurer
from divtool.core.evaluation.runs import Run
from divtool.core.evaluation.tasks.pool import POOL
from divtool.core.metrics.supplies import Sources, Supplies

SWEPT = [("temperature", value) for value in (0.5, 0.8, 1.1, 1.4)]
VOCABULARIES = (20, 40, 80, 160)


@pytest.fixture
def make(make_run: Any) -> Any:
    """A run by its vocabulary, of which one in so many responses is empty and therefore not usable."""

    def run(name: str, vocabulary: int, every: int = 10**6, *, samples: int = 6, seed: int = 0, **more: Any) -> Run:
        def length(prompt: int, index: int) -> int:
            return 0 if (prompt + index) % every == every - 1 else 40

        made: Run = make_run(name, vocabulary, samples=samples, length=length, seed=seed, **more)
        return made

    return run


@pytest.fixture
def curve(make: Any) -> list[Run]:
    """Hotter is more diverse and less often usable."""
    usable = zip(VOCABULARIES, (12, 6, 4, 3), strict=True)
    return [make(f"[{n}]", words, every, seed=20 + n) for n, (words, every) in enumerate(usable)]


def _measurer(*names: str) -> Measurer:
    metrics = choose_measures(names or ["distinct_1"], POOL, Sources(), None).metrics
    return Measurer(task=POOL, metrics=metrics, supplies=Supplies())


def _placed(
    runs: list[Run], baseline: Run | None, points: list[Run] | None = None, *names: str
) -> tuple[Measured, dict[tuple[str, str], dict[str, Any]]]:
    measurer, points = _measurer(*names), points or []
    every = [*runs, *([baseline] if baseline else [])]
    measured = measurer.measured(every, baseline, references=True, points=points)
    place_runs(measurer, measured, runs, baseline, points, SWEPT[: len(points)])
    add_tradeoffs(measured.records)
    assert len(measured.units) == len(measured.records)
    return measured, {(row["run"], row["metric"]): row for row in measured.records}


def test_five_runs_with_a_known_front(make: Any) -> None:
    runs = [
        make("safe", 20, 10**6), make("wild", 200, 2), make("between", 80, 4), make("behind", 40, 4),
    ]  # fmt: skip
    _, rows = _placed(runs, make("base", 15, 3))
    heads = {run: rows[run, "distinct_1"] for run in ("safe", "wild", "between", "behind", "base")}
    assert {run: head["front"] for run, head in heads.items()} == {
        "safe": True, "wild": True, "between": True, "behind": False, "base": False,
    }  # fmt: skip
    assert all(head["front_share"] == head["front"] for head in heads.values())
    assert {head["quality_metric"] for head in heads.values()} == {"usable_rate"}
    words = {run: head.get("tradeoff") for run, head in heads.items()}
    assert words == {
        "safe": "wins both", "wild": "trade", "between": "wins both", "behind": "wins both", "base": None,
    }  # fmt: skip
    assert not any("front" in row for row in rows.values() if row["role"] != "headline")


def test_lower_may_be_more_diverse(make: Any) -> None:
    _, rows = _placed([make("rich", 200)], make("poor", 20), None, "self_bleu")
    assert [rows[run, "self_bleu"]["front"] for run in ("rich", "poor")] == [True, False]


def test_one_run_alone_has_no_front(make: Any) -> None:
    _, rows = _placed([make("one", 20)], None)
    assert "front" not in rows["one", "distinct_1"]


def test_a_run_without_usable_responses_has_no_place(make: Any) -> None:
    _, rows = _placed([make("none", 20, 1), make("one", 30)], make("base", 20, 3))
    fronts = [rows[run, "distinct_1"]["front"] for run in ("none", "one", "base")]
    assert fronts == [None, True, False]


def test_points_change_nothing_but_what_is_said_of_them(make: Any, curve: list[Run]) -> None:
    run, base = make("run", 60, 5, seed=1), make("base", 50, 4, seed=2)
    plain, _ = _placed([run], base)
    swept, _ = _placed([run], base, curve)
    added = [row for row in swept.records if "setting" in row or row["role"] == "matched"]
    assert [row for row in swept.records if row not in added] == plain.records
    points = [row for row in added if row["role"] == "reference"]
    assert [(row["run"], row["metric"]) for row in points] == [
        (f"[{n}]", metric) for n in range(4) for metric in ("distinct_1", "usable_rate", "words")
    ]
    assert [row["setting"] for row in points[::3]] == [{key: value} for key, value in SWEPT]
    assert not any("delta" in row or "family_size" in row for row in points)


def test_a_run_on_the_curve_adds_nothing_and_one_above_does(make: Any, curve: list[Run]) -> None:
    on, above = make("on", 80, 4, seed=5), make("above", 300, 4, seed=6)
    _, rows = _placed([on, above], make("base", 40, 6, seed=7), curve)
    row = rows["on", MATCHED]
    assert row["role"] == "matched"
    assert row["ci_low"] < 0 < row["ci_high"]
    assert (row["n_units"], row["direction"], row["sweep"]) == (12, "+", {"temperature": [0.5, 0.8, 1.1, 1.4]})
    assert "temperature 0.5, 0.8, 1.1, 1.4" in row["definition"]
    assert "of 10000 resamples" in row["definition"]
    assert rows["above", MATCHED]["ci_low"] > 0.05
    assert ("base", MATCHED) not in rows


def test_the_difference_keeps_the_direction_of_its_metric(make: Any, curve: list[Run]) -> None:
    above = make("above", 300, 4, seed=6)
    _, rows = _placed([above], make("base", 40, 6), curve, "self_bleu")
    row = rows["above", MATCHED]
    assert row["direction"] == "-"
    assert row["ci_low"] < row["value"] < row["ci_high"] < 0
    assert matched_directions(POOL, _measurer("self_bleu").metrics) == {MATCHED: "-"}


def test_outside_the_curve_the_row_is_null_and_says_why(make: Any, curve: list[Run]) -> None:
    _, rows = _placed([make("best", 100), make("worst", 100, 2)], make("base", 40, 6), curve)
    for run, side in (("best", "above"), ("worst", "below")):
        row = rows[run, MATCHED]
        assert (row["value"], row["ci_low"], row["ci_high"]) == (None, None, None)
        assert f"outside the curve: its quality is {side} that of every setting" in row["note"]


def test_settings_without_usable_responses_are_left_out(make: Any, curve: list[Run]) -> None:
    curve[3] = make("[3]", 300, 1)
    _, rows = _placed([make("run", 40, 6)], make("base", 30, 6), curve)
    row = rows["run", MATCHED]
    assert row["value"] is not None
    assert "temperature=1.4 has too few values for the curve" in row["note"]
    assert "neighbours of temperature 0.5, 0.8, 1.1," in row["definition"]
    _, rows = _placed([make("run", 40, 6)], make("base", 30, 6), [curve[0], curve[3]])
    assert rows["run", MATCHED]["value"] is None
    assert "no place between quality and diversity" in rows["run", MATCHED]["note"]


def test_sides_are_placed_by_equally_many_responses(make: Any, curve: list[Run]) -> None:
    """More responses to a prompt repeat more words: without cutting all sides, the smaller run would look better."""
    run, base = make("run", 60, samples=4, seed=1), make("base", 50, seed=2)
    curve[0] = make("[0]", 60, seed=20)

    def cut(side: Run) -> Run:
        return replace(side, responses={p: records[:4] for p, records in side.responses.items()})

    _, rows = _placed([run], base, curve)
    _, expected = _placed([run], cut(base), [cut(point) for point in curve])
    for key in ("value", "ci_low", "ci_high"):
        assert rows["run", MATCHED][key] == pytest.approx(expected["run", MATCHED][key])
    uncut = rows["run", "distinct_1"]["value"] - rows["[0]", "distinct_1"]["value"]
    assert abs(rows["run", MATCHED]["value"]) < 0.03 < uncut
    assert rows["base", "distinct_1"]["front_share"] == expected["base", "distinct_1"]["front_share"]
