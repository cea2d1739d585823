"""`select --method reference-gap`: keep the pairs whose chosen text a reference model finds likelier.

After "Clear Preferences Leave Traces", arXiv 2501.15109; the formula of the gap is ours.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from ..jsonl import Record
from ..metrics.supplies import open_language_model
from ..metrics.text import tokenizer
from .audit import AuditRules, audit_pair_records
from .funnel import Funnel
from .job import Selected, SelectJob, Table
from .model_options import ModelOptions
from .numbers import REWARDS
from .options import refuse_unless
from .pools import check_pair_of_prompt
from .run import audit_failure

_AT_ONCE = 32


class Sums(NamedTuple):
    """Log-probabilities of both sides under the reference, with their token counts."""

    chosen: float
    rejected: float
    chosen_tokens: int
    rejected_tokens: int


# Pairs -> their sums; None for a pair that is too long for the model.
Score = Callable[[Sequence[Record]], "list[Sums | None]"]


@dataclass(frozen=True, kw_only=True)
class ReferenceGapOptions(ModelOptions):
    """What `reference-gap` takes.

    Attributes:
        norm: Log-probability by token, or summed.
        keep: Share of the pairs to keep.
        tail: The pairs with the highest gap, or with the largest of either sign.
        quality_metric: Reward shown in the summary, or None for the first present of reward, judge, upvotes.
        tokenizer: Text to words, for the audit.
    """

    norm: Literal["mean", "sum"] = "mean"
    keep: float = 0.4
    tail: Literal["positive", "absolute"] = "positive"
    quality_metric: str | None = None
    tokenizer: str = "word"

    def __post_init__(self) -> None:
        refuse_unless((0 < self.keep <= 1, "--keep must be above 0 and at most 1"))
        tokenizer(self.tokenizer)


def gap(sums: Sums, norm: Literal["mean", "sum"]) -> float:
    """Log-probability of the chosen minus that of the rejected, by token or summed."""
    if norm == "sum":
        return sums.chosen - sums.rejected
    return sums.chosen / max(sums.chosen_tokens, 1) - sums.rejected / max(sums.rejected_tokens, 1)


def kept(gaps: NDArray[np.float64], share: float, tail: Literal["positive", "absolute"]) -> NDArray[np.bool_]:
    """Which pairs stay, as a mask: the share with the highest gap, or the largest of either sign; ties to the first.

    Args:
        gaps: Of each pair, NaN for one that has none, [n].
        share: Of those that have a gap; at least one pair stays.
        tail: ``positive`` or ``absolute``.
    """
    known = np.flatnonzero(~np.isnan(gaps))
    value = np.abs(gaps[known]) if tail == "absolute" else gaps[known]
    count = max(1, round(share * len(known)))
    mask = np.zeros(len(gaps), dtype=bool)
    mask[known[np.argsort(-value, kind="stable")[:count]]] = True
    return mask


def run(job: SelectJob) -> Selected:
    """Score pairs under the reference, and write those that stay, in input order.

    Raises:
        DivtoolError: A record is no pair, or the model cannot be loaded.
    """
    rows = job.rows(check_pair_of_prompt)
    with tempfile.TemporaryFile(prefix="divtool-") as spool:
        return _Filter(job, spool).run((row.data for row in rows), model_score(job))


def model_score(job: SelectJob) -> Score:
    """Pairs to their sums under the model, end token included, as in training.

    Raises:
        DivtoolError: The model cannot be loaded.
    """
    options: ReferenceGapOptions = job.options
    lm = open_language_model(options.model, options.loading, job.note)
    from ..models.likelihood import continuation_logprobs, fits
    from ..training.pairs import pair_ids

    def score(pairs: Sequence[Record]) -> list[Sums | None]:
        ids = [pair_ids(lm.tokenizer, pair) for pair in pairs]
        sides = [(one["prompt_ids"], one[f"{side}_ids"]) for one in ids for side in ("chosen", "rejected")]
        short = [fits(lm, len(prompt) + len(own)) for prompt, own in sides]
        values = continuation_logprobs(
            lm, [(p, own if fit else []) for (p, own), fit in zip(sides, short, strict=True)]
        )
        return [
            Sums(float(values[i].sum()), float(values[i + 1].sum()), len(values[i]), len(values[i + 1]))
            if short[i] and short[i + 1]
            else None
            for i in range(0, len(sides), 2)
        ]

    return score


class _Filter:
    """One run: the pairs in a temporary file, one float each in memory."""

    def __init__(self, job: SelectJob, spool: IO[bytes]) -> None:
        self._job, self._spool = job, spool
        self._options: ReferenceGapOptions = job.options
        self._funnel = Funnel({"reference": "a model with more positions", "gap": "--keep"})

    def run(self, pairs: Iterator[Record], score: Score) -> Selected:
        """Score, pick, audit, write."""
        gaps = self._scored(pairs, score)
        stage = self._funnel.stage("reference", "pairs")
        stage.enter(len(gaps))
        stage.drop("too long for the model", int(np.isnan(gaps).sum()))
        mask = kept(gaps, self._options.keep, self._options.tail)
        stage = self._funnel.stage("gap", "pairs")
        stage.enter(int((~np.isnan(gaps)).sum()))
        stage.drop("beyond --keep", stage.entered - int(mask.sum()))
        summary = _Summary(self._options.quality_metric)
        audit = audit_pair_records(
            self._read(mask, gaps, summary),
            AuditRules(strict=False, cleaned=False, tolerance=None),
            tokenizer(self._options.tokenizer),
        )
        failure = audit_failure(self._funnel, audit, self._job.audit)
        if failure is None:
            for record in self._read(mask, gaps):
                self._job.writer.write(record)
        figures = summary.figures()
        return Selected(
            stages=self._funnel.stages,
            audit=audit,
            tables=[summary.table(figures)],
            failure=failure,
            report={
                "method": self._job.method,
                "options": asdict(self._options),
                "funnel": [stage.as_dict() for stage in self._funnel.stages],
                "reference_gap": figures,
                "audit": audit.as_dict(),
            },
        )

    def _scored(self, pairs: Iterator[Record], score: Score) -> NDArray[np.float64]:
        gaps = array("d")
        while batch := list(islice(pairs, _AT_ONCE)):
            for pair, sums in zip(batch, score(batch), strict=True):
                if sums is not None:
                    value = gap(sums, self._options.norm)
                    pair = pair | {
                        "ref_gap": value,
                        "ref_chosen_logps": sums.chosen,
                        "ref_rejected_logps": sums.rejected,
                    }
                gaps.append(np.nan if sums is None else value)
                self._spool.write(orjson.dumps(pair, option=orjson.OPT_APPEND_NEWLINE))
        return np.array(gaps)

    def _read(
        self, mask: NDArray[np.bool_], gaps: NDArray[np.float64], summary: _Summary | None = None
    ) -> Iterator[Record]:
        """The pairs that stay, in input order; the summary sees the others too."""
        self._spool.seek(0)
        for line, stays, value in zip(self._spool, mask.tolist(), gaps.tolist(), strict=True):
            record: Record = orjson.loads(line)
            if summary is not None and value == value:
                summary.add(record, stays)
            if stays:
                yield record


class _Summary:
    """Means over kept and dropped pairs: typical winners are preferred, and a user should see at what price."""

    def __init__(self, reward: str | None) -> None:
        self._names = REWARDS if reward is None else (reward,)
        self._values: dict[tuple[bool, str], list[float]] = {}

    def add(self, pair: Record, stays: bool) -> None:
        """Count a pair."""
        scores = pair.get("chosen_scores") or {}
        reward = next((scores[name] for name in self._names if scores.get(name) is not None), None)
        for name, value in (("ref_gap", pair["ref_gap"]), ("weight", pair.get("weight")), ("reward", reward)):
            if isinstance(value, (int, float)):
                sums = self._values.setdefault((stays, name), [0.0, 0.0])
                sums[0] += value
                sums[1] += 1

    def figures(self) -> dict[str, Any]:
        """Means by side."""
        return {
            side: {name: self._mean(stays, name) for name in ("ref_gap", "weight", "reward")}
            for side, stays in (("kept", True), ("dropped", False))
        }

    def _mean(self, stays: bool, name: str) -> float | None:
        total, n = self._values.get((stays, name), (0.0, 0.0))
        return total / n if n else None

    def table(self, figures: dict[str, Any]) -> Table:
        """For people."""
        rows = [(side, own["ref_gap"], own["weight"], own["reward"]) for side, own in figures.items()]
        return Table("Pairs by reference gap", ("", "mean gap", "mean weight", "mean winner reward"), rows)
