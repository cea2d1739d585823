"""`divtool random-audit`: a model to audit records."""

from __future__ import annotations

from ..core.errors import UsageError
from . import audit_options as a
from . import console
from . import options as o


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
    samples: a.Samples = None,
    tau: a.Tau = None,
    max_nodes: a.MaxNodes = None,
    end_token: a.EndToken = None,
    decoder_sweep: a.DecoderSweep = False,
    batch_size: a.BatchSize = None,
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
    from ..core.audit.session import Session, Subject, baseline_of
    from ..core.evaluation.sources import parse_file
    from ..core.models.options import LoadOptions
    from . import audit_checks as checks
    from . import audit_sources as sources

    plan = checks.plan(
        mode=mode, samples=samples, seed=seed, variants=variants, tau=tau, max_nodes=max_nodes, end_token=end_token,
        decoders=decoder_sweep, weights="4bit" if four_bit else dtype,
    )  # fmt: skip
    checks.threshold(fail_under)
    texts_only = checks.texts_only(plan, responses, endpoint)
    if texts_only is not None:
        checks.no_model(texts_only, adapter, compare, compare_adapter, prefill)
        checks.of_a_model(
            texts_only,
            {
                "--tau": tau, "--max-nodes": max_nodes, "--decoder-sweep": decoder_sweep, "--batch-size": batch_size,
                "--end-token": end_token, "--variants off": variants == "off", "--4bit": four_bit,
                "--dtype": dtype != "auto", "--device": device != "auto",
            },
        )  # fmt: skip
    if responses is not None:
        checks.as_they_are({"--arms": arms, "--format": format != "bare", "-n": samples is not None})
        checks.at_once(resume, dry_run)
    if regroup and responses is None:
        raise UsageError("--regroup needs --responses")
    choice = checks.choice(preset, task, spec, on_error, format=format, prefill=prefill, arms=arms)
    prompts = choice.prompts()
    handed = None if responses is None else parse_file(responses)
    checks.files(output, summary, spec, handed.file if handed is not None else None, compare)
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
    if handed is not None:
        found = sources.over_responses(session, handed, choice, base, regroup, on_error)
    else:
        sources.say(plan, prompts, texts_only)
        if dry_run:
            sources.foresee(session, subject, endpoint)
            return
        if endpoint is not None:
            found = sources.over_endpoint(session, endpoint, model, base, key_env, concurrency)
        else:
            found = sources.over_model(session, subject, base, batch_size or 64)
    sources.conclude(found, summary, fail_under, seed)
