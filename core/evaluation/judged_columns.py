"""Columns of what a judge said, and of other measures of quality of single responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..judging.comparing import Comparison
from ..judging.templates import named, version
from .columns import Column
from .judged import SET_SIZE, Bench, Ratings, response_pairs, set_pair
from .runs import Run
from .sides import every_record
from .values import mean

_UNRELIABLE, _UNREAD_SHARE = "judge unreliable", 0.10
_EVEN = 0.5
_BOTH_ORDERS = "both orders asked, ties and orders that disagree count 1/2"


def rating_column(run: Run, ratings: Ratings) -> Column:
    """The mean rating of a run's responses."""
    values = {p: [ratings.of(record) for record in records] for p, records in run.responses.items()}
    votes = [vote for record in every_record([run]) for vote in ratings.votes[id(record)]]
    column = mean_column(
        "judge", values, f"judge: rating from 1 to 10 by {ratings.source}", null="no rating could be read"
    )
    return replace(column, note=reliability(votes.count(None), len(votes)), votes=(votes.count(None), len(votes)))


def mean_column(
    metric: str,
    values: Mapping[str, Sequence[float | None]],
    definition: str,
    *,
    null: str,
    direction: str = "+",
    role: str = "quality",
    note: str = "",
) -> Column:
    """A measure of quality of single responses, by prompt.

    Args:
        metric: Its name.
        values: By prompt_id, the value of each response.
        definition: How a value is made.
        null: When it is null.
        direction: `+` where higher is better, `-` where lower is, `0` where neither.
        role: As in the measure records.
        note: What a reader must know.
    """
    every = [value for own in values.values() for value in own]
    way = {"+": "higher is better", "-": "lower is better", "0": "no quality measure"}[direction]
    return Column(
        metric=metric,
        units={p: mean(own) for p, own in values.items()},
        direction=direction,
        definition=f"{definition}; mean over the responses of a prompt, then over prompts; {way}",
        role=role,
        null=null,
        used={p: sum(value is not None for value in own) for p, own in values.items()},
        more={"null_share": every.count(None) / len(every) if every else None},
        of=len(every),
        note=note,
    )


def win_columns(bench: Bench, run: Run, base: Run, criteria: str) -> list[list[Column]]:
    """The columns of a run and of its baseline: how often its responses, and its sets of responses, win."""
    judge, model = bench.judge, bench.options.model
    pairs = {p: response_pairs(run, base, p) for p in run.responses}
    fought = bench.ask(lambda: judge.compare([pair for own in pairs.values() for pair in own], criteria))
    # Sets are the longest questions: asked last, they cannot keep the others from an answer.
    varied = bench.ask(lambda: judge.compare_sets([set_pair(run, base, p) for p in run.responses]))
    wins = (
        f"win_rate: how often judge {model} prefers a response to the baseline's to the same prompt, in pairs by "
        f"sample_index; template {named('compare', criteria)}; {_BOTH_ORDERS}; mean over the pairs of a prompt, then "
        "over prompts; the baseline's value is 1/2; higher is better"
    )
    sets = (
        f"win_rate_sets: how often judge {model} finds the run's responses to a prompt more varied than the "
        f"baseline's; the first {SET_SIZE} of each at most; template compare-sets {version('compare-sets')}; "
        f"{_BOTH_ORDERS}; mean over prompts; the baseline's value is 1/2; higher is more diverse"
    )
    both = [
        _win_column("win_rate", "quality", _dealt(pairs, fought), wins, bench),
        _win_column("win_rate_sets", "detail", _dealt({p: [p] for p in run.responses}, varied), sets, bench),
    ]
    return [both, [_even(column) for column in both]]


def failed_column(bench: Bench, run: Run) -> Column:
    """The ratings that a judge did not give."""
    values: dict[str, list[float | None]] = {p: [None] * len(records) for p, records in run.responses.items()}
    definition = f"judge: rating from 1 to 10 by judge {bench.options.model}"
    return mean_column("judge", values, definition, null="no answer", note=bench.excuse)


def _dealt(units: Mapping[str, Sequence[Any]], said: Sequence[Comparison] | None) -> dict[str, list[Comparison]]:
    """The comparisons of each prompt; none where the judge could not be asked."""
    rest = iter(said or ())
    return {p: [next(rest) for _ in own] if said is not None else [] for p, own in units.items()}


def _win_column(
    metric: str, role: str, said: Mapping[str, Sequence[Comparison]], definition: str, bench: Bench
) -> Column:
    shares = {p: [one.share for one in own] for p, own in said.items()}
    every = [share for own in shares.values() for share in own]
    verdicts = [verdict for own in said.values() for one in own for verdict in one.verdicts]
    return Column(
        metric=metric,
        units={p: mean(own) for p, own in shares.items()},
        direction="+",
        definition=definition,
        role=role,
        null="no verdict could be read",
        more={"null_share": every.count(None) / len(every) if every else None},
        note=reliability(verdicts.count(None), len(verdicts)) if every else bench.excuse,
    )


def _even(column: Column) -> Column:
    """The baseline's column: one half everywhere."""
    return Column(
        metric=column.metric,
        units=dict.fromkeys(column.units, _EVEN),
        direction=column.direction,
        definition=column.definition,
        role=column.role,
        null=column.null,
    )


def reliability(unread: int, answers: int) -> str:
    """What is said of a judge of whose answers so many could not be read."""
    return _UNRELIABLE if unread > _UNREAD_SHARE * answers else ""
