"""`divtool train`: records to an adapter."""

from __future__ import annotations

from importlib import import_module

from ..core.catalog import METHODS, get, names, split_names
from ..core.errors import UsageError
from . import console
from . import keeping_options as kept
from . import options as o
from . import train_options as t
from .layout import Column


def train(
    records: o.Input = None,
    method: t.Method = None,
    output: t.Output = None,
    model: o.Model = "smollm2-135m",
    adapter: o.Adapter = None,
    dtype: o.Dtype = "auto",
    device: o.Device = "auto",
    four_bit: o.FourBit = None,
    trust_remote_code: o.TrustRemoteCode = False,
    preset: t.Preset = None,
    epochs: t.Epochs = None,
    max_steps: t.MaxSteps = None,
    batch_size: t.BatchSize = None,
    grad_accum: t.GradAccum = None,
    learning_rate: t.LearningRate = None,
    max_length: t.MaxLength = None,
    save_steps: t.SaveSteps = None,
    held_out: t.HeldOut = None,
    audit: t.Audit = None,
    loss: t.Loss = None,
    beta: t.Beta = None,
    ld_alpha: t.LdAlpha = None,
    sft_weight: t.SftWeight = None,
    odds_weight: t.Lambda = None,
    nll_span: t.NllSpan = None,
    weight_form: t.WeightForm = None,
    weight_norm: t.WeightNorm = None,
    smoothing: t.Smoothing = None,
    smoothing_max: t.SmoothingMax = None,
    embedder: t.Embedder = None,
    lora_r: t.LoraR = None,
    lora_alpha: t.LoraAlpha = None,
    lora_targets: t.LoraTargets = None,
    builtin: t.Builtin = None,
    hold_out: t.HoldOut = None,
    named_recipe: t.Recipe = None,
    gamma: t.Gamma = None,
    anchor: t.Anchor = None,
    anchor_every: t.AnchorEvery = None,
    end_token: t.EndToken = None,
    max_ppl_ratio: t.MaxPplRatio = None,
    max_rows: t.MaxRows = None,
    arm: t.Arm = None,
    k: t.K = None,
    max_number: t.MaxNumber = None,
    number_scheme: t.NumberScheme = None,
    number_prompt: t.NumberPrompt = None,
    ul_weight: t.UlWeight = None,
    ul_warmup: t.UlWarmup = None,
    ul_tokens: t.UlTokens = None,
    ul_exclude: t.UlExclude = None,
    stopwords: t.Stopwords = None,
    max_negatives: t.MaxNegatives = None,
    max_words: t.MaxWords = None,
    batch_positives: t.BatchPositives = None,
    rows_per_chunk: t.RowsPerChunk = None,
    input_format: t.InputFormat = None,
    eval_fraction: t.EvalFraction = None,
    gradient_checkpointing: t.GradientCheckpointing = None,
    head: t.Head = None,
    pack: t.Pack = None,
    launch: t.Launch = None,
    config: t.Config = None,
    processes: t.ProcessCount = None,
    report_to: kept.ReportTo = None,
    run_name: kept.RunName = None,
    merge: kept.MergeTo = None,
    push_to_hub: kept.PushToHub = None,
    private: kept.Private = False,
    seed: o.Seed = 0,
    resume: o.Resume = False,
    dry_run: t.DryRun = False,
    on_error: o.OnError = "stop",
) -> None:
    """Train a LoRA adapter on pairs, texts (sft), target distributions (diffuse) or groups of responses (possibility).

    Reads pairs or groups of divtool select, texts, or target records, and writes a folder that plain PEFT loads:
    adapter, train_log.jsonl, README.md. Nothing goes to standard output.
    """
    from ..core.methods.train_options import preset_of, refuse_foreign, settings_class
    from ..core.models.options import LoadOptions
    from ..core.training.faults import one_line
    from ..core.training.hub import Upload
    from ..core.training.job import Tell, TrainJob
    from ..core.training.launch.start import launch as start
    from ..core.training.run_settings import settings_for
    from ..core.training.whole import Keeping, run

    if method is None:
        raise UsageError(f"train needs --method NAME: {', '.join(names(METHODS, 'train'))}")
    recipe = get("method", METHODS, method, "train").load().training
    settings = {
        "epochs": epochs, "max_steps": max_steps, "batch_size": batch_size, "grad_accum": grad_accum,
        "learning_rate": learning_rate, "max_length": max_length, "save_steps": save_steps, "loss": loss, "beta": beta,
        "ld_alpha": ld_alpha, "sft_weight": sft_weight, "odds_weight": odds_weight, "nll_span": nll_span,
        "weight_form": weight_form, "weight_norm": weight_norm, "smoothing": smoothing, "smoothing_max": smoothing_max,
        "lora_r": lora_r, "lora_alpha": lora_alpha, "lora_targets": lora_targets, "four_bit": four_bit,
        "gradient_checkpointing": gradient_checkpointing, "head": head, "pack": pack, "seed": seed, "builtin": builtin,
        "hold_out": hold_out, "gamma": gamma, "anchor": anchor, "anchor_every": anchor_every, "end_token": end_token,
        "max_ppl_ratio": max_ppl_ratio, "max_rows": max_rows, "arm": arm, "k": k, "max_number": max_number,
        "number_scheme": number_scheme, "number_prompt": number_prompt, "ul_weight": ul_weight,
        "ul_warmup": ul_warmup, "ul_tokens": ul_tokens, "ul_exclude": ul_exclude, "stopwords": stopwords,
        "max_negatives": max_negatives, "max_words": max_words, "batch_positives": batch_positives,
        "rows_per_chunk": rows_per_chunk, "input_format": input_format, "eval_fraction": eval_fraction,
    }  # fmt: skip
    own = {"audit": audit, "embedder": embedder, "preset": preset, "recipe": named_recipe, "held_out": held_out}
    refuse_foreign(method, recipe, settings | own)
    if embedder is not None and smoothing is None:
        raise UsageError("--embedder goes with --smoothing ual: nothing else in training measures distances")
    named = preset_of(method, recipe.presets, preset or named_recipe, adapter)
    if launch is None and (config is not None or processes is not None):
        raise UsageError(f"--{'processes' if config is None else 'config'} goes with --launch accelerate")
    if private and push_to_hub is None:
        raise UsageError("--private goes with --push-to-hub")
    keeping = Keeping(merge, None if push_to_hub is None else Upload(push_to_hub, private))
    job = TrainJob(
        method=method,
        source=o.source(records) if builtin is None else records or "",
        output=output,
        model=model,
        loading=LoadOptions(adapter=adapter, dtype=dtype, device=device, trust_remote_code=trust_remote_code),
        settings=settings_for(settings_class(recipe), recipe.settings, settings, named),
        held_out=held_out,
        embedder=embedder or "minilm",
        audit=audit or "fail",
        skip_bad=on_error == "skip",
        resume=resume,
        dry_run=dry_run,
        report_to=tuple(name for name in split_names(report_to or "") if name != "none"),
        run_name=run_name,
        command=console.command_line(),
        tell=Tell(console.note, console.warn, console.table, console.progress),
    )
    if launch is not None:
        start(config or "ddp", processes, console.arguments(), job.source, held_out)
        return
    module, _, runner = recipe.runner.partition(":")
    with one_line(output):
        report = run(job, getattr(import_module(f"..core.{module}", __package__), runner), keeping)
    if report.rows:
        console.table(report.title, (Column("", kind="words"), Column("", kind="words")), report.rows)
