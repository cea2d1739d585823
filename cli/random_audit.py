"""`divtool random-audit`: a model to audit records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import ThresholdMissed, UsageError, unknown_name
from . import audit_options as a
from . import audit_table, console
from . import options as o

if TYPE_CHECKING:
    from ..core.audit.compared import Baseline
    from ..core.audit.plan import Plan
    from ..core.audit.session import Session, Subject
    from ..core.audit.task import AuditPrompt


def random_audit(
    output: o.Output = "-",
    task: a.Task = None,
    preset: a.Preset = None,
    spec: a.Spec = None,
    model: o.Model = "smollm2-135m",
    adapter: o.Adapter = None,
    mode: a.Mode = "auto",
    format: a.Format = "bare",
    variants: a.Variants = "on",
    prefill: a.Prefill = "",
    arms: a.Arms = None,
    samples: a.Samples = 1000,
    tau: a.Tau = 0.01,
    max_nodes: a.MaxNodes = None,
    end_token: a.EndToken = None,
    decoder_sweep: a.DecoderSweep = False,
    batch_size: a.BatchSize = 64,
    compare: a.Compare = None,
    compare_adapter: a.CompareAdapter = None,
    responses: a.Responses = None,
    regroup: o.Regroup = False,
    endpoint: a.Endpoint = None,
    key_env: a.KeyEnv = None,
    concurrency: a.Concurrency = 8,
    summary: a.Summary = None,
    fail_under: a.FailUnder = None,
    dtype: o.Dtype = "auto",
    device: o.Device = "auto",
    four_bit: o.FourBit = None,
    trust_remote_code: o.TrustRemoteCode = False,
    seed: o.Seed = 0,
    resume: o.Resume = False,
    dry_run: a.DryRun = False,
    on_error: o.OnError = "stop",
) -> None:
    """Audit how random a model is where it is asked to be.

    Reads the model's law over the answers of tasks with a known target and writes one audit record for each prompt: the
    exact law for closed sets, certified bounds for open ones, counts for servers and responses.
    """
    from ..core.audit.choice import Choice
    from ..core.audit.plan import Plan
    from ..core.audit.session import Session, Subject, baseline_of
    from ..core.audit.wordings import check_format
    from ..core.catalog import split_names
    from ..core.models.options import LoadOptions

    plan = Plan(
        mode=_mode(mode),
        n=samples,
        seed=seed,
        variants=_switch(variants),
        tau=tau,
        max_nodes=max_nodes,
        end_token=end_token,
        decoders=decoder_sweep,
    )
    texts_only = _texts_only(plan, responses, endpoint)
    if texts_only is not None:
        _check_texts_only(texts_only, adapter, compare, compare_adapter)
    if endpoint is not None and prefill:
        raise UsageError("--prefill needs a model in this process: a server begins its own answers")
    if responses is not None and (resume or dry_run):
        raise UsageError("--responses are counted at once: leave out --resume and --dry-run")
    if regroup and responses is None:
        raise UsageError("--regroup needs --responses")
    choice = Choice(
        presets=split_names(preset or ""),
        tasks=split_names(task or ""),
        spec=_read_spec(spec, on_error),
        format=check_format(format),
        prefill=prefill,
        arms=split_names(arms or ""),
    )
    prompts = choice.prompts()
    _check_files(output, summary, spec, responses, compare)
    loading = LoadOptions(
        adapter=adapter, dtype=dtype, device=device, four_bit=bool(four_bit), trust_remote_code=trust_remote_code
    )
    subject = Subject(model, loading)
    base = baseline_of(compare, compare_adapter, subject)
    session = Session(
        plan=plan,
        prompts=prompts,
        output=output,
        earlier=o.resumable(output, resume),
        tell=console.note,
        progress=console.progress,
    )
    if responses is None:
        _say(plan, prompts, texts_only)
    if responses is not None:
        named = bool(choice.presets or choice.tasks or choice.spec)
        records, baseline = _over_responses(session, responses, choice.spec, base, regroup, on_error)
        planned = prompts if named else []
    elif dry_run:
        _foresee(session, subject, endpoint)
        return
    elif endpoint is not None:
        records, baseline = _over_endpoint(session, endpoint, model, base, key_env, concurrency)
        planned = prompts
    else:
        subject.check()
        out, baseline = session.over_model(subject, base, batch_size)
        records, planned = out.records, prompts
    _conclude(records, planned, baseline, summary, fail_under, seed)


def _mode(name: str) -> Literal["auto", "exact", "bounds", "sampled"]:
    """The mode of this name.

    Raises:
        UsageError: No such mode.
    """
    from ..core.audit.plan import MODES

    for known in MODES:
        if name == known:
            return known
    raise unknown_name("mode", name, MODES)


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise unknown_name("value of --variants", text, ("on", "off"))
    return text == "on"


def _texts_only(plan: Plan, responses: str | None, endpoint: str | None) -> str | None:
    """Which option says that there are texts only, and no logits; None without one."""
    if responses is not None and endpoint is not None:
        raise UsageError("--responses and --endpoint exclude each other")
    named = "--responses" if responses is not None else "--endpoint" if endpoint is not None else None
    if named is not None and plan.mode in ("exact", "bounds"):
        raise UsageError(f"--mode {plan.mode} needs the model's logits, which {named} does not give; use sampled")
    return named


def _check_texts_only(named: str, adapter: str | None, compare: str | None, compare_adapter: str | None) -> None:
    from ..core.audit.session import is_records_file

    if adapter is not None:
        raise UsageError(f"--adapter goes on a model in this process, and {named} has none")
    if compare_adapter is not None or (compare is not None and not is_records_file(compare)):
        raise UsageError(f"with {named}, --compare takes a file of audit records (.jsonl)")


def _read_spec(spec: str | None, on_error: str) -> list[AuditPrompt]:
    from ..core.audit.spec import read_spec

    return [] if spec is None else read_spec(spec, skip_bad=on_error == "skip", warn=console.warn)


def _check_files(output: str, summary: Path | None, *inputs: str | None) -> None:
    """Look whether every file can be written and none is read and written, before anything takes long."""
    from ..core.jsonl import check_distinct, check_writable

    files = [name for name in inputs if name is not None]
    if files.count("-") > 1:
        raise UsageError("standard input can be read only once; name files for all but one of those that are -")
    check_distinct(output, *files)
    if summary is not None:
        check_distinct(summary, output, *files)
        check_writable(summary)


def _say(plan: Plan, prompts: list[AuditPrompt], texts_only: str | None) -> None:
    """What a user should know of the plan before it is carried out."""
    from ..core.audit.sampled import FEW_RESPONSES

    if plan.n < FEW_RESPONSES and (plan.mode == "sampled" or texts_only):
        console.warn(f"-n {plan.n}: below {FEW_RESPONSES} responses no verdict is better than warn")
    listed = dict.fromkeys(prompt.task.id for prompt in prompts if prompt.task.open)
    if plan.mode == "exact" and listed:
        console.note(f"{', '.join(listed)}: exact mode reads the list; answers off it count as invalid")


def _foresee(session: Session, subject: Subject, endpoint: str | None) -> None:
    from ..core.audit.foresee import foresee_texts

    if endpoint is None:
        subject.check()
    foreseen = foresee_texts(session.prompts, session.plan) if endpoint else session.foresee(subject)
    console.note(str(foreseen) + (", one request each" if endpoint else ""))


def _over_responses(
    session: Session, source: str, spec: Any, base: Any, regroup: bool, on_error: Literal["stop", "skip"]
) -> tuple[list[dict[str, Any]], Baseline | None]:
    from ..core.audit.catalog import built_in
    from ..core.audit.handed import HandedOver
    from .streams import ReadingGroups

    built = (prompt for one in built_in().values() for prompt in one.prompts(("w1",), "bare")[:1])
    handed = HandedOver([*spec, *built])
    groups = ReadingGroups(source, handed.check, on_error, regroup)
    return session.over_responses(handed, groups, base).records, base


def _over_endpoint(
    session: Session, url: str, model: str, base: Any, key_env: str | None, concurrency: int
) -> tuple[list[dict[str, Any]], Baseline | None]:
    from ..core.audit.drawing import EndpointDraws
    from ..core.audit.reader import TextReader
    from ..core.endpoint import Endpoint

    total = session.plan.n * len(session.prompts)
    with Endpoint(url, key_env=key_env, at_once=concurrency) as server:
        console.note(f"{total:,} requests to {server.url}")
        drawn = EndpointDraws(server, model, session.plan.seed)
        out, _ = session.over_reader(TextReader(model, drawn, session.plan), base)
    return out.records, base


def _conclude(
    records: list[dict[str, Any]],
    planned: list[AuditPrompt],
    baseline: Baseline | None,
    path: Path | None,
    fail_under: float | None,
    seed: int,
) -> None:
    """Show the tables, write the summary, and hold the score against the threshold.

    Raises:
        ThresholdMissed: The score is lower than the user asked for.
    """
    from ..core.audit.run import summary
    from ..core.jsonl import dumps, replacing

    found = summary(records, planned, baseline, seed)
    audit_table.show(records, found)
    if path is not None:
        with replacing(path) as temporary:
            temporary.write_bytes(dumps(found))
        console.note(f"wrote {path}")
    score = found["score"]
    if fail_under is not None and (score is None or score < fail_under):
        shown = "no score" if score is None else f"score {score:.6g}"
        raise ThresholdMissed(f"{shown}, asked for >= {fail_under:g}")
