"""What a run would do: `train --method possibility --dry-run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..job import Report
from ..lora import trainable_parameters
from .rows import packed_rows
from .setup import Setup

if TYPE_CHECKING:
    from .run import PossibilityJob


def plan(job: PossibilityJob, setup: Setup) -> Report:
    """Arm, groups, rows, tokens, what the losses look at, and updates; nothing is trained."""
    settings, lessons, tally = setup.settings, setup.lessons, setup.tally
    unlikely = settings.ul_weight > 0
    joined = setup.path == "packed" and settings.rows_per_chunk is None
    run = [row for lesson in lessons for row in packed_rows(lesson, unlikely=unlikely, joined=joined)]
    shown: list[tuple[str, Any]] = [
        ("arm", settings.arm),
        ("profile", settings.profile),
        ("groups", len(lessons)),
        ("groups held out", len(setup.held_out)),
        ("responses", tally.responses),
        ("numbers", f"1 to {settings.max_number}" if settings.has_numbers else "none"),
        ("rows", sum(len(lesson.rows) for lesson in lessons)),
        ("tokens of a pass over them", sum(row.tokens for row in run)),
        ("T_pos, tokens of wanted responses", sum(lesson.t_pos for lesson in lessons)),
        ("T_sel, selected tokens of unwanted ones", sum(lesson.t_sel for lesson in lessons)),
        ("content words shared with the wanted response", _share(tally.shared_share)),
        ("content words of the prompt", _share(tally.context_share)),
        ("groups with nothing to make unlikely", tally.unselected),
        ("groups an update", settings.groups_a_step),
        ("updates", settings.total_steps(len(lessons))),
        ("learning rate", f"{settings.learning_rate:g}"),
        ("weight of the unlikelihood loss", settings.ul_weight),
        ("trainable parameters", trainable_parameters(setup.lm.model)),
        ("rows are run", setup.path),
        ("weights", setup.dtype),
    ]
    return Report(f"Plan of {job.method} on {job.model}, {setup.lm.device.type}", shown)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
