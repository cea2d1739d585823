"""`divtool sample`: prompts to responses."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ..core.errors import UsageError
from . import console
from . import endpoint as served
from . import endpoint_options as s
from . import engine_options as e
from . import options as o

_WHAT = "What to draw"


def sample(
    context: typer.Context,
    prompts: o.Input = None,
    output: o.Output = "-",
    builtin: Annotated[
        str | None,
        typer.Option(
            "--builtin",
            help="A built-in prompt set instead of a file; see divtool prompt-sets.",
            metavar="NAME",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="How many prompts of the built-in set.", rich_help_panel=_WHAT)
    ] = None,
    shard: Annotated[
        str,
        typer.Option(
            "--shard",
            help="Only each N-th prompt, from the I-th on: N runs side by side draw all of them.",
            metavar="I/N",
            rich_help_panel=_WHAT,
        ),
    ] = "1/1",
    samples: Annotated[
        int | None,
        typer.Option(
            "-n", "--samples", min=1, help="Responses a prompt (4); with sequential, chats.", rich_help_panel=_WHAT
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            "--strategy",
            help="How a prompt is asked: direct, list, paraphrase, persona, possibility, sequential, string-seed or "
            "verbalized; see divtool strategies.",
            rich_help_panel=_WHAT,
        ),
    ] = "direct",
    turns: Annotated[
        int | None, typer.Option("--turns", min=1, help="sequential: responses a chat (2).", rich_help_panel=_WHAT)
    ] = None,
    turn2_prompt: Annotated[
        str | None,
        typer.Option(
            "--turn2-prompt",
            help="sequential: file with the further request; {n_words} becomes a number.",
            metavar="FILE",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    length_hint: Annotated[
        bool,
        typer.Option(
            "--length-hint/--no-length-hint", help="sequential: ask for about the same length.", rich_help_panel=_WHAT
        ),
    ] = True,
    numbers: Annotated[
        str | None,
        typer.Option(
            "--numbers",
            help="possibility: 1..K (usual), random, same (the control: number 1 for all), or a list such as 2,4,7.",
            metavar="NUMBERS",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    number_prompt: Annotated[
        str | None,
        typer.Option(
            "--number-prompt",
            help="possibility: sentence that names the number, with {n} in it (the adapter's own).",
            metavar="TEXT",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    cycle_numbers: Annotated[
        bool,
        typer.Option("--cycle-numbers", help="possibility: begin again beyond the last number.", rich_help_panel=_WHAT),
    ] = False,
    personas: Annotated[
        str | None,
        typer.Option(
            "--personas",
            help="persona: file with personas, one a line, such as: a retired judge.",
            metavar="FILE",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    wordings: Annotated[
        str | None,
        typer.Option(
            "--wordings",
            help="paraphrase: file with wordings, one a line; {prompt} becomes the prompt.",
            metavar="FILE",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    clean: Annotated[
        Literal["chat"] | None,
        typer.Option(
            "--clean",
            help="Take off speaker labels, outer quotes, stage directions, emoji; the raw text stays in response_raw.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="Alias, folder, .gguf file or hub id (smollm2-135m); with --endpoint, its name there (the only one).",
            rich_help_panel="The model",
            metavar="NAME",
        ),
    ] = None,
    adapter: o.Adapter = None,
    endpoint: s.Endpoint = None,
    key_env: s.KeyEnv = None,
    concurrency: s.Concurrency = None,
    requests_per_minute: s.RequestsPerMinute = None,
    timeout: s.Timeout = None,
    tries: s.Tries = None,
    completions: s.Completions = False,
    backend: Annotated[
        Literal["auto", "transformers", "endpoint", "echo"],
        typer.Option("--backend", help="echo: a seeded fake model for tests.", rich_help_panel="The model"),
    ] = "auto",
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option(
            "--dtype",
            help="Number format; auto: bfloat16 on an accelerator, on a CPU whichever is found to be faster.",
            rich_help_panel="The model",
        ),
    ] = "auto",
    device: o.Device = "auto",
    four_bit: o.FourBit = None,
    trust_remote_code: o.TrustRemoteCode = False,
    temperature: o.Temperature = None,
    top_p: o.TopP = None,
    top_k: o.TopK = 0,
    min_p: o.MinP = 0.0,
    repetition_penalty: o.RepetitionPenalty = 1.0,
    max_new_tokens: o.MaxNewTokens = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", min=1, help="Responses drawn together (128 on a CPU, as far as memory goes)."),
    ] = None,
    seed: o.Seed = 0,
    resume: o.Resume = False,
    on_error: o.OnError = "stop",
    engine: e.Engine = "local",
    ray_address: e.RayAddress = None,
    ray_workers: e.RayWorkers = None,
    worker_cpus: e.WorkerCpus = None,
    worker_gpus: e.WorkerGpus = None,
    shard_size: e.ShardSize = None,
) -> None:
    """Draw responses from a model.

    Reads prompt records ({"prompt": ...}) and writes one response record a line. A record's text depends on the seed,
    the prompt_id, the sample index and the turn, not on the batch; a server promises no such thing.
    """
    from ..core.jsonl import count_lines
    from ..core.models.options import LoadOptions
    from ..core.output import check_distinct
    from ..core.records import check_prompt
    from ..core.resume import finished_rows
    from ..core.sampling.backend import Decoding
    from ..core.sampling.grid import decoding_grid
    from ..core.sampling.open import open_sampler, open_strategy
    from ..core.sampling.prompt_sets import builtin_rows
    from ..core.sampling.run import SampleOptions
    from ..core.sampling.shard import Shard
    from ..core.sampling.strategies import StrategyOptions
    from ..core.writer import RecordWriter
    from .sampling_bar import SamplingBar
    from .streams import Reading, interruptible

    if builtin is not None and prompts is not None:
        raise UsageError("--builtin and a prompt file exclude each other")
    if builtin is None and count is not None:
        raise UsageError("--count needs --builtin")
    part = Shard.parse(shard)
    server = served.server(
        endpoint, key_env, concurrency, requests_per_minute, timeout, tries, completions, skip=on_error == "skip"
    )
    chats = open_strategy(
        strategy,
        StrategyOptions(
            samples=samples,
            seed=seed,
            adapter=adapter,
            turns=turns,
            turn2_prompt=turn2_prompt,
            length_hint=length_hint,
            numbers=numbers,
            number_prompt=number_prompt,
            cycle_numbers=cycle_numbers,
            personas=personas,
            wordings=wordings,
        ),
    )
    usual = Decoding(
        chats.temperature,
        chats.top_p,
        top_k,
        min_p,
        chats.max_new_tokens if max_new_tokens is None else max_new_tokens,
        repetition_penalty,
    )
    decoding, *further = decoding_grid(usual, temperature, top_p)
    draw = SampleOptions(
        samples=chats.samples,
        seed=seed,
        batch_size=batch_size,
        decoding=decoding,
        further=tuple(further),
        clean=clean,
        gaps=server is not None and server.skip,
        shard=part,
    )
    loading = LoadOptions(
        adapter=adapter,
        # Draws may be rounded more than probabilities that are to be compared.
        dtype="fastest" if dtype == "auto" and server is None else dtype,
        device=device,
        four_bit=bool(four_bit),
        trust_remote_code=trust_remote_code,
        server=server,
    )
    given = "" if builtin else o.source(prompts)
    check_distinct(output, given)
    if e.on_cluster(context):
        from .sample_cluster import sample_on_cluster

        own = builtin_rows(builtin, count, seed) if builtin else None
        sample_on_cluster(context, chats, draw, loading, given, output, own)
        return
    old = o.resumable(output, resume)
    rows = builtin_rows(builtin, count, seed) if builtin else Reading(given, check_prompt, on_error)
    known = sum(1 for _ in builtin_rows(builtin, count, seed)) if builtin else count_lines(given)
    with RecordWriter(output, append=old is not None, resumes=True) as writer:
        source = served.opened(backend, model, loading)
        for line in chats.warnings:
            console.warn(line)
        each = chats.chats(chats.samples) * (1 + len(further))
        total = None if known is None else part.size(known) * each
        bar = SamplingBar(total, each=each, troubles=served.troubles(source))
        sampler, done = open_sampler(source, chats, draw, bar.tokens), 0
        shown = bar.shown(lambda: sampler.taken)
        with interruptible(writer), served.resumable(output, writer, loading), shown:
            for records in sampler.run(rows, finished_rows(old)):
                for record in records:
                    writer.write(record)
                writer.flush()
                bar.done(sampler.drawn - done)
                done = sampler.drawn
        for line in (*sampler.notes, *served.conclusions(source, sampler)):
            console.note(line)
