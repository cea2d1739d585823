"""A run that is read in parts has the rows of one that is read whole."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from divtool.core.errors import DivtoolError, InputError, UsageError
from divtool.core.evaluation import pool_parts
from divtool.core.evaluation.call import measure_all
from divtool.core.evaluation.collection import Collection
from divtool.core.evaluation.flat import ByName, Flat, Sizes, in_order, names_of
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.plan import MeasurePlan, open_all
from divtool.core.evaluation.pool_parts import Findings, of_parts, rows_left_out
from divtool.core.evaluation.pool_survey import Survey
from divtool.core.evaluation.quality import Quality, open_quality
from divtool.core.evaluation.quality_options import QualityOptions
from divtool.core.evaluation.runs import read_run
from divtool.core.evaluation.sides import limit_of
from divtool.core.evaluation.sources import file_source, line_up
from divtool.core.evaluation.tasks.pool import POOL
from divtool.core.jsonl import Record, Row, dumps
from divtool.core.metrics.supplies import Sources
from divtool.core.models.options import LoadOptions
from divtool.core.passes import Folder

_METRICS = ["distinct_1", "self_bleu", "unique_share", "ttr", "mtld", "style_distance"]
_WORDS = [
    "the",
    "lake",
    "river",
    "a",
    "mountain",
    "bridge",
    "of",
    "garden",
    "and",
    "window",
    "letter",
    "winter",
    "summer",
    "harbour",
]


def _made(seed: int, *, odd: bool, prompts: int = 23) -> list[Record]:
    """Responses of unequal number and length; odd ones are empty, repeated, of later turns, of another model."""
    draw = random.Random(seed)
    found = []
    for number in draw.sample(range(100), prompts):
        for index in range(draw.randint(1, 6)):
            text = " ".join(draw.choices(_WORDS, k=draw.randint(3, 30)))
            record: Record = {
                "prompt": f"Write number {number}.", "prompt_id": f"p{number:02d}", "sample_index": index, "turn": 1,
                "response": text, "model": "m", "params": {"temperature": 1.0}, "scores": {"judge": 5, "kind": index},
            }  # fmt: skip
            if odd and draw.random() < 0.2:
                record |= draw.choice(
                    [{"response": ""}, {"model": "n"}, {"params": {"temperature": 0.5}}, {"scores": {"kind": None}}]
                )
            found.append(record)
            if odd and draw.random() < 0.1:
                found += [dict(record), {**record, "turn": 2, "response": "later"}]
    return found


def _groups(records: list[Record]) -> list[list[Row]]:
    rows = [Row({**record}, f"r.jsonl:{number}") for number, record in enumerate(records, start=1)]
    return [list(group) for _, group in groupby(rows, key=lambda row: row.data["prompt_id"])]


def _in_parts(make: Any, groups: list[list[Row]], cuts: list[int], folder: Path) -> Any:
    whole = make()
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(groups)], strict=True)):
        part = make()
        for group in groups[start:end]:
            part.read([Row({**row.data}, row.where) for row in group])
        part.keep(Folder(folder / f"{number}"))
        whole.absorb(Folder(folder / f"{number}"))
    return whole


def _plan(**given: Any) -> MeasurePlan:
    return MeasurePlan.settled(POOL, _METRICS, Sources(), **given)


def _quality(*names: str) -> Quality:
    return open_quality(QualityOptions(names=names), None, LoadOptions(), lambda text: None)


def _opened(plan: MeasurePlan, *names: str) -> Measurer:
    return open_all([plan], lambda text: None, quality=_quality(*names))[0]


def _local(records: list[Record], plan: MeasurePlan, folder: Path, *names: str, skip_bad: bool = False) -> list[Record]:
    path = folder / "r.jsonl"
    path.write_bytes(b"".join(map(dumps, records)))
    source = file_source(str(path))
    run = read_run(source.name, str(path), skip_bad=skip_bad)
    found = Collection(line_up([source], None, None), {(source.origin, "pool"): run})
    (outcome,) = measure_all([_opened(plan, *names)], found, "holm")
    if outcome.error is not None:
        raise outcome.error
    return [record for record in outcome.records if record["role"] != "reference"]


def _parted(
    records: list[Record], plan: MeasurePlan, folder: Path, seed: int, *names: str, skip_bad: bool = False
) -> list[Record]:
    groups, name = _groups(records), str(folder / "r.jsonl")
    cuts = sorted(random.Random(seed).choices(range(len(groups) + 1), k=5))
    keys = [name.removeprefix("scores.") for name in names]
    survey = _in_parts(partial(Survey, POOL, keys, skip_bad=skip_bad), groups, cuts, folder / "survey")
    survey.check(name)
    make = partial(Findings, partial(_opened, plan, *names), name, survey.frame(plan.truncate), skip_bad=skip_bad)
    found = _in_parts(make, groups, cuts, folder / "values")
    skipped = [f"{survey.skipped} bad lines left out"] if survey.skipped else []
    return list(found.measured(plan, survey.model, [*skipped, *survey.notes]).records)


def _lines(records: list[Record]) -> list[bytes]:
    return list(map(dumps, records))


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("given", [{}, {"truncate": "none"}, {"truncate": 8}])
def test_rows_are_those_of_a_whole_run(seed: int, odd: bool, given: dict[str, Any], tmp_path: Path) -> None:
    records, plan = _made(seed, odd=odd), _plan(**given)
    expected = _local(records, plan, tmp_path)
    measured = _parted(records, plan, tmp_path, seed)
    assert rows_left_out(plan) == []
    assert _lines(measured) == _lines(expected)
    assert any(record["metric"] == "usable_rate" and record["value"] < 1 for record in measured) or not odd


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("at_once", [1, 2000])
def test_parts_without_a_usable_response(
    seed: int, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_parts, "_AT_ONCE", at_once)
    records = [
        record if record["prompt_id"] in ("p03", "p11", "p42", "p50") else {**record, "response": "..."}
        for record in _made(seed, odd=False, prompts=60)
    ]
    plan = _plan()
    expected = _local(records, plan, tmp_path)
    shares = [record for record in expected if record["metric"] == "unique_share"]
    assert shares[0]["value"] is not None
    assert shares[0]["n_units"] > 4
    assert _lines(_parted(records, plan, tmp_path, seed)) == _lines(expected)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("unread", [0.0, 0.08, 0.4, 1.0])
def test_ratings_of_which_some_could_not_be_read(
    seed: int, unread: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_parts, "_AT_ONCE", 9)
    draw, records = random.Random(seed), _made(seed, odd=False)
    none = {record["prompt_id"] for record in records if draw.random() < unread / 2}
    for record in records:
        lost = unread == 1 or record["prompt_id"] in none or draw.random() < unread
        record["scores"] = {"judge": None if lost else draw.choice([3, 7.5]), "kind": draw.choice([0.1, 0.7, None])}
    expected = _local(records, _plan(), tmp_path, "scores.kind")
    roles = {record["metric"]: record["role"] for record in expected}
    assert (roles.get("judge"), roles["kind"]) == (None if unread == 1 else "quality", "quality")
    assert _lines(_parted(records, _plan(), tmp_path, seed, "scores.kind")) == _lines(expected)


def test_records_that_do_not_fit_their_prompt_are_skipped(tmp_path: Path) -> None:
    records = _made(0, odd=True)
    for place in (3, 17, 30):
        records[place : place + 1] = [records[place], {**records[place], "response": "another text"}]
    expected = _local(records, _plan(), tmp_path, skip_bad=True)
    assert "3 bad lines left out; " in expected[0]["note"]
    assert "repeated responses counted once" in expected[0]["note"]
    assert _lines(_parted(records, _plan(), tmp_path, 0, skip_bad=True)) == _lines(expected)
    with pytest.raises(InputError, match=r"r\.jsonl:\d+: another response for sample_index"):
        _parted(records, _plan(), tmp_path, 0)


def test_faults_are_those_of_a_whole_run(tmp_path: Path) -> None:
    alone = [record for record in _made(1, odd=False) if record["sample_index"] == 0]
    for measured in (_local, partial(_parted, seed=1)):
        with pytest.raises(InputError, match="one response a prompt has no diversity"):
            measured(records=alone, plan=_plan(), folder=tmp_path)
    later = [{**record, "turn": 2} for record in alone]
    for measured in (_local, partial(_parted, seed=1)):
        with pytest.raises(InputError, match="no first-turn responses"):
            measured(records=later, plan=_plan(), folder=tmp_path)
    survey = _in_parts(partial(Survey, POOL, ["reward", "kind"]), _groups(_made(1, odd=True)), [3, 9], tmp_path / "s")
    with pytest.raises(UsageError, match=r"--quality scores\.reward: no response of r has such a number"):
        survey.check("r")


def test_rows_that_need_all_texts_are_named(tmp_path: Path) -> None:
    records = _made(3, odd=True)
    named = ["opening_share_run", "ttr", "corpus_distinct_2", "self_bleu"]
    plan = MeasurePlan.settled(POOL, named, Sources())
    assert rows_left_out(plan) == ["corpus_distinct_2"]
    assert rows_left_out(of_parts(plan)) == []
    expected = [r for r in _local(records, plan, tmp_path) if r["metric"] not in rows_left_out(plan)]
    for measured in (plan, of_parts(plan)):
        assert _lines(_parted(records, measured, tmp_path, 3)) == _lines(expected)


def test_values_in_eight_bytes() -> None:
    whole = Flat(np.array([2.0, np.nan, 0.0]), whole=True)
    assert [repr(value) for value in whole] == ["2", "None", "0"]
    assert [repr(whole[place]) for place in range(3)] == ["2", "None", "0"]
    assert [repr(value) for value in Flat(np.array([2.0, np.nan]))] == ["2.0", "None"]
    names = ["a", "b", "d"]
    units = ByName(names, whole)
    assert dict(units) == {"a": 2, "b": None, "d": 0}
    assert list(units.values()) == [2, None, 0]
    assert in_order(units, names_of(units)) is whole
    assert in_order(units, ["d", "a"]) == [0, 2]
    assert "c" not in units
    sizes = Sizes(names, np.array([3, 0, 1]))
    assert [len(own) for own in sizes.values()] == [3, 0, 1] == [len(sizes[name]) for name in names]


def test_limits_are_those_of_numpy() -> None:
    draw = random.Random(0)
    for _ in range(500):
        lengths = [draw.randint(0, draw.choice([9, 40, 300])) for _ in range(draw.randint(1, 50))]
        assert limit_of(Counter(lengths)) == max(5, int(np.quantile(lengths, 0.1)))
    assert limit_of({}) == 5


def test_what_cannot_be_one_run(tmp_path: Path) -> None:
    same = [{"prompt": "p", "prompt_id": "a", "sample_index": 0, "turn": 1, "response": text} for text in ("x", "y")]
    with pytest.raises(InputError, match=r"r\.jsonl:2: another response for sample_index 0 of this prompt"):
        _in_parts(partial(Survey, POOL), _groups(same), [], tmp_path)
    survey = Survey(POOL)
    found = Findings(lambda: pytest.fail("opened"), "r", survey.frame("auto"))
    with pytest.raises(DivtoolError, match="no first-turn responses"):
        found.measured(_plan(), "", ())
