"""Pairs that the reference tells apart."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from divtool.core.errors import InputError, UsageError
from divtool.core.selection import reference_gap
from divtool.core.selection.reference_gap import ReferenceGapOptions, Sums, gap, kept


def test_gaps() -> None:
    sums = Sums(-10.0, -30.0, 5, 10)
    assert gap(sums, "mean") == pytest.approx(1.0)
    assert gap(sums, "sum") == pytest.approx(20.0)


def test_what_stays() -> None:
    gaps = np.array([0.5, -2.0, np.nan, 0.5, 1.0, 0.1])
    assert np.flatnonzero(kept(gaps, 0.4, "positive")).tolist() == [0, 4]
    assert np.flatnonzero(kept(gaps, 0.4, "absolute")).tolist() == [1, 4]
    assert np.flatnonzero(kept(gaps, 1.0, "positive")).tolist() == [0, 1, 3, 4, 5]
    assert kept(gaps, 0.01, "positive").sum() == 1


def test_planted_pairs_stay(choose: Any, make_pairs: Any, tiny_model: str) -> None:
    """In every third pair the chosen is what the model finds likelier, in the others what it finds less likely."""
    from divtool.core.models.language import load

    lm = load(tiny_model)
    pairs = make_pairs(12)
    for number, pair in enumerate(pairs):
        planted = number % 3 == 0
        pair["chosen_scores"] = {"reward": float(planted)}
        likelier = by_token(lm, pair, "chosen") > by_token(lm, pair, "rejected")
        if likelier != planted:
            pair["chosen"], pair["rejected"] = pair["rejected"], pair["chosen"]
    out = choose(pairs, "reference-gap", keep=4 / 12, model=tiny_model)
    assert [r["prompt_id"] for r in out.records] == ["p0", "p3", "p6", "p9"]
    found = out.selected.report["reference_gap"]
    assert (found["kept"]["reward"], found["dropped"]["reward"]) == (1.0, 0.0)
    assert found["kept"]["ref_gap"] > 0 > found["dropped"]["ref_gap"]
    for record in out.records:
        expected = by_token(lm, record, "chosen") - by_token(lm, record, "rejected")
        assert record["ref_gap"] == pytest.approx(expected, abs=1e-4)

    whole = choose(pairs, "reference-gap", keep=1.0, model=tiny_model).records
    assert [{k: v for k, v in r.items() if not k.startswith("ref_")} for r in whole] == pairs


def by_token(lm: Any, pair: Any, side: str) -> float:
    """Mean log-probability of a side, from plain logits."""
    import torch

    from divtool.core.training.pairs import pair_ids

    ids = pair_ids(lm.tokenizer, pair)
    row = torch.tensor([ids["prompt_ids"] + ids[f"{side}_ids"]])
    with torch.no_grad():
        logprobs = lm.model(input_ids=row).logits.log_softmax(-1)[0, :-1].gather(1, row[0, 1:, None])
    return float(logprobs[-len(ids[f"{side}_ids"]) :].mean())


def test_memory_does_not_grow_with_the_pairs(tmp_path: Any) -> None:
    """Nineteen thousand pairs more take a few megabytes: their texts alone would be over a hundred."""
    peaks = [_peak(n) for n in (1_000, 20_000)]
    assert peaks[1] - peaks[0] < 50e6, peaks


def _peak(n: int) -> int:
    def pairs() -> Iterator[Any]:
        for number in range(n):
            message = [{"role": "assistant", "content": f"{number} " * 400}]
            yield {"prompt": message, "chosen": message, "rejected": [{"role": "assistant", "content": "no"}]}

    def score(batch: Sequence[Any]) -> list[Any]:
        return [Sums(float(len(batch)), 0.0, 1, 1) for _ in batch]

    class Filter(reference_gap._Filter):
        def _read(self, *rest: Any) -> Iterator[Any]:
            # The audit keeps its columns by design; what counts here is the spool.
            return iter([next(super()._read(*rest))])

    import tempfile

    job: Any = SimpleNamespace(
        options=ReferenceGapOptions(),
        method="reference-gap",
        audit="warn",
        writer=SimpleNamespace(write=lambda _: None),
    )
    tracemalloc.start()
    with tempfile.TemporaryFile() as spool:
        Filter(job, spool).run(pairs(), score)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_responses_are_no_input_and_shares_have_bounds(choose: Any, respond: Any, tiny_model: str) -> None:
    with pytest.raises(InputError, match=r"made:1: .*divtool select"):
        choose([respond("p", 0)], "reference-gap", model=tiny_model)
    for keep in (0.0, 1.1, float("nan")):
        with pytest.raises(UsageError, match="--keep"):
            ReferenceGapOptions(keep=keep)
