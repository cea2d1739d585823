"""A run: the responses of one model to one set of prompts, from a file or freshly sampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, unknown_name
from ..jsonl import Record, RecordWriter, RowReader
from ..models.options import LoadOptions
from ..records import check_response
from ..resume import finished_rows
from ..sampling.backend import Backend, Decoding
from ..sampling.open import open_backend, open_strategy
from ..sampling.prompt_sets import builtin_rows
from ..sampling.run import SampleOptions, Sampler
from ..sampling.strategies import StrategyOptions
from .task import Preset, Task

# Below this size a model gets the quick preset unless another is asked for.
_SMALL_MODEL = 500e6


@dataclass(frozen=True, slots=True)
class Run:
    """The responses of one model.

    Attributes:
        name: What the run is called in tables.
        model: The model that wrote them.
        responses: First-turn responses by prompt_id, each list by sample_index.
    """

    name: str
    model: str
    responses: dict[str, list[Record]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlan:
    """How to sample a run.

    Attributes:
        preset: Name of a preset, or None for the one that suits the model's size.
        prompts: How many prompts, or None for the preset's number.
        samples: Responses a prompt, or None for the preset's number.
        seed: Fixes the draws.
        batch_size: Responses drawn together.
    """

    preset: str | None = None
    prompts: int | None = None
    samples: int | None = None
    seed: int = 0
    batch_size: int = 64


def read_run(name: str, path: str) -> Run:
    """The run in a file of response records.

    Raises:
        InputError: Something else stands there, or one response twice with different texts.
    """
    found: dict[str, dict[int, Record]] = {}
    models: dict[str, None] = {}
    for row in RowReader(path, check_response):
        if row.data["turn"] != 1:
            continue
        group = found.setdefault(row.data["prompt_id"], {})
        known = group.setdefault(row.data["sample_index"], row.data)
        if known["response"] != row.data["response"]:
            raise row.fault(f"another response for sample_index {row.data['sample_index']} of this prompt")
        models[str(row.data.get("model", "unknown"))] = None
    if not found:
        raise InputError(path, "no first-turn responses")
    responses = {prompt_id: [group[index] for index in sorted(group)] for prompt_id, group in found.items()}
    return Run(name, ", ".join(models), responses)


def sample_run(
    name: str,
    model: str,
    loading: LoadOptions,
    task: Task,
    plan: SamplePlan,
    path: Path,
    *,
    resume: bool,
    announce: Callable[[str], None],
    on_tokens: Callable[[int], None],
) -> Run:
    """Sample a model's answers to a task into a file, and read them.

    Args:
        name: What the run is called.
        model: The model's name.
        loading: Adapter, number format, device.
        task: What to ask.
        plan: How much.
        path: Where the responses go.
        resume: Keep what the file holds already.
        announce: Hears what takes long.
        on_tokens: Hears of tokens as they come.
    """
    prompt_set = task.prompts()
    backend = open_backend("transformers", model, loading, announce)
    preset = _preset(task, plan, backend)
    rows = builtin_rows(prompt_set, plan.prompts or preset.prompts, plan.seed)
    options = SampleOptions(
        samples=plan.samples or preset.samples,
        seed=plan.seed,
        batch_size=plan.batch_size,
        decoding=Decoding(top_p=preset.top_p, max_new_tokens=preset.max_new_tokens),
    )
    old = path if resume and path.is_file() else None
    sampler = Sampler(backend, open_strategy("direct", StrategyOptions()), options, on_tokens)
    with RecordWriter(str(path), append=old is not None) as writer:
        for records in sampler.run(rows, finished_rows(old)):
            for record in records:
                writer.write(record)
            writer.flush()
    return read_run(name, str(path))


def _preset(task: Task, plan: SamplePlan, backend: Backend) -> Preset:
    if plan.preset is None:
        small = backend.parameters is not None and backend.parameters < _SMALL_MODEL
        return task.presets["quick" if small else "standard"]
    return get_preset(task, plan.preset)


def get_preset(task: Task, name: str) -> Preset:
    """A preset by name.

    Raises:
        UsageError: The task has no such preset.
    """
    if name not in task.presets:
        raise unknown_name(f"preset of task {task.name}", name, task.presets)
    return task.presets[name]
