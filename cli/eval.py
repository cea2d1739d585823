"""`divtool eval`: measure models, or responses, against a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import typer

from ..core.errors import UsageError
from . import console, measure_table
from . import endpoint as served
from . import endpoint_options as s
from . import engine_options as engines
from . import eval_options as e
from . import eval_pages as pages
from . import eval_runs as runs
from . import options as o
from .sampling_bar import sampling_progress


def evaluate(
    context: typer.Context,
    responses: e.Responses = None,
    output: o.Output = "-",
    task: e.Task = "story",
    run: e.Run = None,
    model: e.Model = None,
    adapter: o.Adapter = None,
    endpoint: s.Endpoint = None,
    key_env: s.KeyEnv = None,
    concurrency: s.Concurrency = None,
    requests_per_minute: s.RequestsPerMinute = None,
    timeout: s.Timeout = None,
    tries: s.Tries = None,
    completions: s.Completions = False,
    baseline: e.Baseline = None,
    sweep: e.Sweep = None,
    work: e.Work = None,
    preset: e.Preset = None,
    count: e.Count = None,
    samples: e.Samples = None,
    strategy: e.Strategy = "direct",
    batch_size: e.BatchSize = 64,
    prompts: e.Prompts = None,
    prefill: e.Prefill = "auto",
    protocol: e.Protocol = None,
    vectors: e.Vectors = None,
    vocabulary: e.Vocabulary = None,
    no_guard: e.NoGuard = False,
    metrics: e.Metrics = None,
    tokenizer: o.Tokenizer = "word",
    mattr_window: o.MattrWindow = 50,
    truncate_words: e.TruncateWords = "auto",
    deciles: e.Deciles = None,
    cluster_cut: e.ClusterCut = 0.20,
    partition: e.Partition = "linkage",
    equivalence: e.Equivalence = None,
    quality_model: e.QualityModel = None,
    reward_model: o.RewardModel = None,
    quality: e.Quality = None,
    judge: o.JudgeUrl = None,
    judge_model: o.JudgeModel = None,
    judge_votes: o.JudgeVotes = 1,
    judge_key_env: o.JudgeKeyEnv = None,
    judge_max_calls: o.JudgeMaxCalls = None,
    human: e.Human = None,
    embedder: o.Embedder = "minilm",
    style_embedder: o.StyleEmbedder = None,
    embedding_cache: o.EmbeddingCache = True,
    dtype: o.Dtype = "auto",
    device: o.Device = "auto",
    four_bit: o.FourBit = None,
    trust_remote_code: o.TrustRemoteCode = False,
    train_data: e.TrainData = None,
    allow_overlap: e.AllowOverlap = False,
    adjust: e.Adjust = "holm",
    margin: e.Margin = None,
    fail_under: e.FailUnder = None,
    require: e.Require = None,
    junit: e.Junit = None,
    report: e.Report = None,
    unit_values: e.UnitValues = None,
    seed: o.Seed = 0,
    resume: o.Resume = False,
    dry_run: e.DryRun = False,
    on_error: o.OnError = "stop",
    engine: engines.Engine = "local",
    ray_address: engines.RayAddress = None,
    ray_workers: engines.RayWorkers = None,
    worker_cpus: engines.WorkerCpus = None,
    worker_gpus: engines.WorkerGpus = None,
    shard_size: engines.ShardSize = None,
    scratch: engines.Scratch = None,
) -> None:
    """Measure diversity, length and quality, with intervals over prompts.

    Give FILE, or --model (and --adapter), or several --run. With --baseline, each is compared with it prompt by prompt.
    Writes measure records.
    """
    from ..core.catalog import TASKS, get, split_names
    from ..core.evaluation.call import failure, measure_all
    from ..core.evaluation.collect import Collector
    from ..core.evaluation.cost import check_scores, cost, price
    from ..core.evaluation.frontier_rows import matched_directions
    from ..core.evaluation.junit import check_writable
    from ..core.evaluation.plan import MeasurePlan, open_all, parse_margins
    from ..core.evaluation.quality import open_quality
    from ..core.evaluation.quality_options import REWARD, QualityOptions
    from ..core.evaluation.runs import SamplePlan, get_preset
    from ..core.evaluation.task_options import TaskOptions
    from ..core.evaluation.thresholds import Demands
    from ..core.judging.open import judge_options
    from ..core.metrics.supplies import Sources
    from ..core.models.options import LoadOptions
    from ..core.output import check_distinct
    from ..core.writer import RecordWriter

    found = [get("task", TASKS, name, "eval").load() for name in split_names(task)]
    if not found:
        raise UsageError("no task named; see divtool tasks")
    server = served.server(
        endpoint, key_env, concurrency, requests_per_minute, timeout, tries, completions, skip=on_error == "skip"
    )
    lineup = runs.lined_up(responses, model, adapter, run or [], baseline, sweep, server)
    task_options = TaskOptions(
        vectors=vectors, vocabulary=vocabulary, prompts=prompts, prefill=prefill, protocol=protocol
    )
    draws = any(source.model is not None for source in lineup.every)
    found = task_options.settled(found, preset, draws=draws)
    if not no_guard:
        found = runs.guarded(found, lineup, server)
    for one in found:
        if preset is not None and one.presets:
            get_preset(one, preset)
    task_options.check(found)
    begun = runs.prefill_of(server, found, lineup, task_options, strategy)
    if allow_overlap and train_data is None:
        raise UsageError("--allow-overlap needs --train-data FILE")
    loading = LoadOptions(dtype=dtype, device=device, four_bit=bool(four_bit), trust_remote_code=trust_remote_code)
    asked = list(dict.fromkeys(split_names(quality))) if quality is not None else []
    if quality is not None and not asked:
        raise UsageError("no measure of quality named; --quality takes reward, logprob or scores.KEY")
    if REWARD in asked and reward_model is None:
        reward_model, quality_model = quality_model, None
    judging = judge_options(judge, judge_model, judge_votes, judge_key_env, judge_max_calls)
    qualities = QualityOptions(judge=judging, names=tuple(asked), reward_model=reward_model)
    plans = [
        MeasurePlan.settled(
            one,
            split_names(metrics) if metrics is not None else None,
            Sources(
                embedder=embedder,
                style_embedder=style_embedder,
                loading=loading,
                embedding_cache=embedding_cache,
                equivalence=equivalence,
                reward_model=reward_model,
            ),
            quality_model=quality_model,
            tokenizer=tokenizer,
            settings={"cut": cluster_cut, "partition": partition, "window": mattr_window},
            deciles=deciles,
            truncate=_truncation(truncate_words),
            margins=parse_margins(margin or [], qualities.keys),
            seed=seed,
            tasks=found,
        )
        for one in found
    ]
    compared = lineup.baseline is not None
    qualities.check(found, lineup, {name for plan in plans for name in plan.directions()})
    known = {p.task.name: p.directions() | qualities.directions(p.task, lineup) for p in plans}
    for plan in plans if lineup.sweep else ():
        known[plan.task.name] |= matched_directions(plan.task, plan.metrics)
    demands = Demands.parse(fail_under or [], known, not_worse=require is not None, compared=compared)
    if plans[0].skipped:
        console.note("left out: " + "; ".join(f"{name} ({why})" for name, why in plans[0].skipped.items()))
    named = (deciles, vectors, vocabulary, prompts, train_data, human)
    files = [name for name in (*(source.file for source in lineup.every), *named) if name]
    check_distinct(output, *files, *([junit] if junit else []))
    if junit is not None:
        check_distinct(junit, *files)
        check_writable(junit)
    pages.check_pages(report, unit_values, [output, *files, *([junit] if junit else [])])
    runs.check_standard_input([*{source.file for source in lineup.every}, *named])
    if lineup.itself:
        console.warn("a run compared with itself")
    if engines.on_cluster(context):
        from .eval_cluster import eval_on_cluster

        outcome, checks = eval_on_cluster(context, plans, lineup, task_options, qualities, demands, output)
        pages.write_checks(junit, [outcome], checks)
        if outcome.error is None:
            pages.write_pages(None, unit_values, [outcome], None, {})
        pages.end(outcome.error, checks)
        return
    sampling = SamplePlan(
        preset=preset,
        prompts=count,
        samples=samples,
        seed=seed,
        strategy=strategy,
        batch_size=batch_size,
        prefill=begun,
        prompt_file=prompts,
        skip_bad=on_error == "skip",
        gaps=server is not None and server.skip,
    )
    collector = Collector(
        tasks=found,
        lineup=lineup,
        plan=sampling,
        loading=loading if server is None else LoadOptions(server=server),
        folder=work or Path("eval.work" if output == "-" else f"{output}.work"),
        resume=resume,
        skip_bad=on_error == "skip",
        announce=console.note,
        warn=console.warn,
        progress=lambda total: sampling_progress(total, "responses"),
    )
    collector.check()
    collection = collector.read()
    check_scores(qualities.keys, found, collection)
    _look_into(train_data, human, collector, collection, console.warn if allow_overlap else None)
    opened = open_quality(qualities, lineup.baseline, loading, console.note)
    expected = cost(opened, found, collection, sampling)
    if dry_run:
        _foresee(expected, preset)
        return
    _check_budget(opened, expected.price, console.warn if expected.drawn else None)
    with RecordWriter(output, resumes=draws) as writer:
        measurers = open_all(plans, console.note, task_options, opened)
        collector.sample(collection)
        if expected.drawn:
            _check_budget(opened, price(opened, found, collection, seed), None)
        outcomes = measure_all(measurers, collection, adjust)
        records = [record for outcome in outcomes for record in outcome.records]
        checks = demands.check([source.name for source in lineup.runs], records)
        error = failure(outcomes)
        if error is not None and not records:
            pages.write_checks(junit, outcomes, checks)
            raise error
        for record in records:
            writer.write(record)
    measure_table.show([outcome.records for outcome in outcomes if outcome.records])
    pages.write_checks(junit, outcomes, checks)
    account = pages.call_account(collector.folder)
    pages.write_pages(report, unit_values, outcomes, collection, account)
    if opened.bench is not None:
        console.note(opened.bench.judge.summary())
    pages.end(error, checks)


def _foresee(expected: Any, preset: str | None) -> None:
    """Say what would be drawn and asked."""
    unsure = expected.drawn and preset is None
    console.note(f"{expected.drawn:,} responses to draw" + (" by preset standard; name a --preset" if unsure else ""))
    if expected.price is not None:
        console.note(f"judge: {'at most ' if expected.drawn else ''}{expected.price}")


def _check_budget(opened: Any, price: Any, warn: Any) -> None:
    """Say what the judge costs, and end the run where it is not allowed to; with `warn`, only say that it may not be.

    Raises:
        DivtoolError: It costs more than the user allowed.
    """
    from ..core.errors import DivtoolError

    if price is None:
        return
    console.note(f"judge: {'at most ' if warn else ''}{price}")
    try:
        opened.bench.judge.reserve(price.calls)
    except DivtoolError as error:
        if warn is None:
            raise
        warn(str(error))


def _look_into(train_data: Path | None, human: Path | None, collector: Any, collection: Any, warn: Any) -> None:
    """Compare the training data and the responses by humans with the prompts of the call, before anything is drawn."""
    from ..core.evaluation.overlap import check_overlap, evaluation_prompts
    from ..core.evaluation.references import read_human

    if train_data is None and human is None:
        return
    prompts = evaluation_prompts(collector.tasks, collector.plan, collection.runs.values())
    if train_data is not None:
        skipped = check_overlap(str(train_data), prompts, warn, skip_bad=collector.skip_bad).skipped
        if skipped:
            console.warn(f"{train_data}: {skipped} bad lines left out")
    if human is not None:
        collection.human = read_human(str(human), prompts, skip_bad=collector.skip_bad)
        for note in collection.human.notes:
            console.warn(f"{human}: {note}")


def _truncation(text: str) -> int | Literal["auto", "none"]:
    """How many words truncated texts keep.

    Raises:
        UsageError: Neither a number of 1 or more, nor auto or none.
    """
    if text in ("auto", "none"):
        return "auto" if text == "auto" else "none"
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise UsageError(f"--truncate-words {text}: give a number of 1 or more, auto or none")
    return int(text)
