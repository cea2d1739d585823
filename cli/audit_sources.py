"""The runs of `random-audit`: over a model, a server or responses, and what is said at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import ThresholdMissed
from . import audit_table, console

if TYPE_CHECKING:
    from ..core.audit.choice import Choice
    from ..core.audit.compared import Baseline
    from ..core.audit.plan import Plan
    from ..core.audit.session import Session, Subject
    from ..core.audit.task import AuditPrompt
    from ..core.evaluation.sources import Source


@dataclass(frozen=True, slots=True)
class Found:
    """What a run has given.

    Attributes:
        records: Its audit records.
        planned: The prompts that should have one.
        baseline: What they were compared with, if anything.
    """

    records: Sequence[dict[str, Any]]
    planned: Sequence[AuditPrompt]
    baseline: Baseline | None


def say(plan: Plan, prompts: Sequence[AuditPrompt], texts_only: str | None) -> None:
    """What a user should know of the plan before it is carried out."""
    from ..core.audit.sampled import FEW_RESPONSES

    sampled = [prompt for prompt in prompts if texts_only or plan.mode_for(prompt) == "sampled"]
    _warn_of_few(min(map(plan.draws, sampled), default=FEW_RESPONSES))
    listed = dict.fromkeys(prompt.task.id for prompt in prompts if prompt.task.open)
    if plan.mode == "exact" and listed:
        console.note(f"{', '.join(listed)}: exact mode reads the list; answers off it count as invalid")


def _warn_of_few(fewest: int) -> None:
    from ..core.audit.sampled import FEW_RESPONSES

    if fewest < FEW_RESPONSES:
        console.warn(f"{fewest} responses to a prompt: below {FEW_RESPONSES} no verdict is better than warn")


def foresee(session: Session, subject: Subject, endpoint: str | None) -> None:
    """Say what the run would take."""
    from ..core.audit.foresee import foresee_texts

    if endpoint is None:
        subject.check()
    foreseen = foresee_texts(session.prompts, session.plan) if endpoint else session.foresee(subject)
    console.note(str(foreseen) + (", one request each" if endpoint else ""))


def over_model(session: Session, subject: Subject, base: Subject | Baseline | None, batch_size: int) -> Found:
    """Audit a model in this process."""
    subject.check()
    out, baseline = session.over_model(subject, base, batch_size)
    return Found(out.records, session.prompts, baseline)


def over_responses(
    session: Session, source: Source, choice: Choice, base: Any, regroup: bool, on_error: Literal["stop", "skip"]
) -> Found:
    """Audit response records; what was named and has none counts as missing."""
    from ..core.audit.catalog import built_in
    from ..core.audit.handed import HandedOver
    from ..core.audit.sampled import FEW_RESPONSES
    from .streams import ReadingGroups

    built = (prompt for one in built_in().values() for prompt in one.prompts(("w1",), "bare")[:1])
    handed = HandedOver([*choice.spec, *built], dict(source.settings))
    groups = ReadingGroups(str(source.file), handed.check, on_error, regroup)
    named = bool(choice.presets or choice.tasks or choice.spec)
    records = session.over_responses(handed, groups, base).records
    _warn_of_few(min((record["n"] for record in records), default=FEW_RESPONSES))
    return Found(records, session.prompts if named else [], base)


def over_endpoint(session: Session, url: str, model: str, base: Any, key_env: str | None, concurrency: int) -> Found:
    """Audit a model behind a server."""
    from ..core.audit.drawing import EndpointDraws
    from ..core.audit.reader import TextReader
    from ..core.endpoint.client import Endpoint

    total = sum(map(session.plan.draws, session.prompts))
    with Endpoint(url, key_env=key_env, at_once=concurrency) as server:
        console.note(f"{total:,} requests to {server.url}")
        drawn = EndpointDraws(server, model, session.plan.seed)
        out, _ = session.over_reader(TextReader(model, drawn, session.plan), base)
    return Found(out.records, session.prompts, base)


def conclude(found: Found, path: Path | None, fail_under: float | None, seed: int) -> None:
    """Show the tables, write the summary, and hold the score against the threshold.

    Raises:
        ThresholdMissed: The score is lower than the user asked for.
    """
    from ..core.audit.run import summary
    from ..core.jsonl import dumps
    from ..core.output import replacing
    from ..core.provenance import account

    made = summary(found.records, found.planned, found.baseline, seed)
    audit_table.show(found.records, made)
    if path is not None:
        with replacing(path) as temporary:
            temporary.write_bytes(dumps(made | account(console.command_line())))
        console.note(f"wrote {path}")
    score = made["score"]
    if fail_under is not None and (score is None or score < fail_under):
        shown = "no score" if score is None else f"score {score:.6g}"
        raise ThresholdMissed(f"{shown}, asked for >= {fail_under:g}")
