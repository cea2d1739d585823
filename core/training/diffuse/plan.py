"""What a run would do: `train --method diffuse --dry-run`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...models.tree.packed import row_limit, tree_losses
from ..job import Report
from ..lora import trainable_parameters
from .anchor import TOKENS
from .lessons import Part
from .setup import Setup

if TYPE_CHECKING:
    from .run import DiffuseJob

# Logits, their gradient, and what the log-softmax keeps, in float32.
_COPIES, _BYTES, _GIB = 4, 4, 1 << 30
# Tokens of an everyday prompt, about.
_PROMPT = 32


def plan(job: DiffuseJob, setup: Setup) -> Report:
    """Prompts, answers, trees, memory, the self-check, and the time that it would take; nothing is trained."""
    settings, lessons, model = setup.settings, setup.lessons, setup.lm.model
    parts = [part for lesson in lessons for part in lesson.parts]
    total = settings.total_steps(len(lessons))
    rows = min(settings.max_rows or row_limit(model, training=True), max(part.trie.nodes for part in parts))
    job.tell.table(
        "Prompts",
        ("prompt", "family", "answers", "prompt tokens", "nodes", "least loss (nats)"),
        [
            (
                lesson.target.prompt_id,
                lesson.target.family,
                len(lesson.target.answers) or "law",
                len(lesson.parts[0].prompt_ids),
                lesson.parts[0].trie.nodes,
                lesson.target.entropy,
            )
            for lesson in lessons
        ],
    )
    shown: list[tuple[str, Any]] = [
        ("prompts", len(lessons)),
        ("prompts left out", setup.skipped),
        ("answers", sum(len(lesson.target.answers) for lesson in lessons)),
        ("nodes", sum(lesson.parts[0].trie.nodes for lesson in lessons)),
        ("rows a forward pass", rows),
        ("memory of their logits (GiB)", rows * _COPIES * _BYTES * model.config.get_text_config().vocab_size / _GIB),
        ("steps at most", total),
        ("learning rate", f"{settings.learning_rate:g}"),
        ("trainable parameters", trainable_parameters(model)),
        ("path", setup.checked.path),
        ("attention", setup.checked.attention),
        ("self-check, nats from plain forwards", f"{setup.checked.max_diff:.2g}"),
        ("self-check, mass lost", f"{setup.checked.conservation:.2g}"),
        ("weights", setup.dtype),
        ("steps, estimated seconds", round(_seconds(setup, total))),
    ]
    return Report(f"Plan of {job.method} on {job.model}, {setup.lm.device.type}", shown)


def _seconds(setup: Setup, total: int) -> float:
    """One prompt's forward and backward, on the clock, for as many tokens as all steps have."""
    settings = setup.settings
    parts = sorted((lesson.parts[0] for lesson in setup.lessons), key=lambda part: part.tokens)
    timed = parts[len(parts) // 2]
    _learn(setup, timed)  # The first time takes longer.
    begun = time.monotonic()
    _learn(setup, timed)
    each = (time.monotonic() - begun) / timed.tokens
    prompts = settings.batch_size * sum(part.tokens for part in parts) / len(parts)
    anchors = (_PROMPT + TOKENS) / settings.anchor_every if settings.anchor else 0.0
    return total * each * (prompts + anchors)


def _learn(setup: Setup, part: Part) -> None:
    model, limit = setup.lm.model, setup.settings.max_rows
    for loss, _, _ in tree_losses(model, part.prompt_ids, part.trie, part.masses, path=setup.checked.path, limit=limit):
        loss.backward()  # type: ignore[no-untyped-call]
