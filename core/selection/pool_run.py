"""`select` for the methods that pair a prompt's responses by reward, and for pairs that only get weights.

One prompt in memory at a time: its pairs stay on disk, are audited there, and written last.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial

from ..errors import DivtoolError
from ..jsonl import Record
from .audit import AuditRules, audit_pair_records
from .clean import TRUNCATED
from .divpo_options import DivpoOptions
from .job import Selected, SelectJob
from .options import DeviationOptions
from .pool_engine import PoolRun
from .pool_pass import PoolPass
from .pools import InputKind, check_pool
from .run import audit_failure
from .weight_notes import heaviest, weight_notes, weight_rows
from .weight_table import WeightTable


def run(job: SelectJob) -> Selected:
    """Run `deviation`, `divpo` or `marginal`.

    Raises:
        DivtoolError: The input lacks what the method needs.
    """
    kind = InputKind(job.method, isinstance(job.options, DeviationOptions))
    found = job.first(partial(PoolPass, job.method, job.options, job.note), kind, check_pool)
    with closing(found):
        return _finished(job, found)


def _finished(job: SelectJob, found: PoolPass) -> Selected:
    """Audit the pairs of the first pass, and write them unless the audit fails."""
    engine = found.run
    if not engine.funnel.stages:
        raise DivtoolError("no records")
    options, reward = engine.options, engine.numbers.reward
    table = WeightTable(engine.tokenize, reward) if engine.weighs else None
    clean = next((stage for stage in engine.funnel.stages if stage.name == "clean"), None)
    rules = AuditRules(
        tolerance=options.length_tolerance,
        unit=options.length_unit,
        strict=False,
        truncated_share=clean.dropped[TRUNCATED] / clean.entered if clean and clean.entered else 0.0,
        quality=reward,
        cleaned=options.clean,
    )
    audit = audit_pair_records(_counted(found, table), rules, engine.tokenize)
    failure = audit_failure(engine.funnel, audit, job.audit)
    if failure is None:
        for record in found.pairs():
            job.writer.write(record)
    figures = table.figures() if table is not None and len(table) else None
    return Selected(
        stages=engine.funnel.stages,
        audit=audit,
        tables=[weight_rows(figures)] if figures else [],
        notes=[*_notes(engine), *engine.judge_lines(), *([heaviest(figures)] if figures else [])],
        warnings=[*engine.numbers.warnings(), *(weight_notes(figures) if figures else [])],
        failure=failure,
        report={
            "method": job.method,
            "options": asdict(options),
            "seed": options.seed,
            "scores": {"reward": reward, "signals": engine.origins()},
            "funnel": [stage.as_dict() for stage in engine.funnel.stages],
            "counts": dict(engine.counts),
            "weights": figures,
            "audit": audit.as_dict(),
        },
    )


def _notes(engine: PoolRun) -> list[str]:
    lines = [f"{what}: {n:,} prompts" for what, n in engine.counts.most_common()]
    lines += [f"signal {name}: {origin}" for name, origin in engine.origins().items()]
    if engine.weighs and not engine.weigher.names:
        lines.append("every lambda is 0: all weights are 1")
    if isinstance(engine.options, DivpoOptions) and engine.made:
        lines.append(f"the chosen is the more diverse one in {engine.rising:,} of {engine.made:,} pairs")
    return lines


def _counted(found: PoolPass, table: WeightTable | None) -> Iterator[Record]:
    for record in found.pairs():
        if table is not None:
            table.add(record)
        yield record
