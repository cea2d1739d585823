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

from divtool.core.errors import DivtoolError, InputError
from divtool.core.evaluation.call import measure_all
from divtool.core.evaluation.collect import Collection
from divtool.core.evaluation.plan import MeasurePlan
from divtool.core.evaluation.pool_parts import Findings, Survey, rows_left_out
from divtool.core.evaluation.runs import read_run
from divtool.core.evaluation.sides import limit_of
from divtool.core.evaluation.sources import file_source, line_up
from divtool.core.evaluation.tasks.pool import POOL
from divtool.core.jsonl import Record, Row, dumps
from divtool.core.metrics.supplies import Sources
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


def _local(records: list[Record], plan: MeasurePlan, folder: Path) -> list[Record]:
    path = folder / "r.jsonl"
    path.write_bytes(b"".join(map(dumps, records)))
    source = file_source(str(path))
    run = read_run(source.name, str(path))
    found = Collection(line_up([source], None, None), {(source.origin, "pool"): run})
    (outcome,) = measure_all([plan.open(lambda text: None)], found, "holm")
    assert outcome.error is None
    return [record for record in outcome.records if record["role"] != "reference"]


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("given", [{}, {"truncate": "none"}, {"truncate": 8}])
def test_rows_are_those_of_a_whole_run(seed: int, odd: bool, given: dict[str, Any], tmp_path: Path) -> None:
    records, plan = _made(seed, odd=odd), _plan(**given)
    expected = _local(records, plan, tmp_path)
    groups, cuts = _groups(records), sorted(random.Random(seed).choices(range(24), k=5))
    survey = _in_parts(partial(Survey, POOL), groups, cuts, tmp_path / "survey")
    make = partial(
        Findings,
        partial(plan.open, lambda text: None),
        expected[0]["run"],
        survey.frame(plan.truncate),
        rated=survey.rated,
    )
    found = _in_parts(make, groups, cuts, tmp_path / "values")
    measured = found.measured(plan, survey.model, survey.notes)
    lone = rows_left_out(plan)
    assert lone == ["opening_share_run"]
    assert b"".join(map(dumps, measured.records)) == b"".join(
        dumps(record) for record in expected if record["metric"] not in lone
    )
    assert any(record["metric"] == "usable_rate" and record["value"] < 1 for record in measured.records) or not odd


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
    found = Findings(lambda: pytest.fail("opened"), "r", survey.frame("auto"), rated=False)
    with pytest.raises(DivtoolError, match="no first-turn responses"):
        found.measured(_plan(), "", ())
